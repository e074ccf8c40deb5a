"""Drawings of a sample: bars of a vector, curves of a sequence, pictures of the rest."""

from __future__ import annotations

import base64
import io
import math
from typing import Any

import numpy as np

from dmrnet.data.files.arrays.numbers import Array

BARS, POINTS, CURVES, PIXELS = 240, 300, 8, 256
"""Most bars, points of a curve, curves, and pixels of a side; more are averaged."""

ALIKE = 10.0
"""Curves and bars share an axis in the units of the data up to this ratio of deviations."""

FAR = 1000.0
"""They do not if the mean is this many deviations from 0: such as seconds since 1970."""

_HEAT = np.array([[68, 1, 84], [59, 82, 139], [33, 145, 140], [94, 201, 98], [253, 231, 37]])
"""Five colours from dark to light, between which heat maps are interpolated."""


SOUNDS = ("sound", "audio", "spectrogram", "mel", "stft", "speech", "voice")
"""Words in the names of modalities whose pictures are spectrograms, row 0 the lowest frequency."""


def drawing(
    x: Array,
    clean: Array,
    mean: Array,
    deviation: Array,
    name: str = "",
    unit: str = "training deviations",
) -> dict[str, Any]:
    """Return plain values that a page draws.

    Bars and curves are in the units of the data; in deviations of training from its mean where
    those of features or channels differ too much for one axis, or lie far from 0.

    Args:
        x: Array ``(d,)``, ``(C, T)``, ``(C, H, W)`` or ``(C, T, H, W)``.
        clean: The same before it was corrupted: the range of axes and of grey is its range.
        mean: Mean of each feature or channel over the training rows, ``(C,)``.
        deviation: Deviation of each.
        name: Name of the modality, by which spectrograms are recognised.
        unit: What the deviation is, in words.

    Returns:
        ``as`` is ``bars``, ``curves`` or ``picture``. Of the first two ``values`` is a list (of a
        list for each channel), with None for what is missing; ``low`` and ``high`` are the range;
        ``unit`` is empty for that of the data. A picture has ``png`` in base64. ``note`` says what
        is not shown as it is.
    """
    if x.ndim > 2 or (x.ndim == 2 and len(x) > CURVES):
        return _picture(x, clean, mean, deviation, any(word in name.lower() for word in SOUNDS))
    scaled = deviation.max() > ALIKE * deviation.min() or bool((abs(mean) > FAR * deviation).any())
    if scaled:
        x, clean = (_scaled(one, mean, deviation) for one in (x, clean))
    most = BARS if x.ndim == 1 else POINTS
    values = averaged(x.astype(np.float64), most)
    low, high = _range(np.concatenate([averaged(clean.astype(np.float64), most), values], -1))
    return {
        "as": "bars" if x.ndim == 1 else "curves",
        "values": _plain(values, high - low or abs(high) or 1.0),
        "low": min(low, 0.0) if x.ndim == 1 else low,
        "high": max(high, 0.0) if x.ndim == 1 else high,
        "unit": f"{unit} from the mean" if scaled else "",
        "length": x.shape[-1],
        "note": "" if x.shape[-1] <= most else f"{x.shape[-1]} values, averaged to {most}",
    }


def _picture(x: Array, clean: Array, mean: Array, deviation: Array, sound: bool) -> dict[str, Any]:
    note, heat = "", x.ndim == 2 or (sound and x.ndim == 3 and len(x) == 1)
    if x.ndim == 2:
        x, clean = (_scaled(one, mean, deviation)[None] for one in (x, clean))
        note = "rows are channels, the first at the bottom"
    elif x.ndim == 4:
        middle = x.shape[1] // 2
        note = f"slice {middle + 1} of {x.shape[1]}"
        x, clean = x[:, middle], clean[:, middle]
    if heat:
        x, clean = x[:, ::-1], clean[:, ::-1]
        note = note or "low frequencies at the bottom"
    if len(x) not in (1, 3):
        note = ", ".join(filter(None, (note, f"mean of {len(x)} channels")))
        x, clean = x.mean(0, keepdims=True), clean.mean(0, keepdims=True)
    low, high = _range(clean)
    with np.errstate(invalid="ignore"):
        light = np.nan_to_num(np.clip((x - low) / max(high - low, 1e-30), 0, 1))
    if heat:
        place = light[0] * (len(_HEAT) - 1)
        parts = [np.interp(place, np.arange(len(_HEAT)), _HEAT[:, k]) / 255 for k in range(3)]
        light = np.stack(parts)
    return {"as": "picture", "png": _png(light), "size": list(x.shape[-2:]), "note": note}


def _scaled(x: Array, mean: Array, deviation: Array) -> Array:
    """Return values in deviations from the mean of their feature or channel."""
    column = (-1, *[1] * (x.ndim - 1))
    return (x - mean.reshape(column)) / deviation.reshape(column)


def _png(light: Array) -> str:
    """Return an image ``(1 or 3, H, W)`` of numbers from 0 to 1 as PNG in base64."""
    from PIL import Image

    pixels = np.round(255 * light).astype(np.uint8)
    image = Image.fromarray(pixels[0] if len(pixels) == 1 else np.moveaxis(pixels, 0, -1))
    image.thumbnail((PIXELS, PIXELS), Image.Resampling.BOX)
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return base64.b64encode(stream.getvalue()).decode()


def averaged(x: Array, most: int) -> Array:
    """Return an array whose last axis has at most a number of values, each the mean of neighbours.

    >>> averaged(np.array([1.0, 3.0, np.nan, 5.0]), 2).tolist()
    [2.0, 5.0]
    """
    length = x.shape[-1]
    if length <= most:
        return x
    starts = np.linspace(0, length, most, endpoint=False).astype(int)
    known = ~np.isnan(x)
    total = np.add.reduceat(np.where(known, x, 0.0), starts, -1)
    number = np.add.reduceat(known.astype(int), starts, -1)
    return np.where(number > 0, total / np.maximum(number, 1), np.nan)


def _range(x: Array) -> tuple[float, float]:
    finite = x[np.isfinite(x)]
    return (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)


def _plain(values: Array, span: float) -> Any:  # noqa: ANN401
    """Return nested lists of numbers, None for NaN, rounded to a few thousandths of a span."""
    if values.ndim > 1:
        return [_plain(row, span) for row in values]
    digits = 4 - math.floor(math.log10(span))
    return [round(v, digits) if math.isfinite(v) else None for v in values.tolist()]
