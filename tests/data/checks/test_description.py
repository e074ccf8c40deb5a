"""Counting what is in the splits of a data set."""

from __future__ import annotations

import torch

from dmrnet.data.checks.description import describe
from dmrnet.data.dataset import ArrayDataset, Splits
from dmrnet.data.sets.embedded.mfeat import Mfeat
from dmrnet.modalities import Modality, Task


def test_description_counts_rows() -> None:
    splits = Mfeat(train=0.2, val=0.1, train_missing=0.5).load(1)
    found = describe(splits)
    assert found.name == "mfeat"
    assert found.rows == {"train": 400, "val": 200, "test": 1400}
    assert found.complete == {
        "train": sum(all(row) for row in splits.train.present.tolist()),
        "val": 200,
        "test": 1400,
    }
    for column, entry in enumerate(found.modalities):
        assert entry.modality == splits.train.task.inputs[column]
        assert entry.present == {
            "train": sum(row[column] for row in splits.train.present.tolist()),
            "val": 200,
            "test": 1400,
        }
    assert [entry.name for entry in found.classes] == list("0123456789")
    assert all(e.rows == {"train": 40, "val": 20, "test": 140} for e in found.classes)
    assert found.notes == splits.notes


def test_description_without_a_test_split() -> None:
    task = Task((Modality("a", "vector", (2,)),), ("no", "yes"))
    present = torch.ones(3, 1, dtype=torch.bool)
    part = ArrayDataset(task, {"a": torch.ones(3, 2)}, present, torch.tensor([0, 1, 1]))
    splits = Splits("small", part, part, None)
    assert describe(splits).rows == {"train": 3, "val": 3}
    assert [entry.rows["train"] for entry in describe(splits).classes] == [1, 2]
