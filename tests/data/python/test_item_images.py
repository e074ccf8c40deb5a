"""Images with a class for every pixel that are read one by one are those read at once."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import dmrnet
from dmrnet import LazyDataset, MultimodalDataset
from dmrnet.data.python.item_images import image_splits
from dmrnet.data.sets.images import Images
from dmrnet.nn import Network

RNG = np.random.default_rng(0)
Y = RNG.integers(0, 3, (8, 40, 36))
RGB = (RNG.normal(size=(8, 40, 36, 3)) + Y[..., None]).astype(np.float32)
DEPTH = (5 * RNG.normal(size=(8, 40, 36)) + 100).astype(np.float32)
GONE = 2
"""This image has no depth."""
OPTIONS = Images("", tile=32, tiles=3, val_share=0.25, ignore=2)
Arrays = dict[str, np.ndarray]


def items(rgb: Any = RGB, depth: Any = DEPTH, y: Any = Y) -> list[tuple[Arrays, Any]]:
    """Return samples with channels last, and one channel without an axis for it."""
    made = [({"rgb": rgb[row], "depth": depth[row]}, y[row]) for row in range(len(y))]
    made[GONE][0].pop("depth")
    return made


def in_memory(depth: np.ndarray = DEPTH, groups: list[int] | None = None) -> MultimodalDataset:
    depth = depth.copy()
    depth[GONE] = np.nan
    return MultimodalDataset({"rgb": RGB, "depth": depth}, Y, groups=groups)


def same(one: Any, other: Any) -> None:
    for name, x in other.inputs.items():
        torch.testing.assert_close(one.inputs[name], x, rtol=1e-5, atol=1e-5)
    assert torch.equal(one.target, other.target)
    assert torch.equal(one.present, other.present)


@pytest.mark.parametrize("groups", [None, [0, 0, 1, 1, 2, 2, 3, 3]])
def test_tiles_and_images_are_those_that_are_read_at_once(groups: list[int] | None) -> None:
    """Splits, places of tiles, augmentation, numbers and classes."""
    whole = OPTIONS.load_from("data", in_memory(groups=groups), None, in_memory(), 3)
    lazy = LazyDataset(items(), groups=groups)
    found = image_splits(OPTIONS, lazy, None, LazyDataset(items()), 3)
    assert found.train.task == whole.train.task
    assert found.notes == whole.notes
    for epoch in (0, 1):
        rows = torch.arange(len(whole.train)).flip(0)[:7]
        same(found.train.take(rows, epoch), whole.train.take(rows, epoch))
    for one, other in ((found.val, whole.val), (found.test, whole.test)):
        assert torch.equal(one.pixels, other.pixels)
        same(one.take(torch.arange(len(one))), other.take(torch.arange(len(other))))


def test_missing_pixels_are_filled_alike() -> None:
    depth = DEPTH.copy()
    depth[:, ::7, ::5] = np.nan
    options = Images("", tile=32, tiles=2, val_share=0.25, cells="mean")
    whole = options.load_from("data", in_memory(depth), None, None, 0)
    found = image_splits(options, LazyDataset(items(depth=depth)), None, None, 0)
    assert [note for note in found.notes if "cells of depth" in note]
    same(found.train.take(torch.arange(4)), whole.train.take(torch.arange(4)))
    with pytest.raises(ValueError, match="modality depth: it holds NaN in part"):
        image_splits(OPTIONS, LazyDataset(items(depth=depth)), None, None, 0)
    median = Images("", cells="median")
    with pytest.raises(ValueError, match="expected mean or zero"):
        image_splits(median, LazyDataset(items(depth=depth)), None, None, 0)


def test_a_fingerprint_depends_on_every_label() -> None:
    """Also on those that a printed array leaves out."""
    y = Y.copy()
    y[4, 20, 20] = (y[4, 20, 20] + 1) % 3
    assert LazyDataset(items()).fingerprint != LazyDataset(items(y=y)).fingerprint


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (({"rgb": RGB[0][:30]}, Y[0]), r"case 1: modality rgb: expected images .*got .*30, 36, 3"),
        (({"rgb": RGB[0], "depth": DEPTH[0][:, :9]}, Y[0]), "modality depth: expected images"),
        (({"rgb": RGB[0]}, None), "case 1 has no labels"),
        (({"rgb": RGB[0]}, Y[0] / 2), "case 1: expected labels as whole numbers, got fractions"),
    ],
)
def test_a_wrong_image_is_named(change: Any, message: str) -> None:
    made = items()
    made[1] = change
    with pytest.raises(ValueError, match=message):
        image_splits(OPTIONS, LazyDataset(made), None, None, 0)


def test_images_of_many_sizes_are_trained_on_scored_and_predicted() -> None:
    """A combination's counts are of all pixels with a class; a bad image costs no other."""
    sizes = [(40, 36), (35, 33), (38, 36), (40, 32), (33, 36), (36, 36), (40, 36), (32, 32)]
    some = [
        ({name: x[: size[0], : size[1]] for name, x in inputs.items()}, y[: size[0], : size[1]])
        for (inputs, y), size in zip(items(), sizes, strict=True)
    ]
    data = LazyDataset(some, volumes={"ignore": 2, "classes": ["soil", "crop"]})
    small = dmrnet.method("sf-md").recipe("best", network=Network(width=4))
    run = dmrnet.fit(data, method=small, max_epochs=1, threads=1, batch_size=64)
    assert run.modalities == ("rgb", "depth")
    assert run.classes == ("soil", "crop")
    scores = run.evaluate(LazyDataset(some))
    assert scores.values["miou"]["rgb"][1] == 8
    assert scores.values["miou"]["rgb+depth"][1] == 7
    with np.load(run.path / "predictions.npz") as saved:
        counts = saved["confusion"][list(saved["combination"]).index("rgb")].sum((1, 2))
    assert counts.tolist() == [int((y != 2).sum()) for _, y in some]
    maps = run.predict(LazyDataset([inputs for inputs, _ in some]))
    assert [one.shape for one in maps] == sizes
    alone = run.predict(MultimodalDataset({"rgb": some[1][0]["rgb"][None]}), combination="rgb")
    mine = run.predict(LazyDataset([some[1][0]]), combination="rgb")
    assert np.array_equal(mine, alone)
    bad = [some[0][0], {"rgb": RGB[0] * np.nan}, some[1][0]]
    skipped = run.predict(LazyDataset(bad), bad_rows="skip")
    assert skipped[1] is None
    assert np.array_equal(skipped[2], maps[1])


def test_images_of_one_number_are_said() -> None:
    depth = DEPTH.copy()
    depth[4:7] = 0
    data = LazyDataset(items(depth=depth))
    found = image_splits(OPTIONS, data, data, None, 0)
    for role in ("train", "val"):
        said = f"{role}: depth is 0 throughout in 3 of 7 rows (43 %): probably absent"
        assert any(note.startswith(said) for note in found.warnings)
