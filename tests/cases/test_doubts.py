"""What may be meant otherwise is said: numbers as classes, labels that are none, stuck sensors."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from dmrnet.data.files.arrays.disguise import disguise_notes
from dmrnet.data.files.arrays.labels import learn_target
from dmrnet.data.files.training_files import read_splits
from dmrnet.data.python.given import MultimodalDataset
from dmrnet.data.python.items import LazyDataset
from dmrnet.data.volumes.cases import read_case
from dmrnet.data.volumes.sources import LazyCases
from dmrnet.modalities import check_names
from dmrnet.settings.files import parse_tree

R = np.random.default_rng(0)


@pytest.mark.parametrize(
    ("y", "said"),
    [
        (R.integers(50, 400, 2000) * 5, "whole numbers from 250 to 1995, read as classes; numbers"),
        (R.integers(18, 91, 3000), "y holds 73 whole numbers from 18 to 90, read as classes"),
        (np.array(["ill", "NA", "well"])[R.integers(0, 3, 60)], "NA is read as a class of"),
        (np.array(["a", "?"])[R.integers(0, 2, 60)], r"\? is read as a class of \d+ rows; if it"),
        (R.integers(-1, 3, 60), "-1 is read as a class of"),
        (np.array([0, 1, -999])[R.integers(0, 3, 60)], "-999 is read as a class of"),
    ],
)
def test_doubtful_labels_are_said(y: Any, said: str) -> None:
    (note,) = learn_target("a.npz", y).notes
    assert re.search(said, note)


@pytest.mark.parametrize(
    "y",
    [
        np.array([-1, 1])[R.integers(0, 2, 60)],
        R.integers(0, 10, 60),
        np.array([True, False])[R.integers(0, 2, 60)],
    ],
)
def test_plain_labels_are_not(y: Any) -> None:
    assert not learn_target("a.npz", y).notes


def test_sensors_that_are_stuck_at_different_numbers_are_counted() -> None:
    """They were said to be one row each."""
    imu = R.normal(size=(200, 6, 50)).astype("f4")
    imu[::4] = R.normal(size=(50, 1, 1))
    (note,) = disguise_notes({"imu": imu}, {"imu": np.ones(200, dtype=bool)})
    assert "one number throughout, not the same one, in 50 of 200 rows (25 %)" in note
    assert "rows of NaN" in note


@pytest.mark.parametrize("name", ["a\u200b", "\ufeffa", "a\u00adb"])
def test_names_that_look_like_others_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="invisible character; rename it"):
        check_names(["a", name])


def test_a_key_that_stands_twice_in_one_line_is_refused() -> None:
    """The last one counted."""
    with pytest.raises(ValueError, match="train stands twice in line 1"):
        parse_tree("data: {train: a, val: b, train: c}")


def test_a_target_that_is_the_same_in_a_split_is_said() -> None:
    y = R.normal(size=(60, 2))
    train = MultimodalDataset({"a": R.normal(size=(60, 3))}, y)
    y[:20, 1] = 5
    val = MultimodalDataset({"a": R.normal(size=(20, 3))}, y[:20])
    splits = read_splits(train, val, None, 0)
    assert "val: y1 is 5 in every row, so that its R² is not defined and averages" in "".join(
        splits.warnings
    )


def test_rows_whose_group_is_not_known_are_groups_of_their_own() -> None:
    """They were one group: sixty rows were held out together, or none."""
    a, y = R.normal(size=(60, 3)), np.arange(60) % 3
    groups = [None if row % 2 else row // 20 for row in range(60)]
    for given in (groups, [np.nan if one is None else one for one in groups]):
        data = MultimodalDataset({"a": a}, y, groups=given)
        splits = read_splits(data, None, None, 0)
        assert "of 33 groups" in "".join(splits.notes)
        lazy = LazyDataset([({"a": a[row]}, y[row]) for row in range(60)], groups=given)
        assert len(set(lazy.groups or ())) == 33


def test_labels_of_two_kinds_in_a_list_are_refused() -> None:
    with pytest.raises(ValueError, match="expected one kind, got numbers and text"):
        MultimodalDataset({"a": R.normal(size=(4, 3))}, ["x", 1, "x", 1])
    with pytest.raises(ValueError, match="row 1 has no label"):
        MultimodalDataset({"a": R.normal(size=(4, 3))}, ["x", None, "x", "y"])


def test_what_is_no_array_is_named() -> None:
    with pytest.raises(
        TypeError, match=r"modality a: expected an array or a list .* got generator"
    ):
        MultimodalDataset({"a": (row for row in range(3))})
    with pytest.raises(TypeError, match="got an empty dict"):
        MultimodalDataset({})


def test_masked_cells_are_missing() -> None:
    """Numpy's own conversion takes what stands below the mask, such as -999."""
    numbers = R.normal(size=(60, 3))
    numbers[::4, 1], numbers[::5] = -999, -999
    masked = np.ma.masked_equal(numbers, -999)
    plain = np.where(numbers == -999, np.nan, numbers)
    y = np.arange(60) % 3
    data, same = (
        MultimodalDataset({"a": one, "b": plain[:, :1] * 0}, y) for one in (masked, plain)
    )
    assert np.array_equal(data.present, same.present)
    assert np.array_equal(data.read("a"), same.read("a"), equal_nan=True)
    lazy = LazyDataset([({"a": masked[row], "b": np.ones(2)}, y[row]) for row in range(60)])
    assert "a" not in lazy[0][0]
    assert np.array_equal(lazy[4][0]["a"], plain[4].astype("f4"), equal_nan=True)
    labels = np.ma.masked_equal(y, 2)
    with pytest.raises(ValueError, match="row 2 has no label"):
        read_splits(MultimodalDataset({"a": R.normal(size=(60, 3))}, labels), None, None, 0)
    image = np.ma.masked_less(R.normal(size=(1, 4, 4, 4)), -1)
    cases = LazyCases(LazyDataset([({"t1": image}, np.zeros((4, 4, 4), int))]))
    arrays, _ = read_case("a", cases, 0, {})
    assert np.array_equal(np.isnan(arrays["t1"]), np.ma.getmaskarray(image))


def test_lists_of_rows_that_differ_are_no_absence() -> None:
    with pytest.raises(
        ValueError, match="sample 0, modality a: expected an array, got a list whose"
    ):
        _ = LazyDataset([({"a": [[1, 2], [3]], "b": [1.0]}, 0)])[0]
