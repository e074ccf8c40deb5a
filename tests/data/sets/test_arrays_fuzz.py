"""Random files with random faults: the right numbers, or one of three kinds of error."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dmrnet.data.sets.arrays import Arrays

USER_ERRORS = (ValueError, TypeError, FileNotFoundError)
FLOATS = ("f2", "f4", "f8", ">f4")
OTHERS = ("i1", "u2", "i8", "?")
SHAPES = ((), (1,), (3,), (2, 9), (9, 2), (4, 4), (1, 3, 2), (5, 4, 3), (2, 2, 2, 2))


@st.composite
def a_data_set(draw: st.DrawFn) -> dict[str, dict[str, np.ndarray]]:
    """Two files without fault, of 1 to 4 modalities; integer rows may be absent by `present`."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1), "seed"))
    names = draw(
        st.lists(
            st.sampled_from(["a", "b", "file", "x.y", "sound/left", "µ", "type"]),
            min_size=1,
            max_size=4,
            unique=True,
        ),
        "names",
    )
    shapes = [draw(st.sampled_from(SHAPES), name) for name in names]
    dtypes = [draw(st.sampled_from(FLOATS + OTHERS), name) for name in names]
    stated = draw(st.booleans(), "present is stated")
    labels = draw(st.sampled_from([np.array([3, -1, 7]), np.array(["u", "v", "w w"])]), "labels")
    gaps = draw(st.sampled_from([0.0, 0.4]), "gaps")
    files = {}
    for role, rows in (("train", 12), ("test", 5)):
        present = rng.random((rows, len(names))) >= gaps
        for column, dtype in enumerate(dtypes):
            if dtype in OTHERS and not stated:
                present[:, column] = True
        present[~present.any(1), 0] = True
        if dtypes[0] in OTHERS and not stated:
            present[:, 0] = True
        if role == "train":
            present[0] = True  # every modality stands somewhere
        arrays = {}
        for column, (name, shape, dtype) in enumerate(zip(names, shapes, dtypes, strict=True)):
            array = (rng.normal(size=(rows, *shape)) * 9).astype(dtype)
            if dtype in FLOATS:
                array[~present[:, column]] = np.nan
            arrays[name] = np.asfortranarray(array) if rng.random() < 0.3 else array
        arrays["y"] = labels[np.arange(rows) % 3]
        if stated:
            arrays["present"] = present
        files[role] = arrays
        files[f"{role} truth"] = {"present": present}
    return files


def write(folder: Path, files: dict[str, dict[str, np.ndarray]]) -> Arrays:
    import zipfile

    for role in ("train", "test"):
        # numpy.savez cannot write an array called "file".
        with zipfile.ZipFile(folder / f"{role}.npz", "w") as archive:
            for name, array in files[role].items():
                buffer = io.BytesIO()
                np.save(buffer, array)
                archive.writestr(f"{name}.npy", buffer.getvalue())
    train = str(folder / "train.npz")
    return Arrays(train, val=train, test=str(folder / "test.npz"))


def channels_first(array: np.ndarray, kind: str, shape: tuple[int, ...]) -> np.ndarray:
    """Return one sample as the task says it is, by trying what the documentation allows."""
    if array.shape == shape:
        return array
    if array.ndim < len(shape):
        return array.reshape(shape)
    moved = np.moveaxis(array, -1, 0)
    assert moved.shape == shape, (array.shape, kind, shape)
    return moved


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz")


@settings(max_examples=20, suppress_health_check=list(HealthCheck))
@given(files=a_data_set())
def test_a_file_without_fault_is_read_right(folder: Path, files) -> None:
    splits = write(folder, files).load(0)
    task = splits.train.task
    classes = sorted(set(files["train"]["y"].tolist()))
    assert task.classes == tuple(str(label) for label in classes)
    train_here = files["train truth"]["present"]
    for role in ("train", "test"):
        part, arrays = splits.parts()[role], files[role]
        assert part.present.tolist() == files[f"{role} truth"]["present"].tolist()
        assert [classes[label] for label in part.target.tolist()] == arrays["y"].tolist()
        for column, modality in enumerate(task.inputs):
            name = modality.name
            known = np.stack(
                [
                    channels_first(row.astype(np.float32), modality.kind, modality.shape)
                    for row in files["train"][name][train_here[:, column]]
                ]
            ).astype(np.float64)
            axes = tuple(axis for axis in range(known.ndim) if axis != 1)
            mean, std = known.mean(axes, keepdims=True)[0], known.std(axes, keepdims=True)[0]
            std = np.where(known.max(axes, keepdims=True) == known.min(axes, keepdims=True), 1, std)
            for row in range(len(arrays[name])):
                found = part.arrays[name][row].numpy()
                if not part.present[row, column]:
                    assert not found.any()
                    continue
                raw = arrays[name][row].astype(np.float32)
                expected = (channels_first(raw, modality.kind, modality.shape) - mean) / std[0]
                np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


def partly_nan(draw: st.DrawFn, arrays: dict[str, np.ndarray]) -> bool:
    names = [
        name
        for name, array in arrays.items()
        if array.dtype.kind == "f" and array[0].size > 1 and np.isfinite(array).any()
    ]
    if not names:
        return False
    array = arrays[draw(st.sampled_from(names))]
    row = int(np.flatnonzero(np.isfinite(array.reshape(len(array), -1)).all(1))[0])
    array[(row, *[0] * (array.ndim - 1))] = draw(st.sampled_from([np.nan, np.inf, -np.inf]))
    return True


def other_shape(draw: st.DrawFn, arrays: dict[str, np.ndarray]) -> bool:
    name = draw(st.sampled_from([name for name in arrays if name not in ("y", "present")]))
    array = arrays[name]
    change = draw(st.sampled_from(["longer", "shorter", "wider", "deeper", "nothing", "objects"]))
    arrays[name] = {
        "longer": lambda: np.concatenate([array, array[:1]]),
        "shorter": lambda: array[:-1],
        "wider": lambda: np.repeat(array[..., None], 2, -1),
        "deeper": lambda: array[..., None, None, None, None, None],
        "nothing": lambda: array[..., None][..., :0],
        "objects": lambda: np.array([{1: 2}] * len(array), dtype=object),
    }[change]()
    return True


def other_labels(draw: st.DrawFn, arrays: dict[str, np.ndarray]) -> bool:
    labels = arrays["y"]
    arrays["y"] = draw(
        st.sampled_from(
            [
                labels[:-1],
                np.full(len(labels), "one alone, and new"),
                np.array([{1: 2}] * len(labels), dtype=object),
                np.array(3),
            ]
        )
    )
    return True


def other_names(draw: st.DrawFn, arrays: dict[str, np.ndarray]) -> bool:
    name = draw(st.sampled_from([name for name in arrays if name != "present"]))
    arrays[draw(st.sampled_from(["a+b", " ", "c ", ""]))] = arrays.pop(name)
    return True


def other_presence(draw: st.DrawFn, arrays: dict[str, np.ndarray]) -> bool:
    columns = len([name for name in arrays if name not in ("y", "present")])
    rows = len(arrays["y"])
    arrays["present"] = draw(
        st.sampled_from(
            [
                np.zeros((rows, columns), bool),
                np.ones((rows, columns + 1), bool),
                np.ones((rows - 1, columns), bool),
                np.ones((rows, columns), np.int64),
                np.ones(rows, bool),
            ]
        )
    )
    return True


FAULTS = [partly_nan, other_shape, other_labels, other_names, other_presence]


@settings(max_examples=60, suppress_health_check=list(HealthCheck))
@given(files=a_data_set(), data=st.data())
def test_a_fault_is_refused(folder: Path, files, data: st.DataObject) -> None:
    role = data.draw(st.sampled_from(["train", "test"]), "role")
    fault = data.draw(st.sampled_from(FAULTS), "fault")
    # A widened array is only at odds with another file: alone it is a data set like any other.
    if fault(data.draw, files[role]):
        with pytest.raises(USER_ERRORS) as caught:
            write(folder, files).load(0)
        assert ".npz" in str(caught.value)


@settings(max_examples=40, suppress_health_check=list(HealthCheck))
@given(place=st.floats(0, 1, exclude_max=True), byte=st.integers(1, 255), size=st.integers(1, 40))
def test_a_damaged_file_is_refused_or_read_right(folder: Path, place, byte, size) -> None:
    """Every array has a checksum in the archive, so damage is seen wherever it can matter."""
    rng = np.random.default_rng(0)
    arrays = {"a": rng.normal(size=(8, 3)), "b": rng.normal(size=(8, 2, 9)), "y": np.arange(8) % 2}
    path = folder / "damaged.npz"
    np.savez(path, **arrays)
    expected = Arrays(str(path), val=str(path)).raw(0)
    content = bytearray(path.read_bytes())
    start = int(place * len(content))
    for offset in range(start, min(start + size, len(content))):
        content[offset] ^= byte
    path.write_bytes(content)
    try:
        found = Arrays(str(path), val=str(path)).raw(0)
    except USER_ERRORS:
        return
    assert found.train.task.modalities == expected.train.task.modalities
    for name in ("a", "b"):
        assert (found.train.arrays[name] == expected.train.arrays[name]).all()
    assert (found.train.target == expected.train.target).all()
