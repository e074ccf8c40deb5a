"""Missing cells: filled from the training rows, never at the cost of what is there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.impute import SimpleImputer

from dmrnet.data.dataset import Splits, standardised
from dmrnet.data.files.reading import read_split
from dmrnet.data.files.rules import FileRules
from dmrnet.data.files.training_files import read_splits
from dmrnet.data.filling import Cells
from dmrnet.data.inputs import cells as of_cells
from dmrnet.data.inputs.standardise import Standardiser
from dmrnet.data.python.given import MultimodalDataset
from dmrnet.data.python.items import LazyDataset
from dmrnet.data.python.lazy_splits import every_row, lazy_splits
from dmrnet.data.sets.arrays import Arrays
from dmrnet.settings.config import parse_data
from dmrnet.sklearn import MultimodalClassifier

FILLS: tuple[Cells, ...] = ("mean", "median", "zero")


def samples(rows: int = 24, seed: int = 0, gaps: float = 0.2) -> MultimodalDataset:
    """A table and images with gaps; a table row is absent, and the last feature has no gap."""
    draw = np.random.default_rng(seed)
    tab = draw.normal(size=(rows, 5)).astype(np.float32) * 3 + 7
    cam = draw.normal(size=(rows, 2, 3, 5)).astype(np.float32) - 2
    for array in (tab[:, :4], cam):
        array[draw.random(array.shape) < gaps] = np.nan
    tab[1] = np.nan
    return MultimodalDataset({"tab": tab, "cam": cam}, np.arange(rows) % 2)


def read(cells: Cells, test: MultimodalDataset | None = None) -> Splits:
    train = samples()
    return standardised(read_splits(train, train, test, 0, rules=FileRules(cells=cells)))


@pytest.mark.parametrize("fill", FILLS)
@pytest.mark.parametrize("at_once", [1, 2**20])
def test_the_table_is_that_of_scikit_learn(monkeypatch, fill: Cells, at_once: int) -> None:
    monkeypatch.setattr(of_cells, "BLOCK", at_once)
    train, test = samples(), samples(9, 1)
    kinds = {"zero": {"strategy": "constant", "fill_value": 0.0}}
    imputer = SimpleImputer(add_indicator=True, **kinds.get(fill, {"strategy": fill}))
    table = train.read("tab").astype(np.float64)
    imputer.fit(table[train.present[:, 0]])
    scale = np.nanstd(table, 0), np.nanmean(table, 0)
    expected = imputer.transform(test.read("tab"))
    expected[:, :5] = (expected[:, :5] - scale[1]) / scale[0]
    expected[~test.present[:, 0]] = 0
    got = read(f"{fill}+indicator", test).test
    assert got is not None
    assert got.task.inputs[0].shape == (9,)
    np.testing.assert_allclose(got.arrays["tab"], expected, rtol=1e-5, atol=1e-5)
    assert got.present[:, 0].tolist() == test.present[:, 0].tolist()


@pytest.mark.parametrize("fill", FILLS)
def test_images_are_filled_by_channel(fill: Cells) -> None:
    images = samples().read("cam").astype(np.float64)
    function = {"mean": np.nanmean, "median": np.nanmedian, "zero": lambda *_: np.zeros(2)}[fill]
    axes = (0, 2, 3)
    mean, std = (x[:, None, None] for x in (np.nanmean(images, axes), np.nanstd(images, axes)))
    filled = np.where(np.isnan(images), function(images, axes)[:, None, None], images)
    got = read(f"{fill}+indicator").train
    assert got.task.inputs[1].shape == (4, 3, 5)
    expected = np.concatenate([(filled - mean) / std, np.isnan(images)], 1)
    np.testing.assert_allclose(got.arrays["cam"], expected, rtol=1e-5, atol=1e-5)
    assert read(fill).train.task.inputs[1].shape == (2, 3, 5)


@given(st.integers(0, 9999), st.sampled_from(FILLS), st.sampled_from(FILLS), st.booleans())
@settings(max_examples=15, deadline=None)
def test_neither_fillings_nor_other_rows_change_what_is_there(
    seed: int, one: Cells, other: Cells, indicator: bool
) -> None:
    test, spoilt = samples(8, seed), samples(8, seed + 1, gaps=0.6)
    first = read(one, test)
    second = read(f"{other}+indicator" if indicator else other, spoilt)
    for name, size in (("tab", 5), ("cam", 2)):
        there = torch.from_numpy(~np.isnan(samples().read(name)))
        a, b = first.train.arrays[name], second.train.arrays[name][:, :size]
        assert torch.equal(a[there], b[there])
        assert a.isfinite().all()
        if one == other:
            assert torch.equal(a, b)
    assert first.test is not None
    # Rows of a test file do not depend on each other either.
    assert first.standardiser is not None
    alone = read_split(test[3], first.train.task, first.standardiser)
    assert torch.equal(alone.arrays["tab"][0], first.test.arrays["tab"][3])


def test_notes_say_how_much_of_what_and_refusals_name_the_setting(tmp_path: Path) -> None:
    train, test = samples(), samples(10, 5)
    notes = read("median+indicator", test).notes
    here = np.isnan(train.read("tab")[train.present[:, 0]])
    assert (
        f"train: {100 * here.mean():.1f} % of the cells of tab are missing, in "
        f"{here.any(1).sum()} of 23 rows; filled with medians, indicators appended"
    ) in notes
    assert [note for note in notes if note.startswith("test: ") and " cam are missing" in note]
    with pytest.raises(ValueError, match=r"tab, row 0 .*cells='mean' \(--data.cells mean\)"):
        read_splits(train, None, None, 0)
    path = str(tmp_path / "train.npz")
    np.savez(path, **{name: train.read(name) for name in ("tab", "cam", "y")})
    flags = ["--data.train", path, "--data.cells", "zero"]
    data = parse_data("arrays", flags)
    assert isinstance(data, Arrays)
    assert data.load(0).train.arrays["tab"].isfinite().all()
    with pytest.raises(ValueError, match="mean"):
        parse_data("arrays", [*flags[:-1], "means"])


def test_many_modalities_share_one_note() -> None:
    gap = of_cells.MissingCells(1, 2, 0.25)
    (note,) = of_cells.cell_notes("val", dict.fromkeys("abcde", gap))
    assert "cells of 5 modalities are missing, 25.0 % to 25.0 %" in note


def test_a_feature_without_any_value_is_refused() -> None:
    table = samples().read("tab")
    table[:, 2] = np.nan
    data = MultimodalDataset({"tab": table, "b": np.ones((24, 1))}, np.arange(24) % 2)
    splits = read_splits(data, data, None, 0, rules=FileRules(cells="mean"))
    with pytest.raises(ValueError, match="tab: feature or channel 2, counted from 0, has no value"):
        standardised(splits)


def test_a_coarse_modality_with_gaps_stays_in_float64() -> None:
    times = 1.7e9 + np.arange(40.0).reshape(-1, 1).repeat(2, 1)
    times[::7, 0] = np.nan
    data = MultimodalDataset({"time": times}, np.arange(40) % 2)
    part = standardised(read_splits(data, data, None, 0, rules=FileRules(cells="mean"))).train
    expected = np.nan_to_num((times - np.nanmean(times, 0)) / np.nanstd(times, 0))
    np.testing.assert_allclose(part.arrays["time"], expected, atol=1e-6)


@pytest.mark.parametrize("cells", ["mean+indicator", "zero"])
def test_samples_read_one_by_one_are_filled_alike(cells: Cells) -> None:
    whole = samples()
    items = [
        ({name: whole.read(name)[row] for name in ("tab", "cam")}, row % 2) for row in range(24)
    ]
    data = LazyDataset(items)
    lazy = lazy_splits(data, data, None, 0, 0.2, cells)
    batch, expected = lazy.train.take(torch.arange(24)), read(cells).train
    assert lazy.train.task.inputs == expected.task.inputs
    for name in ("tab", "cam"):
        np.testing.assert_allclose(batch.inputs[name], expected.arrays[name], atol=1e-5)
    assert [n for n in lazy.notes if "cells" in n] == [n for n in read(cells).notes if "cells" in n]
    again = every_row(data, lazy.train.task, None, lazy.standardiser)
    assert torch.equal(again.take(torch.arange(24)).inputs["cam"], batch.inputs["cam"])
    with pytest.raises(ValueError, match=r"sample 0, modality tab .*--data.cells"):
        lazy_splits(data, data, None, 0, 0.2)
    with pytest.raises(ValueError, match="the median needs all samples at once"):
        lazy_splits(data, data, None, 0, 0.2, "median")


def test_the_state_comes_back_and_inverts() -> None:
    splits = read("median+indicator")
    assert splits.standardiser is not None
    again = Standardiser.from_state(splits.standardiser.state())
    part = samples()
    present = torch.from_numpy(part.present)
    raw = torch.from_numpy(part.read("cam"))
    done = again.apply("cam", raw, present[:, 1])
    assert torch.equal(done, splits.train.arrays["cam"])
    back = again.invert("cam", done, present[:, 1])
    there = ~raw.isnan()
    torch.testing.assert_close(back[there], raw[there])
    assert again.without_flags(splits.train.task).inputs[1].shape == (2, 3, 5)


def test_a_run_fills_later_samples_as_it_filled_its_own(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    X = draw.normal(size=(40, 3))
    y = (X[:, 0] > 0).astype(int)
    X[draw.random(X.shape) < 0.1] = np.nan
    X[np.isnan(X).all(1)] = 0.0
    few = {"max_epochs": 1, "threads": 1}
    model = MultimodalClassifier("sf-md", training=few, random_state=0, cells="mean+indicator")
    model.fit(X, y)
    model.save(tmp_path / "saved")
    again = MultimodalClassifier.load(tmp_path / "saved")
    table = again.run_.method.modalities
    assert table == ("x",)
    later = np.array([[np.nan, 1.0, 2.0], [0.5, np.nan, np.nan]])
    assert np.array_equal(again.predict_proba(later), model.predict_proba(later))
    assert np.isfinite(model.predict_proba(later)).all()
    # What is filled with the mean differs from the mean by its indicator alone.
    filled = np.where(np.isnan(later), np.nanmean(X, 0), later)
    assert not np.allclose(model.predict_proba(filled), model.predict_proba(later))
