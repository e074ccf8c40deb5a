"""The user's files: what they may hold, and what is said of what they may not."""

from __future__ import annotations

import json
import warnings
import zipfile
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.data.contract import DatasetContract

from dmrnet.data.files.arrays import numbers
from dmrnet.data.files.reading import read_split
from dmrnet.data.inputs.standardise import Standardiser
from dmrnet.data.sets.arrays import Arrays


def some(rows: int = 30, seed: int = 0) -> dict[str, np.ndarray]:
    """Three modalities of three kinds, some rows missing, three classes."""
    rng = np.random.default_rng(seed)
    arrays = {
        "wave": rng.normal(size=(rows, 40, 3)),
        "face": rng.normal(size=(rows, 1, 6, 5)).astype(np.float32) * 9 + 100,
        "age": rng.integers(0, 90, size=rows).astype(np.float64),
    }
    arrays["wave"][::5] = np.nan
    arrays["face"][1::5] = np.nan
    arrays["age"][2::5] = np.nan
    arrays["y"] = np.arange(rows) % 3 * 10
    return arrays


@pytest.fixture
def files(tmp_path: Path) -> Arrays:
    """Valid settings, to be spoilt."""
    for name, rows, seed in (("train", 30, 0), ("val", 9, 1), ("test", 12, 2)):
        np.savez(tmp_path / f"{name}.npz", **some(rows, seed))
    return Arrays(*(str(tmp_path / f"{name}.npz") for name in ("train", "val", "test")))


def spoil(path: str | None, drop: tuple[str, ...] = (), **changes: object) -> None:
    assert path is not None
    with np.load(path, allow_pickle=True) as archive:
        arrays = {name: archive[name] for name in archive.files if name not in drop}
    for name, change in changes.items():
        arrays[name] = change(arrays[name].copy()) if callable(change) else change
    np.savez(path, **arrays)


class TestHeldOut(DatasetContract):
    """Without a validation file."""

    @pytest.fixture(autouse=True, scope="session")
    @classmethod
    def folder(cls, tmp_path_factory: pytest.TempPathFactory) -> None:
        cls.path = tmp_path_factory.mktemp("held")
        np.savez(cls.path / "train.npz", **some(60, 3))
        np.savez(cls.path / "test.npz", **some(20, 4))

    def splits(self, seed: int):
        return Arrays(str(self.path / "train.npz"), test=str(self.path / "test.npz")).load(seed)


class TestFiles(DatasetContract):
    """With one."""

    seeded = False

    @pytest.fixture(autouse=True, scope="session")
    @classmethod
    def folder(cls, tmp_path_factory: pytest.TempPathFactory) -> None:
        cls.path = tmp_path_factory.mktemp("files")
        for number, name in enumerate(("train", "val", "test")):
            np.savez(cls.path / f"{name}.npz", **some(20, number))

    def splits(self, seed: int):
        names = ("train", "val", "test")
        return Arrays(*(str(self.path / f"{name}.npz") for name in names)).load(seed)


def test_numbers_are_those_of_a_slow_reading(files: Arrays) -> None:
    splits = files.load(0)
    train, test = some(30, 0), some(12, 2)
    assert splits.train.task.modalities == ("wave", "face", "age")
    assert splits.train.task.classes == ("0", "10", "20")
    assert [m.shape for m in splits.train.task.inputs] == [(3, 40), (1, 6, 5), (1,)]
    for column, name in enumerate(("wave", "face", "age")):
        array = train[name].astype(np.float32).astype(np.float64)
        other = test[name].astype(np.float32).astype(np.float64)
        if name == "wave":  # channels come first
            array, other = array.transpose(0, 2, 1), other.transpose(0, 2, 1)
        if name == "age":
            array, other = array[:, None], other[:, None]
        for channel in range(array.shape[1]):
            numbers = array[:, channel].ravel()
            numbers = numbers[~np.isnan(numbers)]
            expected = np.nan_to_num((other[:, channel] - numbers.mean()) / numbers.std())
            np.testing.assert_allclose(
                splits.test.arrays[name][:, channel], expected, rtol=1e-5, atol=1e-5
            )
        absent = [bool(np.isnan(row).all()) for row in test[name]]
        assert (~splits.test.present[:, column]).tolist() == absent
    assert splits.test.target.tolist() == (test["y"] // 10).tolist()
    assert splits.columns == ("wave", "face", "age")


def test_notes_say_what_was_guessed_held_out_and_missing(files: Arrays) -> None:
    spoil(files.test, drop=("face",))
    notes = replace(files, val=None).load(4).notes
    assert "val: 20 % of train held out (6 rows, seed 4)" in notes
    assert any(note.startswith("wave (40x3) read as sequence 3x40") for note in notes)
    assert "test: face is absent in all of 12 rows" in notes
    assert any(note.startswith("train: age is absent in ") for note in notes)
    assert not any(note.startswith("face (") for note in notes)
    assert not any("no row has" in note for note in notes)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([[1, 1, 0], [1, 0, 1], [0, 1, 1]], "all of a, b, c"),
        ([[1, 1, 0], [0, 1, 1]], "both a and c"),
        ([[1, 0, 0], [0, 1, 0], [0, 0, 1]], "both a and b, nor both of 2 other pairs"),
        ([[1, 1, 1], [1, 0, 0]], None),
    ],
)
def test_combinations_that_no_training_row_has_are_noted(
    rows, said: str | None, tmp_path: Path
) -> None:
    present = np.array(rows * 4, dtype=bool)
    arrays = {name: np.ones((len(present), 2)) for name in "abc"}
    path = str(tmp_path / "train.npz")
    np.savez(path, **arrays, present=present, y=np.arange(len(present)) % 2)
    splits = Arrays(path, val=path).load(0)
    notes = [n for n in (*splits.notes, *splits.warnings) if "no row has" in n]
    expected = f"train: no row has {said}; predictions from such combinations are not trained"
    assert notes == ([] if said is None else [expected])


def test_modalities_choose_and_order(files: Arrays) -> None:
    for path in (files.train, files.val, files.test):
        spoil(path, age=lambda a: np.arange(len(a)))
    chosen = replace(files, modalities=["age", "wave"]).load(0)
    whole = files.load(0)
    assert chosen.train.task.modalities == ("age", "wave")
    assert torch.equal(chosen.train.arrays["wave"], whole.train.arrays["wave"])
    assert torch.equal(chosen.train.present, whole.train.present[:, [2, 0]])
    assert chosen.columns == ("wave", "face", "age")


def test_rows_with_nothing_of_what_is_chosen_are_left_out_and_told(files: Arrays) -> None:
    for path, rows in ((files.train, [2, 5]), (files.test, [3])):
        with np.load(str(path)) as archive:
            arrays = dict(archive)
        arrays["wave"] = arrays["wave"].astype(float)
        arrays["wave"][rows] = np.nan
        np.savez(str(path), **arrays)
    chosen = replace(files, val=None, modalities=["wave"]).raw(0)
    whole = replace(files, val=None).raw(0)
    names = {*(chosen.train.samples or ()), *(chosen.val.samples or ())}
    with np.load(files.train) as archive:
        gone = np.flatnonzero(np.isnan(archive["wave"].reshape(len(archive["y"]), -1)).all(1))
        label = archive["y"]
    rows = len(label)
    assert len(chosen.train) + len(chosen.val) == rows - len(gone)
    assert len(whole.train) + len(whole.val) == rows
    assert names == {str(row) for row in range(rows) if row not in gone}
    text = f"train: {len(gone)} of {rows} rows have none of wave: left out"
    assert text in chosen.notes
    assert any(
        n.startswith("test: ") and n.endswith("have none of wave: left out") for n in chosen.notes
    )
    # Nothing shifts: every row that stays has its own label.
    assert chosen.train.samples is not None
    for place, name in enumerate(chosen.train.samples):
        label_of = chosen.train.task.classes[int(chosen.train.target[place])]
        assert label_of == str(label[int(name)])


def test_kinds_overrule(files: Arrays) -> None:
    kinds = {"wave": "image", "face": "vector"}
    task = replace(files, kinds=kinds).load(0).train.task
    assert [(m.kind, m.shape) for m in task.inputs] == [
        ("image", (1, 40, 3)),
        ("vector", (30,)),
        ("vector", (1,)),
    ]


@pytest.mark.parametrize(
    "dtype", [np.float16, np.float64, np.int8, np.int64, np.uint16, np.bool_, ">f4", ">i4"]
)
def test_numbers_of_any_type_are_read(files: Arrays, dtype) -> None:
    rng = np.random.default_rng(0)
    values = rng.integers(0, 2, size=(30, 4, 3)).astype(dtype)
    np.savez(files.train, m=np.asfortranarray(values), y=np.arange(30) % 2)
    found = Arrays(files.train, kinds={"m": "sequence"}).raw(0)
    rows = torch.cat([found.train.arrays["m"], found.val.arrays["m"]]).numpy()
    assert sorted(map(bytes, rows)) == sorted(map(bytes, values.astype("f4").copy()))


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        (np.array(["no", "yes"] * 15), ("no", "yes")),
        (np.array([b"no", b"yes"] * 15), ("no", "yes")),
        (np.array([True, False] * 15), ("False", "True")),
        (np.array([10, 9, -1] * 10, dtype=np.int8), ("-1", "9", "10")),
        (np.array([2**63, 1] * 15, dtype=np.uint64), ("1", str(2**63))),
    ],
)
def test_labels_of_any_type_are_classes_in_order(files: Arrays, labels, classes) -> None:
    spoil(files.train, y=labels)
    splits = Arrays(files.train, val=files.train).load(0)
    assert splits.train.task.classes == classes
    names = [classes[number] for number in splits.train.target.tolist()]
    assert names == [x.decode() if isinstance(x, bytes) else str(x) for x in labels.tolist()]


def test_present_marks_what_integers_cannot(files: Arrays) -> None:
    arrays = some(30)
    arrays["age"] = np.arange(30)
    present = np.stack([~np.isnan(arrays["wave"][:, 0, 0]), np.arange(30) % 5 != 1], 1)
    present = np.column_stack([present, np.arange(30) % 4 != 0])
    present[0, 2] = True
    np.savez(files.train, **arrays, present=present)
    splits = Arrays(files.train, val=files.train).load(0)
    assert torch.equal(splits.train.present, torch.from_numpy(present))
    here = arrays["age"][present[:, 2]]
    expected = np.where(present[:, 2], (arrays["age"] - here.mean()) / here.std(), 0)
    np.testing.assert_allclose(splits.train.arrays["age"][:, 0], expected, atol=1e-6)


def test_rows_said_to_be_absent_are_not_looked_at(files: Arrays) -> None:
    present = np.ones((12, 2), dtype=bool)
    present[3, 0] = False
    data = {"a": np.ones((12, 2)), "b": np.arange(24.0).reshape(12, 2), "y": np.arange(12) % 2}
    data["a"][3] = [np.nan, np.inf]
    np.savez(files.train, **data, present=present)
    splits = Arrays(files.train, val=files.train).load(0)
    assert torch.equal(splits.train.present, torch.from_numpy(present))
    assert splits.train.arrays["a"].isfinite().all()


def test_present_of_a_file_that_lacks_an_array(files: Arrays) -> None:
    present = np.ones((12, 3), dtype=bool)
    present[:, 1] = False
    test = {name: np.nan_to_num(array) for name, array in some(12, 2).items()}
    test["y"] = some(12, 2)["y"]
    del test["face"]
    both = []
    for table in (present, present[:, [0, 2]]):
        np.savez(files.test, **test, present=table)
        both.append(files.load(0).test)
    assert torch.equal(both[0].present, torch.from_numpy(present))
    assert torch.equal(both[1].present, both[0].present)
    np.savez(files.test, **test, present=np.ones((12, 3), dtype=bool))
    with pytest.raises(ValueError, match="row 0 has face, but the file has no such array"):
        files.load(0)
    reverse = {"age": test["age"], "wave": test["wave"], "y": test["y"]}
    np.savez(files.test, **reverse, present=present)
    with pytest.raises(
        ValueError, match=r"order of training, wave, face, age, got age, wave; .* same order"
    ):
        files.load(0)


@pytest.mark.parametrize("kind", ["float64", "int64", "uint32"])
def test_what_float32_would_round_away_is_standardised_first(tmp_path: Path, kind: str) -> None:
    """Seconds since 1970 lie 128 apart in float32."""
    rng = np.random.default_rng(0)
    second = rng.permutation(90)
    for part, rows in (("train", slice(60)), ("test", slice(60, 90)), ("one", slice(60, 61))):
        time = (1_700_000_000 + second[rows]).astype(kind)
        arrays = {"time": time[:, None], "noise": rng.normal(size=(len(time), 2))}
        np.savez(tmp_path / f"{part}.npz", **arrays, y=second[rows] % 2)
    files = Arrays(str(tmp_path / "train.npz"), None, str(tmp_path / "test.npz"))
    raw, splits = files.raw(0), files.load(0)
    assert [raw.train.arrays[name].dtype for name in ("time", "noise")] == [
        torch.float64,
        torch.float32,
    ]
    assert raw.test.arrays["time"].dtype == torch.float64
    assert splits.standardiser is not None
    known = np.concatenate([part.arrays["time"].numpy() for part in (raw.train, raw.val)])
    mean, std = raw.train.arrays["time"].numpy().mean(), raw.train.arrays["time"].numpy().std()
    assert sorted(known.ravel() - 1_700_000_000) == sorted(second[:60])
    for part, role in ((raw.train, splits.train), (raw.val, splits.val), (raw.test, splits.test)):
        found = role.take(torch.arange(len(role))).inputs["time"]
        assert found.dtype == torch.float32
        np.testing.assert_allclose(found, (part.arrays["time"] - mean) / std, rtol=1e-6, atol=1e-7)
    # A later file is read as finely, even where its rows alone would not ask for it.
    for name in ("test", "one"):
        later = read_split(str(tmp_path / f"{name}.npz"), splits.train.task, splits.standardiser)
        rows = len(later)
        assert torch.equal(later.arrays["time"], splits.test.arrays["time"][:rows])
    again = Standardiser.from_state(splits.standardiser.state())
    assert again.fine == splits.standardiser.fine == {"time"}
    assert (
        splits.test.fingerprint() == read_split(files.test, splits.train.task, again).fingerprint()
    )


def test_what_varies_by_rounding_alone_is_a_constant(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    still = np.array([0.1 + 0.2, 0.3])[np.arange(40) % 2]
    np.savez(tmp_path / "t.npz", a=np.stack([still, rng.normal(size=40)], 1), y=np.arange(40) % 2)
    files = Arrays(str(tmp_path / "t.npz"))
    assert files.raw(0).train.arrays["a"].dtype == torch.float32
    assert not files.load(0).train.arrays["a"][:, 0].any()
    fitted = Standardiser.fit(
        {"a": torch.from_numpy(still)[:, None]}, torch.ones(40, 1, dtype=torch.bool), ("a",)
    )
    assert fitted.std["a"].tolist() == [1.0]


def test_standardising_leaves_what_it_reads(tmp_path: Path) -> None:
    table = {"a": torch.tensor([[1e9], [1e9 + 1]], dtype=torch.float64)}
    here = torch.ones(2, 1, dtype=torch.bool)
    fitted = Standardiser.fit(table, here, ("a",))
    assert fitted.apply("a", table["a"]).flatten().tolist() == [-1.0, 1.0]
    assert table["a"].flatten().tolist() == [1e9, 1e9 + 1]


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


def put(array: np.ndarray, place: object, value: float) -> np.ndarray:
    array[place] = value
    return array


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


def no_gaps(path: str) -> str:
    spoil(path, wave=np.ones((30, 40, 3)), face=np.ones((30, 1, 6, 5)), age=np.arange(30))
    return path


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


def test_a_rare_modality_stays_in_training(files: Arrays) -> None:
    rare = np.full((30, 2), np.nan)
    rare[4] = 1
    arrays = {"a": np.random.default_rng(0).normal(size=(30, 2)), "rare": rare}
    np.savez(files.train, **arrays, y=np.arange(30) % 2)
    for seed in range(20):
        splits = Arrays(files.train).load(seed)
        assert splits.train.present.any(0).all()
        assert len(splits.val) == 6


def test_settings_are_plain() -> None:
    settings = Arrays("a.npz", kinds={"x": "image"}, modalities=["x"])
    assert json.loads(json.dumps(asdict(settings))) == asdict(settings)


class TestReadSplit:
    def test_it_is_the_test_split_of_the_training(self, files: Arrays) -> None:
        splits = files.load(0)
        back = Standardiser.from_state(splits.standardiser.state())
        again = read_split(str(files.test), splits.train.task, back, columns=splits.columns)
        assert torch.equal(again.present, splits.test.present)
        assert torch.equal(again.target, splits.test.target)
        for name in again.task.modalities:
            assert torch.equal(again.arrays[name], splits.test.arrays[name])

    def test_labels_may_lack_where_they_are_not_needed(self, files: Arrays) -> None:
        splits = files.load(0)
        spoil(files.test, drop=("y", "face"), samples=np.array([f"p{n}" for n in range(12)]))
        task, known = splits.train.task, splits.standardiser
        with pytest.raises(ValueError, match="expected the labels"):
            read_split(str(files.test), task, known)
        found = read_split(str(files.test), task, known, need_target=False)
        assert found.target.tolist() == [-1] * 12
        assert found.samples == tuple(f"p{n}" for n in range(12))
        assert "file: face is absent in all of 12 rows" in found.notes
        assert torch.equal(found.arrays["wave"], splits.test.arrays["wave"])
        # Labels that are not needed are not read.
        for y in (np.full(12, 7), np.ones((12, 2)), np.full(12, np.nan), np.array([Path()] * 12)):
            np.savez(files.test, wave=some(12, 2)["wave"], age=some(12, 2)["age"], y=y)
            found = read_split(str(files.test), task, known, need_target=False)
            assert found.target.tolist() == [-1] * 12

    def test_numbers_stay_as_they_are_without_a_standardiser(self, files: Arrays) -> None:
        splits = files.raw(0)
        found = read_split(str(files.test), splits.train.task, None)
        assert torch.equal(found.arrays["wave"], splits.test.arrays["wave"])

    def test_arrays_that_training_did_not_select_are_passed_over(self, files: Arrays) -> None:
        settings = replace(files, train=no_gaps(files.train), modalities=["age", "wave"])
        for path in (files.val, files.test):
            spoil(path, age=lambda a: np.nan_to_num(a))
        splits = settings.load(0)
        again = read_split(
            str(files.test), splits.train.task, splits.standardiser, columns=splits.columns
        )
        assert torch.equal(again.arrays["age"], splits.test.arrays["age"])
        with pytest.raises(ValueError, match="training had no modality 'face'"):
            read_split(str(files.test), splits.train.task, splits.standardiser)

    def test_the_kinds_of_training_are_kept(self, files: Arrays) -> None:
        settings = replace(files, kinds={"wave": "vector"})
        splits = settings.load(0)
        again = read_split(
            str(files.test), splits.train.task, splits.standardiser, settings.kinds, splits.columns
        )
        assert torch.equal(again.arrays["wave"], splits.test.arrays["wave"])


def test_large_arrays_are_checked_in_parts(files: Arrays, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = files.raw(0)
    monkeypatch.setattr(numbers, "NUMBERS_AT_ONCE", 250)
    parts = files.raw(0)
    assert torch.equal(parts.train.present, whole.train.present)
    assert torch.equal(parts.train.arrays["wave"], whole.train.arrays["wave"])
    spoil(files.test, wave=lambda a: put(a, (8, 2, 1), np.nan))
    with pytest.raises(ValueError, match="modality wave, row 8: it holds NaN in part"):
        files.load(0)


def test_many_absences_are_one_sentence(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    arrays = {f"m{k}": rng.normal(size=(20, 3)) for k in range(6)}
    for k, array in enumerate(arrays.values()):
        array[: k + 1] = np.nan
    arrays["whole"] = rng.normal(size=(20, 3))
    np.savez(tmp_path / "train.npz", y=np.arange(20) % 2, **arrays)
    notes = Arrays(str(tmp_path / "train.npz"), str(tmp_path / "train.npz")).load(0).notes
    said = [note for note in notes if "absent" in note]
    wanted = "6 of 7 modalities are absent in some rows, in 1 to 6 of 20"
    assert said == [f"train: {wanted}", f"val: {wanted}"]
