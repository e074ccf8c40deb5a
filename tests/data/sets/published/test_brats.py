"""brats: splits of whole patients, cases as prepared, and further cases from NIfTI files."""

from __future__ import annotations

import gzip
import pickle
import shutil
from functools import cache
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from tests.data.made import brats as made

from dmrnet.data.brats.prepared import NiftiCases
from dmrnet.data.published.preparation import prepare
from dmrnet.data.sets.published.brats import BraTS
from dmrnet.data.volumes.frames import restored, restored_probabilities
from dmrnet.data.volumes.patches import PatchDataset
from dmrnet.data.volumes.rows import VolumeRows
from dmrnet.settings.config import parse_run

SHARES = {"test_share": 0.34, "val_share": 0.3, "patch": [16]}
"""Of six cases two to test and one or two to validate."""


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory):
    """Return the folder of the prepared data of a year, in whose ``source`` are the files."""

    @cache
    def of(year: int) -> Path:
        root = tmp_path_factory.mktemp(str(year))
        prepare("brats", [made.make(root / "source", year)], root)
        return root

    return of


def number(year: int, name: str) -> int:
    """Return the number of a made case."""
    return [folder.split("/")[-1] for folder in made.CASES[year]].index(name)


@pytest.mark.parametrize("year", made.CASES)
def test_whole_cases_are_what_the_files_hold(prepared, year: int) -> None:
    splits = BraTS(str(prepared(year)), **SHARES).load(0)
    task = splits.train.task
    assert task.modalities == made.MODALITIES
    assert task.classes == ("background", "NCR/NET", "ED", "ET")
    assert dict(task.regions) == {"WT": (1, 2, 3), "TC": (1, 3), "ET": (3,)}
    assert task.dense
    assert isinstance(splits.train, PatchDataset)
    names = [name for part in splits.parts().values() for name in part.samples]
    assert len({name.partition(",")[0] for name in names}) == 6
    for part in (splits.val, splits.test):
        assert isinstance(part, VolumeRows)
        assert part.empty(0) == 373.13
        for row, name in enumerate(part.samples):
            case = number(year, name)
            box = made.brain(case)
            batch = part.take(torch.tensor([row]))
            assert np.array_equal(batch.target[0], made.labels(case)[box].T)
            seen = made.intensities(case, "t1ce")[box].astype(np.float64)
            expected = (seen - seen.mean()) / seen.std()
            np.testing.assert_allclose(batch.inputs["t1ce"][0, 0], expected.T, atol=2e-3)
            # Put back, it is the file's segmentation.
            assert part.frame is not None
            frame = part.frame(row)
            whole = np.zeros(frame.shape, dtype=np.uint8)
            place = tuple(
                slice(first, first + side)
                for first, side in zip(frame.start, batch.target.shape[1:], strict=True)
            )
            assert frame.numbers is not None
            whole[place] = np.array(frame.numbers, dtype=np.uint8)[batch.target[0]]
            numbers = (0, 1, 2, 3) if year == 2023 else (0, 1, 2, 4)
            expected = np.array(numbers)[made.labels(case)]
            assert np.array_equal(whole.transpose(np.argsort(frame.axes)), expected)
    assert splits.notes[-1].startswith(f"BraTS of {year}: ") or any(
        note.startswith(f"BraTS of {year}: ") for note in splits.notes
    )


def test_cases_are_views_of_memory_maps(prepared) -> None:
    train = BraTS(str(prepared(2020)), **SHARES).load(0).train
    cases = train.volumes.cases
    inputs, labels = cases[1]
    assert np.shares_memory(inputs["t2"], cases.maps["t2"].array)
    assert isinstance(labels, np.memmap)
    assert inputs["t2"].dtype == np.float16
    again = pickle.loads(pickle.dumps(train))
    rows = torch.arange(3)
    assert torch.equal(again.take(rows, 2).inputs["t2"], train.take(rows, 2).inputs["t2"])


def test_visits_stay_together_and_seeds_differ(prepared) -> None:
    drawn = set()
    for seed in range(6):
        splits = BraTS(str(prepared(2023)), **SHARES).load(seed)
        people = [
            {name.partition(",")[0][:15] for name in part.samples}
            for part in splits.parts().values()
        ]
        assert not people[0] & people[1] | people[0] & people[2] | people[1] & people[2]
        drawn.add(splits.test.samples)
    assert len(drawn) > 1
    fixed = [BraTS(str(prepared(2023)), split_seed=4, **SHARES).load(s).test for s in (0, 1)]
    assert fixed[0].fingerprint() == fixed[1].fingerprint()


def test_folds_and_lists(prepared, tmp_path: Path) -> None:
    root, values = str(prepared(2018)), {"val_share": 0.3, "patch": [16]}
    tested = [
        name
        for fold in range(3)
        for name in BraTS(root, folds=3, fold=fold, split_seed=0, **values).load(0).test.samples
    ]
    assert sorted(tested) == sorted(folder.split("/")[-1] for folder in made.CASES[2018])
    lists = {}
    for name, rows in {"train": (0, 1, 3), "val": (4,), "test": (2, 5)}.items():
        path = tmp_path / f"{name}.txt"
        path.write_text("".join(f"{made.CASES[2018][row]}\n" for row in rows))
        lists[f"{name}_list"] = str(path)
    splits = BraTS(root, **lists, **values).load(0)
    assert splits.test.samples == ("Brats18_TCIA01_131_1", "Brats18_TCIA10_103_1")
    assert splits.val.samples == ("Brats18_TCIA09_141_1",)
    assert {one.partition(",")[0] for one in splits.train.samples} == {
        made.CASES[2018][row].split("/")[-1] for row in (0, 1, 3)
    }
    assert any("by train_list and val_list and test_list" in note for note in splits.notes)
    with pytest.raises(ValueError, match="expected lists or folds, got both"):
        BraTS(root, folds=3, **lists, **values).load(0)
    with pytest.raises(ValueError, match="expected the prepared cases to be of 2020, those in"):
        BraTS(root, year=2020, **values).load(0)


def test_further_cases_come_from_a_folder(prepared, tmp_path: Path) -> None:
    root = prepared(2020)
    settings = BraTS(str(root), **SHARES)
    task = settings.load(0).train.task
    folder = tmp_path / "new"
    for name in ("t1", "t2"):
        made.write(folder / f"BraTS20_Validation_007_{name}.nii", made.intensities(3, name))
    rows = settings.read(str(folder), task, None, need_target=False)
    assert isinstance(rows, VolumeRows)
    assert rows.samples == ("BraTS20_Validation_007",)
    assert rows.present.tolist() == [[False, False, True, True]]
    batch = rows.take(torch.tensor([0]))
    assert (batch.target == -1).all()
    box = made.brain(3)
    seen = made.intensities(3, "t2")[box].astype(np.float64)
    expected = (seen - seen.mean()) / seen.std()
    np.testing.assert_allclose(batch.inputs["t2"][0, 0], expected.T, atol=2e-3)
    assert rows.frame is not None
    assert rows.frame(0).start == (2, 2, 3)
    with pytest.raises(
        ValueError, match=r"BraTS20_Validation_007: labels \(.*_seg.nii\) is missing"
    ):
        settings.read(str(folder), task, None)
    # The labelled files, and what was prepared of them, are the same cases.
    both = [settings.read(str(path), task, None) for path in (root / "source", root)]
    for row in range(6):
        one, other = (part.take(torch.tensor([row])) for part in both)
        assert torch.equal(one.target, other.target)
        assert all(torch.equal(one.inputs[n], other.inputs[n]) for n in made.MODALITIES)
        assert both[0].frame(row).start == both[1].frame(row).start
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        settings.read(str(tmp_path / "nothing"), task, None)
    (tmp_path / "a.npz").write_bytes(b"")
    with pytest.raises(ValueError, match="expected a folder of cases of BraTS"):
        settings.read(str(tmp_path / "a.npz"), task, None)


def test_the_default_patch_is_no_change_of_the_data() -> None:
    flags = ["--data", "brats", "--data.root", "x"]
    assert parse_run(flags).data_label == "brats"
    assert parse_run([*flags, "--data.patch", "64", "--data.year", "2020"]).data_label == (
        "brats (patch=[64], year=2020)"
    )


@pytest.mark.parametrize("codes", ["RAS", "PIR", "SLP"])
def test_files_along_other_axes_are_turned_and_turned_back(
    prepared, tmp_path: Path, codes: str
) -> None:
    """They were read as if they lay along those of the published files."""
    for name in ("as published", "turned"):
        for case in made.CASES[2018][:2]:
            shutil.copytree(prepared(2018) / "source" / case, tmp_path / name / case)
    wanted = nib.orientations.axcodes2ornt(codes)
    for case in range(2):
        for role in (*made.MODALITIES, "labels"):
            path = made.file_of(tmp_path / "turned", 2018, case, role)
            image = nib.load(path)
            by = nib.orientations.ornt_transform(nib.io_orientation(image.affine), wanted)
            path.write_bytes(gzip.compress(image.as_reoriented(by).to_bytes()))
    plain, turned = (NiftiCases(str(tmp_path / name), True) for name in ("as published", "turned"))
    for row in range(2):
        one, other = plain.decode(row), turned.decode(row)
        assert (one.turned, other.turned) == (False, True)
        assert one.start == other.start
        assert np.array_equal(one.labels, other.labels)
        for name, values in one.inputs.items():
            assert np.array_equal(values, other.inputs[name])
        stored = np.asarray(nib.load(turned.cases[row].files["labels"]).dataobj)
        assert other.labels is not None
        back = restored(other.labels, turned.frame(row))
        assert np.array_equal(back, stored)
        each = np.stack([other.labels == label for label in range(4)]).astype(np.float32)
        whole = restored_probabilities(each, turned.frame(row))
        for label, number in enumerate(turned.frame(row).numbers or ()):
            assert np.array_equal(whole[label] == 1, stored == number)
