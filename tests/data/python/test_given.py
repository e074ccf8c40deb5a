"""Samples given in Python mean what the same samples in a file mean."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from dmrnet import LazyDataset, MultimodalDataset
from dmrnet.data.dataset import standardised
from dmrnet.data.files.training_files import read_splits
from dmrnet.data.python.key import given

A = np.arange(24, dtype=np.float32).reshape(12, 2)
B = np.arange(12 * 3 * 8, dtype=np.float32).reshape(12, 3, 8)
Y = np.arange(12) % 3


def with_gaps() -> list[Any]:
    return [None if row % 4 == 0 else B[row] for row in range(12)]


def nan_rows() -> Any:
    array = B.copy()
    array[::4] = np.nan
    return array


HIDDEN = np.stack([np.ones(12, dtype=bool), np.arange(12) % 4 != 0], 1)

FORMS: dict[str, Any] = {
    "numpy with rows of NaN": lambda: MultimodalDataset({"a": A, "b": nan_rows()}, Y),
    "lists with None": lambda: MultimodalDataset({"a": A.tolist(), "b": with_gaps()}, Y.tolist()),
    "float64": lambda: MultimodalDataset({"a": A.astype(float), "b": nan_rows().astype(float)}, Y),
    "torch": lambda: MultimodalDataset(
        {"a": torch.from_numpy(A), "b": torch.from_numpy(nan_rows())}, torch.from_numpy(Y)
    ),
    "bool columns": lambda: MultimodalDataset({"a": A, "b": B}, Y, present=HIDDEN),
    "bool by name": lambda: MultimodalDataset(
        {"a": A, "b": B}, Y, present={"a": HIDDEN[:, 0], "b": HIDDEN[:, 1].tolist()}
    ),
    "objects": lambda: MultimodalDataset(
        {"a": A, "b": np.array([*with_gaps(), None], dtype=object)[:12]}, Y.astype(object)
    ),
    "records": lambda: MultimodalDataset.from_records(
        [
            {"a": A[row], "label": int(Y[row]), **({} if row % 4 == 0 else {"b": B[row]})}
            for row in range(12)
        ],
        "label",
    ),
    "pairs of a torch data set": lambda: MultimodalDataset.from_records(
        [({"a": torch.from_numpy(A[row]), "b": with_gaps()[row]}, Y[row]) for row in range(12)]
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_read_as_its_file(form: str, tmp_path: Path) -> None:
    np.savez(tmp_path / "train.npz", a=A, b=nan_rows(), y=Y)
    expected = read_splits(str(tmp_path / "train.npz"), None, None, 0, 0.25)
    got = read_splits(FORMS[form](), None, None, 0, 0.25)
    assert got.fingerprints() == expected.fingerprints()
    assert got.train.task == expected.train.task


def test_training_does_not_change_what_was_given() -> None:
    a, b = A.copy(), nan_rows()
    standardised(read_splits(MultimodalDataset({"a": a, "b": b}, Y), None, None, 0, 0.25))
    assert np.array_equal(a, A)
    assert np.array_equal(b, nan_rows(), equal_nan=True)


def test_a_table_becomes_vectors_by_modality() -> None:
    class Frame:
        """What is read of a pandas DataFrame."""

        columns = ("wbc", "crp", "age", "sick")
        index = ("p1", "p2")

        def __getitem__(self, names: str | list[str]) -> Any:
            values = {"wbc": [1.0, 2.0], "crp": [3.0, 4.0], "age": [50, 60], "sick": ["no", "yes"]}

            class Part:
                def to_numpy(self, **_: object) -> Any:
                    if isinstance(names, str):
                        return np.array(values[names], dtype=object)
                    return np.array([values[name] for name in names], dtype=float).T

            return Part()

    data = MultimodalDataset.from_frame(Frame(), {"blood": ["wbc", "crp"], "age": ["age"]}, "sick")
    assert data.read("blood").tolist() == [[1.0, 3.0], [2.0, 4.0]]
    assert data.y is not None
    assert data.y.tolist() == ["no", "yes"]
    assert data.read("samples").tolist() == ["p1", "p2"]
    with pytest.raises(ValueError, match="'hgb'"):
        MultimodalDataset.from_frame(Frame(), {"blood": ["hgb"]})


def test_a_part_keeps_what_the_whole_says() -> None:
    data = MultimodalDataset({"a": A, "b": nan_rows()}, Y, samples=[f"s{row}" for row in range(12)])
    part = data.subset(Y == 1)
    assert len(part) == 4
    assert part.read("samples").tolist() == ["s1", "s4", "s7", "s10"]
    assert part.present[:, 1].tolist() == [True, False, True, True]


def test_the_key_finds_equal_data_while_they_are_there() -> None:
    data = MultimodalDataset({"a": A}, Y, name="mine")
    key = data.key
    assert key.startswith("mine-")
    assert given(key) is data
    assert MultimodalDataset({"a": A.copy()}, Y, name="mine").key == key
    assert given(key) is data
    assert MultimodalDataset({"a": A + 1}, Y, name="mine").key != key
    del data
    with pytest.raises(FileNotFoundError, match="give them again"):
        given(key)


@pytest.mark.parametrize(
    ("inputs", "options", "kind", "message"),
    [
        ([A, A], {}, TypeError, "mapping"),
        ({}, {}, TypeError, "mapping"),
        ({"a": A, "b": B[:5]}, {}, ValueError, "b has 5 rows but a has 12"),
        ({"a": [A[0], A[0, :1]]}, {}, ValueError, "row 0 and .* in row 1"),
        ({"a": [None, None]}, {}, ValueError, "None throughout in a"),
        ({"a": np.array(["x", "y"])}, {}, TypeError, "expected numbers"),
        ({"a": A, "present": A}, {}, ValueError, "'present' is kept"),
        ({"a": A}, {"present": np.ones((12, 2), dtype=bool)}, ValueError, r"bool \(n, 1\)"),
        ({"a": A}, {"present": np.ones((12, 1))}, ValueError, "float64"),
        ({"a": A}, {"present": {"b": Y}}, ValueError, "for each of a"),
        ({"a": A}, {"y": [*Y[:-1].tolist(), None]}, ValueError, "row 11 has no label"),
        ({"a": A}, {"y": Y[:-1]}, ValueError, "y has 11 rows"),
    ],
)
def test_what_cannot_be_read_is_refused(
    inputs: Mapping[str, Any], options: dict[str, Any], kind: type[Exception], message: str
) -> None:
    with pytest.raises(kind, match=message):
        MultimodalDataset(inputs, **options)


def test_a_modality_of_none_is_absent_everywhere() -> None:
    forms = (None, [None] * 12, np.array([None] * 12, dtype=object), [np.full((3, 8), np.nan)] * 12)
    for rows in forms:
        data = MultimodalDataset({"b": rows, "a": A}, Y, kinds={"b": "sequence"}, absent={"b": 0})
        assert len(data[2:5]) == 3
        assert data.present[:, data.modalities.index("a")].all()
        assert data.present.sum() == 12
        assert "b in 0" in repr(data) or "b (3, 8) in 0" in repr(data)
    given = MultimodalDataset({"b": None, "a": A}, present=np.array([[False, True]] * 12))
    assert given.present.tolist() == [[True]] * 12
    records = MultimodalDataset.from_records([{"a": row, "b": None} for row in A])
    assert records.modalities == ("a",)
    with pytest.raises(ValueError, match="present: samples have b, but every row of it is None"):
        MultimodalDataset({"b": None, "a": A}, present=np.ones((12, 2), dtype=bool))
    with pytest.raises(ValueError, match="no sample has any modality: None throughout in a, b"):
        MultimodalDataset({"a": None, "b": [None]})
    with pytest.raises(ValueError, match="b has 3 rows but a has 12"):
        MultimodalDataset({"b": [None] * 3, "a": A})


@pytest.mark.parametrize("labels", [np.array([b"no", b"yes"] * 6), [b"no", b"yes"] * 6])
def test_labels_of_bytes_are_refused(labels: Any) -> None:
    with pytest.raises(TypeError, match=r"got bytes such as b'no'; decode them: np.char.decode"):
        MultimodalDataset({"a": A}, labels)
    lazy = LazyDataset([({"a": row}, label) for row, label in zip(A, labels, strict=True)])
    with pytest.raises(TypeError, match="got bytes such as b'no'"):
        lazy.labels_of(torch.arange(12))


def test_records_may_come_from_a_generator() -> None:
    def records() -> Iterator[dict[str, Any]]:
        yield from ({"a": row, "y": 1} for row in A)

    assert len(MultimodalDataset.from_records(records(), "y")) == 12
    with pytest.raises(ValueError, match="at least one record"):
        MultimodalDataset.from_records([])
    with pytest.raises(TypeError, match="mapping"):
        MultimodalDataset.from_records([A[0]])


@pytest.mark.parametrize("form", ["series", "categorical"])
def test_an_ordered_categorical_keeps_its_order(form: str) -> None:
    pandas = pytest.importorskip("pandas")
    categories = ["low", "middle", "high", "never"]
    y = pandas.Categorical(["high", "low", "middle"] * 10, categories=categories, ordered=True)
    y = pandas.Series(y) if form == "series" else y
    data = MultimodalDataset({"a": np.arange(30.0)[:, None]}, y)
    assert (data.target, data.labels) == ("ordinal", ["low", "middle", "high"])
    unordered = MultimodalDataset({"a": np.arange(30.0)[:, None]}, list(y))
    assert (unordered.target, unordered.labels) == ("auto", None)
    stated = MultimodalDataset({"a": np.arange(30.0)[:, None]}, y, target="classes")
    assert (stated.target, stated.labels) == ("classes", None)
