"""Sound files are read exactly or refused."""

from __future__ import annotations

import io
import sys
import wave

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dmrnet.data.files.media.sound import read_sound, read_wav


def wav(values: np.ndarray, rate: int = 8000, channels: int = 1, width: int = 2) -> bytes:
    stream = io.BytesIO()
    with wave.open(stream, "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(rate)
        file.writeframes(values.tobytes())
    return stream.getvalue()


def test_samples_are_read_exactly() -> None:
    values = np.random.default_rng(0).integers(-32768, 32768, 500).astype("<i2")
    found, rate = read_wav(wav(values, rate=11_025))
    assert rate == 11_025
    assert found.dtype == np.float32
    assert np.array_equal(found * 32768.0, values)


def test_channels_are_averaged() -> None:
    values = np.random.default_rng(0).integers(-32768, 32768, (500, 2)).astype("<i2")
    found, _ = read_wav(wav(values, channels=2))
    assert np.array_equal(found * 65536.0, values.astype(np.int64).sum(1))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is not a WAV file"),
        (b"RIFF", "is not a WAV file"),
        (b"\xff\xd8\xff\xe0 a photograph", "is not a WAV file"),
        (wav(np.zeros(0, "<i2")), "holds no sound"),
        (wav(np.zeros(9, "u1"), width=1), "16 bits, got 8 bits"),
        (wav(np.zeros(900, "<i2"))[:-11], "is cut off: expected 900 samples .* got 894"),
    ],
)
def test_files_without_sound_are_refused(content: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_wav(content)


@given(st.data())
def test_damaged_files_are_read_or_refused(data: st.DataObject) -> None:
    content = bytearray(wav(np.arange(40, dtype="<i2")))
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    content = content[: data.draw(st.integers(0, len(content)))]
    try:
        values, rate = read_wav(bytes(content))
    except ValueError:
        return
    assert len(values) > 0
    assert np.isfinite(values).all()
    assert np.abs(values).max() <= 1
    assert rate > 0


def written(kind: str, subtype: str, values: np.ndarray) -> bytes:
    """Encode samples, float64 ``(n, channels)`` in [-1, 1), by libsndfile."""
    soundfile = pytest.importorskip("soundfile", reason="needs the extra audio-video")
    stream = io.BytesIO()
    soundfile.write(stream, values, 22_050, format=kind, subtype=subtype)
    return stream.getvalue()


def noise(bits: int, channels: int) -> np.ndarray:
    """Samples that a number of bits holds exactly, both ends of the range included."""
    full = 2 ** (bits - 1)
    values = np.random.default_rng(bits).integers(-full, full, (3000, channels))
    values[0], values[1] = -full, full - 1
    return values / full


KINDS = [
    ("FLAC", "PCM_16", 16),
    ("FLAC", "PCM_24", 24),
    ("WAV", "PCM_24", 24),
    ("WAV", "FLOAT", 24),
    # Of 16 bits, but with the longer header that few readers know.
    ("WAVEX", "PCM_16", 16),
]
"""Kind of file, of samples, and how many bits these hold exactly."""


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize(("kind", "subtype", "bits"), KINDS)
def test_other_files_are_read_exactly(kind: str, subtype: str, bits: int, channels: int) -> None:
    values = noise(bits, channels)
    found, rate = read_sound(written(kind, subtype, values))
    assert rate == 22_050
    assert found.dtype == np.float32
    assert found.shape == (3000,)
    # Each sample is exact in float32; the mean of two may be rounded.
    np.testing.assert_allclose(found, values.mean(1), rtol=0, atol=0 if channels == 1 else 2**-24)


def test_float_samples_beyond_one_are_kept() -> None:
    found, _ = read_sound(written("WAV", "FLOAT", np.array([[0.5], [1.75], [-2.5]])))
    assert found.tolist() == [0.5, 1.75, -2.5]


@pytest.mark.parametrize(("kind", "subtype", "bits"), KINDS)
def test_other_files_that_are_cut_off_are_refused(kind: str, subtype: str, bits: int) -> None:
    content = written(kind, subtype, noise(bits, 2))
    # Cut amid a sample, and in the middle of a file between two.
    for end in (len(content) // 2, len(content) // 2 + 1, len(content) - 1):
        with pytest.raises(ValueError, match=r"^is (damaged or )?cut off"):
            read_sound(content[:end])


@pytest.mark.parametrize("stated", [0xFFFFFFFF, 0xFFFFFFFE, 0x7FFFF000, 0x7FFFFFFF, 0x80000000])
@pytest.mark.parametrize(("kind", "subtype", "bits"), [("WAV", "PCM_16", 16), *KINDS[2:]])
def test_a_file_written_to_a_pipe_is_read_to_its_end(
    kind: str, subtype: str, bits: int, stated: int
) -> None:
    content = written(kind, subtype, noise(bits, 2))
    whole, _ = read_sound(content)
    place = content.index(b"data") + 4
    piped = content[:4] + b"\xff" * 4 + content[8:place] + stated.to_bytes(4, "little")
    piped += content[place + 4 :]
    assert np.array_equal(read_sound(piped)[0], whole)
    # The last sample may be written in part.
    assert np.array_equal(read_sound(piped[:-1])[0], whole[:-1])
    with pytest.raises(ValueError, match="holds no sound"):
        read_sound(piped[: place + 4])


def test_a_large_length_is_not_taken_for_an_unknown_one() -> None:
    content = wav(np.arange(900, dtype="<i2"))
    place = content.index(b"data") + 4
    content = content[:place] + (0x7FFE0000).to_bytes(4, "little") + content[place + 4 :]
    with pytest.raises(ValueError, match=r"is cut off: expected 1073676288 samples .* got 900"):
        read_sound(content)


def test_a_flac_file_without_a_length_is_refused() -> None:
    content = bytearray(written("FLAC", "PCM_16", noise(16, 1)))
    # 36 bits, of which none is set where the length was not known.
    content[21] &= 0xF0
    content[22:26] = bytes(4)
    with pytest.raises(ValueError, match=r"length.* written to a pipe; write it to a file"):
        read_sound(bytes(content))


def test_a_flac_file_that_states_more_than_fits_into_memory_is_refused() -> None:
    content = bytearray(written("FLAC", "PCM_16", noise(16, 1)))
    # 2^35 samples.
    content[21] = (content[21] & 0xF0) | 8
    content[22:26] = bytes(4)
    with pytest.raises(ValueError, match="cut off"):
        read_sound(bytes(content))


def test_a_chunk_before_the_samples_is_skipped() -> None:
    content = written("WAV", "PCM_24", noise(24, 1))
    # Of an odd size, so that a byte fills it up.
    longer = content[:12] + b"note\x03\x00\x00\x00abc\x00" + content[12:]
    longer = b"RIFF" + (len(longer) - 8).to_bytes(4, "little") + longer[8:]
    assert np.array_equal(read_sound(longer)[0], read_sound(content)[0])
    with pytest.raises(ValueError, match=r"is cut off: expected 9000 bytes .* got 8999"):
        read_sound(longer[:-1])


def test_samples_that_are_not_finite_are_refused() -> None:
    for value in (np.nan, np.inf):
        values = np.array([[0.5], [value], [0.25]])
        with pytest.raises(ValueError, match="NaN or infinite"):
            read_sound(written("WAV", "FLOAT", values))


@pytest.mark.parametrize("content", [b"", b"RIFF", b"fLaC", b"<html>404</html>", b"OggS" * 20])
def test_an_unknown_format_is_refused(content: bytes) -> None:
    with pytest.raises(ValueError, match="is not a WAV file"):
        read_sound(content)


def test_without_soundfile_other_files_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    content = written("WAV", "PCM_24", noise(24, 1))
    monkeypatch.setitem(sys.modules, "soundfile", None)
    with pytest.raises(ValueError, match=r"got 24 bits; .*dmrnet\[audio-video\]"):
        read_sound(content)
