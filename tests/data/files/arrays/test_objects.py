"""Object arrays: read where there is one meaning, refused with what to do elsewhere."""

from __future__ import annotations

import io
import os
import pickle
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dmrnet.data.files.arrays.objects import plain_labels, rows_of_modality
from dmrnet.data.files.arrays.pickles import read_npy
from dmrnet.data.files.training_files import read_splits
from dmrnet.data.python.given import MultimodalDataset


def objects(items: list[Any]) -> np.ndarray:
    out = np.empty(len(items), object)
    out[:] = items
    return out


def stored(array: np.ndarray) -> io.BytesIO:
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=True)
    stream.seek(0)
    return stream


# Drawn from all of Unicode, text takes longer to begin with than the test takes.
TEXT = st.text("ab ßΩ\0\n🙂", max_size=5)
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False),
    TEXT,
    st.binary(max_size=5),
)


@given(
    st.lists(
        VALUES | st.lists(VALUES, max_size=3) | st.dictionaries(TEXT, VALUES),
        max_size=5,
    )
)
@settings(max_examples=50)
def test_data_in_objects_are_what_numpy_reads(items: list[Any]) -> None:
    assert list(read_npy(stored(objects(items)))) == items


@pytest.mark.parametrize(
    "one",
    [
        np.arange(6).astype(dtype).reshape(2, 3)
        for dtype in ("u1", "<i2", ">i4", "i8", "f2", ">f4", "f8", "?", "U3", "S3")
    ]
    + [np.asfortranarray(np.arange(6.0).reshape(2, 3)), np.zeros((0, 2)), objects([1, "a"])],
)
def test_arrays_in_objects_are_what_numpy_reads(one: np.ndarray) -> None:
    found = read_npy(stored(objects([one, None, one])))
    assert found[1] is None
    for back in (found[0], found[2]):
        np.testing.assert_array_equal(back, one)
        assert (back.dtype, back.shape) == (one.dtype, one.shape)


def test_numbers_of_numpy_and_missing_values_of_pandas() -> None:
    found = read_npy(stored(objects([np.float32(1.5), np.int64(7), pd.NA])))
    assert found.tolist() == [1.5, 7, None]


class Trace:
    """Would make a folder if it were unpickled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.folder),)


@pytest.mark.parametrize("shape", ["row", "nested", "alone"])
def test_code_in_a_file_is_refused_and_not_run(shape: str, tmp_path: Path) -> None:
    trace = Trace(tmp_path / "trace")
    items = {"row": objects([trace]), "nested": objects([[{"a": trace}]]), "alone": trace}
    with pytest.raises(ValueError, match="mkdir"):
        read_npy(stored(np.array(items[shape], dtype=object)))
    assert not trace.folder.exists()


def test_what_is_no_data_is_refused() -> None:
    for one in (Fraction(1, 2), np.datetime64("2020-01-01"), {1, 2}, print, np.dtype("f4")):
        with pytest.raises(ValueError, match=r"holds a|asks for"):
            read_npy(stored(objects([one])))
    itself: list[Any] = []
    itself.append(itself)
    with pytest.raises(ValueError, match="recursion"):
        read_npy(stored(objects([itself])))


@given(st.data())
@settings(max_examples=60)
def test_damaged_objects_are_refused_or_read(data: st.DataObject) -> None:
    content = bytearray(stored(objects([np.ones((2, 3), "f4"), None, "a"])).getvalue())
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    with suppress(ValueError):
        assert isinstance(read_npy(io.BytesIO(bytes(content))), np.ndarray)


def test_a_pickle_that_lies_about_shapes_is_refused() -> None:
    content = pickle.dumps(np.ones(4, "f8"), protocol=4)
    head = stored(objects([1])).getvalue()
    start = head.index(b"\n") + 1
    for old, new in ((b"K\x04", b"K\x05"), (b"f8", b"O8")):
        assert old in content
        with pytest.raises(ValueError, match=r"reshape|too few|expected objects"):
            read_npy(io.BytesIO(head[:start] + content.replace(old, new)))


RNG = np.random.default_rng(0)
IMAGES = list(RNG.integers(1, 255, (40, 6, 5, 3)).astype("u1"))
TABLE = RNG.normal(size=(40, 4))


def test_none_for_absent_is_read_from_a_file_and_in_python(tmp_path: Path) -> None:
    gone = np.arange(40) % 3 == 1
    image = objects([None if g else x for g, x in zip(gone, IMAGES, strict=True)])
    path = str(tmp_path / "none.npz")
    np.savez(path, image=image, tab=TABLE, y=np.arange(40) % 2)
    given_in_python = MultimodalDataset({"image": image, "tab": TABLE}, np.arange(40) % 2)
    for source in (path, given_in_python):
        train = read_splits(source, source, None, 0).train
        assert (~train.present[:, 0]).tolist() == gone.tolist()
        assert train.task.inputs[0].shape == (3, 6, 5)
        expected = np.stack(IMAGES).transpose(0, 3, 1, 2) * ~gone[:, None, None, None]
        np.testing.assert_array_equal(train.arrays["image"], expected)


def test_labels_and_names_as_objects_are_read(tmp_path: Path) -> None:
    path = str(tmp_path / "labels.npz")
    names = pd.Series([f"p{row}" for row in range(40)]).to_numpy(dtype=object)
    y = objects([["cat", "dog", "bird"][row % 3] for row in range(40)])
    np.savez(path, tab=TABLE, y=y, samples=names)
    splits = read_splits(path, path, None, 0)
    assert splits.train.task.classes == ("bird", "cat", "dog")
    assert splits.train.target.tolist() == [[1, 2, 0][row % 3] for row in range(40)]
    assert splits.train.samples == tuple(names)


def test_tables_of_objects_are_numbers_with_empty_cells() -> None:
    frame = pd.DataFrame({"a": [1, 2.5], "b": [True, None]}, dtype=object)
    found = rows_of_modality("t", frame)
    np.testing.assert_array_equal(found, [[1, 1], [2.5, np.nan]])
    found = rows_of_modality("t", pd.array([1, None, 3], dtype="Int64"))
    np.testing.assert_array_equal(found, [[1], [np.nan], [3]])
    rows = rows_of_modality("t", objects([[1, 2], None, (3, 4)]))
    np.testing.assert_array_equal(rows, [[1, 2], [np.nan] * 2, [3, 4]])


@pytest.mark.parametrize(
    ("value", "error", "said"),
    [
        (objects(["1.5", "2"]), TypeError, "expected numbers, got <U"),
        (objects([[1, "x"], [2, 3]]), TypeError, "expected numbers, got <U"),
        (objects([objects([1, "x"]), objects([2, 3])]), TypeError, "expected numbers, got 'x'"),
        (objects([None, None]), ValueError, "every row is None"),
        (objects([np.ones(2), np.ones(3)]), ValueError, "of one shape, got .* row 0 and .* row 1"),
    ],
)
def test_what_has_no_one_meaning_is_refused(
    value: np.ndarray, error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=f"modality m: {said}|{said}"):
        rows_of_modality("m", value)


def test_labels_of_no_one_kind_are_refused() -> None:
    for labels, said in (
        ([1, "a"], "numbers and text"),
        (["a", None], r"row 1 has no label \(1 such"),
        (["a", float("nan"), pd.NA], r"row 1 has no label \(2 such"),
    ):
        with pytest.raises(ValueError, match=f"y: .*{said}"):
            plain_labels("y", objects(labels))
    assert plain_labels("y", objects([True, False])).dtype == np.bool_


@pytest.mark.parametrize("odd", [[1, 2], np.zeros(4), {"a": 1}])
def test_labels_that_are_no_single_values_are_named(odd):
    labels = np.zeros(6, dtype=object)
    labels[3] = odd
    with pytest.raises(ValueError, match=r"y: expected one label per row, got .* in row 3"):
        plain_labels("y", labels)
