"""Lists of cases as public codes write them, and splits of whole patients."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dmrnet.data.brats.lists import read_list
from dmrnet.data.brats.splits import folded, held_out, listed

KNOWN = ("Brats18_2013_10_1", "Brats18_2013_15_1", "Brats18_TCIA08_167_1", "Brats18_CBICA_AAB_1")

LISTS = {
    "mmformer-train": "HGG/Brats18_2013_10_1\nLGG/Brats18_2013_15_1\n",
    "mmformer-folds": "['./Training/HGG/Brats18_2013_10_1', './Training/LGG/Brats18_2013_15_1']\n",
    "shaspec": "../data/BraTS-2018/Training/HGG/Brats18_2013_10_1\n../LGG/Brats18_2013_15_1\n",
    "rfnet": "HGG_Brats18_2013_10_1\r\nLGG_Brats18_2013_15_1",
    "prepared": "HGG_Brats18_2013_10_1.npy\nLGG_Brats18_2013_15_1.nii.gz\n",
    "headed": "﻿subject\nBRATS18_2013_10_1, brats18_2013_15_1,\n\nBrats18_2013_10_1",
    "folders": "C:\\data\\HGG\\Brats18_2013_10_1\\\n/data/LGG/Brats18_2013_15_1/\n",
}


@pytest.mark.parametrize("form", LISTS)
def test_any_form_of_list_is_read(form: str, tmp_path: Path) -> None:
    path = tmp_path / "train.txt"
    path.write_text(LISTS[form], encoding="utf-8", newline="")
    assert read_list(str(path), KNOWN) == ["Brats18_2013_10_1", "Brats18_2013_15_1"]


def test_a_name_without_a_case_is_told(tmp_path: Path) -> None:
    path = tmp_path / "train.txt"
    path.write_text("Brats18_2013_10_1\nBrats18_2013_16_1\nBrats18_2013_17_1\n")
    with pytest.raises(ValueError, match=r"2 of its names are of no prepared case with labels: Br"):
        read_list(str(path), KNOWN)
    left_out = ("Brats18_2013_16_1", "brats18_2013_17_1")
    assert read_list(str(path), KNOWN, left_out) == ["Brats18_2013_10_1"]
    path.write_text("\n\n")
    with pytest.raises(ValueError, match="found none"):
        read_list(str(path), KNOWN)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match="expected a text file"):
        read_list(str(path), KNOWN)
    with pytest.raises(FileNotFoundError):
        read_list(str(tmp_path / "none.txt"), KNOWN)
    with pytest.raises(IsADirectoryError):
        read_list(str(tmp_path), KNOWN)


def test_lists_say_the_splits(tmp_path: Path) -> None:
    def write(name: str, *rows: int) -> str:
        (tmp_path / name).write_text("\n".join(KNOWN[row] for row in rows))
        return str(tmp_path / name)

    rows = torch.arange(4)
    train, val, test = listed(
        {"train_list": write("a", 2, 0), "test_list": write("b", 3)}, KNOWN, rows, ()
    )
    assert (train.tolist(), val, test.tolist()) == ([0, 2], None, [3])
    parts = listed({"test_list": write("b", 3), "val_list": write("v", 0)}, KNOWN, rows, ())
    assert [part.tolist() for part in parts] == [[1, 2], [0], [3]]
    assert listed({"train_list": write("a", 0, 1)}, KNOWN, rows, ())[2].tolist() == [2, 3]
    with pytest.raises(ValueError, match="train_list and test_list share 1 cases, Brats18_TCIA08"):
        listed({"train_list": write("a", 2), "test_list": write("b", 2, 3)}, KNOWN, rows, ())
    with pytest.raises(ValueError, match="got it alone"):
        listed({"val_list": write("v", 2)}, KNOWN, rows, ())
    with pytest.raises(ValueError, match="the lists name all 4 cases; give test_list, too"):
        listed({"train_list": write("a", 0, 1, 2, 3)}, KNOWN, rows, ())
    # A case without labels is in no split.
    with pytest.raises(ValueError, match="no prepared case with labels: Brats18_2013_10_1"):
        listed({"train_list": write("a", 0, 1)}, KNOWN, rows[1:], ())


@settings(deadline=None, max_examples=40)
@given(
    visits=st.lists(st.integers(1, 3), min_size=12, max_size=40),
    seed=st.integers(0, 99),
    folds=st.integers(2, 5),
)
def test_visits_of_a_patient_stay_together(visits: list[int], seed: int, folds: int) -> None:
    patients = [f"p{number:02}" for number, many in enumerate(visits) for _ in range(many)]
    grades = ["HGG" if int(name[1:]) % 3 else "LGG" for name in patients]
    every = torch.arange(len(patients))
    rest, test = held_out(every, patients, grades, 0.25, seed, "test_share")
    parts = (*held_out(rest, patients, grades, 0.2, seed, "val_share"), test)
    people = [{patients[row] for row in part.tolist()} for part in parts]
    assert all(people)
    assert not people[0] & people[1] | people[0] & people[2] | people[1] & people[2]
    assert torch.cat(parts).sort().values.tolist() == every.tolist()
    inside = []
    for fold in range(folds):
        rest, mine = folded(every, patients, grades, fold, folds, seed)
        assert not {patients[r] for r in rest.tolist()} & {patients[r] for r in mine.tolist()}
        inside += mine.tolist()
    assert sorted(inside) == every.tolist()


def test_shares_and_folds_out_of_range_are_told() -> None:
    rows, patients, grades = torch.arange(3), ["a", "b", "c"], [""] * 3
    with pytest.raises(ValueError, match="expected a fold from 0 to 2, got 3"):
        folded(rows, patients, grades, 3, 3, 0)
    with pytest.raises(ValueError, match="expected 2 to 3 folds, one patient or more in each"):
        folded(rows, patients, grades, 0, 4, 0)
    with pytest.raises(ValueError, match="expected test_share between 0 and 1, got 1"):
        held_out(rows, patients, grades, 1.0, 0, "test_share")
    with pytest.raises(
        ValueError, match=r"val_share 0\.1 leaves no case on one side of 1 cases of 1"
    ):
        held_out(rows[:1], patients, grades, 0.1, 0, "val_share")
