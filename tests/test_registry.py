"""Open lists: what registers, what packages offer, and what is refused."""

from __future__ import annotations

from importlib.metadata import EntryPoint

import pytest

from dmrnet.registry import Registry


def registry() -> Registry[object]:
    return Registry("shape", "dmrnet.shapes", {"text": "builtins:str"})


def test_entry_points_of_packages_are_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    offered = [
        EntryPoint("whole", "builtins:int", "dmrnet.shapes"),
        EntryPoint("gone", "no_such_module:thing", "dmrnet.shapes"),
        EntryPoint("lost", "builtins:no_such_thing", "dmrnet.shapes"),
    ]
    monkeypatch.setattr("dmrnet.registry.entry_points", lambda group: offered)
    shapes = registry()
    assert list(shapes) == ["text", "whole", "gone", "lost"]
    assert (shapes["whole"], len(shapes), shapes.load("whole")) == ("builtins:int", 4, int)
    for name in ("gone", "lost"):
        with pytest.raises(ValueError, match=f"shape {name}: .* reinstall"):
            shapes.load(name)


def test_a_name_stands_for_one_thing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    taken = [EntryPoint("text", "builtins:bytes", "dmrnet.shapes")]
    monkeypatch.setattr("dmrnet.registry.entry_points", lambda group: taken)
    shapes = registry()
    assert shapes.load("text") is str
    assert "builtins:bytes is left out" in capsys.readouterr().err
    with pytest.raises(ValueError, match="stands for the shape builtins:str"):
        shapes.register("text")(int)


def test_a_definition_that_is_run_again_replaces_itself() -> None:
    shapes = registry()

    def first() -> None: ...

    def second() -> None: ...

    second.__qualname__ = first.__qualname__
    shapes.register("own")(first)
    shapes.register("own")(second)
    assert shapes.load("own") is second


@pytest.mark.parametrize("name", ["", "a b", "a:b", "a=b"])
def test_a_name_that_flags_cannot_hold_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="without spaces"):
        registry().register(name)


def test_an_unknown_name_has_the_nearest() -> None:
    with pytest.raises(ValueError, match=r"unknown shape 'txet'.*text"):
        registry().load("txet")
