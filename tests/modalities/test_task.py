"""Checks of names, kinds and classes."""

from __future__ import annotations

import pytest

from dmrnet.hints import nearest
from dmrnet.modalities import Modality, Task, check_names

VECTOR = Modality("a", "vector", (3,))


def test_modalities_are_in_the_order_of_the_task() -> None:
    task = Task((Modality("z", "image", (1, 2, 2)), VECTOR), ("no", "yes"))
    assert task.modalities == ("z", "a")
    assert not task.dense


@pytest.mark.parametrize(
    ("kind", "shape"),
    [
        ("vector", (3, 1)),
        ("vector", ()),
        ("sequence", (3,)),
        ("image", (0, 4, 4)),
        ("image", (-1, -1, 4)),
        ("volume", (1, 2, 3)),
    ],
)
def test_a_shape_that_does_not_fit_its_kind_is_refused(kind, shape) -> None:
    with pytest.raises(ValueError, match=f"modality a: .* sizes .* for a {kind}, got"):
        Modality("a", kind, shape)


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ValueError, match=r"modality a: .*vector, .*got 'picture'"):
        Modality("a", "picture", (1, 2, 2))


@pytest.mark.parametrize(
    ("classes", "message"),
    [((), "got 0"), (("one",), "got 1"), (("a", "b", "a"), "'a' twice")],
)
def test_wrong_classes_are_refused(classes, message) -> None:
    with pytest.raises(ValueError, match=message):
        Task((VECTOR,), classes)


@pytest.mark.parametrize(
    ("names", "error", "message"),
    [
        ("rgb", TypeError, "the one string 'rgb'"),
        ([1], TypeError, "as strings, got 1"),
        ([], ValueError, "at least one"),
        (["a", ""], ValueError, "empty"),
        ([" a"], ValueError, "outer blanks"),
        (["rgb+ir"], ValueError, "rename it, e.g. 'rgb_ir'"),
        (["a", "b", "a"], ValueError, "got a twice"),
    ],
)
def test_wrong_names_are_refused(names, error, message) -> None:
    with pytest.raises(error, match=message):
        check_names(names)


def test_a_task_checks_its_names() -> None:
    with pytest.raises(ValueError, match="got a twice"):
        Task((VECTOR, VECTOR), ("no", "yes"))


def test_a_hint_names_the_nearest_word() -> None:
    assert nearest("unifrm", ["uniform", "none"]) == "did you mean 'uniform'?"
    assert nearest("?", ["uniform", "none"]) == "known: uniform, none"
