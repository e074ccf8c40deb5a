"""One's own images with a class for every pixel, from files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.data.made import cwfid as fields

from dmrnet.data.dense import TileDataset
from dmrnet.data.sets.images import Images

VOID = 255
GONE = 3
"""This image has no red."""


def arrays(rows: slice = slice(None)) -> dict[str, np.ndarray]:
    """Return two images' worth of colours a modality, with a corner that has no class."""
    planes, labels = fields.planes().astype(np.float32), fields.labels().astype(np.int64)
    labels[:, :5, :7] = VOID
    red = np.stack([planes[:, 0], planes[:, 0] / 2], -1)
    red[GONE] = np.nan
    return {
        "red": red[rows],
        "nir": planes[rows, 1],
        "y": labels[rows],
        "samples": np.array([f"field {number}" for number in range(len(planes))])[rows],
    }


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    parts = {"train": slice(0, 7), "test": slice(7, None)}
    for name, rows in parts.items():
        np.savez(tmp_path / f"{name}.npz", **arrays(rows))
    return {name: str(tmp_path / f"{name}.npz") for name in parts}


def settings(files: dict[str, str], **more: Any) -> Images:
    return Images(**files, **{"ignore": VOID, "tile": 32, "tiles": 6, "val_share": 0.3, **more})


def test_whole_images_are_standardised_by_the_training_images_that_are_there(files) -> None:
    splits = settings(files).load(0)
    assert splits.train.task.classes == ("0", "1", "2")
    assert [m.shape for m in splits.train.task.inputs] == [(2, 32, 32), (1, 32, 32)]
    every = arrays()
    order = every["samples"].tolist()
    assert isinstance(splits.train, TileDataset)
    trained = [order.index(name) for name in splits.train.images.samples]
    held = [order.index(name) for name in splits.val.samples]
    assert sorted(trained + held) == list(range(7))
    assert len(held) == 2
    red = every["red"].transpose(0, 3, 1, 2).astype(np.float64)
    nir = every["nir"][:, None].astype(np.float64)
    for values, name in ((red, "red"), (nir, "nir")):
        mean = np.nanmean(values[trained], (0, 2, 3), keepdims=True)
        scaled = np.nan_to_num(
            (values - mean) / np.nanstd(values[trained], (0, 2, 3), keepdims=True)
        )
        for part, rows in ((splits.val, held), (splits.test, [7, 8])):
            found = part.take(torch.arange(2))
            np.testing.assert_allclose(found.inputs[name], scaled[rows], atol=1e-5)
            labels = np.where(every["y"][rows] == VOID, -1, every["y"][rows])
            assert np.array_equal(found.target, labels)
            assert part.pixels.tolist() == [
                [int((one == c).sum()) for c in range(3)] for one in labels
            ]
    assert {part.present.shape for part in splits.parts().values()} == {(30, 2), (2, 2)}
    whole = splits.train.images if GONE in trained else splits.val
    gone = list(whole.samples).index(f"field {GONE}")
    assert whole.present[gone].tolist() == [False, True]
    assert not whole.take(torch.tensor([gone])).inputs["red"].any()
    assert "train: red is absent in 1 of 5 images" in splits.notes


@pytest.mark.parametrize(("augment", "ways"), [("none", 1), ("mirror", 2), ("turn", 8)])
def test_tiles_are_pieces_of_images_labels_included(files, augment: str, ways: int) -> None:
    train = settings(files, augment=augment, tiles=12).load(0).train
    batch = train.take(torch.arange(len(train)), 2)
    images = train.images.take(torch.arange(len(train.images)))
    seen = set()
    for row in range(len(train)):
        image = row // 12
        assert train.present[row].tolist() == train.images.present[image].tolist()
        whole = torch.stack([images.inputs["nir"][image, 0], images.target[image].float()])
        tile = torch.stack([batch.inputs["nir"][row, 0], batch.target[row].float()])
        top, left, _ = train.position(row, 2)
        piece = whole[:, top : top + 32, left : left + 32]
        found = [
            (turn, flip)
            for turn in range(4)
            for flip in (False, True)
            if torch.equal(tile, torch.rot90(piece, turn, (1, 2)).flip(2 if flip else ()))
        ]
        assert len(found) == 1
        seen |= set(found)
    assert seen == {(0, False)} if ways == 1 else len(seen) == ways


def test_seeds_draw_validation_and_files_do_not(files, tmp_path: Path) -> None:
    held = {settings(files).load(seed).val.samples for seed in range(4)}
    assert len(held) > 1
    given = settings({**files, "val": files["test"]})
    one, other = (given.load(seed) for seed in (0, 1))
    assert one.val.fingerprint() == other.val.fingerprint() == one.test.fingerprint()
    assert len(one.train) == 7 * 6
    # Labels count in what the data are.
    changed = arrays(slice(7, None))
    changed["y"][0, 40, 40] = (changed["y"][0, 40, 40] + 1) % 3
    np.savez(tmp_path / "other.npz", **changed)
    again = settings({**files, "test": str(tmp_path / "other.npz")}).load(0)
    assert again.test.fingerprint() != one.test.fingerprint()


def test_another_file_may_have_another_size_and_lack_a_modality(files, tmp_path: Path) -> None:
    small = {name: a[:, :33, :47] if a.ndim > 2 else a for name, a in arrays().items()}
    del small["red"]
    np.savez(tmp_path / "small.npz", **small)
    splits = settings(files, classes=["soil", "crop", "weed"]).load(0)
    part = settings(files).read(str(tmp_path / "small.npz"), splits.train.task, splits.standardiser)
    assert part.take(torch.arange(9)).inputs["red"].shape == (9, 2, 33, 47)
    assert part.present.tolist() == [[False, True]] * 9
    assert part.task.classes == ("soil", "crop", "weed")


def test_images_smaller_than_a_tile_have_smaller_tiles(files) -> None:
    splits = settings(files, tile=96).load(0)
    assert splits.train.task.inputs[0].shape == (2, 64, 64)
    assert any("tiles of 64 x 64" in note for note in splits.notes)


Change = Callable[[dict[str, np.ndarray]], object]


@pytest.mark.parametrize(
    ("change", "more", "said"),
    [
        (
            lambda a: a.pop("y"),
            {},
            r"expected the classes of pixels, \(n, H, W\), as an array named 'y'",
        ),
        (
            lambda a: a.update(y=a["y"][:, 0, 0]),
            {},
            r"whole numbers \(n, H, W\), .* got int64 \(7,\); for one class per sample",
        ),
        (lambda a: a.update(y=a["y"] / 1.0), {}, "as whole numbers"),
        (lambda a: a.update(y=a["y"][:5]), {}, "red has 7 rows but y has 5"),
        (
            lambda a: a.update(y=a["y"][:, 1:]),
            {},
            r"modality red: expected images \(n, C, 69, 90\) or \(n, 69, 90, C\), or \(n, 69, 90\)",
        ),
        (
            lambda a: None,
            {"ignore": -1},
            r"is 255 a class, or .* none\? Set labels or ignore \(--data\.labels 0,1,2,255, ",
        ),
        (
            lambda a: None,
            {"classes": ["soil", "crop"]},
            r"bad\.npz: the labels are 0, 1, 2, which are 3 classes, but classes names 2",
        ),
        (lambda a: a.update(y=a["y"] * 0 - 1), {}, "no pixel has a class"),
        (lambda a: a.update(red=a["red"] * np.nan), {}, "modality red is present in no training"),
        (lambda a: a.update(y=a["y"] * 0), {}, "at least two classes, got 1"),
        (lambda a: a.update(labels=a["red"]), {}, "cannot have the name 'labels'; rename it"),
        (lambda a: None, {"tiles": 0}, "expected tiles of 1 or more"),
        (lambda a: None, {"seldom": 2}, "expected seldom from 0 to 1"),
        (lambda a: None, {"val_share": 0.01}, "7 images are too few to hold 1 % out"),
    ],
)
def test_what_is_wrong_is_refused(
    tmp_path: Path, change: Change, more: dict[str, Any], said: str
) -> None:
    given = arrays(slice(0, 7))
    change(given)
    np.savez(tmp_path / "bad.npz", **given)
    with pytest.raises(ValueError, match=said):
        settings({"train": str(tmp_path / "bad.npz")}, **more).load(0)


def picture(labels: np.ndarray) -> dict[str, np.ndarray]:
    return {"mri": labels[:, None] + RNG.normal(size=(*labels.shape[:1], 1, *labels.shape[1:])) / 3}


RNG = np.random.default_rng(0)
BRAIN = np.array([0, 1, 2, 4])[RNG.integers(0, 4, (8, 32, 32))]
MASK = RNG.integers(0, 2, (8, 32, 32)) * 255


@pytest.mark.parametrize(
    ("y", "numbers", "said"),
    [
        (BRAIN, (0, 1, 2, 4), "the labels are 0, 1, 2, 4: read as 4 classes, 4 is the fourth"),
        (MASK, (0, 255), "the labels are 0, 255: read as 2 classes, 255 is the second"),
        (BRAIN + 1, (1, 2, 3, 5), "the labels are 1, 2, 3, 5: read as 4 classes, 5 is the fourth"),
    ],
)
def test_numbers_that_are_left_out_drop_nothing(y, numbers, said: str, tmp_path: Path) -> None:
    path = str(tmp_path / "a.npz")
    np.savez(path, **picture(y), y=y)
    splits = settings({"train": path, "val": path}, ignore=-1).load(0)
    assert splits.train.task.classes == tuple(map(str, numbers))
    assert any(note.startswith(said) for note in splits.notes)
    expected = [[int((one == number).sum()) for number in numbers] for one in y]
    assert splits.val.pixels.tolist() == expected
    target = splits.val.take(torch.arange(8)).target
    assert np.array_equal(np.array(numbers)[target], y)
    # A later file is read in the same way, and the order of stated numbers is kept.
    task, known = splits.train.task, splits.standardiser
    again = settings({"train": path}, ignore=-1).read(path, task, known)
    assert again.pixels.tolist() == expected
    names = ["abcd"[k] for k in range(len(numbers))]
    stated = {"classes": names, "labels": [*numbers][::-1], "ignore": -1}
    turned = settings({"train": path, "val": path}, **stated).load(0)
    assert turned.train.task.classes == tuple(names)
    assert turned.val.pixels.tolist() == [one[::-1] for one in expected]


def test_named_classes_say_which_number_is_theirs(tmp_path: Path) -> None:
    path = str(tmp_path / "a.npz")
    np.savez(path, **picture(BRAIN), y=BRAIN)
    names = ["none", "core", "edema", "enhancing"]
    with pytest.raises(
        ValueError, match=r"4 is the fourth class; if so, say it \(labels, --data\.labels 0,1,2,4"
    ):
        settings({"train": path}, classes=names).load(0)
    with pytest.raises(ValueError, match=r"are 4 classes, but classes names 2; name every"):
        settings({"train": path}, classes=names[:2]).load(0)
    with pytest.raises(ValueError, match="a number in labels for each of 4 classes, got 3"):
        settings({"train": path}, classes=names, labels=[0, 1, 2]).load(0)
    with pytest.raises(ValueError, match="different labels"):
        settings({"train": path}, labels=[0, 1, 1, 4]).load(0)
    splits = settings({"train": path}, labels=[0, 1, 2, 3, 4]).load(0)
    assert splits.train.task.classes == ("0", "1", "2", "3", "4")
    np.savez(tmp_path / "b.npz", **picture(BRAIN), y=np.where(BRAIN == 4, 3, BRAIN))
    splits = settings({"train": path}).load(0)
    with pytest.raises(ValueError, match=r"expected labels 0, 1, 2, 4, got 3; .* 0,1,2,3,4"):
        settings({"train": path, "val": str(tmp_path / "b.npz")}).load(0)


def test_missing_pixels_are_filled_from_the_training_images(files) -> None:
    for path in files.values():
        with np.load(path) as archive:
            content = dict(archive)
        content["nir"][0, 3:6, 2:9] = np.nan
        np.savez(path, **content)
    with pytest.raises(
        ValueError, match=r"nir, row 0.*: it holds NaN .* cells=.mean. \(--data.cells mean\)"
    ):
        settings(files).load(0)
    splits = settings(files, cells="mean").load(0)
    assert splits.test is not None
    assert splits.standardiser is not None
    batch = splits.test.take(torch.tensor([0]))
    assert not batch.inputs["nir"][0, 0, 3:6, 2:9].any()
    assert batch.inputs["nir"].isfinite().all()
    assert any("of the cells of nir are missing, in 1 of 2 rows" in note for note in splits.notes)
    # The same images, to predict.
    again = settings(files).read(files["test"], splits.test.task, splits.standardiser)
    assert torch.equal(again.take(torch.tensor([0])).inputs["nir"], batch.inputs["nir"])
