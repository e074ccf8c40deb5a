"""What ``y`` is: recognised where it has one reading, asked about where it has two."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from dmrnet.data.files.arrays.labels import checked_labels, known_target, learn_target
from dmrnet.modalities import Modality, Task

INPUTS = (Modality("a", "vector", (2,)),)
HOT = np.array([[1, 1, 0], [0, 0, 0], [0, 1, 1], [1, 0, 0]])


def learnt(y: Any, target: Any = "auto", labels: Any = None) -> Any:
    array = np.asarray(y)
    return learn_target("f.npz", checked_labels("f.npz", array, len(array)), target, labels)


@pytest.mark.parametrize(
    ("y", "said", "target", "classes", "values"),
    [
        ([3, 1, 3], {}, "classes", ("1", "3"), [1, 0, 1]),
        (["b", "a"], {}, "classes", ("a", "b"), [1, 0]),
        ([True, False], {}, "classes", ("False", "True"), [1, 0]),
        ([[3], [1]], {}, "classes", ("1", "3"), [1, 0]),
        ([0.5, 1, 2], {}, "regression", ("y",), [[0.5], [1], [2]]),
        ([[0.5], [2]], {}, "regression", ("y",), [[0.5], [2]]),
        ([[0.5, 7], [1, 8]], {}, "regression", ("y0", "y1"), [[0.5, 7], [1, 8]]),
        (HOT, {}, "multi-label", ("0", "1", "2"), HOT.tolist()),
        (HOT.astype(bool), {"labels": "xyz"}, "multi-label", ("x", "y", "z"), HOT.tolist()),
        ([[1], [0]], {"target": "multi-label"}, "multi-label", ("0",), [[1], [0]]),
        ([1.0, 2.0], {"target": "classes"}, "classes", ("1", "2"), [0, 1]),
        ([1, 2], {"target": "regression"}, "regression", ("y",), [[1], [2]]),
        (np.eye(3), {"target": "classes"}, "classes", ("0", "1", "2"), [0, 1, 2]),
        (np.eye(3), {"target": "classes", "labels": "xyz"}, "classes", tuple("xyz"), [0, 1, 2]),
        ([5, -1, 5.0], {"target": "ordinal"}, "ordinal", ("-1", "5"), [1, 0, 1]),
        (
            ["mid", "low"],
            {"target": "ordinal", "labels": ["low", "mid", "high"]},
            "ordinal",
            ("low", "mid", "high"),
            [1, 0],
        ),
    ],
)
def test_what_has_one_reading(
    y: Any, said: dict[str, Any], target: str, classes: tuple[str, ...], values: Any
) -> None:
    column = learnt(y, **said)
    assert (column.target, column.classes) == (target, classes)
    assert column.values.tolist() == values
    # A finished training reads the same.
    task = Task(INPUTS, classes, target=target)
    array = np.asarray(y)
    again = known_target("g.npz", checked_labels("g.npz", array, len(array)), task)
    assert torch.equal(again, column.values)


@pytest.mark.parametrize(
    ("y", "said", "message"),
    [
        (np.arange(40) * 7, {}, "40 whole numbers in 40 rows, which may be regression or classes"),
        ([0.0, 1.0], {}, "stored as float, which may be classes or regression"),
        (np.eye(3), {}, "exactly one 1, which may be classes or multi-label"),
        ([[1, 5], [2, 3]], {}, "2 columns of whole numbers.*target='regression'"),
        (np.zeros((2, 4, 4)), {}, "the data images"),
        ([["a", "b"], ["c", "d"]], {}, "one label per row as text"),
        ([1, 1], {}, "every label is '1'"),
        (["a", "b"], {"labels": ["b", "a"]}, "labels names the columns"),
        ([1, 2], {"target": "class"}, "did you mean 'classes'"),
        (HOT, {"target": "classes"}, "several labels per row are target='multi-label'"),
        ([0, 1], {"target": "multi-label"}, "1 where a row has a label"),
        (HOT * 2, {"target": "multi-label"}, "got other values"),
        (HOT, {"labels": ["x", "y"]}, "expected 3 different labels"),
        (["1.5", "2"], {"target": "regression"}, "numbers to predict, got <U"),
        ([1.5, np.inf], {}, "row 1 has an infinite target"),
        ([2.5, 2.5], {}, "y is 2.5 in every row"),
        (["low", "high"], {"target": "ordinal"}, "expected the order of the classes high, low"),
        (["a"], {"target": "ordinal", "labels": ["b", "c"]}, "row 0 has the label 'a'"),
        ([1.5, np.nan], {}, "row 1 has no label"),
        (["a", "nan"], {}, "row 1 has no label"),
        (["a", ""], {}, "row 1 has no label"),
        ([b"a", b"None"], {}, "row 1 has no label"),
    ],
)
def test_what_has_none_or_two(y: Any, said: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        learnt(y, **said)


def test_how_it_was_read_is_said() -> None:
    assert learnt([[0.5], [2]]).notes == (
        "y (2, 1) read as one column",
        "y read as numbers to predict (regression); target (--data.target) changes that",
    )
    assert "no training row has the label b" in learnt([[1, 0], [0, 0]], labels="ab").notes[1]
    assert learnt([1, 2]).notes == ()


@pytest.mark.parametrize(
    ("target", "y", "message"),
    [
        ("regression", [[1.0, 2.0]], "a column for each of p, q, r"),
        ("multi-label", [[1, 0]], "a column for each of p, q, r"),
        ("classes", [[1, 0]], "expected 3 columns of one-hot labels"),
        ("ordinal", ["x"], "row 0 has the label 'x', which training never had"),
    ],
)
def test_another_shape_than_that_of_training_is_refused(target: str, y: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        known_target("g.npz", np.asarray(y), Task(INPUTS, ("p", "q", "r"), target=target))
