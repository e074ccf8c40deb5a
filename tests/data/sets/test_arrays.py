"""The user's files: what they may hold, and what is said of what they may not."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.data.contract import DatasetContract
from tests.data.sets.own_files import no_gaps, put, some, spoil

from dmrnet.data.files.arrays import numbers
from dmrnet.data.files.reading import read_split
from dmrnet.data.inputs.standardise import Standardiser
from dmrnet.data.sets.arrays import Arrays


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
