"""Inputs that people bring: absence in disguise, layouts, shifts, bad rows; what each must get."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from dmrnet.data.dataset import Splits
from dmrnet.data.files.archive import Archive
from dmrnet.data.files.media.decoding import opened_picture, pixel_values
from dmrnet.data.files.reading import read_split
from dmrnet.data.python.given import MultimodalDataset
from dmrnet.data.python.items import LazyDataset
from dmrnet.data.python.lazy_splits import lazy_splits
from dmrnet.data.sets.arrays import Arrays
from dmrnet.data.sets.images import Images

R = np.random.default_rng(0)
Y = R.integers(0, 3, 200)
TAB = (R.normal(size=(200, 24)) + Y[:, None] * 0.5).astype("f4")
CAM = (R.normal(size=(200, 1, 16, 16)) + Y[:, None, None, None] * 0.5).astype("f4")
IMAGE = R.integers(1, 255, (200, 16, 16, 3)).astype("u1")
GONE = R.random(200) < 0.4


def objects(items: list[Any]) -> np.ndarray:
    out = np.empty(len(items), object)
    out[:] = items
    return out


@pytest.fixture
def save(tmp_path: Path):
    def write(name: str = "case", **arrays: np.ndarray) -> str:
        np.savez(tmp_path / f"{name}.npz", **arrays)
        return str(tmp_path / f"{name}.npz")

    return write


def loaded(path: str, **settings: Any) -> Splits:
    return Arrays(path, path, **settings).load(0)


def test_zeros_for_absent(save) -> None:
    blank = IMAGE.copy()
    blank[GONE] = 0
    path = save(image=blank, tab=TAB, y=Y)
    splits = loaded(path)
    share = f"in {GONE.sum()} of 200 rows ({100 * GONE.mean():.2g} %)"
    assert splits.warnings[0] == (
        f"train: image is 0 throughout {share}: probably absent; if so, absent image=0 "
        "(--data.absent) says it"
    )
    assert splits.train.present.all()
    assert (~loaded(path, absent={"image": 0}).train.present[:, 0]).tolist() == GONE.tolist()


def test_sentinel_for_absent(save) -> None:
    low = TAB.copy()
    low[GONE] = -999
    path = save(tab=low, cam=CAM, y=Y)
    assert "absent tab=-999 (--data.absent) says it" in loaded(path).warnings[0]
    said = loaded(path, absent={"tab": -999})
    assert (~said.train.present[:, 0]).tolist() == GONE.tolist()
    # The numbers of the others are those without any -999.
    assert float(said.standardiser.mean["tab"].abs().max()) < 2


def test_none_for_absent(save) -> None:
    image = objects([None if gone else x for gone, x in zip(GONE, IMAGE, strict=True)])
    train = loaded(save(image=image, tab=TAB, y=Y)).train
    assert (~train.present[:, 0]).tolist() == GONE.tolist()


def test_zeros_at_test(save) -> None:
    train, test = save("train", tab=TAB, cam=CAM, y=Y), save("test", tab=TAB, cam=CAM * 0, y=Y)
    splits = Arrays(train, test=test).load(0)
    (said,) = [one for one in splits.warnings if "cam" in one and one.startswith("test: cam is")]
    assert "cam is 0 throughout in every row, in training it was not" in said


def test_one_bad_row(save) -> None:
    splits = loaded(save(tab=TAB, cam=CAM, y=Y))
    bad = TAB[:90].copy()
    bad[45, 3] = np.nan
    archive = Archive(save("new", tab=bad, cam=CAM[:90]))
    task, known = splits.train.task, splits.standardiser
    with pytest.raises(ValueError, match="modality tab, row 45: it holds NaN in part of its 24"):
        read_split(archive, task, known, need_target=False)
    archive.bad_rows = "skip"
    found = read_split(archive, task, known, need_target=False)
    assert len(found) == 89
    assert [(one.row, one.name) for one in found.skipped] == [(45, "45")]


def test_labels_as_objects(save) -> None:
    y = objects([["cat", "dog", "bird"][k] for k in Y])
    train = loaded(save(tab=TAB, cam=CAM, y=y)).train
    assert train.task.classes == ("bird", "cat", "dog")
    assert [train.task.classes[k] for k in train.target.tolist()] == y.tolist()


@pytest.mark.parametrize(
    ("shape", "result"),
    [((32, 32, 13), (13, 32, 32)), ((11, 11, 144), (144, 11, 11)), ((24, 40, 7), (7, 24, 40))],
)
def test_channels_last_13(shape, result, save) -> None:
    hyper = R.normal(size=(30, *shape)).astype("f4")
    splits = loaded(save(hyper=hyper, lidar=R.normal(size=(30, 32, 32)), y=Y[:30]))
    assert splits.train.task.inputs[0].shape == result
    note = next(one for one in splits.notes if one.startswith("hyper"))
    assert "channels last in the file" in note
    assert "kinds (--data.kinds hyper=image or vector)" in note
    assert any(one.startswith("lidar (32x32) read as image 1x32x32") for one in splits.notes)


@pytest.mark.parametrize(("name", "kind"), [("rna", "vector"), ("ecg", "sequence")])
def test_one_by_5000(name: str, kind: str, save) -> None:
    path = save(**{name: R.normal(size=(60, 1, 500)).astype("f4")}, tab=TAB[:60], y=Y[:60])
    splits = loaded(path)
    assert splits.train.task.inputs[0].kind == kind
    assert any(one.startswith(f"{name} (1x500) read as {kind}") for one in splits.notes)
    stated = loaded(path, kinds={name: "vector"})
    assert stated.train.task.inputs[0].shape == (500,)
    later = read_split(path, splits.train.task, splits.standardiser)
    assert torch.equal(later.arrays[name], splits.val.arrays[name])


def test_labels_0124(save) -> None:
    seg = R.integers(0, 3, (24, 32, 32))
    y = np.where(seg == 2, 4, seg)
    y[0, 0, 0] = 2
    picture = (seg[:, None] + R.normal(size=(24, 1, 32, 32)) * 0.3).astype("f4")
    splits = Images(save(mri=picture, pet=picture[:, :, ::-1], y=y), tile=32).load(0)
    assert splits.train.task.classes == ("0", "1", "2", "4")
    assert any(
        note.startswith("the labels are 0, 1, 2, 4: read as 4 classes, 4 is the fourth")
        for note in splits.notes
    )
    pixels = splits.train.pixels.sum(0) + splits.val.pixels.sum(0)
    assert pixels.tolist() == [int((y == number).sum()) for number in (0, 1, 2, 4)]


def test_images_of_many_sizes(save) -> None:
    sizes = [R.integers(0, 255, (3, s, s)).astype("u1") for s in R.integers(24, 40, 60)]
    path = save(image=objects(sizes), tab=TAB[:60], y=Y[:60])
    with pytest.raises(ValueError, match=r"--data\.size image=32x32"):
        loaded(path)
    assert loaded(path, size="32").train.task.inputs[0].shape == (3, 32, 32)


def test_depth_16_bit_png(tmp_path: Path) -> None:
    depth = (R.random((48, 48)) * 4000 + 300).astype("u2")
    Image.fromarray(depth).save(tmp_path / "depth.png")
    with opened_picture((tmp_path / "depth.png").read_bytes()) as picture:
        np.testing.assert_array_equal(pixel_values(picture), depth[None])


def test_lazy_samples_are_looked_at_as_well() -> None:
    blank = IMAGE.copy()
    blank[GONE] = 0
    items = [
        ({"image": image, "tab": row}, int(k)) for image, row, k in zip(blank, TAB, Y, strict=True)
    ]
    splits = lazy_splits(LazyDataset(items), None, None, 0, 0.2)
    said = [one for one in splits.warnings if "image is 0 throughout in" in one]
    assert [one.split(":")[0] for one in said] == ["train", "val"]
    assert "absent={'image': 0} of LazyDataset" in said[0]
    absent = lazy_splits(LazyDataset(items, absent={"image": 0}), None, None, 0, 0.2)
    assert not any("throughout" in one for one in absent.warnings)
    column = absent.train.task.modalities.index("image")
    here = [part.present[:, column].sum() for part in (absent.train, absent.val)]
    assert sum(here) == 200 - GONE.sum()


def test_python_calls_with_lists_float64_and_none() -> None:
    rows = [None if gone else row.tolist() for gone, row in zip(GONE, TAB, strict=True)]
    data = MultimodalDataset({"tab": rows, "cam": CAM}, list(Y))
    assert (~data.present[:, 0]).tolist() == GONE.tolist()
