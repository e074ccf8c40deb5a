"""crema-d, from made files in the published layout."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.data.contract import DatasetContract, together
from tests.data.made import crema_d as made

from dmrnet.data.files.cache import read_cache, write_cache
from dmrnet.data.files.media.sound import read_sound
from dmrnet.data.files.media.spectrogram import resample
from dmrnet.data.published.crema_d import parse
from dmrnet.data.published.preparation import prepare
from dmrnet.data.sets.published.crema_d import CLASSES, VERSION, CremaD

pytest.importorskip("av", reason="video files need the extra audio-video")


@cache
def published(how: str) -> Path:
    """Return the made files; not to be changed."""
    folder = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, folder, True)
    return made.make(folder, how)


@cache
def prepared(how: str = "frames") -> str:
    root = published(how) / "root"
    prepare("crema-d", [published(how)], root)
    return str(root)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The made files, to be damaged."""
    shutil.copytree(published("frames"), tmp_path / "source", ignore=shutil.ignore_patterns("root"))
    return tmp_path / "source"


class _CremaD(DatasetContract):
    def test_training_rows_are_standardised(self, loaded) -> None:
        """A spectrogram is standardised by itself, as released."""
        for role in loaded.parts():
            audio = together(type(self), role).inputs["audio"]
            assert audio.mean((1, 2, 3)).abs().max() < 1e-4
            assert (audio.std((1, 2, 3)) - 1).abs().max() < 1e-4


class TestPublished(_CremaD):
    def splits(self, seed: int):
        return CremaD(prepared(), val_share=0.3).load(seed)


class TestSpeakers(_CremaD):
    def splits(self, seed: int):
        settings = CremaD(
            prepared("flv"), "released", split="speakers", val_share=0.2, test_share=0.2
        )
        return settings.load(seed)


@pytest.mark.parametrize("how", ["flv", "frames"])
def test_clips_are_paired_and_named(how: str) -> None:
    arrays, _ = read_cache("crema-d", prepared(how), 1)
    order = made.split()["train"] + made.split()["test"]
    every = made.clips()
    assert arrays["name"].tolist() == [every[number][0] for number in order]
    assert [CLASSES[y] for y in arrays["y"]] == [every[number][1] for number in order]
    assert arrays["test"].sum() == len(made.split()["test"])
    for row, number in enumerate(order):
        seen = arrays["visual"][row].reshape(3, -1).mean(1)
        # A video's colours are not those of its frames to the last step.
        assert np.abs(seen - made.colour(number)).max() < (12 if how == "flv" else 4)
        spectrum = np.abs(np.fft.rfft(arrays["audio"][row][:8000].astype(float)))
        assert abs(spectrum.argmax() * 2 - made.hertz(number)) < 3


def test_published_lists_with_a_validation_held_out_of_train() -> None:
    splits = CremaD(prepared(), val_share=0.3).load(0)
    every = [name for name, _ in made.clips()]
    listed = {part: {every[n] for n in numbers} for part, numbers in made.split().items()}
    assert set(splits.test.samples) == listed["test"]
    assert set(splits.train.samples) | set(splits.val.samples) == listed["train"]
    assert set(splits.val.target.tolist()) == set(range(6))
    assert "5 of 5 actors of test are also in train" in splits.notes[0]
    one, other = (CremaD(prepared(), split_seed=4).load(seed) for seed in (0, 1))
    assert one.val.samples == other.val.samples


def test_speakers_are_kept_apart() -> None:
    for seed in range(3):
        splits = CremaD(prepared(), split="speakers", val_share=0.2, test_share=0.4).load(seed)
        people = [{name[:4] for name in part.samples} for part in splits.parts().values()]
        assert [len(who) for who in people] == [2, 1, 2]
        assert len(set.union(*people)) == made.ACTORS
        assert "0 of 2 actors" in splits.notes[0]
    with pytest.raises(ValueError, match="val_share and test_share that leave each"):
        CremaD(prepared(), split="speakers", val_share=0.05).load(0)


def test_all_91_actors_are_in_both_published_lists(tmp_path: Path) -> None:
    """Names as published, 1001 to 1091; a sentence of each is in the test list."""
    names = [
        f"{actor}_{sentence}_{label}_XX"
        for actor in range(1001, 1092)
        for sentence in ("IOM", "DFA")
        for label in made.LABELS
    ]
    arrays = {
        "audio": np.zeros((len(names), 4), dtype=np.int16),
        "visual": np.zeros((len(names), 3, 2, 2), dtype=np.uint8),
        "y": np.array([made.LABELS.index(name[9:12]) for name in names]),
        "test": np.array(["DFA" in name for name in names]),
        "name": np.array(names),
    }
    write_cache("crema-d", tmp_path, arrays, VERSION, "made", {}, ())
    published = CremaD(str(tmp_path)).load(0)
    assert "91 of 91 actors of test are also in train" in published.notes[0]
    assert {name[5:8] for name in published.test.samples} == {"DFA"}
    apart = CremaD(str(tmp_path), split="speakers").load(0)
    people = [{name[:4] for name in part.samples} for part in apart.parts().values()]
    assert [len(who) for who in people] == [73, 9, 9]
    assert set.union(*people) == {str(actor) for actor in range(1001, 1092)}
    assert "0 of 9 actors of test are also in train" in apart.notes[0]
    # All that an actor said goes where the actor goes.
    assert [len(part) for part in apart.parts().values()] == [12 * n for n in (73, 9, 9)]


@pytest.mark.parametrize(("kind", "shape"), [("paper", (257, 299)), ("released", (257, 188))])
def test_spectrograms_have_their_sizes_and_numbers(kind: str, shape: tuple[int, int]) -> None:
    splits = CremaD(prepared(), kind).load(0)
    name = splits.test.samples[0]
    found = splits.test.take(torch.tensor([0])).inputs["audio"][0, 0].double().numpy()
    assert found.shape == shape
    sound, _ = read_sound((published("frames") / "AudioWAV" / f"{name}.wav").read_bytes())
    times = -(-48_000 // len(sound))
    rate, hop = (16_000, 159) if kind == "paper" else (22_050, 353)
    long = np.tile(sound.astype(np.float64), times)[:48_000]
    if kind == "released":
        long = resample(torch.from_numpy(long), 16_000, rate).numpy()
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(512) / 512)
    if kind == "released":
        long = np.pad(long, 256)
    columns = [np.abs(np.fft.rfft(long[hop * k :][:512] * hann)) for k in range(shape[1])]
    logs = np.log(np.stack(columns, 1) + 1e-7)
    # Above 8 kHz, and between tones, there is nothing but rounding; the scale is the clip's own.
    loud = logs > -4
    scale, shift = np.polyfit(found[loud], logs[loud], 1)
    np.testing.assert_allclose(scale * found[loud] + shift, logs[loud], atol=0.01)
    assert loud.mean() > 0.5
    assert scale == pytest.approx(logs.std(), rel=0.02)
    peak = logs.mean(1).argmax()
    number = [name for name, _ in made.clips()].index(name)
    assert abs(peak * rate / 512 - made.hertz(number)) < rate / 512


def test_clips_without_picture_or_sound_are_named_and_nothing_shifts(copy: Path, tmp_path) -> None:
    every = [name for name, _ in made.clips()]
    (copy / "AudioWAV" / f"{every[3]}.wav").unlink()
    damaged = copy / "AudioWAV" / f"{every[9]}.wav"
    damaged.write_bytes(damaged.read_bytes()[:-100])
    shutil.rmtree(copy / "Image-01-FPS" / every[11])
    pointer = copy / "Image-01-FPS" / every[20] / "00000.jpg"
    pointer.write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n")
    with pytest.raises(ValueError, match=r"2 audio: .* 2 visual: ") as refused:
        prepare("crema-d", [copy], tmp_path / "root")
    for number in (3, 9, 11, 20):
        assert every[number] in str(refused.value)
    assert "git lfs pull" in str(refused.value)
    prepare("crema-d", [copy], tmp_path / "root", bad="skip")
    whole, _ = read_cache("crema-d", prepared(), 1)
    found, _ = read_cache("crema-d", str(tmp_path / "root"), 1)
    kept = [name not in {every[n] for n in (3, 9, 11, 20)} for name in whole["name"]]
    for key in whole:
        assert np.array_equal(found[key], whole[key][kept]), key
    # With `absent` each of them keeps what it still has.
    lines: list[str] = []
    prepare("crema-d", [copy], tmp_path / "root", bad="absent", log=lines.append)
    assert any(line.startswith("absent: 2 audio: ") for line in lines)
    kept, _ = read_cache("crema-d", str(tmp_path / "root"), 1)
    lost = {"audio": (3, 9), "visual": (11, 20)}
    for column, (name, rows) in enumerate(lost.items()):
        there = np.isin(whole["name"], [every[row] for row in rows], invert=True)
        assert np.array_equal(kept["present"][:, column], there)
        assert np.array_equal(kept[name][there], whole[name][there])
        assert not kept[name][~there].any()
    for key in ("y", "test", "name"):
        assert np.array_equal(kept[key], whole[key])
    splits = CremaD(str(tmp_path / "root"), augment=False).load(0)
    absent = {
        part.samples[row]: part.task.modalities[int((~part.present[row]).nonzero())]
        for part in splits.parts().values()
        for row in (~part.present.all(1)).nonzero().flatten().tolist()
    }
    assert absent == {every[n]: name for name, rows in lost.items() for n in rows}
    part = splits.train
    batch = part.take(torch.arange(len(part)))
    for column, name in enumerate(part.task.modalities):
        assert not batch.inputs[name][~part.present[:, column]].any()
        assert batch.inputs[name].isfinite().all()
    assert splits.notes[-1].startswith("damaged or missing, and absent when prepared: 2 audio")
    prepare("crema-d", [copy], tmp_path / "root", bad="absent", log=lines.append)
    assert lines[-1].endswith("is already made of these files; nothing to do")


@pytest.mark.parametrize("how", ["flv", "frames"])
def test_a_wrong_path_is_no_empty_data_set(how: str, tmp_path: Path) -> None:
    folder = made.make(tmp_path / "source", how)
    (folder / "AudioWAV").rename(folder / "Audio")
    with pytest.raises(FileNotFoundError, match="found no folder of recordings"):
        prepare("crema-d", [folder], tmp_path / "root")
    (folder / "AudioWAV").mkdir()
    with pytest.raises(ValueError, match="audio: none of 30 files can be used"):
        prepare("crema-d", [folder], tmp_path / "root", bad="skip")


def test_a_clip_in_both_lists_is_refused(copy: Path, tmp_path: Path) -> None:
    path = copy / "CREMAD" / "test.csv"
    path.write_bytes(path.read_bytes() + b"\n1001_IOM_SAD_XX,SAD")
    with pytest.raises(ValueError, match="1 clips are listed twice, 1001_IOM_SAD_XX"):
        prepare("crema-d", [copy], tmp_path / "root")


def test_lists_have_a_mark_and_no_last_end() -> None:
    lines = parse(made.BOM + b"a,NEU\r\nb,ANG", "x")
    assert lines.rows == {1: ("a", "NEU"), 2: ("b", "ANG")}
    assert not lines.bad
    lines = parse(b"a,NEU\nb\nc,JOY\n\n", "x")
    assert lines.rows == {1: ("a", "NEU")}
    assert [*lines.bad] == [2, 3]
    with pytest.raises(ValueError, match="found none"):
        parse(b"\n", "x")


def test_frames_change_at_random_in_training_only() -> None:
    splits = CremaD(prepared(), val_share=0.3).load(0)
    rows = torch.arange(3)
    for name, part in splits.parts().items():
        one, other = (part.take(rows, epoch).inputs["visual"] for epoch in (0, 1))
        # A frame of one colour is the same wherever it is cut.
        assert one.shape == (3, 3, 224, 224)
        assert torch.allclose(one, other, atol=0.2), name
    noisy = {"visual": torch.randint(256, (3, 3, 256, 340), dtype=torch.uint8)}
    train, test = splits.train.view.pictures, splits.test.view.pictures
    assert not torch.equal(train(noisy, rows, 0)["visual"], train(noisy, rows, 1)["visual"])
    assert torch.equal(test(noisy, rows, 0)["visual"], test(noisy, rows, 1)["visual"])


def test_a_frame_is_on_the_scale_of_imagenet() -> None:
    mean, deviation = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    number = {name: n for n, (name, _) in enumerate(made.clips())}
    for part in CremaD(prepared(), val_share=0.3).load(0).parts().values():
        pixels = part.take(torch.arange(3)).inputs["visual"].numpy()
        for row in range(3):
            colour = np.array(made.colour(number[part.samples[row]])) / 255
            found = pixels[row].reshape(3, -1).mean(1)
            assert np.abs(found - (colour - mean) / deviation).max() < 0.06
