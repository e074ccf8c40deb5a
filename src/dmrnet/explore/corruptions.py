"""Failures of a sensor that still reports: noise, blackout, drift; in the units of the data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from dmrnet.data.files.arrays.numbers import Array


@dataclass(frozen=True)
class Corruption:
    """One way to corrupt a modality.

    Attributes:
        name: Its name.
        text: What it does, in a few words.
        unit: What the strength counts; empty for a share from 0 to 1. A page says whose deviations.
        most: Largest strength.
        how: Function of values, strength, draws and deviations to changed values.
    """

    name: str
    text: str
    unit: str
    most: float
    how: Callable[[Array, float, np.random.Generator, Array], Array]


def _noise(x: Array, strength: float, draw: np.random.Generator, scale: Array) -> Array:
    return x + strength * scale * draw.normal(size=x.shape)


def _drift(x: Array, strength: float, draw: np.random.Generator, scale: Array) -> Array:
    sign: Array = draw.choice([-1.0, 1.0], size=scale.shape)
    if x.ndim not in (2, 4):
        return x + strength * scale * sign
    steps = _steps(x)
    growth = np.minimum(np.arange(x.shape[1]) / max(1, steps - 1), 1.0)
    return x + strength * scale * sign * growth.reshape(1, -1, *[1] * (x.ndim - 2))


def _blackout(x: Array, share: float, draw: np.random.Generator, scale: Array) -> Array:
    dark = np.zeros(x.shape, dtype=np.bool_)
    if x.ndim == 1:
        dark[draw.permutation(len(x))[: round(share * len(x))]] = True
    elif x.ndim == 2:
        dark[:, _stretch(_steps(x), share, draw.random())] = True
    else:
        height, width = (_stretch(n, share**0.5, draw.random()) for n in x.shape[-2:])
        dark[..., height, width] = True
    return np.where(dark & ~np.isnan(x), 0.0, x)


def _stretch(length: int, share: float, start: float) -> slice:
    """Return a stretch of an axis; `start` from 0 to 1 is where it lies."""
    number = round(share * length)
    first = round(start * (length - number))
    return slice(first, first + number)


def _steps(x: Array) -> int:
    """Return the number of steps before the end of a sequence, where NaN follows it."""
    steps = np.flatnonzero(~np.isnan(x).reshape(len(x), x.shape[1], -1).all((0, 2)))
    return int(steps[-1]) + 1 if len(steps) else x.shape[1]


CORRUPTIONS = (
    Corruption("noise", "Gaussian noise on every value", "deviations", 5.0, _noise),
    Corruption("blackout", "zeros in a stretch, a region or some features", "", 1.0, _blackout),
    Corruption(
        "drift", "an offset, growing over time where there is time", "deviations", 5.0, _drift
    ),
)
"""Corruptions, by which a modality is changed though it counts as present."""


def corrupt(x: Array, kind: str, strength: float, seed: int, deviation: Array) -> Array:
    """Return a corrupted copy of one sample's modality.

    NaN (missing cells, what comes after the end of a sequence) stays NaN. For one seed the draws
    are the same at every strength: noise grows, a blackout widens.

    Args:
        x: Array ``(d,)``, ``(C, T)``, ``(C, H, W)`` or ``(C, T, H, W)``, in the units of training.
        kind: ``noise`` adds Gaussian noise; ``blackout`` sets a share of the modality to 0:
            a stretch of all channels of a sequence, a rectangle of an image or of all frames,
            features of a vector; ``drift`` adds an offset to each channel, up or down by chance,
            which in sequences and volumes grows from 0 over time.
        strength: For ``noise`` the deviation and for ``drift`` the (final) offset, in `deviation`;
            for ``blackout`` the share.
        seed: Seed of what is drawn.
        deviation: Deviation of each feature or channel, ``(C,)``, over the training rows where they
            are known.

    Raises:
        ValueError: If the kind is unknown, or the strength is out of range.

    >>> corrupt(np.array([1.0, 2.0]), "blackout", 1.0, 0, np.ones(2)).tolist()
    [0.0, 0.0]
    """
    known = {one.name: one for one in CORRUPTIONS}
    if kind not in known:
        raise ValueError(f"expected a corruption of {', '.join(known)}, got {kind!r}")
    if not 0 <= strength <= known[kind].most:
        raise ValueError(f"{kind}: expected a strength from 0 to {known[kind].most:g}")
    scale = deviation.reshape(-1, *[1] * (x.ndim - 1))
    changed = known[kind].how(x.astype(np.float64), strength, np.random.default_rng(seed), scale)
    # What is beyond float32 becomes infinite and is refused, as in any request.
    with np.errstate(over="ignore"):
        return np.asarray(changed, dtype=x.dtype)
