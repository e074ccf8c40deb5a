"""Summaries of what other packages offer, and of what this process registers."""

from __future__ import annotations

import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from dmrnet.cli.listing import summaries
from dmrnet.registry import Registry

SOURCE = '''
import no_such_module


class Annotated:
    """Docstring of a class."""

    name: str = "annotated"
    summary: str = "the summary."


class Plain:
    summary = "another ``summary``"


class Told:
    """Only a docstring.

    More of it.
    """


def built():
    """Docstring of a function."""


Bare = 1
'''


def test_summaries_of_other_packages_are_read_without_importing_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "offered_shapes.py").write_text(SOURCE)
    monkeypatch.syspath_prepend(str(tmp_path))
    attributes = ("Annotated", "Plain", "Told", "built", "Bare")
    offered = [EntryPoint(one, f"offered_shapes:{one}", "shapes") for one in attributes]
    offered += [EntryPoint("gone", "no_such_module:thing", "shapes")]
    offered += [EntryPoint("elsewhere", "json:JSONDecoder", "shapes")]
    monkeypatch.setattr("dmrnet.registry.entry_points", lambda group: offered)
    got = summaries(Registry("shape", "shapes", {"own": "dmrnet.cli.listing:as_lines"}))
    assert got == {
        "own": "Lists of data sets and methods with summaries, read from source files where that "
        "is possible",
        "Annotated": "the summary",
        "Plain": "another summary",
        "Told": "Only a docstring",
        "built": "Docstring of a function",
        # What cannot be imported has its path.
        "Bare": "offered_shapes:Bare",
        "gone": "no_such_module:thing",
        # Defined in another module than the one that it is offered from.
        "elsewhere": "Simple JSON <https://json.org> decoder",
    }
    assert "offered_shapes" not in sys.modules


def test_what_is_registered_in_this_process_has_its_summary() -> None:
    shapes: Registry[object] = Registry("shape", "dmrnet.shapes", {})

    @shapes.register("round")
    def of_this_test() -> None:
        """Round things.

        And more.
        """

    assert summaries(shapes) == {"round": "Round things"}
