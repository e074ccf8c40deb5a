"""cwfid, from made photographs in the published layout."""

from __future__ import annotations

import atexit
import hashlib
import json
import shutil
import tempfile
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tests.data.contract import DenseContract
from tests.data.made import cwfid as made

from dmrnet.data.dense import CELL, TileDataset
from dmrnet.data.files.cache import read_cache
from dmrnet.data.loader import evaluation_batches
from dmrnet.data.published.cwfid import split_of
from dmrnet.data.published.preparation import prepare
from dmrnet.data.sets.published.cwfid import CWFID, held_images


@cache
def published() -> Path:
    """Return the made files; not to be changed."""
    folder = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, folder, True)
    return made.make(folder / "source")


@cache
def prepared() -> str:
    root = published().parent / "root"
    prepare("cwfid", [published()], root)
    return str(root)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The made files, to be damaged."""
    shutil.copytree(published(), tmp_path / "source")
    return tmp_path / "source"


class TestCWFID(DenseContract):
    def splits(self, seed: int):
        return CWFID(prepared(), tile=32, tiles=4).load(seed)

    def shape(self, part, modality) -> tuple[int, ...]:
        return modality.shape if isinstance(part, TileDataset) else (1, made.HEIGHT, made.WIDTH)

    def test_training_rows_are_standardised(self, loaded) -> None:
        """By whole images, whatever tiles are cut out of them."""
        images = loaded.train.images
        inputs = images.take(torch.arange(len(images))).inputs
        for name in images.task.modalities:
            values = inputs[name].double()
            assert values.mean().abs() < 1e-5
            assert (values.std(correction=0) - 1).abs() < 1e-4


def number(sample: str) -> int:
    return int(sample.removeprefix("image ").partition(",")[0])


def test_the_cache_holds_what_the_files_hold() -> None:
    arrays, _ = read_cache("cwfid", prepared(), 1)
    assert np.array_equal(arrays["images"], made.planes())
    assert np.array_equal(arrays["labels"][:, 0], made.labels())
    assert arrays["name"].tolist() == [f"image {n}" for n in range(1, 10)]
    assert (arrays["test"].nonzero()[0] + 1).tolist() == list(made.TEST)
    for row, label in enumerate(made.labels()):
        assert arrays["pixels"][row].tolist() == [(label == c).sum() for c in range(3)]


def test_the_image_in_both_lists_is_tested_on_only(tmp_path: Path) -> None:
    lines: list[str] = []
    prepare("cwfid", [published()], tmp_path, log=lines.append)
    assert "image 8 published for both training and testing: kept for testing only" in lines
    assert "train: 5 usable of 5 images" in lines
    seen = set()
    for seed in range(4):
        splits = CWFID(prepared(), tile=64).load(seed)
        train, val, test = ({number(s) for s in p.samples} for p in splits.parts().values())
        assert test == set(made.TEST)
        assert train | val == {2, 3, 5, 6, 7}
        assert not train & val
        assert len(val) == 1
        seen.add(frozenset(val))
    assert len(seen) > 1
    one, other = (CWFID(prepared(), tile=64, split_seed=1).load(seed) for seed in (0, 5))
    assert one.val.fingerprint() == other.val.fingerprint()
    with pytest.raises(ValueError, match=r"val_share 0\.01 leaves 2 images for training and 0"):
        held_images(torch.zeros(2, dtype=torch.bool), 0.01, 0)


def test_whole_images_are_standardised_by_the_training_images() -> None:
    splits = CWFID(prepared(), tile=64).load(0)
    planes, labels = made.planes().astype(np.float64), made.labels()
    rows = sorted({number(s) - 1 for s in splits.train.samples})
    for name in ("val", "test"):
        part = splits.parts()[name]
        batch = part.take(torch.arange(len(part)))
        for place, sample in enumerate(part.samples):
            image = number(sample) - 1
            for channel, modality in enumerate(("red", "nir")):
                plane = planes[rows, channel]
                expected = (planes[image, channel] - plane.mean()) / plane.std()
                found = batch.inputs[modality][place, 0]
                np.testing.assert_allclose(found, expected, atol=1e-5)
            assert np.array_equal(batch.target[place], labels[image])
    assert sum(len(batch) for batch in evaluation_batches(splits.test, 3)) == len(made.TEST)


def test_shrunk_images_are_averages_and_have_the_most_frequent_class() -> None:
    splits = CWFID(prepared(), tile=32, shrink=2).load(0)
    whole = CWFID(prepared(), tile=32).load(0)
    planes, labels = made.planes().astype(np.int64), made.labels()
    height, width = labels.shape[1] // 2, labels.shape[2] // 2
    small = np.zeros((len(planes), 2, height, width))
    classes = np.zeros((len(planes), height, width), dtype=np.int64)
    for image in range(len(planes)):
        for y in range(height):
            for x in range(width):
                square = (image, slice(2 * y, 2 * y + 2), slice(2 * x, 2 * x + 2))
                classes[image, y, x] = np.bincount(labels[square].ravel(), minlength=3).argmax()
                for c in range(2):
                    small[image, c, y, x] = (planes[:, c][square].sum() + 2) // 4
    rows = sorted({number(s) - 1 for s in splits.train.samples})
    part = splits.val
    assert part.samples == whole.val.samples
    batch = part.take(torch.arange(len(part)))
    for place, sample in enumerate(part.samples):
        image = number(sample) - 1
        for channel, modality in enumerate(("red", "nir")):
            plane = small[rows, channel]
            expected = (small[image, channel] - plane.mean()) / plane.std()
            np.testing.assert_allclose(batch.inputs[modality][place, 0], expected, atol=1e-5)
        assert np.array_equal(batch.target[place], classes[image])
        counts = np.bincount(classes[image].ravel(), minlength=3)
        assert part.pixels[place].tolist() == counts.tolist()
    assert part.fingerprint() != whole.val.fingerprint()
    assert f"shrunk to {height} x {width}" in splits.notes
    tile = splits.train.take(torch.tensor([0]))
    assert tile.inputs["red"].shape == (1, 1, 32, 32)


@pytest.mark.parametrize("augment", [False, True])
def test_a_tile_is_a_piece_of_its_image_labels_included(augment: bool) -> None:
    settings = CWFID(prepared(), tile=32, tiles=6, augment=augment)
    train = settings.load(0).train
    assert isinstance(train, TileDataset)
    assert len(train) == 4 * 6
    batch = train.take(torch.arange(len(train)), 3)
    assert batch.target.shape == (24, 32, 32)
    images = train.images.take(torch.arange(4))
    ways: set[int] = set()
    for row in range(len(train)):
        whole = torch.stack([images.inputs["red"][row // 6, 0], images.target[row // 6].float()])
        tile = torch.stack([batch.inputs["red"][row, 0], batch.target[row].float()])
        top, left, _ = train.position(row, 3)
        piece = whole[:, top : top + 32, left : left + 32]
        found = [
            4 * flip + turn
            for turn in range(4)
            for flip in range(2)
            if torch.equal(tile, torch.rot90(piece, turn, (1, 2)).flip(2 if flip else ()))
        ]
        assert len(found) == 1, row
        ways |= set(found)
    assert ways == {0} if not augment else len(ways) >= 6


def test_tiles_follow_from_seed_epoch_and_row() -> None:
    one, other = (CWFID(prepared(), tile=32, tiles=4).load(0).train for _ in range(2))
    rows = torch.tensor([3, 0, 9])
    first, again = one.take(rows, 1), other.take(rows.flip(0), 1)
    assert torch.equal(first.inputs["nir"], again.inputs["nir"].flip(0))
    assert not torch.equal(first.inputs["nir"], one.take(rows, 2).inputs["nir"])
    split = {"split_seed": 0}
    seeds = [CWFID(prepared(), tile=32, tiles=4, **split).load(seed).train for seed in (0, 1)]
    assert seeds[0].samples == seeds[1].samples
    assert not torch.equal(seeds[0].take(rows).target, seeds[1].take(rows).target)


def test_so_many_tiles_as_asked_for_are_laid_over_plants() -> None:
    train = CWFID(prepared(), tile=CELL, tiles=300, plants=1.0, augment=False).load(0).train
    held = made.labels()[[number(s) - 1 for s in train.images.samples]].any((1, 2))
    assert set(held) == {False, True}
    for image, plants in enumerate(held):
        rows = torch.arange(300) + 300 * image
        # A cell that is touched by a plant is met whole where a tile has its size and place.
        share = (train.take(rows).target > 0).any(2).any(1).float().mean()
        assert share == 0 if not plants else share > 0.8
    anywhere = CWFID(prepared(), tile=CELL, tiles=300, plants=0.0, augment=False).load(0).train
    places = torch.tensor([anywhere.position(row, 0)[:2] for row in range(len(anywhere))])
    assert places.min(0).values.tolist() == [0, 0]
    assert places.max(0).values.tolist() == [made.HEIGHT - CELL, made.WIDTH - CELL]


def test_classes_are_weighed_as_asked_for() -> None:
    weight = {
        by: torch.tensor(CWFID(prepared(), tile=64, weights=by).load(0).train.task.class_weights)
        for by in ("none", "root", "median")
    }
    assert weight["none"].tolist() == [1, 1, 1]
    torch.testing.assert_close(weight["root"].square(), weight["median"])
    assert weight["median"][0] < weight["median"][1:].min()


def test_what_is_damaged_is_named_and_nothing_shifts(copy: Path, tmp_path: Path) -> None:
    (copy / "images" / "002_image.png").unlink()
    (copy / "annotations" / "004_annotation.png").write_bytes(b"no picture")
    values = np.asarray(Image.open(copy / "images" / "005_image.png")).copy()
    values[3, 4, 2] += 1
    Image.fromarray(values).save(copy / "images" / "005_image.png")
    blue = np.asarray(Image.open(copy / "annotations" / "006_annotation.png")).copy()
    blue[0, :2] = (0, 0, 255)
    Image.fromarray(blue).save(copy / "annotations" / "006_annotation.png")
    Image.fromarray(values[:-1]).save(copy / "images" / "009_image.png")
    with pytest.raises(ValueError, match="5 of the source are missing or damaged") as error:
        prepare("cwfid", [copy], tmp_path / "root")
    for said in (
        "002_image.png (is missing)",
        "004_annotation.png (is not a readable picture",
        "005_image.png (expected red in the first and third channel",
        "006_annotation.png (expected black, green and red alone, got 2 pixels",
    ):
        assert said in str(error.value)
    prepare("cwfid", [copy], tmp_path / "root", bad="skip")
    arrays, _ = read_cache("cwfid", str(tmp_path / "root"), 1)
    kept = [1, 3, 7, 8]
    assert arrays["name"].tolist() == [f"image {n}" for n in kept]
    rows = np.array(kept) - 1
    assert np.array_equal(arrays["labels"][:, 0], made.labels()[rows])
    assert np.array_equal(arrays["images"], made.planes()[rows])


def test_a_flipped_bit_of_a_large_array_is_found_and_mended(copy: Path, tmp_path: Path) -> None:
    root = tmp_path / "root"
    prepare("cwfid", [copy], root)
    images = root / "cwfid.images.npy"
    whole = images.read_bytes()
    facts = json.loads((root / "cwfid.json").read_text())
    assert facts["large_sha256"]["images"] == hashlib.sha256(whole).hexdigest()
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 1
    images.write_bytes(flipped)
    said, seen = [], []
    prepare("cwfid", [copy], root, log=said.append, progress=lambda *step: seen.append(step))
    assert said[0] == f"{images} is no longer what was written, so it is made anew"
    assert images.read_bytes() == whole
    assert ("checking cwfid.images.npy (MB)", 0, 0) in seen
    prepare("cwfid", [copy], root, log=said.append)
    assert "nothing to do" in said[-1]


def test_what_an_older_version_prepared_is_good_but_not_checked(copy: Path, tmp_path: Path) -> None:
    root = tmp_path / "root"
    prepare("cwfid", [copy], root)
    facts = json.loads((root / "cwfid.json").read_text())
    del facts["large_sha256"]
    (root / "cwfid.json").write_text(json.dumps(facts))
    read_cache("cwfid", str(root), facts["version"])
    said: list[str] = []
    prepare("cwfid", [copy], root, log=said.append)
    assert said[0] == (
        "cwfid.images.npy, cwfid.labels.npy: prepared by an older version and not checked; "
        f"remove {root / 'cwfid.npz'} and {root / 'cwfid.json'} to have all made anew"
    )
    assert "nothing to do" in said[1]


def test_the_first_picture_does_not_set_the_size(copy: Path, tmp_path: Path) -> None:
    for name, size in (("images/001_image.png", (60, 50)), ("images/003_image.png", (2000, 3000))):
        Image.new("RGB", size).save(copy / name)
    with pytest.raises(ValueError, match="2 of the source are missing or damaged") as error:
        prepare("cwfid", [copy], tmp_path / "root")
    assert "001_image.png (is 50 x 60, where most are 70 x 90)" in str(error.value)
    assert "003_image.png (is 3000 x 2000, where most are 70 x 90)" in str(error.value)
    # What was decoded is not taken over once most pictures are of another size.
    for path in (copy / "images").iterdir():
        Image.new("RGB", (60, 50)).save(path)
    for path in list((copy / "annotations").iterdir())[:4]:
        Image.new("RGB", (60, 50)).save(path)
    with pytest.raises(ValueError, match="where most are 50 x 60"):
        prepare("cwfid", [copy], tmp_path / "root")


def test_a_list_that_is_none_is_refused(copy: Path, tmp_path: Path) -> None:
    assert split_of(b"\xef\xbb\xbftrain: [2,\n 3]\r\ntest:\r\n- 5\r\n- 6") == {
        "train": [2, 3],
        "test": [5, 6],
    }
    assert split_of(b"# of 60 images\ntrain: [2] # 1 image\ntest: [3]\n") == {
        "train": [2],
        "test": [3],
    }
    (copy / "train_test_split.yaml").write_text("train: []\ntest: [1]\n")
    with pytest.raises(ValueError, match="found none under train"):
        prepare("cwfid", [copy], tmp_path / "root")
    (copy / "train_test_split.yaml").unlink()
    with pytest.raises(FileNotFoundError, match=r"found no train_test_split\.yaml"):
        prepare("cwfid", [copy], tmp_path / "root")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"tile": 80}, "expected a tile of at most 70"),
        ({"tile": 0}, "expected tile of 1 or more"),
        ({"shrink": 0}, "expected shrink of 1 or more"),
        ({"shrink": 71}, "expected shrink of at most 70"),
        ({"shrink": 2, "tile": 64}, "expected a tile of at most 35"),
        ({"plants": 1.5}, "expected plants from 0 to 1"),
    ],
)
def test_settings_out_of_range_are_refused(change: dict[str, float], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        CWFID(prepared(), **change).load(0)
