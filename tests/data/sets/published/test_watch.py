"""watch: from a made file in the published layout, and from the real one where it is at hand.

The real one is looked for in the folders that DMRNET_TEST_DATA names, separated as in PATH.
"""

from __future__ import annotations

import atexit
import json
import os
import shutil
import tempfile
import zipfile
from collections import Counter
from contextlib import suppress
from dataclasses import asdict
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from tests.data.contract import DatasetContract, identities
from tests.data.made import watch as made

from dmrnet.data.files.cache import read_cache
from dmrnet.data.published.preparation import prepare
from dmrnet.data.published.watch import PUBLISHED, find, unpickled
from dmrnet.data.sets.published.watch import MODALITIES, Watch, held_out, windows


@cache
def prepared() -> str:
    folder = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, folder, True)
    prepare("watch", [made.make(folder)], folder / "root", allow_pickle=True)
    return str(folder / "root")


class TestWatch(DatasetContract):
    def splits(self, seed: int):
        return Watch(prepared()).load(seed)


class TestShorterWatch(DatasetContract):
    def splits(self, seed: int):
        return Watch(prepared(), window=50, step=90, val_subjects=1, test_subjects=1).load(seed)


def test_windows_are_those_of_the_recordings() -> None:
    content = made.content()
    splits = Watch(prepared(), window=40, step=33).raw(2)
    found = {}
    for part in splits.parts().values():
        for row, sample in enumerate(part.samples):
            assert sample not in found
            found[sample] = [
                part.target[row].item(),
                *(part.arrays[name][row].numpy() for name in MODALITIES),
            ]
    expected = {}
    for number, recording in enumerate(content["X"]):
        for start in range(0, len(recording) - 39, 33):
            piece = recording[start : start + 40].astype(np.float32).T
            name = f"subject:{content['subject'][number]} recording:{number} start:{start}"
            expected[name] = [content["y"][number], piece[:3], piece[3:]]
    assert found.keys() == expected.keys()
    for name, (label, acceleration, rotation) in expected.items():
        assert found[name][0] == label
        assert np.array_equal(found[name][1], acceleration)
        assert np.array_equal(found[name][2], rotation)


@given(
    lengths=st.lists(st.integers(1, 30), max_size=8),
    window=st.integers(1, 12),
    step=st.integers(1, 15),
)
def test_windows_against_a_loop(lengths: list[int], window: int, step: int) -> None:
    expected = [
        (number, start)
        for number, length in enumerate(lengths)
        for start in range(0, length - window + 1, step)
    ]
    recording, start = windows(torch.tensor(lengths, dtype=torch.long), window, step)
    assert list(zip(recording.tolist(), start.tolist(), strict=True)) == expected


@pytest.mark.parametrize("seed", range(4))
def test_subjects_are_held_out(seed: int) -> None:
    splits = Watch(prepared()).load(seed)
    people = {
        role: {int(sample.split()[0].removeprefix("subject:")) for sample in part.samples}
        for role, part in splits.parts().items()
    }
    assert [len(who) for who in people.values()] == [5, 2, 3]
    assert set.union(*people.values()) == set(range(1, 11))
    note = splits.notes[0]
    for role, who in people.items():
        assert f"{role} {' '.join(str(one) for one in sorted(who))} (" in note


def test_seeds_take_turns_at_testing() -> None:
    subjects = list(range(1, 11))
    tested = [held_out(subjects, 2, 3, seed)[2] for seed in range(10)]
    assert tested[:3] == [(1, 2, 3), (4, 5, 6), (7, 8, 9)]
    assert Counter(one for who in tested for one in who) == dict.fromkeys(subjects, 3)
    assert held_out(subjects, 2, 3, 10) == held_out(subjects, 2, 3, 0)


@given(
    number=st.integers(3, 12),
    seed=st.integers(0, 1000),
    data=st.data(),
)
def test_everyone_is_in_one_part(number: int, seed: int, data: st.DataObject) -> None:
    val = data.draw(st.integers(1, number - 2))
    test = data.draw(st.integers(1, number - val - 1))
    parts = held_out(list(range(number)), val, test, seed)
    assert sorted(one for part in parts for one in part) == list(range(number))
    assert [len(part) for part in parts] == [number - val - test, val, test]


def test_a_split_seed_holds_the_split_still() -> None:
    one, other = (Watch(prepared(), split_seed=3).load(seed) for seed in (0, 1))
    assert identities(one.train) == identities(other.train)


def test_classes_are_the_published_names() -> None:
    task = Watch(prepared()).load(0).train.task
    assert task.classes == tuple(made.CLASSES)
    assert [(m.name, m.kind, m.shape) for m in task.inputs] == [
        ("accelerometer", "sequence", (3, 128)),
        ("gyroscope", "sequence", (3, 128)),
    ]


# ---- the pickle ----------------------------------------------------------------------------


def test_a_pickle_is_not_opened_unasked(tmp_path: Path) -> None:
    made.make(tmp_path)
    with pytest.raises(
        ValueError, match=r"is a pickle, .* say allow_pickle=True \(--allow-pickle\)"
    ):
        prepare("watch", [tmp_path], tmp_path / "root")
    assert not (tmp_path / "root" / "watch.npz").exists()
    with pytest.raises(FileNotFoundError, match=r"prepare watch .* --allow-pickle"):
        Watch(str(tmp_path / "root")).load(0)


class Evil:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return (Path.touch, (self.path,))


@pytest.mark.parametrize("protocol", [2, 4])
def test_code_in_the_pickle_is_refused_and_not_run(protocol: int, tmp_path: Path) -> None:
    content = {**made.content(), "extra": Evil(tmp_path / "was here")}
    made.write(tmp_path / "watch_dataset.npy", content, protocol)
    with pytest.raises(ValueError, match=r"it asks for .*, which is neither number nor text"):
        prepare("watch", [tmp_path], tmp_path / "root", allow_pickle=True)
    assert not (tmp_path / "was here").exists()


@pytest.mark.parametrize("protocol", [2, 3, 4])
def test_every_protocol_numpy_wrote_is_opened(protocol: int, tmp_path: Path) -> None:
    path = made.write(tmp_path / "watch_dataset.npy", made.content(), protocol)
    ours = unpickled(path.read_bytes())
    numpys = np.load(path, allow_pickle=True).item()
    assert ours.keys() == numpys.keys()
    for one, other in zip(ours["X"], numpys["X"], strict=True):
        assert np.array_equal(one, other)
    for name in ("y", "subject", "side", "X_labels", "y_labels"):
        assert np.array_equal(ours[name], numpys[name])


@given(st.data())
def test_a_damaged_pickle_is_refused_or_read(data: st.DataObject) -> None:
    content = bytearray(small_pickle())
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    content = content[: data.draw(st.integers(1, len(content)))]
    # Whatever else is raised fails the test.
    with suppress(ValueError):
        unpickled(bytes(content))


@cache
def small_pickle() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        value = {"X": [np.ones((2, 6))], "y": np.array([1]), "y_labels": ["a"]}
        return made.write(Path(folder) / "a.npy", value).read_bytes()


def test_a_plain_array_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "watch_dataset.npy", np.ones(3))
    with pytest.raises(ValueError, match="expected one object, got float64"):
        prepare("watch", [tmp_path], tmp_path / "root", allow_pickle=True)


# ---- what is bad ---------------------------------------------------------------------------


def test_bad_recordings_are_named_and_nothing_shifts(tmp_path: Path) -> None:
    content = made.content()
    content["X"][3][17, 4] = np.nan
    content["X"][50] = content["X"][50][:, :5]
    content["X"][51] = ["text"]
    content["X"][139] = np.zeros((0, 6))
    made.write(tmp_path / "watch_dataset.npy", content)
    with pytest.raises(ValueError, match="4 of the source are missing or damaged") as raised:
        prepare("watch", [tmp_path], tmp_path / "root", allow_pickle=True)
    for words in (
        "recording 3 (step 17 is not finite)",
        "recording 50 (expected steps x 6, got shape (",
        "recording 51 (is no table of numbers)",
        "recording 139 (expected steps x 6, got shape (0, 6))",
    ):
        assert words in str(raised.value)
    prepare("watch", [tmp_path], tmp_path / "root", bad="skip", allow_pickle=True)
    whole, harmed = Watch(prepared()), Watch(str(tmp_path / "root"))
    gone = {"recording:3", "recording:50", "recording:51", "recording:139"}
    for one, other in zip(
        whole.raw(1).parts().values(), harmed.raw(1).parts().values(), strict=True
    ):
        kept = [row for row, sample in enumerate(one.samples) if sample.split()[1] not in gone]
        assert other.samples == tuple(one.samples[row] for row in kept)
        assert torch.equal(other.target, one.target[kept])
        for name in MODALITIES:
            assert torch.equal(other.arrays[name], one.arrays[name][kept])
    assert "4 recording: recording 3" in harmed.load(0).notes[-1]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"y": np.zeros(3)}, "expected y as 140 numbers"),
        ({"subject": np.array(["a"] * 140)}, "expected subject as 140 numbers"),
        ({"side": np.full(140, 0.5)}, "whole numbers as side"),
        ({"y": np.full(140, 7)}, "expected y from 0 to 6, .* got 7 to 7"),
        ({"X_labels": ["wx", "wy", "wz", "ax", "ay", "az"]}, "expected the columns ax, ay"),
        ({"X": [np.full((9, 6), np.nan)] * 140}, "none of 140 recordings can be used"),
    ],
)
def test_another_content_is_refused(changes: dict, message: str, tmp_path: Path) -> None:
    made.write(tmp_path / "watch_dataset.npy", {**made.content(), **changes})
    with pytest.raises(ValueError, match=message):
        prepare("watch", [tmp_path], tmp_path / "root", bad="skip", allow_pickle=True)


def test_a_file_without_recordings_is_refused(tmp_path: Path) -> None:
    made.write(tmp_path / "watch_dataset.npy", [1, 2])
    with pytest.raises(ValueError, match="expected a dict of X, y, subject"):
        prepare("watch", [tmp_path], tmp_path / "root", allow_pickle=True)


def test_the_wheel_will_do(tmp_path: Path) -> None:
    made.make(tmp_path / "unpacked")
    with zipfile.ZipFile(tmp_path / "seglearn-1.2.5-py3-none-any.whl", "w") as wheel:
        name = "seglearn/data/watch_dataset.npy"
        wheel.write(tmp_path / "unpacked" / name, name)
    shutil.rmtree(tmp_path / "unpacked")
    prepare("watch", [tmp_path], tmp_path / "root", allow_pickle=True)
    one, other = (read_cache("watch", root, 1)[0] for root in (prepared(), str(tmp_path / "root")))
    assert all(np.array_equal(one[key], other[key]) for key in one)


def test_a_missing_source_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"found no watch recordings .*seglearn"):
        find([tmp_path])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"window": 0}, "window and step of 1 or more"),
        ({"step": 0}, "window and step of 1 or more"),
        ({"window": 1000}, "no recording is as long as a window of 1000 steps"),
        ({"test_subjects": 0}, "of 1 or more, together below 10"),
        ({"test_subjects": 8}, "of 1 or more, together below 10"),
    ],
)
def test_wrong_settings_are_refused(changes: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Watch(prepared(), **changes).load(0)


def test_settings_are_plain() -> None:
    assert json.loads(json.dumps(asdict(Watch("a")))) == asdict(Watch("a"))


# ---- the published file --------------------------------------------------------------------


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> str:
    places = [place for place in os.environ.get("DMRNET_TEST_DATA", "").split(os.pathsep) if place]
    if not places:
        pytest.skip("DMRNET_TEST_DATA names no folder with the published file")
    try:
        find([Path(place) for place in places])
    except FileNotFoundError as error:
        pytest.skip(f"DMRNET_TEST_DATA: {error}")
    root = tmp_path_factory.mktemp("root")
    prepare("watch", places, root, allow_pickle=True)
    return str(root)


def test_the_published_recordings_are_all_there(real: str) -> None:
    splits = Watch(real).load(0)
    assert sum(len(part) for part in splits.parts().values()) == 3605
    arrays, _ = read_cache("watch", real, 1)
    assert len(arrays["length"]) == PUBLISHED
    # Each subject does each of the seven exercises twice.
    kinds = Counter(zip(arrays["subject"].tolist(), arrays["y"].tolist(), strict=True))
    assert kinds == {(subject, label): 2 for subject in range(1, 11) for label in range(7)}


def test_the_published_recordings_can_be_learnt(real: str) -> None:
    splits = Watch(real).load(0)

    def features(part) -> np.ndarray:
        both = torch.cat([part.arrays[name] for name in MODALITIES], 1)
        return torch.cat([both.mean(2), both.std(2), both.diff(dim=2).std(2)], 1).numpy()

    model = LogisticRegression(max_iter=500, tol=0.01)
    model.fit(features(splits.train), splits.train.target)
    assert model.score(features(splits.test), splits.test.target) > 0.6
