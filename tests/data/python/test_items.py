"""Samples read one by one are the samples read at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import dmrnet
from dmrnet import LazyDataset, MultimodalDataset
from dmrnet.data.dataset import standardised
from dmrnet.data.files.training_files import read_splits
from dmrnet.data.python.lazy_splits import lazy_splits
from dmrnet.engine.run.folder import RunFolder

RNG = np.random.default_rng(0)
Y = np.arange(60) % 3
IMAGES = RNG.integers(0, 255, (60, 6, 7, 3)).astype(np.uint8)
VECTORS = (RNG.normal(size=(60, 4)) + Y[:, None] + 100).astype(np.float32)


class Recordings:
    """A map-style data set as a user writes it."""

    def __len__(self) -> int:
        return 60

    def __getitem__(self, row: int) -> tuple[dict[str, Any], int]:
        inputs: dict[str, Any] = {"camera": torch.from_numpy(IMAGES[row])}
        if row % 5:
            inputs["radar"] = VECTORS[row]
        return inputs, int(Y[row])


def in_memory() -> MultimodalDataset:
    radar = [VECTORS[row] if row % 5 else None for row in range(60)]
    return MultimodalDataset({"camera": IMAGES, "radar": radar}, Y)


@pytest.mark.parametrize("workers", [0, 1])
def test_it_is_what_is_read_at_once(workers: int) -> None:
    data = LazyDataset(Recordings(), workers=workers)
    lazy = lazy_splits(data, None, data, 0, 0.25)
    whole = standardised(read_splits(in_memory(), None, in_memory(), 0, 0.25))
    assert lazy.train.task == whole.train.task
    for name, part in whole.parts().items():
        mine = lazy.parts()[name]
        assert torch.equal(mine.present, part.present)
        assert torch.equal(mine.target, part.target)
        rows = torch.arange(len(part)).flip(0)[:9]
        one, other = mine.take(rows), part.take(rows)
        for modality in one.inputs:
            torch.testing.assert_close(one.inputs[modality], other.inputs[modality])


@pytest.fixture(scope="module")
def run() -> dmrnet.Run:
    data = LazyDataset(Recordings(), name="recordings")
    return dmrnet.fit(data, method="sf-md", max_epochs=2, num_workers=1, threads=1)


def test_it_trains_with_workers_and_predicts(run: dmrnet.Run) -> None:
    data = LazyDataset(Recordings())
    scores = run.evaluate(LazyDataset(Recordings()))
    assert scores.values["accuracy"]["radar"][1] == 48
    probabilities = run.predict_proba(data)
    assert np.allclose(run.predict_proba({"camera": IMAGES})[::5], probabilities[::5], atol=1e-5)
    assert run.evaluate(in_memory()).values["accuracy"] == scores.values["accuracy"]


class Broken(Recordings):
    def __init__(self, change: dict[str, Any], label: Any = 0) -> None:
        self.change, self.label = change, label

    def __getitem__(self, row: int) -> tuple[dict[str, Any], Any]:
        inputs, label = super().__getitem__(row)
        return (inputs | self.change, self.label) if row == 7 else (inputs, label)


@pytest.mark.parametrize(
    ("change", "label", "message"),
    [
        ({"radar": np.ones(5)}, 0, r"\(4,\) before and \(5,\) in sample 7"),
        ({"radar": np.array([1, np.nan, 1, 1])}, 0, "sample 7, modality radar: it holds NaN"),
        ({"radar": None, "camera": None}, 0, "sample 7 has no modality"),
        ({}, None, "sample 7 has no label"),
    ],
)
def test_a_wrong_sample_is_named(change: dict[str, Any], label: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        lazy_splits(LazyDataset(Broken(change, label)), None, None, 0, 0.25)


def test_an_error_of_the_users_own_names_the_sample() -> None:
    class Broken:
        def __len__(self) -> int:
            return 9

        def __getitem__(self, row: int) -> Any:
            return {"a": [1.0 / (4 - row)]}, row % 2

    with pytest.raises(ZeroDivisionError) as raised:
        dmrnet.fit(dmrnet.LazyDataset(Broken(), name="scans"), max_epochs=1)
    assert raised.value.__notes__ == ["raised by sample 4 of scans"]


def test_a_modality_that_no_sample_has_is_not_trained_on() -> None:
    items = [({"a": [float(row)], "b": None}, row % 2) for row in range(9)]
    with pytest.raises(ValueError, match="modality b is absent in every sample"):
        dmrnet.fit(dmrnet.LazyDataset(items), max_epochs=1)


def test_what_cannot_be_read_by_number_is_refused() -> None:
    with pytest.raises(TypeError, match="from_records"):
        LazyDataset(iter([1]))
    with pytest.raises(ValueError, match="at least one"):
        LazyDataset([])


class Damaged:
    """Nine items like those of `Recordings`, of which some cannot be used."""

    def __init__(self, faults: Mapping[int, Callable[[dict[str, Any]], Any]]) -> None:
        self.faults = faults

    def __len__(self) -> int:
        return 9

    def __getitem__(self, row: int) -> Any:
        inputs, _ = Recordings()[row + 1]
        return self.faults[row](inputs) if row in self.faults else inputs


def unreadable(inputs: dict[str, Any]) -> Any:
    raise OSError("camera/3.png: image file is truncated")


def gone(inputs: dict[str, Any]) -> Any:
    raise KeyError("camera")


FAULTS: dict[int, Callable[[dict[str, Any]], Any]] = {
    1: unreadable,
    2: lambda inputs: inputs | {"camera": IMAGES[0][:5]},
    4: lambda inputs: inputs | {"camera": torch.where(torch.rand(6, 7, 3) < 0.5, torch.nan, 1.0)},
    5: lambda inputs: {"camera": None},
    6: gone,
    8: lambda inputs: inputs | {"camera": ["no", "numbers"]},
}


def test_samples_that_cannot_be_used_are_skipped(
    run: dmrnet.Run, caplog: pytest.LogCaptureFixture
) -> None:
    """The others are predicted as if they were alone; each skipped one is named, and why."""
    expected = run.predict_proba(LazyDataset(Damaged({})))
    data = LazyDataset(Damaged(FAULTS))
    with pytest.raises((ValueError, OSError)):
        run.predict_proba(data)
    found = run.predict_proba(data, bad_rows="skip")
    good = [row for row in range(9) if row not in FAULTS]
    np.testing.assert_allclose(found[good], expected[good], rtol=1e-5, atol=1e-6)
    assert np.isnan(found[list(FAULTS)]).all()
    said = "\n".join(record.getMessage() for record in caplog.records)
    words = {
        1: "truncated",
        2: "(5, 7, 3)",
        4: "NaN",
        5: "no modality",
        6: "KeyError",
        8: "numbers",
    }
    for row, word in words.items():
        assert f"row {row}: skipped: " in said
        assert word in said
    with pytest.raises(ValueError, match="every sample is bad"):
        run.predict_proba(LazyDataset(Damaged(dict.fromkeys(range(9), gone))), bad_rows="skip")


def test_scores_leave_skipped_samples_out(run: dmrnet.Run) -> None:
    """They are those of the file without these samples, which the run's facts name."""

    def labelled(rows: Sequence[int]) -> list[Any]:
        return [(Recordings()[row][0], int(Y[row])) for row in rows]

    bad = [*labelled([3]), ({"camera": np.full((6, 7, 3), np.inf)}, 0), *labelled([4, 6, 7, 8])]
    scores = run.evaluate(LazyDataset(bad), bad_rows="skip")
    facts = RunFolder(Path(run.path)).read_facts()
    assert [one["row"] for one in facts["test_skipped"]] == [1]
    assert scores.values == run.evaluate(LazyDataset(labelled([3, 4, 6, 7, 8]))).values
