"""Volumes with a class for every voxel: what is read, held out, cut and standardised."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from dmrnet.data.files.rules import FileRules
from dmrnet.data.python.given import MultimodalDataset
from dmrnet.data.python.items import LazyDataset
from dmrnet.data.sets.arrays import Arrays
from dmrnet.data.sets.given import Given
from dmrnet.data.sets.volumes import Volumes
from dmrnet.data.volumes.cases import CaseIndex, channels_first, read_case
from dmrnet.data.volumes.options import OwnVolumes, own_volumes
from dmrnet.data.volumes.own import own_splits, read_volumes
from dmrnet.data.volumes.patches import PatchDataset
from dmrnet.data.volumes.rows import VolumeRows
from dmrnet.data.volumes.sources import LazyCases
from dmrnet.data.volumes.splits import volume_splits


def made(n: int = 5, side: int = 12, seed: int = 0) -> tuple[dict[str, Any], Any]:
    """Return two modalities, the second absent in the first case, and labels 0, 1, 2 and 4."""
    draw = np.random.default_rng(seed)
    y = np.zeros((n, side, side, side), dtype=np.uint8)
    y[:, 1:4, 1:4, 1:4] = 1
    y[:, 6:8, 6:8, 6:8] = 2
    y[:, 10, 10, 10] = 4
    t1 = (y[:, None] + draw.normal(3, 1, y[:, None].shape)).astype(np.float32)
    t2 = draw.normal(-2, 5, (n, 2, *y.shape[1:])).astype(np.float32)
    t2[0] = np.nan
    return {"t1": t1, "t2": t2}, y


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the path of a file of such volumes."""
    path = tmp_path_factory.mktemp("volumes") / "train.npz"
    inputs, y = made()
    np.savez(path, **inputs, y=y)
    return str(path)


def test_a_file_is_read_as_its_numbers_say(file: str) -> None:
    """BraTS's labels are four classes, regions name them, and training volumes standardise."""
    settings = Volumes(file, regions={"WT": "1+2+4", "ET": "4"}, patch=[8], patches=3)
    splits = settings.load(0)
    task = splits.train.task
    assert task.classes == ("0", "1", "2", "4")
    assert task.axes == 3
    assert task.regions == (("WT", (1, 2, 3)), ("ET", (3,)))
    assert [m.shape for m in task.inputs] == [(1, 8, 8, 8), (2, 8, 8, 8)]
    assert (len(splits.train), len(splits.val)) == (12, 1)
    assert any("4 is the fourth" in note for note in splits.notes)
    whole = splits.train.volumes  # type: ignore[attr-defined]
    x = torch.cat([whole.take(torch.tensor([row])).inputs["t1"] for row in range(len(whole))])
    assert abs(float(x.mean())) < 1e-5
    assert abs(float(x.std(correction=0)) - 1) < 1e-5
    batch = splits.val.take(torch.tensor([0]))
    assert batch.target.shape == (1, 12, 12, 12)
    assert batch.target.unique().tolist() == [0, 1, 2, 3]
    assert int(splits.val.pixels[0, 3]) == 1  # type: ignore[index]


def test_files_data_of_python_and_items_are_read_alike(file: str) -> None:
    """The same volumes give the same splits, whatever form they come in."""
    inputs, y = made()
    data = MultimodalDataset(inputs, y, volumes={"patch": 8})
    items = [({n: x[i] for n, x in inputs.items()}, y[i]) for i in range(len(y))]
    lazy = LazyDataset(items, volumes={"patch": 8})
    parts = [
        Volumes(file, patch=[8]).load(0),
        Given(data.key, patch=[8]).load(0),
        Given(lazy.key, patch=[8]).load(0),
    ]
    batches = [splits.train.take(torch.arange(4), epoch=3) for splits in parts]
    for batch in batches[1:]:
        assert torch.equal(batch.target, batches[0].target)
        assert torch.equal(batch.present, batches[0].present)
        for name in inputs:
            assert torch.equal(batch.inputs[name], batches[0].inputs[name])
    assert Arrays(file).load(0).train.task.axes == 3


def test_patches_are_seeded_centred_on_classes_and_flipped_together() -> None:
    """With a share of 1 every patch holds a voxel of a class; labels move with the numbers."""
    inputs, y = made()
    inputs = {"t1": y[:, None].astype(np.float32)}
    data = MultimodalDataset(inputs, y, volumes={"patch": [4, 6, 4], "foreground": 1, "patches": 8})
    train = Given(data.key, **vars(data.volumes)).load(0).train
    assert isinstance(train, PatchDataset)
    every = torch.arange(len(train))
    batch = train.take(every, 1)
    assert batch.target.shape[1:] == (4, 6, 4)
    assert bool((batch.target > 0).flatten(1).any(1).all())
    assert torch.equal(train.take(every, 1).target, batch.target)
    assert not torch.equal(train.take(every, 2).target, batch.target)
    # The modality is the label itself: standardised, it still orders as the classes do.
    values = [batch.inputs["t1"][:, 0][batch.target == c].unique() for c in range(4)]
    assert [len(one) for one in values] == [1, 1, 1, 1]
    # Rare classes are as frequent as others at the centre.
    assert int((batch.target == 3).flatten(1).any(1).sum()) > len(train) // 6


def test_volumes_smaller_than_a_patch_lie_in_its_middle() -> None:
    """Around them are zeros without a class."""
    inputs, y = made(side=12)
    items = [({"t1": inputs["t1"][i][:, : 11 + i % 2]}, y[i][: 11 + i % 2]) for i in range(5)]
    data = LazyDataset(items)
    train = Given(data.key, patch=[16], augment="none").load(0).train
    batch = train.take(torch.tensor([0]))
    whole = train.volumes.take(torch.tensor([0]))  # type: ignore[attr-defined]
    depth = whole.target.shape[1]
    first = (16 - depth) // 2
    assert torch.equal(batch.target[0, first : first + depth, 2:14, 2:14], whole.target[0])
    assert int((batch.target == -1).sum()) == 16**3 - whole.target.numel()
    assert not batch.inputs["t1"][0, 0, :first].any()


def test_only_what_a_patch_covers_is_copied(tmp_path: Path) -> None:
    """Cases may be memory maps, with an index that is stored with them."""
    np.save(tmp_path / "a.npy", np.arange(40.0**3, dtype=np.float32).reshape(1, 40, 40, 40))
    stored = np.load(tmp_path / "a.npy", mmap_mode="r")
    cases = [({"a": stored}, np.zeros((40, 40, 40), np.uint8))] * 2
    arrays, _ = read_case("made", cases, 0, {"a": 1})
    assert np.shares_memory(arrays["a"], stored)
    index = CaseIndex(
        ("x", "y"),
        {"a": 1},
        torch.full((2, 3), 40),
        torch.ones(2, 1, dtype=torch.bool),
        torch.tensor([[64000, 0]] * 2),
    )
    part = (cases, index, torch.arange(2))
    splits = volume_splits(
        "made",
        OwnVolumes(patch=[8], classes=["none", "some"], regions={"all": "some"}),
        {"train": part, "val": part},
        seed=0,
        standardiser=None,
    )
    assert splits.train.take(torch.arange(2)).inputs["a"].shape == (2, 1, 8, 8, 8)
    assert isinstance(splits.val, VolumeRows)
    assert splits.val.empty(0) == pytest.approx(40 * 3**0.5)
    x, _ = splits.val.read(1, (slice(3, 5), slice(0, 1), slice(7, 9)))
    assert x["a"].flatten().tolist() == [4807, 4808, 6407, 6408]


def test_further_volumes_need_no_labels_and_may_have_another_size() -> None:
    """Prediction reads no labels, not even unknown ones; a missing modality is absent."""
    inputs, y = made()
    data = MultimodalDataset(inputs, y)
    splits = own_splits("data", OwnVolumes(), data, None, None, 0)
    other = LazyDataset([({"t1": inputs["t1"][0][:, :7]}, y[0][:7] * 0 + 9)])
    rows = read_volumes(other, splits.train.task, splits.standardiser, OwnVolumes(), False)
    batch = rows.take(torch.tensor([0]))
    assert batch.inputs["t1"].shape == (1, 1, 7, 12, 12)
    assert batch.present.tolist() == [[True, False]]
    with pytest.raises(ValueError, match="expected labels 0, 1, 2, 4, got 9"):
        read_volumes(other, splits.train.task, splits.standardiser, OwnVolumes()).take(
            torch.tensor([0])
        )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"regions": {"WT": "1+3"}}, "region WT: no class '3'"),
        ({"patch": [8, 8]}, "expected patch as one side"),
        ({"overlap": 1.0}, "expected overlap"),
        ({"spacing": [1.0, 0.0, 1.0]}, "expected spacing"),
        ({"labels": [0, 1]}, "if it is a class, training must know it"),
        ({"regions": {"2": "1"}}, "a class has this name"),
    ],
)
def test_wrong_settings_are_named(file: str, change: dict[str, Any], message: str) -> None:
    """What is out of range is said before anything is trained."""
    settings = Volumes(file, **{"patch": [12], **change})
    with pytest.raises(ValueError, match=message):
        settings.load(0).train.take(torch.arange(4))
    with pytest.raises(TypeError, match=r"no setting 'patch_'.*patch"):
        own_volumes({"patch_": 3})


def test_wrong_volumes_are_named() -> None:
    """Case and modality are said."""
    inputs, y = made()
    holes = {"t1": inputs["t1"].copy()}
    holes["t1"][2, 0, 0, 0, 1] = np.nan
    for some, labels, message in (
        (holes, y, "case 2, modality t1: it holds NaN in part"),
        ({"t1": inputs["t1"][..., :7]}, y, r"case 0, modality t1: expected a volume \(C, 12, 12"),
        (inputs, y[:1].repeat(5, 0) * 0.5, "case 0: expected labels as whole numbers, got frac"),
    ):
        with pytest.raises(ValueError, match=message):
            own_splits("data", OwnVolumes(), MultimodalDataset(some, labels), None, None, 0)
    assert channels_first(np.zeros((3, 4, 5)), 1, None).shape == (1, 3, 4, 5)


def test_volumes_that_cannot_be_used_are_skipped() -> None:
    """What is left is what would be read without them; each skipped one is named, and why."""
    inputs, y = made()
    data = MultimodalDataset(inputs, y)
    splits = own_splits("data", OwnVolumes(), data, None, None, 0)
    task, standardiser = splits.train.task, splits.standardiser
    t1 = inputs["t1"].astype(np.float32)
    holes = t1[1].copy()
    holes[0, 0, 1] = np.nan
    items = [
        ({"t1": t1[0]}, y[0]),
        ({"t1": holes}, y[1]),
        ({"t1": t1[2]}, y[2][:5]),
        ({"t1": t1[3], "t2": None}, y[3] + 0.5),
        ({"t1": t1[4]}, y[4]),
        ({}, y[0]),
    ]
    with pytest.raises(ValueError, match="case 1, modality t1: it holds NaN"):
        read_volumes(LazyDataset(items), task, standardiser, OwnVolumes())
    source = LazyDataset(items).with_options({}, "skip")
    rows = read_volumes(source, task, standardiser, OwnVolumes())
    alone = read_volumes(LazyDataset([items[0], items[4]]), task, standardiser, OwnVolumes())
    assert [one.row for one in rows.skipped] == [1, 2, 3, 5]
    assert rows.file_rows.tolist() == [0, 4]
    assert rows.rows_in_file == 6
    assert rows.samples == ("0", "4")
    assert rows.warnings[0].startswith("row 1: skipped: modality t1: it holds NaN")
    for row in range(2):
        one, other = (some.take(torch.tensor([row])) for some in (rows, alone))
        assert torch.equal(one.inputs["t1"], other.inputs["t1"])
        assert torch.equal(one.target, other.target)
    bad = LazyDataset(items[1:2]).with_options({}, "skip")
    with pytest.raises(ValueError, match="every case is bad; case 0: modality t1"):
        read_volumes(bad, task, standardiser, OwnVolumes())


def test_missing_voxels_are_filled_with_the_training_volumes(tmp_path: Path) -> None:
    """By the mean of the voxels that there are, or zero; patches, whole volumes and later ones."""
    inputs, y = made()
    inputs["t1"][:, :, ::3, 2] = np.nan
    np.savez(tmp_path / "a.npz", **inputs, y=y)
    path, known = str(tmp_path / "a.npz"), ~np.isnan(inputs["t1"])
    with pytest.raises(ValueError, match="in part of its voxels; train with cells"):
        Volumes(path).load(0)
    for cells, value in (("mean", None), ("zero", 0.0)):
        splits = Volumes(path, val=path, cells=cells).load(0)
        mean, std = inputs["t1"][known].mean(dtype=float), inputs["t1"][known].std(dtype=float)
        filled = np.where(known, inputs["t1"], mean if value is None else value)
        found = torch.cat([splits.val.take(torch.tensor([row])).inputs["t1"] for row in range(5)])
        np.testing.assert_allclose(found, (filled - mean) / std, rtol=1e-5, atol=1e-5)
        share = 100 * (~known).mean()
        assert f"train: {share:.1f} % of the cells of t1 are missing, in 5 of 5 rows" in "".join(
            splits.notes
        )
        assert "val: " in "".join(splits.notes)
        options = OwnVolumes()
        later = read_volumes(path, splits.train.task, splits.standardiser, options)
        assert torch.equal(later.take(torch.tensor([1])).inputs["t1"], found[1:2])
    assert isinstance(Arrays(path, cells="zero").load(0).train, PatchDataset)
    for wrong in (Volumes(path, cells="median"), Arrays(path, cells="mean+indicator")):
        with pytest.raises(ValueError, match="refuse, mean or zero"):
            wrong.load(0)


def test_what_is_not_for_volumes_is_refused(file: str) -> None:
    """Rather than left out in silence."""
    for name, value in (("rows", 3), ("missing", 0.3)):
        with pytest.raises(ValueError, match=f"without {name}"):
            Arrays(file, **{name: value}).load(0)
        data = MultimodalDataset(*made())
        with pytest.raises(ValueError, match=f"{name} is not for data with a class for every"):
            Given(data.key, **{name: value}).load(0)


def test_channels_that_may_be_first_or_last_are_asked_about() -> None:
    """Without labels nothing tells; another modality of the case may."""
    twice = np.zeros((2, 6, 6, 2))
    cases = LazyDataset([{"t2": twice}])
    with pytest.raises(ValueError, match="may have its 2 channels first or last; give labels or"):
        read_case("a", LazyCases(cases, False), 0, {"t2": 2})
    for flat, depth in ((np.zeros((6, 6, 2)), 6), (np.zeros((2, 6, 6)), 2)):
        both = LazyDataset([{"t2": twice, "t1": flat}])
        arrays, _ = read_case("a", LazyCases(both, False), 0, {"t2": 2, "t1": 1})
        assert arrays["t2"].shape[:2] == (2, depth)


def test_intensities_change_alike_in_a_patch_and_in_no_other_way() -> None:
    """Each modality is scaled and shifted by a draw of its own; padding and labels stay."""
    inputs, y = made()
    data = MultimodalDataset(inputs, y)
    plain, changed = (
        own_splits(
            "data", OwnVolumes(patch=[16], augment="none", intensity=by), data, None, None, 0
        )
        for by in (0.0, 0.1)
    )
    rows = torch.arange(8)
    one, other = plain.train.take(rows), changed.train.take(rows)
    assert torch.equal(one.target, other.target)
    for column, name in enumerate(("t1", "t2")):
        for row in range(8):
            x, z = one.inputs[name][row], other.inputs[name][row]
            inside = (one.target[row] >= 0).expand_as(x)
            assert not z[~inside].any()
            if one.present[row, column]:
                scale, shift = np.polyfit(x[inside].double(), z[inside].double(), 1)
                assert 0.9 <= scale <= 1.1
                assert abs(shift) <= 0.1
                assert abs(scale - 1) + abs(shift) > 1e-4
                torch.testing.assert_close(z[inside], (x * scale + shift)[inside])
    again = changed.train.take(rows)
    assert torch.equal(again.inputs["t1"], other.inputs["t1"])
    assert not torch.equal(changed.train.take(rows, 1).inputs["t1"], other.inputs["t1"])
    with pytest.raises(ValueError, match="expected intensity from 0 to below 1"):
        own_volumes({"intensity": 1.0})


def test_volumes_of_one_number_are_said_and_absent_where_told(tmp_path: Path) -> None:
    """Zeros for a scan that was not made; nothing is assumed, and the user's data stay."""
    inputs, y = made(10)
    inputs["t1"][3:7] = 0
    present = np.ones((10, 2), dtype=bool)
    present[0, 1] = False
    np.savez(tmp_path / "a.npz", **inputs, y=y, present=present)
    path = str(tmp_path / "a.npz")
    said = "train: t1 is 0 throughout in 4 of 10 rows (40 %): probably absent; if so, absent t1=0"
    assert any(note.startswith(said) for note in Volumes(path, val=path).load(0).warnings)
    splits = Volumes(path, val=path, absent={"t1": 0}).load(0)
    assert "train: t1 is absent in 4 of 10 volumes" in splits.notes
    assert not any("throughout" in note for note in splits.warnings)
    data = MultimodalDataset(inputs, y, present=present)
    options = OwnVolumes()
    given = own_splits("data", options, data, data, None, 0)
    assert any("absent={'t1': 0} of Multimod" in note for note in given.warnings)
    own_splits("data", options, data, data, None, 0, rules=FileRules(absent={"t1": 0}))
    assert data.present[:, 0].all()
    # A scanner that is off in a later file.
    off, _ = made(3)
    off["t2"][:] = -1.0
    later = LazyDataset([{name: x[row] for name, x in off.items()} for row in range(1, 3)])
    task, standardiser = given.train.task, given.standardiser
    rows = read_volumes(later, task, standardiser, options, need_target=False)
    assert rows.warnings[0].startswith("file: t2 is -1 throughout in every row, in training it was")


def test_what_is_said_of_the_samples_is_heeded_or_refused(tmp_path: Path) -> None:
    """Weights, names of classes and another kind of target were left out in silence."""
    inputs, y = made()
    weighted = MultimodalDataset(inputs, y, weights=[0, 1, 1, 1, 1])
    with pytest.raises(ValueError, match="weights is not for data with a class for every"):
        Given(weighted.key).load(0)
    named = MultimodalDataset(inputs, np.minimum(y, 3), labels=["none", "core", "rim", "scar"])
    assert Given(named.key).load(0).train.task.classes == ("none", "core", "rim", "scar")
    numbers = MultimodalDataset(inputs, y.astype(float), target="regression")
    with pytest.raises(ValueError, match="a class for every pixel is read by"):
        Given(numbers.key).load(0)


def test_notes_say_how_volumes_were_read() -> None:
    inputs, y = made()
    inputs["t2"] = np.moveaxis(inputs["t2"], 1, -1)
    notes = own_splits("data", OwnVolumes(), MultimodalDataset(inputs, y), None, None, 0).notes
    assert "t1 (1x12x12x12) read as volume 1x12x12x12, channels first" in notes
    assert "t2 (12x12x12x2) read as volume 2x12x12x12, channels last" in notes
