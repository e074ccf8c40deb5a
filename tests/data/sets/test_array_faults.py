"""What is said of files that the user's own data may not be."""

from __future__ import annotations

import warnings
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.data.sets.own_files import no_gaps, put, spoil

from dmrnet.data.sets.arrays import Arrays

FAULTS = {
    "nan in part": (
        dict(wave=lambda a: put(a, (3, 2, 1), np.nan)),
        r"test\.npz: modality wave, row 3: it holds NaN in part of its 120 numbers",
    ),
    "infinity": (
        dict(face=lambda a: put(a, (3, 0, 1, 1), -np.inf)),
        r"test\.npz: modality face, row 3: it holds infinity",
    ),
    "too large": (
        dict(wave=lambda a: put(a, (4, 2, 1), 1e300)),
        r"test\.npz: modality wave, row 4: a number is too large for float32",
    ),
    "several": (
        dict(wave=lambda a: put(a, (slice(3, 5), 2, 1), np.nan)),
        r"row 3 \(and 1 more rows\)",
    ),
    "rank": (
        dict(wave=lambda a: a[:, :, 0]),
        r"modality wave: expected samples of shape \(40, 3\) as in the training file, got \(40,\)",
    ),
    "shape": (dict(face=lambda a: a[..., :4]), r"modality face: expected .*\(1, 6, 5\).*got"),
    "reshaped": (dict(face=lambda a: a.reshape(12, 30)), "modality face: expected"),
    "length": (dict(wave=lambda a: a[:5]), "wave has 5 rows but y has 12"),
    "scalar": (dict(wave=np.float64(3)), "wave to have at least one row, got a single value"),
    "no rows": (dict(wave=lambda a: a[:0]), r"wave to have at least one row, got shape \(0, 40"),
    "no numbers": (dict(wave=np.ones((12, 0))), r"wave: shape \(12, 0\) holds no numbers"),
    "objects": (dict(wave=np.array([None] * 12)), "modality wave: every row is None"),
    "other objects": (dict(wave=np.array([Path()] * 12)), "'wave' cannot be read .*pathlib"),
    "text": (dict(wave=np.array(["a"] * 12)), "wave: expected numbers, got <U1"),
    "complex": (dict(wave=np.ones((12, 2)) * 1j), "wave: expected numbers, got complex128"),
    "dates": (dict(age=np.array(["2020-01-01"] * 12, "M8[D]")), "age: expected numbers, got datet"),
    "nothing there": (
        dict(
            wave=lambda a: put(a, 7, np.nan),
            face=lambda a: put(a, 7, np.nan),
            age=lambda a: put(a, 7, np.nan),
        ),
        r"row 7 has none of wave, face, age \(1 such rows\)",
    ),
    "unknown": (dict(wavee=np.ones((12, 2))), "had no modality 'wavee'.*did you mean 'wave'"),
    "label": (dict(y=lambda a: put(a, 5, 11)), "row 5 has the label '11', which training never"),
    "label text": (dict(y=np.array(["ten"] * 12)), "row 0 has the label 'ten'"),
    "labels columns": (dict(y=np.full((12, 3), 5)), "does not have exactly one 1; several labels"),
    "labels length": (dict(y=np.ones(11, int)), "wave has 12 rows but y has 11"),
    "samples": (dict(samples=np.arange(3)), r"expected samples of shape \(12,\), got \(3,\)"),
    "samples float": (dict(samples=np.ones(12)), "samples as integers or text"),
    "present type": (dict(present=np.ones((12, 3), int)), "present as bool, got int64"),
    "present shape": (
        dict(present=np.ones((12, 2), bool)),
        r"\(12, 3\), a column for each of wave",
    ),
    "present wrong": (
        dict(present=np.ones((12, 3), bool)),
        "modality wave, row 0.*present says it is there, but it is all NaN",
    ),
    "plus": ({"a+b": np.ones(12)}, r"'a\+b' holds '\+'"),
}


@pytest.mark.parametrize(("changes", "message"), FAULTS.values(), ids=FAULTS.keys())
def test_a_fault_names_file_and_row(files: Arrays, changes, message) -> None:
    spoil(files.test, **changes)
    with pytest.raises(ValueError, match=message) as caught:
        files.load(0)
    assert str(files.test) in str(caught.value)


def test_faults_of_the_training_file(files: Arrays) -> None:
    spoil(files.train, y=lambda y: y * 0)
    with pytest.raises(ValueError, match=r"train\.npz: every label is '0'; .* two classes"):
        files.load(0)
    spoil(files.train, y=np.arange(30) % 3 * 10, wave=lambda a: a * np.nan)
    with pytest.raises(ValueError, match=r"train\.npz: modality wave is absent in every row"):
        files.load(0)
    spoil(files.train, wave=np.ones((30, 2, 2, 2, 2, 2)))
    with pytest.raises(ValueError, match=r"train\.npz: modality wave: .* 5 axes"):
        files.load(0)
    np.savez(files.train, y=np.arange(30) % 3)
    with pytest.raises(ValueError, match=r"train\.npz: expected at least one modality"):
        files.load(0)


@pytest.mark.parametrize("role", ["train", "val", "test"])
def test_missing_labels_are_refused(files: Arrays, role: str) -> None:
    spoil(getattr(files, role), drop=("y",))
    with pytest.raises(ValueError, match=rf"{role}\.npz: expected the labels as .*'y'; it has"):
        files.load(0)


def test_a_test_file_with_none_of_the_modalities(files: Arrays) -> None:
    spoil(files.test, drop=("wave", "age"))
    with pytest.raises(ValueError, match="at least one of wave, age; it has face"):
        replace(files, modalities=["wave", "age"], train=no_gaps(files.train)).load(0)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"modalities": ["wave", "fase"]}, ValueError, "no array 'fase'; did you mean 'face'"),
        ({"modalities": ["wave", "wave"]}, ValueError, "wave twice"),
        ({"modalities": ["y"]}, ValueError, "'y' is kept for"),
        ({"modalities": []}, ValueError, "at least one modality"),
        ({"modalities": "wave"}, TypeError, "the one string 'wave'"),
        ({"kinds": {"wav": "image"}}, ValueError, "no array 'wav'; did you mean 'wave'"),
        ({"kinds": {"wave": "imag"}}, ValueError, "kinds: wave: unknown kind 'imag'; did you"),
        ({"kinds": {"age": "image"}}, ValueError, r"modality age: a sample of shape \(\) cannot"),
        ({"val": None, "val_share": 0.0}, ValueError, "val_share between 0 and 1, got 0.0"),
        ({"val": None, "val_share": 0.001}, ValueError, "too few to hold 0.1 % out"),
    ],
)
def test_wrong_settings_are_refused(files: Arrays, changes, error, message) -> None:
    with pytest.raises(error, match=message):
        replace(files, **changes).load(0)


def test_files_that_are_not_there(files: Arrays, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"tran\.npz; did you mean 'train\.npz'"):
        Arrays(str(tmp_path / "tran.npz")).load(0)
    with pytest.raises(FileNotFoundError, match="nor a folder"):
        Arrays(str(tmp_path / "no" / "train.npz")).load(0)
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match=r"holds no \.npz file"):
        replace(files, test=str(tmp_path / "empty" / "test.npz")).load(0)
    with pytest.raises(ValueError, match="got a folder"):
        Arrays(str(tmp_path)).load(0)


def test_files_that_are_something_else(files: Arrays, tmp_path: Path) -> None:
    path = tmp_path / "bad.npz"
    np.save(tmp_path / "one.npy", np.ones(3))
    (tmp_path / "one.npy").rename(path)
    with pytest.raises(ValueError, match=r"bad\.npz: expected an \.npz file"):
        Arrays(str(path)).load(0)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("wave.npy", b"not an array")
        archive.writestr("y.npy", b"neither")
    with pytest.raises(ValueError, match=r"cannot be read|not an array"):
        Arrays(str(path)).load(0)
    whole = Path(files.train).read_bytes()
    with zipfile.ZipFile(files.train) as source:
        members = {name: source.read(name) for name in source.namelist()}
    with zipfile.ZipFile(path, "w") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that a name stands twice
        for name, content in [*members.items(), ("wave.npy", members["wave.npy"])]:
            archive.writestr(name, content)
    with pytest.raises(ValueError, match=r"bad\.npz: expected one array 'wave', got 2"):
        Arrays(str(path)).load(0)
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=r"bad\.npz: expected an \.npz file"):
        Arrays(str(path)).load(0)
