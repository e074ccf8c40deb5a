"""Samples in memory."""

from __future__ import annotations

import pytest
import torch

from dmrnet.data.dataset import ArrayDataset
from dmrnet.modalities import Modality, Task

TASK = Task((Modality("a", "vector", (2,)), Modality("b", "vector", (3,))), ("no", "yes"))


def arguments(**changes):
    return {
        "task": TASK,
        "arrays": {"a": torch.ones(3, 2), "b": torch.ones(3, 3)},
        "present": torch.tensor([[True, True], [True, False], [False, True]]),
        "target": torch.tensor([0, 1, 1]),
        **changes,
    }


def test_absent_rows_are_zero_even_where_they_held_nan() -> None:
    arrays = {"a": torch.ones(3, 2), "b": torch.ones(3, 3)}
    arrays["b"][1] = torch.nan
    dataset = ArrayDataset(**arguments(arrays=arrays))
    batch = dataset.take(torch.tensor([1, 2, 1]))
    assert batch.inputs["a"].tolist() == [[1, 1], [0, 0], [1, 1]]
    assert batch.inputs["b"].tolist() == [[0, 0, 0], [1, 1, 1], [0, 0, 0]]
    assert batch.target.tolist() == [1, 1, 1]
    assert batch.index.tolist() == [1, 2, 1]


def test_a_modality_that_no_row_has_costs_one_row() -> None:
    present = torch.tensor([[True, False]] * 3)
    arrays = {"a": torch.ones(3, 2), "b": torch.full((3, 3), torch.nan)}
    dataset = ArrayDataset(**arguments(arrays=arrays, present=present))
    assert dataset.arrays["b"].untyped_storage().nbytes() == 3 * 4
    assert not dataset.take(torch.tensor([0, 2])).inputs["b"].any()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"present": torch.ones(3, 2)}, r"bool \(3, 2\) for a, b; got torch.float32"),
        ({"present": torch.ones(2, 2, dtype=torch.bool)}, r"got torch.bool \(2, 2\)"),
        ({"present": torch.tensor([[True, True], [False, False], [True, True]])}, "row 1 has none"),
        ({"target": torch.tensor([0, 1, 2])}, "from -1 to 1, got 0 to 2"),
        ({"target": torch.tensor([0, 1, -2])}, "got -2 to 1"),
        ({"target": torch.tensor([0.0, 1.0, 1.0])}, "int64"),
        ({"samples": ["x"]}, "3 names of samples, got 1"),
        ({"arrays": {"a": torch.ones(3, 2)}}, "modality b: expected a float32 or float64 tensor"),
        ({"arrays": {"a": torch.ones(3, 2), "b": torch.ones(3, 3).half()}}, "modality b"),
        ({"arrays": {"a": torch.ones(3, 2), "b": torch.ones(3, 4)}}, r"\(3, 3\), got \(3, 4\)"),
    ],
)
def test_what_does_not_agree_is_refused(changes, message) -> None:
    with pytest.raises(ValueError, match=message):
        ArrayDataset(**arguments(**changes))


def test_no_samples_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one sample"):
        ArrayDataset(
            TASK,
            {"a": torch.ones(0, 2), "b": torch.ones(0, 3)},
            torch.ones(0, 2, dtype=torch.bool),
            torch.ones(0, dtype=torch.int64),
        )
