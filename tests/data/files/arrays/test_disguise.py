"""Absent blocks stored as numbers: reported, with the setting that says so, and never assumed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from dmrnet.data.files.arrays.disguise import absent_rows, constant_blocks, placeholder_rows
from dmrnet.data.files.reading import read_split
from dmrnet.data.python.given import MultimodalDataset
from dmrnet.data.python.items import LazyDataset
from dmrnet.data.sets.arrays import Arrays
from dmrnet.data.sets.images import Images

RNG = np.random.default_rng(0)
ROWS = 200
GONE = RNG.random(ROWS) < 0.4
TAB = RNG.normal(size=(ROWS, 24)).astype("f4")
IMAGE = RNG.integers(1, 255, (ROWS, 8, 8, 3)).astype("u1")
Y = np.arange(ROWS) % 3


def with_value(array: np.ndarray, value: float, rows: np.ndarray = GONE) -> np.ndarray:
    array = array.copy()
    array[rows] = value
    return array


def notes_of(path: Path, **arrays: np.ndarray) -> list[str]:
    np.savez(path, **arrays, y=Y[: len(next(iter(arrays.values())))])
    warnings = Arrays(str(path), str(path)).raw(0).warnings
    return [one for one in warnings if one.startswith("train: ")]


COUNT = f"in {GONE.sum()} of {ROWS} rows ({100 * GONE.mean():.2g} %)"


@pytest.mark.parametrize(
    ("name", "array", "value"),
    [
        ("image", with_value(IMAGE, 0), 0),
        ("image", with_value(IMAGE, 255), 255),
        ("tab", with_value(TAB, -999), -999),
        ("tab", with_value(TAB, 0), 0),
        ("wave", with_value(RNG.normal(size=(ROWS, 2, 40)), -1e20), -1e20),
        ("age", with_value(RNG.integers(0, 90, ROWS), -999), -999),
        ("age", with_value(RNG.integers(0, 90, ROWS), 65535), 65535),
    ],
)
def test_a_constant_block_is_reported_and_absent_when_said_so(
    name: str, array: np.ndarray, value: float, tmp_path: Path
) -> None:
    said = f"train: {name} is {value:g} throughout {COUNT}: probably absent"
    assert notes_of(tmp_path / "t.npz", **{name: array, "more": TAB}) == [
        f"{said}; if so, absent {name}={value:g} (--data.absent) says it"
    ]
    path = str(tmp_path / "t.npz")
    plain = Arrays(path, path).raw(0).train
    assert plain.present.all()
    chosen = Arrays(path, path, absent={name: value}).raw(0)
    assert (~chosen.train.present[:, 0]).tolist() == GONE.tolist()
    assert not any("throughout" in note for note in chosen.warnings)
    # The same in Python, where the data set and a later file know it.
    data = MultimodalDataset({name: array, "more": TAB}, Y, absent={name: value})
    assert (~data.present[:, 0]).tolist() == GONE.tolist()
    assert data.subset(GONE).present[:, 0].tolist() == [False] * GONE.sum()
    later = read_split(data, plain.task, None, need_target=False)
    assert torch.equal(later.present, chosen.train.present)
    assert f"absent={{'{name}': {value:g}}}" in data.setting("absent", name, value)


@pytest.mark.parametrize(
    "array",
    [
        TAB,
        IMAGE,
        # Rare words: rows without any occur by chance.
        (RNG.random((ROWS, 6)) < 0.1).astype("f4"),
        (RNG.random((ROWS, 3)) < 0.5).astype("i8"),
        RNG.integers(0, 90, ROWS),
        RNG.exponential(size=ROWS),
        (RNG.random(ROWS) < 0.1).astype("f4"),
        np.repeat(RNG.normal(size=(20, 24)), 10, 0)[:, :8],
    ],
)
def test_nothing_is_said_of_usual_numbers(array: np.ndarray, tmp_path: Path) -> None:
    assert not notes_of(tmp_path / "t.npz", m=array, more=TAB)


def test_a_placeholder_and_a_modality_of_one_number_are_reported(tmp_path: Path) -> None:
    grey = IMAGE.copy()
    grey[GONE] = (124, 116, 104)
    (note,) = notes_of(tmp_path / "t.npz", image=grey, tab=TAB)
    assert f"image is the same in {GONE.sum()} of {ROWS} rows, as in row {GONE.argmax()}" in note
    notes = notes_of(tmp_path / "t.npz", image=IMAGE * 0 + 7, tab=TAB)
    assert notes == [
        "train: image is 7 throughout in every row: there is nothing to learn of it; leave it out "
        "with modalities"
    ]


def test_zeros_at_test_are_reported(tmp_path: Path) -> None:
    files = {role: str(tmp_path / f"{role}.npz") for role in ("train", "test")}
    np.savez(files["train"], tab=TAB, cam=IMAGE, still=IMAGE * 0, y=Y)
    np.savez(files["test"], tab=TAB, cam=IMAGE * 0, still=IMAGE * 0, y=Y)
    splits = Arrays(files["train"], test=files["test"]).load(0)
    wanted = (
        "cam is 0 throughout in every row, in training it was not: probably absent; if so, "
        "absent cam=0 (--data.absent) says it"
    )
    assert f"test: {wanted}" in splits.warnings
    later = read_split(files["test"], splits.train.task, splits.standardiser, need_target=False)
    assert later.warnings == (f"file: {wanted}",)
    one = {name: array[:1] for name, array in (("tab", TAB), ("cam", IMAGE * 0))}
    alone = read_split(
        MultimodalDataset(one), splits.train.task, splits.standardiser, need_target=False
    )
    (said,) = alone.warnings
    assert "cam is 0 throughout" in said


def test_images_of_a_dense_task_and_lazy_samples_are_read_so(tmp_path: Path) -> None:
    path = str(tmp_path / "t.npz")
    y = RNG.integers(0, 2, (12, 16, 16))
    red, nir = RNG.normal(size=(2, 12, 16, 16)).astype("f4")
    nir[3:5] = 0
    np.savez(path, red=red, nir=nir, y=y)
    splits = Images(path, path, tile=16).load(0)
    assert any("nir is 0 throughout in 2 of 12 rows" in note for note in splits.warnings)
    assert splits.val.present.all()
    chosen = Images(path, path, tile=16, absent={"nir": 0}).load(0)
    assert (~chosen.val.present[:, 1]).nonzero().flatten().tolist() == [3, 4]
    items = [({"red": one, "nir": other}, 0) for one, other in zip(red, nir, strict=True)]
    lazy = LazyDataset(items).where_absent({"nir": 0})
    assert [row for row in range(12) if "nir" not in lazy[row][0]] == [3, 4]
    assert lazy.where_absent({"nir": 0}) is lazy


def test_what_the_setting_names_must_be_there(tmp_path: Path) -> None:
    path = str(tmp_path / "t.npz")
    np.savez(path, tab=TAB, y=Y)
    with pytest.raises(ValueError, match=r"absent: .* has no array 'tap'; did you mean 'tab'"):
        Arrays(path, absent={"tap": 0}).raw(0)
    with pytest.raises(ValueError, match=r"absent: no modality 'tap'; did you mean 'tab'"):
        MultimodalDataset({"tab": TAB}, absent={"tap": 0})


def test_numbers_outside_a_type_are_nowhere() -> None:
    zeros = np.zeros((2, 3), "u1")
    assert absent_rows(zeros, 0).all()
    for value in (-999, 0.5, 1e30, np.inf):
        assert not absent_rows(zeros, value).any()
    assert absent_rows(np.full((2, 3), np.inf), np.inf).all()
    assert absent_rows(np.full((2, 3), 0.1, "f4"), 0.1).all()


def test_rows_that_are_absent_do_not_count() -> None:
    array = np.zeros((6, 20), "f4")
    array[:3] = RNG.normal(size=(3, 20))
    here = np.arange(6) < 4
    assert constant_blocks(array, here) == {0.0: 1}
    assert constant_blocks(array, np.arange(6) < 3) == {}
    assert placeholder_rows(np.repeat(array[:1], 6, 0), here) == (4, 0)
