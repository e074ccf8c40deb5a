"""Inputs that people bring whose splits or gaps mislead, and the warnings about them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dmrnet import LazyDataset, MultimodalDataset
from dmrnet.api.fit import data_settings
from dmrnet.cli import main
from dmrnet.data.checks.concerns import later_warnings
from dmrnet.data.dataset import Splits
from dmrnet.data.sets.arrays import Arrays
from dmrnet.data.sets.images import Images

R = np.random.default_rng(0)
Y = np.arange(60) % 3
BASE = {"a": R.normal(size=(60, 4)), "b": R.normal(size=(60, 4))}


def saved(path: Path, **arrays: object) -> str:
    np.savez(path, **arrays)
    return str(path)


def patients(rows: int = 200, each: int = 10) -> dict[str, object]:
    """Rows of patients whose label and fingerprint are the patient's."""
    who = np.arange(rows) // each
    label, mark = R.integers(0, 2, rows), R.normal(size=(rows, 30)) * 3
    label[:2] = 0, 1
    return {
        "a": (mark[who] + R.normal(size=(rows, 30))).astype("f4"),
        "b": R.normal(size=(rows, 8)).astype("f4"),
        "y": label[who],
        "samples": np.array([f"p{w}" for w in who]),
    }


def sides(splits: Splits) -> tuple[set[str], set[str]]:
    assert splits.train.groups is not None
    assert splits.val.groups is not None
    return set(splits.train.groups), set(splits.val.groups)


def test_repeated_names_are_held_out_together(tmp_path: Path) -> None:
    path = saved(tmp_path / "t.npz", **patients())
    for seed in range(3):
        splits = Arrays(path).load(seed)
        train, val = sides(splits)
        assert not train & val
        assert (len(train), len(val)) == (16, 4)
        assert (
            f"val: 20 % of train held out in whole groups (4 of 20 groups, 40 rows, seed {seed}); "
            "groups are those of samples, whose names repeat"
        ) in splits.notes
        assert splits.warnings == ()
    splits = Arrays(path, groups="none").load(0)
    assert splits.train.groups is None
    assert len(splits.warnings) == 1
    assert splits.warnings[0].startswith("val: ")
    assert "sample names" in splits.warnings[0]


def test_groups_are_an_array_of_the_file_by_any_name(tmp_path: Path) -> None:
    arrays = patients()
    arrays["patient"] = np.arange(200) // 10
    del arrays["samples"]
    path = saved(tmp_path / "t.npz", **arrays)
    splits = Arrays(path, groups="patient").load(0)
    train, val = sides(splits)
    assert not train & val
    assert splits.train.task.modalities == ("a", "b")
    assert any("groups are those of patient" in note for note in splits.notes)
    # Another file may hold the array, or lack it.
    test = saved(tmp_path / "test.npz", **{name: arrays[name][:20] for name in arrays})
    read = Arrays(path, groups="patient").read(test, splits.train.task, None)
    assert read.groups == ("0",) * 10 + ("1",) * 10
    with pytest.raises(
        ValueError, match=r"groups: .* has no array 'patint'; did you mean 'patient'"
    ):
        Arrays(path, groups="patint").load(0)
    renamed = saved(tmp_path / "r.npz", groups=arrays.pop("patient"), **arrays)
    assert not set.intersection(*sides(Arrays(renamed).load(0)))


def test_two_groups_are_too_few_only_where_a_class_would_be_lost(tmp_path: Path) -> None:
    who = np.arange(60) // 30
    path = saved(tmp_path / "t.npz", **BASE, y=Y, samples=who)
    assert len(Arrays(path).load(0).val) == 30
    path = saved(tmp_path / "u.npz", **BASE, y=who, samples=who)
    with pytest.raises(ValueError, match=r"2 groups .* set groups to none to split row by row"):
        Arrays(path).load(0)


def test_files_that_share_groups_are_named(tmp_path: Path) -> None:
    arrays = patients()
    train = saved(tmp_path / "train.npz", **arrays)
    one_each = {name: array[5:105:10] for name, array in arrays.items()}
    val = saved(
        tmp_path / "val.npz", **{**one_each, "a": one_each["a"] + 1, "b": one_each["b"] + 1}
    )
    splits = Arrays(train, val).load(0)
    assert splits.warnings == (
        "val: 10 of 10 groups, all 10 rows, are in train too (p0, p1, p2, ...); scores on val say "
        "little about new ones",
    )
    # Numbers that count the rows of each file are no names.
    plain = saved(tmp_path / "n.npz", **BASE, y=Y, samples=np.arange(60))
    other = saved(
        tmp_path / "o.npz", **{k: v + 1 for k, v in BASE.items()}, y=Y, samples=np.arange(60)
    )
    assert Arrays(plain, other).load(0).warnings == ()


def test_one_file_for_three_splits_is_noticed(tmp_path: Path) -> None:
    path = saved(tmp_path / "base.npz", **BASE, y=Y)
    warnings = Arrays(path, path, path).load(0).warnings
    assert [said.split(",")[0] for said in warnings] == [
        "val: all 60 rows are in train too",
        "test: all 60 rows are in train too",
        "test: all 60 rows are in val too",
    ]


def test_each_further_file_of_data_check_is_compared(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = {name: array + 1 for name, array in BASE.items()}
    paths = [
        saved(tmp_path / "base.npz", **BASE, y=Y),
        *(
            saved(tmp_path / f"{k}.npz", **{n: a + k for n, a in other.items()}, y=Y)
            for k in (1, 2)
        ),
    ]
    assert main(["data", "check", *paths, paths[0]]) == 0
    text = capsys.readouterr().out
    assert "warning: test: all 60 rows are in train too, number for number" in text
    assert "1 warning, see above" in text


def test_rows_drawn_twice_before_the_split_are_noticed(tmp_path: Path) -> None:
    """The rare class was oversampled, so validation rows stand in training."""
    rows = np.r_[0:60, np.arange(0, 60, 3).repeat(3)]
    path = saved(tmp_path / "t.npz", **{k: v[rows] for k, v in BASE.items()}, y=Y[rows])
    (said,) = Arrays(path).load(0).warnings
    assert said.startswith("val: ")
    assert "rows are in train too, number for number (" in said


def test_other_ways_to_give_data_are_split_and_compared_alike() -> None:
    who, labels = np.arange(60) // 6, (np.arange(60) // 6) % 2
    data = MultimodalDataset(BASE, labels, groups=who)
    assert data.subset([0, 7]).read("groups").tolist() == ["0", "1"]

    class Items:
        def __len__(self) -> int:
            return 60

        def __getitem__(self, row: int) -> tuple[dict[str, object], int]:
            return {name: array[row] for name, array in BASE.items()}, int(labels[row])

    lazy = LazyDataset(Items(), groups=who)
    for one in (data, lazy):
        name, settings = data_settings(one, None, one, 0.2)
        splits = settings.load(0)
        assert name == "given"
        assert not set.intersection(*sides(splits))
        assert any("in whole groups" in note for note in splits.notes)
        assert sum("rows are in train too" in said for said in splits.warnings) == 1


def test_a_later_file_is_compared_with_training(tmp_path: Path) -> None:
    arrays = patients()
    settings = Arrays(saved(tmp_path / "t.npz", **arrays))
    splits = settings.load(0)
    task, standardiser = splits.train.task, splits.standardiser
    train = np.flatnonzero(np.isin(arrays["samples"], splits.train.samples))
    rows = {name: array[train[:10]] for name, array in arrays.items()}
    known = settings.read(saved(tmp_path / "known.npz", **rows), task, standardiser)
    said = later_warnings(splits.train, splits.val, known)
    assert [one.partition(";")[0] for one in said] == [
        "file: all 10 rows are in train too, number for number",
        f"file: 1 of 1 groups, all 10 rows, are in train too ({rows['samples'][0]})",
    ]
    new = {**rows, "a": rows["a"] + 1, "b": rows["b"] + 1, "samples": [f"q{k}" for k in range(10)]}
    unseen = settings.read(saved(tmp_path / "new.npz", **new), task, standardiser)
    assert later_warnings(splits.train, splits.val, unseen) == []


def test_images_of_a_patient_stay_together(tmp_path: Path) -> None:
    labels = R.integers(0, 2, (24, 32, 32))
    mri = R.normal(size=(24, 1, 32, 32)).astype("f4")
    path = saved(tmp_path / "t.npz", mri=mri, y=labels, samples=np.arange(24) // 4)
    splits = Images(path, test=path).load(0)
    assert splits.val.groups is not None
    assert len(splits.val) == 4
    assert len(set(splits.val.groups)) == 1
    assert any("in 1 whole groups (4 images" in note for note in splits.notes)
    assert any(said.startswith("test: 20 of 24 rows are in train too") for said in splits.warnings)


def test_a_class_without_a_validation_row_is_said(tmp_path: Path) -> None:
    y = np.zeros(60, int)
    y[[3, 4]] = 1
    path = saved(tmp_path / "t.npz", **BASE, y=y)
    assert Arrays(path).load(0).warnings == (
        "val: no row of 1 of 2 classes (1); scores on val say nothing about it",
    )


def test_absence_that_tells_the_class_is_said(tmp_path: Path) -> None:
    y = R.integers(0, 3, 200)
    tab = R.normal(size=(200, 24))
    scan = np.where((y == 2)[:, None], tab[:, :8], np.nan)
    (said,) = Arrays(saved(tmp_path / "t.npz", tab=tab, scan=scan, y=y)).load(0).warnings
    assert said.startswith("train: presence of scan predicts the class (p ")
    assert "in 100.0 % of 2, in 0.0 % of 0" in said
    assert "guessing the class from what is present alone is right in " in said


def test_absence_that_tells_a_rare_class_is_said(tmp_path: Path) -> None:
    """Four of the ill have a scan, and none of the healthy: too few for chi-square."""
    y = (np.arange(400) % 40 == 0).astype(int)
    scan = np.where((np.arange(400) % 40 == 0)[:, None], R.normal(size=(400, 3)), np.nan)
    path = saved(tmp_path / "t.npz", tab=R.normal(size=(400, 4)), scan=scan, y=y)
    (said,) = Arrays(path).load(0).warnings
    assert "presence of scan predicts the class" in said


def test_a_combination_that_tells_the_class_is_said(tmp_path: Path) -> None:
    """Each modality is as frequent in both classes; having exactly one of them is not."""
    n = np.arange(400)
    y, first = n % 2, n // 2 % 2
    a, b = R.normal(size=(400, 3)), R.normal(size=(400, 3))
    a[(y == 1) & (first == 0)] = np.nan
    b[(y == 1) & (first == 1)] = np.nan
    c = R.normal(size=(400, 2))
    both_gone = (y == 0) & (first == 0)
    a[both_gone], b[both_gone] = np.nan, np.nan
    path = saved(tmp_path / "t.npz", a=a, b=b, c=c, y=y)
    (said,) = Arrays(path).load(0).warnings
    assert said.startswith("train: which modalities a row has predicts the class (p ")
    assert "is right in 100.0 % of rows, the most frequent class in 50.0 %" in said


def test_modalities_never_seen_together_are_said(tmp_path: Path) -> None:
    left, right = BASE["a"].copy(), BASE["b"].copy()
    left[::2], right[1::2] = np.nan, np.nan
    (said,) = Arrays(saved(tmp_path / "t.npz", tab=left, cam=right, y=Y)).load(0).warnings
    assert said == (
        "train: no row has both tab and cam; predictions from such combinations are not trained"
    )
