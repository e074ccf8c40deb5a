"""Files of one sample, read as a table of the training was: pictures, sounds, rows of numbers."""

from __future__ import annotations

import csv
import io
from functools import partial

import numpy as np

from dmrnet.data.files.arrays.numbers import Array
from dmrnet.data.files.decoders import Decoder
from dmrnet.data.files.media.decoding import check_pixels
from dmrnet.data.files.media.sound import read_sound
from dmrnet.data.tables.columns import SUFFIXES, dialect_of, parse_columns
from dmrnet.data.tables.encoding import Encoding, ModalityEncoding
from dmrnet.data.tables.files import read_image, spectrogram_of
from dmrnet.data.tables.source import TableSource

FORMATS = ("PNG", "JPEG", "BMP", "TIFF", "WEBP", "GIF")
"""Pictures that are read, as Pillow names them."""

MOST_SECONDS = 600
"""Longest sound."""

SLOWEST = 1000
"""Lowest sampling rate of a sound, in Hz: resampling makes slow ones long."""


def decoders_of(encoding: Encoding) -> dict[str, Decoder]:
    """Return how files of one sample are read, by modality; arrays need no decoder."""
    decoders = {}
    for name, one in encoding.modalities.items():
        if one.kind == "image":
            decoders[name] = Decoder(SUFFIXES["image"], partial(_image, size=encoding.size))
        elif one.kind == "sound":
            decode = partial(_sound, samples=encoding.samples_in_sound)
            decoders[name] = Decoder((".wav",), decode)
        elif one.kind == "vector":
            decoders[name] = Decoder((".csv",), partial(_row, name=name, modality=one))
    return decoders


def _image(content: bytes, size: tuple[int, int] | None) -> Array:
    check_pixels(content, FORMATS)
    return read_image(content, size)


def _sound(content: bytes, samples: int | None) -> Array:
    if not content.startswith(b"RIFF"):
        raise ValueError("is no WAV file")
    values, rate = read_sound(content)
    if rate < SLOWEST or len(values) > MOST_SECONDS * rate:
        raise ValueError(
            f"expected {SLOWEST} samples per second or more and at most {MOST_SECONDS} seconds, "
            f"got {len(values)} samples at {rate} Hz"
        )
    return spectrogram_of(values, rate, samples)


def _row(content: bytes, name: str, modality: ModalityEncoding) -> Array | None:
    """Return the numbers and categories of a CSV with a head and one row; None without a head."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None
    first = text.partition("\n")[0]
    try:
        head = next(csv.reader([first], dialect_of(first)), [])
    except csv.Error:
        return None
    if not {cell.strip() for cell in head} & set(modality.columns):
        return None
    table = parse_columns(io.StringIO(text, newline=""), "the file")
    if (rows := len(next(iter(table.values())))) != 1:
        raise ValueError(f"expected one row below the head, got {rows}")
    array: Array = TableSource("the file", table, Encoding({name: modality}), {}).read(name)[0]
    return np.asarray(array)
