"""Files of one sample are read as the training table read its own."""

from __future__ import annotations

import io
import wave
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dmrnet.data.files.media import decoding
from dmrnet.data.sets.table import TableRows
from dmrnet.data.tables import TableSource, fit_source

HEAD = "scan.age,scan.ward,photo,voice,y"


def wav(seconds: float, rate: int, seed: int = 0) -> bytes:
    draw = np.random.default_rng(seed)
    stream = io.BytesIO()
    with wave.open(stream, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(draw.integers(-999, 999, int(seconds * rate)).astype("<i2").tobytes())
    return stream.getvalue()


def png(height: int, width: int, seed: int = 0) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 255, (height, width, 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> TableSource:
    folder = tmp_path_factory.mktemp("table")
    lines = [HEAD]
    for row, ward in enumerate(("west", "east", "west")):
        (folder / f"{row}.png").write_bytes(png(9 + row, 7, row))
        (folder / f"{row}.wav").write_bytes(wav(0.3 + row / 10, 8000, row))
        lines.append(f"{30 + row},{ward},{row}.png,{row}.wav,{row}")
    (folder / "train.csv").write_text("\n".join(lines))
    return fit_source(str(folder / "train.csv"), None, {"y": "y"}, (8, 8), 4000)


@pytest.fixture(scope="module")
def settings(source: TableSource) -> TableRows:
    return TableRows(source.path).recalled({"encoding": source.encoding.as_dict()})


def test_each_file_becomes_what_training_read(source: TableSource, settings: TableRows) -> None:
    found = settings.decoders()
    assert {name: one.suffixes[0] for name, one in found.items()} == {
        "scan": ".csv",
        "photo": ".png",
        "voice": ".wav",
    }
    lines = Path(source.path).read_text().splitlines()
    for row in range(3):
        files = {
            "photo": png(9 + row, 7, row),
            "voice": wav(0.3 + row / 10, 8000, row),
            # The whole line: other columns do not matter.
            "scan": f"{HEAD}\n{lines[1 + row]}\n".encode(),
        }
        for name, content in files.items():
            array = found[name].decode(content)
            assert array is not None
            np.testing.assert_array_equal(array, source.read(name)[row])


def test_without_a_run_nothing_is_known() -> None:
    assert TableRows("train.csv").decoders() == {}


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("voice", b"fLaC" + bytes(40), "no WAV"),
        ("voice", b"RIFF" + bytes(40), "no.* WAV"),
        ("voice", wav(3, 10), "1000 samples per second or more"),
        ("photo", b"%!PS-Adobe", "not a readable picture"),
        ("scan", f"{HEAD}\n".encode(), "expected rows"),
        ("scan", b"scan.age,scan.ward\n1,west\n2,east", "one row below the head, got 2"),
        ("scan", b"scan.age,scan.ward\n1,north", "training never had 'north'"),
        ("scan", b"scan.age\n1", "not 'scan.ward'"),
    ],
)
def test_what_is_wrong_is_said(settings: TableRows, name: str, content: bytes, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        settings.decoders()[name].decode(content)


def test_numbers_without_a_head_are_left_to_others(settings: TableRows) -> None:
    assert settings.decoders()["scan"].decode(b"1,2,3") is None
    assert settings.decoders()["scan"].decode(b"\xff\xfe") is None


def test_pictures_of_too_many_pixels_are_not_decoded(
    settings: TableRows, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoding, "MOST_PIXELS", 62)
    with pytest.raises(ValueError, match="at most 62 pixels"):
        settings.decoders()["photo"].decode(png(9, 7))
