"""kinetics-sounds, from made files in the two layouts that it is kept in."""

from __future__ import annotations

import atexit
import re
import shutil
import tempfile
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.data.contract import DatasetContract, together
from tests.data.made import kinetics_sounds as made
from tests.data.made import media

from dmrnet.data.files.cache import read_cache, write_cache
from dmrnet.data.published.kinetics_sounds import find
from dmrnet.data.published.preparation import prepare
from dmrnet.data.sets.published.kinetics_sounds import CLASS_LISTS, EVERY, VERSION, KineticsSounds

pytest.importorskip("av", reason="video files need the extra audio-video")


HEAD = "label,youtube_id,time_start,time_end,split,is_cc"


@cache
def published(how: str) -> Path:
    """Return the made files; not to be changed."""
    folder = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, folder, True)
    return made.videos(folder, slice(0, None, 10)) if how == "videos" else made.frames(folder)


@cache
def prepared(how: str = "frames") -> str:
    root = published(how) / "root"
    prepare("kinetics-sounds", [published(how)], root)
    return str(root)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The made frames and recordings, to be damaged."""
    shutil.copytree(published("frames"), tmp_path / "source", ignore=shutil.ignore_patterns("root"))
    return tmp_path / "source"


class TestKineticsSounds(DatasetContract):
    def splits(self, seed: int):
        settings = KineticsSounds(prepared(), spectrogram="released", val_share=0.5)
        return settings.load(seed)

    def test_training_rows_are_standardised(self, loaded) -> None:
        """A spectrogram is standardised by itself, as in CREMA-D's released code."""
        for role in loaded.parts():
            audio = together(type(self), role).inputs["audio"]
            assert audio.mean((1, 2, 3)).abs().max() < 1e-4


@pytest.mark.parametrize("how", ["videos", "frames"])
def test_sound_and_picture_are_those_of_one_clip(how: str) -> None:
    arrays, _ = read_cache("kinetics-sounds", prepared(how), VERSION)
    numbers = {f"{split}/{name}/{stem}": n for split, name, stem, n in made.clips()}
    assert len(arrays["name"]) == (len(numbers) if how == "frames" else len(numbers) // 10 + 1)
    for row, name in enumerate(arrays["name"].tolist()):
        number = numbers[name]
        assert EVERY[arrays["y"][row]] == name.split("/")[1]
        seen = arrays["visual"][row, :, 100:110, 100:110].reshape(3, -1).mean(1)
        assert np.abs(seen - made.colour(number)).max() < 12, name
        window = arrays["audio"][row][2000 if how == "videos" else 0 :][:4000].astype(float)
        peak = np.abs(np.fft.rfft(window)).argmax() * 4
        assert abs(peak - made.hertz(number)) < 20, name


def of_parts(root: Path, **settings) -> tuple[dict[str, set[str]], str]:
    """Return the clips of each part by stem, and what is said of the parts."""
    splits = KineticsSounds(str(root), spectrogram="released", **settings).load(0)
    found = {
        name: {sample.rpartition("/")[2] for sample in part.samples}
        for name, part in splits.parts().items()
    }
    return found, splits.notes[0]


@pytest.mark.slow
def test_what_kinetics_calls_val_is_tested_on_where_there_is_no_test(tmp_path: Path) -> None:
    source = made.videos(tmp_path / "source")
    # An empty folder, or annotations alone, are no test set.
    (source / "test").mkdir()
    (source / "test.csv").write_text(f"{HEAD}\nbowling,abcdefghijk,1,11,test,0")
    prepare("kinetics-sounds", [source], tmp_path / "root")
    parts, note = of_parts(tmp_path / "root", val_share=0.5)
    assert parts["test"] == {stem for split, _, stem, _ in made.clips() if split == "test"}
    trained = {stem for split, _, stem, _ in made.clips() if split == "train"}
    assert parts["train"] | parts["val"] == trained
    assert len(parts["train"]) == len(parts["val"]) == 33
    assert note.endswith("validation held out of the training clips with seed 0")


def test_a_cache_that_calls_the_test_clips_val_is_read_as_it_is(tmp_path: Path) -> None:
    """So they were called before, where the source was folders of videos."""
    arrays, now = read_cache("kinetics-sounds", prepared(), VERSION)
    arrays["split"] = np.where(arrays["split"] == 2, 1, arrays["split"])
    arrays["audio"], arrays["visual"] = arrays["audio"][:, :4], arrays["visual"][..., :2, :2]
    names = [re.sub("^test/", "val/", name) for name in arrays["name"].tolist()]
    arrays = {key: np.array(array) for key, array in arrays.items()} | {"name": np.array(names)}
    write_cache("kinetics-sounds", tmp_path, arrays, 1, now.fingerprint, now.groups, ())
    old, note = of_parts(tmp_path, val_share=0.5)
    assert (old, note) == of_parts(Path(prepared()), val_share=0.5)
    assert len(old["test"]) == 33
    assert note.endswith("validation held out of the training clips with seed 0")


@pytest.mark.slow
@pytest.mark.parametrize("flat", [False, True])
def test_three_published_parts_stay_as_they_are(tmp_path: Path, flat: bool) -> None:
    source, table = made.videos(tmp_path / "source"), [HEAD]
    tested = set()
    for place in sorted((source / "val").iterdir())[:5]:
        (video,) = place.iterdir()
        tested.add(video.stem)
        goal = source / "test" if flat else source / "test" / place.name
        goal.mkdir(parents=True, exist_ok=True)
        video.rename(goal / video.name)
        start, end = (int(text) for text in video.stem[12:].split("_"))
        table.append(f"{place.name},{video.stem[:11]},{start},{end},test,0")
    if flat:
        (source / "test.csv").write_text("\n".join(table))
    prepare("kinetics-sounds", [source], tmp_path / "root")
    parts, note = of_parts(tmp_path / "root")
    assert parts["test"] == tested
    assert len(parts["val"]) == 28
    assert len(parts["train"]) == 66
    assert note == "33 classes; 66 train, 28 val, 5 test clips, as published"


def test_lists_of_classes_have_the_published_lengths() -> None:
    for name, classes in CLASS_LISTS.items():
        assert len(set(classes)) == len(classes) == int(name)
    one = {name: set(classes) for name, classes in CLASS_LISTS.items()}
    assert one["33"] - one["34"] == {"finger_snapping", "tying_tie"}
    assert one["34"] - one["33"] == {"fingerpicking", "patting", "typing"}
    assert one["32"] - one["31"] == {"strumming_guitar"}
    assert one["31"] < one["33"]


def test_a_list_decides_classes_and_clips() -> None:
    splits = KineticsSounds(prepared(), "31", val_share=0.5).load(0)
    assert splits.train.task.classes == CLASS_LISTS["31"]
    for part in splits.parts().values():
        for sample, y in zip(part.samples, part.target.tolist(), strict=True):
            assert sample.split("/")[1] == CLASS_LISTS["31"][y]
    assert len(splits.test) == 31
    assert len(splits.train) + len(splits.val) == 62
    for name, lacking in (("32", "strumming_guitar"), ("34", "fingerpicking, patting, typing")):
        with pytest.raises(ValueError, match=f"got none of {lacking} in the list"):
            KineticsSounds(prepared(), name).load(0)


@pytest.mark.parametrize(("kind", "shape"), [("paper", (257, 1004)), ("released", (129, 626))])
def test_spectrograms_have_the_published_sizes(kind: str, shape: tuple[int, int]) -> None:
    splits = KineticsSounds(prepared(), spectrogram=kind, val_share=0.5).load(0)
    rows = torch.arange(2)
    assert splits.train.take(rows).inputs["audio"].shape == (2, 1, *shape)
    train, test = (
        [part.take(rows, epoch).inputs["audio"] for epoch in (0, 1)]
        for part in (splits.train, splits.test)
    )
    # Five of ten seconds: another part in every epoch, and always the same one at test.
    assert torch.equal(*train) == (kind == "paper")
    assert torch.equal(*test)


@pytest.mark.slow
def test_a_removed_video_shifts_nothing(copy: Path, tmp_path: Path) -> None:
    clips = list(made.clips())
    place = copy / "visual" / "train_img" / "Image-01-FPS"
    _, name, stem, _ = clips[4]
    # Of one class the first video is short: in the released code its sound went to the second.
    for frame in sorted((place / name / stem).iterdir())[1:]:
        frame.unlink()
    (copy / "audio" / clips[10][0] / clips[10][1] / f"{clips[10][2]}.wav").unlink()
    shutil.rmtree(place / clips[20][1] / clips[20][2])
    with pytest.raises(ValueError, match=r"1 audio: .*2 visual: ") as refused:
        prepare("kinetics-sounds", [copy], tmp_path / "root")
    for number in (4, 10, 20):
        assert clips[number][2] in str(refused.value)
    assert "is short: 1 frames" in str(refused.value)
    prepare("kinetics-sounds", [copy], tmp_path / "root", bad="skip")
    whole, _ = read_cache("kinetics-sounds", prepared(), VERSION)
    found, _ = read_cache("kinetics-sounds", str(tmp_path / "root"), VERSION)
    gone = {"/".join(clips[n][:3]) for n in (4, 10, 20)}
    kept = [one not in gone for one in whole["name"].tolist()]
    assert sum(kept) == len(kept) - 3
    for key in whole:
        assert np.array_equal(found[key], whole[key][kept]), key
    notes = KineticsSounds(str(tmp_path / "root")).load(0).notes
    assert notes[-1].startswith("skipped when prepared: 1 audio: ")


def test_dead_and_short_videos_are_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is seen and heard does not matter: all that are whole hold the same."""
    whole = made.video(0)
    monkeypatch.setattr(made, "video", lambda number: whole)
    clips = list(made.clips())
    folder = made.videos(tmp_path / "source", slice(0, 68, 2))
    media.video(
        folder / "train" / "bowling" / "SHORTshort1_000000_000010.mp4",
        [(0, 0, 0)] * 4,
        "mpeg4",
        media.tone(400, 2),
        per_second=2,
    )
    media.video(
        folder / "train" / "bowling" / "SILENTvide1_000000_000010.mp4",
        [(0, 0, 0)] * 7,
        "mpeg4",
        per_second=2,
    )
    damaged = folder / "train" / "bowling" / "DAMAGEDvid1_000000_000010.mp4"
    damaged.write_bytes(b"\0" * 300)
    lines = [
        HEAD,
        "abseiling,nobody_knows,1,11,train,0",
    ]
    for split, name, stem, number in clips[:4]:
        if split == "train":
            lines.append(f"{name.replace('_', ' ')},{stem[:11]},{number},{number + 10},train,0")
    (folder / "train.csv").write_text("\n".join(lines))
    with pytest.raises(ValueError, match="missing or damaged") as refused:
        prepare("kinetics-sounds", [folder], tmp_path / "root")
    said = str(refused.value)
    assert f"{clips[1][2]} (is missing)" in said
    assert f"{clips[3][2]} (is missing)" in said
    assert clips[2][2] not in said
    assert "nobody" not in said
    assert "SHORTshort1_000000_000010 (is short: 2.0 s" in said
    assert "SILENTvide1_000000_000010 (has no sound)" in said
    assert "DAMAGEDvid1_000000_000010 (is not a readable video" in said
    logged: list[str] = []
    prepare("kinetics-sounds", [folder], tmp_path / "root", bad="skip", log=logged.append)
    assert any(line.startswith("train: 33 usable of 38 clips") for line in logged)
    assert "the list of 34 classes lacks fingerpicking, patting, typing" in "\n".join(logged)


def test_without_a_test_clip_nothing_is_decoded(tmp_path: Path) -> None:
    source = tmp_path / "source"
    video = source / "train" / "bowling" / "abcdefghijk_000001_000011.mp4"
    video.parent.mkdir(parents=True)
    video.write_bytes(b"not looked at")
    (source / "val").mkdir()
    wanted = (
        rf"no video of a class .* in {source / 'val'}; .*flat videos need validate\.csv or val\.csv"
    )
    with pytest.raises(FileNotFoundError, match=wanted):
        prepare("kinetics-sounds", [source], tmp_path / "root")
    flat = source / "val" / "lmnopqrstuv_000001_000011.mp4"
    flat.touch()
    with pytest.raises(FileNotFoundError, match=wanted):
        prepare("kinetics-sounds", [source], tmp_path / "root")
    # A list of other videos does not help.
    table = source / "val.csv"
    table.write_text(f"{HEAD}\nbowling,OTHERvideos,1,11,val,0")
    with pytest.raises(FileNotFoundError, match=wanted):
        find([source])
    table.write_text(f"{HEAD}\nbowling,lmnopqrstuv,1,11,val,0")
    assert [(file.name, file.path) for file in find([source])["visual"]] == [
        ("train/bowling/abcdefghijk_000001_000011", video),
        ("test/bowling/lmnopqrstuv_000001_000011", flat),
    ]


def test_of_flat_videos_of_one_name_the_same_is_taken_everywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stem = "abcdefghijk_000001_000011"
    (tmp_path / "train" / "bowling").mkdir(parents=True)
    (tmp_path / "train" / "bowling" / "other.mp4").touch()
    (tmp_path / "val").mkdir()
    for ending in (".mp4", ".mkv"):
        (tmp_path / "val" / f"{stem}{ending}").touch()
    (tmp_path / "val.csv").write_text(f"{HEAD}\nbowling,abcdefghijk,1,11,val,0")
    listed = Path.iterdir
    found = []
    for back in (False, True):
        monkeypatch.setattr(
            Path, "iterdir", lambda self, back=back: iter(sorted(listed(self), reverse=back))
        )
        found.append(find([tmp_path])["visual"][-1].path)
    assert found == [tmp_path / "val" / f"{stem}.mp4"] * 2


def test_what_is_not_there_is_refused(tmp_path: Path) -> None:
    """Nothing is decoded: files without content stand for those that are there."""
    copy = tmp_path / "source"
    shutil.copytree(
        published("frames"),
        copy,
        ignore=shutil.ignore_patterns("root"),
        copy_function=lambda _, goal: Path(goal).touch(),
    )
    (tmp_path / "other").mkdir()
    with pytest.raises(FileNotFoundError, match="found no folder of train videos"):
        prepare("kinetics-sounds", [tmp_path / "other"], tmp_path / "root")
    (tmp_path / "other" / "train" / "abseiling").mkdir(parents=True)
    with pytest.raises(FileNotFoundError, match=r"no video of a class .*train; .*train\.csv"):
        prepare("kinetics-sounds", [tmp_path / "other"], tmp_path / "root")
    (tmp_path / "other" / "train" / "bowling").mkdir()
    (tmp_path / "other" / "train" / "bowling" / "abcdefghijk_000001_000011.mp4").touch()
    with pytest.raises(FileNotFoundError, match="found no folder of val videos"):
        prepare("kinetics-sounds", [tmp_path / "other"], tmp_path / "root")
    place = copy / "visual" / "val_img" / "Image-01-FPS"
    place.rename(place.with_name("kept"))
    place.mkdir()
    with pytest.raises(FileNotFoundError, match=r"no clip of a class .*val_img.* recording in"):
        prepare("kinetics-sounds", [copy], tmp_path / "root")
    place.rmdir()
    place.with_name("kept").rename(place)
    _, name, stem, _ = next(made.clips())
    wav = copy / "audio" / "train" / name / f"{stem}.wav"
    shutil.copy(wav, copy / "audio" / "test" / name)
    with pytest.raises(ValueError, match=f"1 clips are in two splits, {stem}"):
        prepare("kinetics-sounds", [copy], tmp_path / "root")
