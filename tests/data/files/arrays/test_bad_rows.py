"""Bad rows: refused by default, and skipped by name where that is asked for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dmrnet.data.files.archive import Archive
from dmrnet.data.files.arrays.bad_rows import failing_rows, skipped_notes
from dmrnet.data.files.images import FileImages
from dmrnet.data.files.reading import read_split
from dmrnet.data.files.sample_table import read_table
from dmrnet.data.sets.images import Images
from dmrnet.modalities import Modality, Task

RNG = np.random.default_rng(0)
TAB = RNG.normal(size=(20, 4))
CAM = RNG.normal(size=(20, 2, 3, 3)).astype("f4")


def table_of(path: Path, **arrays: np.ndarray):
    np.savez(path, **arrays)
    archive = Archive(str(path))
    with pytest.raises(ValueError, match="row"):
        read_table(archive, archive.names, archive.names)
    archive.bad_rows = "skip"
    return read_table(archive, archive.names, archive.names)


def put(array: np.ndarray, place: object, value: float) -> np.ndarray:
    array = array.copy()
    array[place] = value
    return array


@pytest.mark.parametrize(
    ("tab", "reason"),
    [
        (put(TAB, (7, 3), np.nan), "tab: it holds NaN in part of its 4 numbers"),
        (put(TAB, (7, 3), -np.inf), "tab: it holds infinity"),
        (put(TAB, (7, 3), 1e300), "tab: a number is too large for float32"),
    ],
)
def test_a_bad_row_is_named_and_the_others_stay(tab, reason, tmp_path: Path) -> None:
    names = np.array([f"p{row}" for row in range(20)])
    table = table_of(tmp_path / "t.npz", tab=tab, cam=CAM, y=np.arange(20), samples=names)
    (one,) = table.skipped
    assert (one.row, one.name) == (7, "p7")
    assert one.reason.startswith(reason)
    kept = np.delete(np.arange(20), 7)
    np.testing.assert_array_equal(table.arrays["tab"], TAB[kept].astype("f4"))
    np.testing.assert_array_equal(table.arrays["cam"], CAM[kept])
    assert table.target.tolist() == kept.tolist() == table.file_rows.tolist()
    assert table.samples == tuple(names[kept])
    assert skipped_notes(table.skipped)[0].startswith(f"row 7 (p7): skipped: {reason}")


def test_rows_of_another_shape_or_without_anything_are_bad(tmp_path: Path) -> None:
    rows = np.empty(20, dtype=object)
    rows[:] = list(CAM)
    rows[4], rows[5], rows[6] = CAM[4][:1], "broken", None
    tab = put(put(TAB, 6, np.nan), (9, 0), np.inf)
    table = table_of(tmp_path / "t.npz", cam=rows, tab=tab)
    assert [one.row for one in table.skipped] == [4, 5, 6, 9]
    reasons = [one.reason for one in table.skipped]
    assert reasons[0] == "cam: its shape is (1, 3, 3), that of most rows (2, 3, 3)"
    assert reasons[1].startswith("cam: expected numbers")
    assert reasons[2] == "it has none of cam, tab"
    assert table.samples[:5] == ("0", "1", "2", "3", "7")


def test_a_modality_that_is_bad_throughout_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "t.npz", tab=put(TAB, (slice(None), 1), np.nan), cam=CAM)
    archive = Archive(str(tmp_path / "t.npz"))
    archive.bad_rows = "skip"
    with pytest.raises(ValueError, match=r"modality tab, row 0 .and 19 more rows"):
        read_table(archive, archive.names, archive.names)


def test_images_and_their_labels_stay_together(tmp_path: Path) -> None:
    y = np.arange(20)[:, None, None] * np.ones((3, 3), int)
    np.savez(tmp_path / "t.npz", cam=put(CAM, (3, 0, 0, 0), np.nan), y=y)
    archive = Archive(str(tmp_path / "t.npz"))
    archive.bad_rows = "skip"
    found = FileImages(archive, Images(""))
    assert found.labels[:, 0, 0].tolist() == [row for row in range(20) if row != 3]
    assert [one.row for one in found.skipped] == [3]


@given(st.sets(st.integers(0, 40)), st.integers(1, 40))
@settings(max_examples=50)
def test_failing_rows_are_those_that_fail(bad: set[int], rows: int) -> None:
    def check(some: np.ndarray) -> None:
        if wrong := bad & set(some.tolist()):
            raise ValueError(f"{min(wrong)} is bad")

    expected = {row: f"{row} is bad" for row in sorted(bad) if row < rows}
    assert failing_rows(check, np.arange(rows)) == expected


def test_rows_that_are_left_out_keep_the_numbers_of_the_others(tmp_path: Path) -> None:
    path = str(tmp_path / "t.npz")
    np.savez(path, tab=put(TAB, [2, 5], np.nan), cam=CAM, y=np.arange(20) % 2)
    task = Task((Modality("tab", "vector", (4,)),), ("0", "1"))
    found = read_split(path, task, None, columns=("tab", "cam"), need_target=False)
    assert found.file_rows.tolist() == [row for row in range(20) if row not in (2, 5)]
    assert found.rows_in_file == 20
    assert not found.skipped
