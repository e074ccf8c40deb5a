"""Samples in other units than those of the training are reported, others are not."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dmrnet.data.checks.shift import _note, shift_notes
from dmrnet.data.files.reading import read_split
from dmrnet.data.python.given import MultimodalDataset
from dmrnet.data.python.items import LazyDataset
from dmrnet.data.python.lazy_splits import every_row
from dmrnet.data.sets.arrays import Arrays

RNG = np.random.default_rng(0)
KINDS = {
    "table": RNG.normal(50, 20, size=(200, 12)),
    "wave": RNG.normal(0, 3, size=(200, 2, 64)),
    "image": RNG.integers(0, 255, size=(200, 1, 8, 8)),
    "age": RNG.normal(40, 15, size=200),
}


@pytest.fixture(scope="module")
def splits(tmp_path_factory: pytest.TempPathFactory):
    path = tmp_path_factory.mktemp("shift") / "train.npz"
    np.savez(path, **KINDS, y=np.arange(200) % 2)
    return Arrays(str(path), str(path)).load(0)


def notes(splits, **arrays: np.ndarray) -> list[str]:
    known = splits.standardiser
    data = MultimodalDataset(arrays)
    return shift_notes(read_split(data, splits.train.task, known, need_target=False), known)


@pytest.mark.parametrize("factor", [1e-3, 1e3, 1 / 255])
@pytest.mark.parametrize("name", KINDS)
def test_other_units_of_every_kind_are_reported(splits, name: str, factor: float) -> None:
    (note,) = notes(splits, **{name: KINDS[name] * factor})
    assert note.startswith(f"{name}: expected values as in training (mean ")
    assert "other units?" in note


@pytest.mark.parametrize("name", ["table", "wave", "image"])
def test_one_row_in_other_units_is_reported(splits, name: str) -> None:
    (note,) = notes(splits, **{name: KINDS[name][:1] * 1e3})
    assert note.startswith(f"{name}: ")


@given(st.integers(0, 2**32 - 1), st.sampled_from([1, 3, 20, 100]), st.sampled_from(sorted(KINDS)))
@settings(max_examples=25)
def test_samples_of_the_training_are_not(splits, seed: int, rows: int, name: str) -> None:
    some = np.random.default_rng(seed).integers(0, 200, rows)
    assert not notes(splits, **{name: KINDS[name][some]})


RARE = {
    "rare words": lambda rng, shape: (rng.random(shape) < 0.03) * rng.lognormal(size=shape),
    "seldom one": lambda rng, shape: (rng.random(shape) < 0.002) * 1.0,
    "counts": lambda rng, shape: rng.poisson(0.05, shape) * 1.0,
    "a code for none": lambda rng, shape: np.where(
        rng.random(shape) < 0.03, rng.normal(size=shape), -1.0
    ),
    "a long tail": lambda rng, shape: rng.lognormal(0, 1.5, shape),
}


def rare_note(kind: str, seed: int, rows: int, factor: float = 1.0) -> str:
    """Return the note on rows drawn as the 300 of a training, times a factor."""
    rng = np.random.default_rng(seed)
    values = RARE[kind](rng, (300 + rows, 60))
    mean, std = values[:300].mean(0), values[:300].std(0)
    std[std == 0] = 1.0
    return _note(*map(torch.from_numpy, ((factor * values[300:] - mean) / std, mean, std)))


@given(st.integers(0, 2**32 - 1), st.sampled_from([2, 12, 25, 60]), st.sampled_from(sorted(RARE)))
@settings(max_examples=60)
def test_features_that_are_almost_always_one_number_are_not(
    seed: int, rows: int, kind: str
) -> None:
    assert not rare_note(kind, seed, rows)


def test_rare_words_in_other_units_are_reported() -> None:
    assert "in other units" in rare_note("rare words", 0, 100, 1e3)
    assert not rare_note("rare words", 0, 100, 1e-3), "most features are 0 in any unit"
    assert "in other units" in rare_note("a long tail", 0, 12, 1e-3)


def test_a_shift_that_happens_is_not_a_unit(splits) -> None:
    assert not notes(splits, table=KINDS["table"] * 1.5 + 20, image=KINDS["image"] // 2)


def test_one_feature_in_other_units_is_named(splits) -> None:
    table = KINDS["table"].copy()
    table[:, 3] /= 1000
    (note,) = notes(splits, table=table)
    assert note.startswith("table: values of feature 3 (mean ")


def test_files_of_a_training_are_noted_and_lazy_samples_too(splits, tmp_path) -> None:
    far = {**KINDS, "table": KINDS["table"] / 1000}
    np.savez(tmp_path / "train.npz", **KINDS, y=np.arange(200) % 2)
    np.savez(tmp_path / "test.npz", **far, y=np.arange(200) % 2)
    found = Arrays(str(tmp_path / "train.npz"), test=str(tmp_path / "test.npz")).load(0)
    (note,) = [one for one in found.warnings if "other units" in one]
    assert note.startswith("test: table: expected values as in training")
    items = [{name: array[row] for name, array in far.items()} for row in range(40)]
    lazy = every_row(
        LazyDataset(items), splits.train.task, None, splits.standardiser, need_target=False
    )
    (note,) = shift_notes(lazy, splits.standardiser)
    assert note.startswith("table: ")
