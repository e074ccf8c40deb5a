"""Making modalities absent on purpose, by a known mechanism."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Literal, get_args

import numpy as np
import torch

from dmrnet.data.files.arrays.numbers import Array
from dmrnet.data.python.given import MultimodalDataset
from dmrnet.data.splits.split import generator
from dmrnet.hints import nearest

Mechanism = Literal["mcar", "mar", "mnar", "block"]

_SWEEPS, _HALVINGS, _FARTHEST = 100, 40, 40.0


def ampute(
    data: MultimodalDataset,
    rate: float | Mapping[str, float],
    mechanism: Mechanism = "mcar",
    seed: int = 0,
    *,
    strength: float = 2.0,
    block: int | None = None,
) -> MultimodalDataset:
    r"""Return the samples with some modalities made absent, never all of a sample.

    The names are those of Rubin (1976, Inference and missing data). With :math:`z_{iv}` the mean of
    modality `v` of sample `i` over its features, standardised over the samples that have `v`:

    - ``mcar``, completely at random: modalities are lost independently of each other and of the
      data.
    - ``mar``, at random: each sample keeps a modality `k`, drawn at random, and loses each other
      one with probability :math:`\sigma(a_v + s z_{ik})`. What is lost depends only on what is
      still seen.
    - ``mnar``, not at random: a modality is lost with odds :math:`\exp(a_v + s z_{iv})`, by its own
      value, which is not seen then.
    - ``block``, outages of a sensor: runs of consecutive rows lose a modality. Their number of rows
      is exact.

    The offsets :math:`a_v` are found by bisection, so that the expected share of samples that lose
    a modality is `rate`, among those that have it. In ``mcar`` and ``mnar`` draws that would lose
    all of a sample are left out, and the offsets account for it.

    Args:
        data: Samples. Modalities that they lack stay absent.
        rate: Share of its samples that a modality loses, 0 to 1, for all or by name (0 for those
            not named). Together at most the number of modalities less one.
        mechanism: mcar, mar, mnar or block.
        seed: Seed of the draws.
        strength: The slope `s` of mar and mnar; negative: low values are lost.
        block: Rows of an outage; by default a twentieth of the samples. Outages may adjoin.

    Returns:
        New samples; the lost values are erased (NaN, or 0 in arrays of integers).

    Raises:
        TypeError: If `data` is something else.
        ValueError: If a name or the mechanism is unknown, a number is out of range, or the rates
            cannot be reached without losing all of a sample.

    >>> data = MultimodalDataset({"a": np.zeros((100, 2)), "b": np.ones((100, 3))})
    >>> ampute(data, {"b": 0.3}, "block")
    MultimodalDataset(100 samples; a (2,) in 100; b (3,) in 70)
    """
    if not isinstance(data, MultimodalDataset):
        raise TypeError(f"expected a MultimodalDataset, got {type(data).__name__}")
    if mechanism not in get_args(Mechanism):
        raise ValueError(
            f"unknown mechanism {mechanism!r}; {nearest(mechanism, get_args(Mechanism))}"
        )
    if not math.isfinite(strength):
        raise ValueError(f"expected a finite strength, got {strength}")
    if block is not None and (mechanism != "block" or block < 1):
        raise ValueError(f"expected a block of 1 row or more, with mechanism block; got {block}")
    rates, present = _rates(rate, data.modalities), data.present
    draw = generator(seed, "ampute", mechanism)
    try:
        if mechanism == "block":
            lost = _blocks(present, rates, block or max(1, round(len(data) / 20)), draw)
        elif mechanism == "mar":
            lost = _at_random(present, rates, strength * _levels(data, present), draw)
        else:
            slope = strength if mechanism == "mnar" else 0.0
            logits = slope * _levels(data, present) if slope else np.zeros(present.shape)
            lost = _independent(present, rates, logits, draw)
    except _NotReachedError as error:
        raise ValueError(
            "expected rates that leave every sample a modality; "
            f"{data.modalities[error.column]} can lose {error.reached:.3f} of its samples, not "
            f"{error.rate:g}; lower the rates"
        ) from error
    return data.without(lost)


class _NotReachedError(ValueError):
    """A modality, by its column, cannot lose the share of its samples that was asked for."""

    def __init__(self, column: int, reached: float, rate: float) -> None:
        super().__init__(column)
        self.column, self.reached, self.rate = column, reached, rate


def _rates(rate: float | Mapping[str, float], names: tuple[str, ...]) -> Array:
    given = rate if isinstance(rate, Mapping) else dict.fromkeys(names, rate)
    for name, value in given.items():
        if name not in names:
            raise ValueError(f"unknown modality {name!r}; {nearest(name, names)}")
        if not 0 <= value <= 1:
            raise ValueError(f"{name}: expected a rate from 0 to 1, got {value}")
    return np.array([given.get(name, 0.0) for name in names])


def _levels(data: MultimodalDataset, present: Array) -> Array:
    """Return the standardised mean of each modality of each sample, ``(n, V)``; 0 where absent."""
    levels = np.zeros(present.shape)
    for column, name in enumerate(data.modalities):
        rows = present[:, column]
        if rows.any():
            values = data.read(name)[rows].reshape(int(rows.sum()), -1)
            # Missing cells do not count.
            mean = np.nanmean(values, 1, dtype=np.float64)
            if not np.isfinite(mean).all():
                raise ValueError(f"modality {name}: it holds infinity; mend the values")
            spread = mean.std()
            levels[rows, column] = (mean - mean.mean()) / spread if spread > 0 else 0.0
    return levels


def _independent(present: Array, rates: Array, logits: Array, draw: torch.Generator) -> Array:
    """Draw losses that are independent but for never losing all of a sample."""
    several = present & (present.sum(1) > 1)[:, None]
    # An absent modality is lost for sure, so that "all lost" is about the present ones.
    chance = np.where(present, np.where(rates > 0, 0.5, 0.0), 1.0)
    for _ in range(_SWEEPS):
        most = 0.0
        for v in np.flatnonzero(rates):
            rows = several[:, v]
            others = np.delete(chance[rows], v, 1).prod(1)

            at = logits[rows, v]

            def share(offset: float, at: Array = at, others: Array = others) -> float:
                return float(_given_some(_sigmoid(offset + at), others).sum())

            offset = _bisect(share, rates[v] * present[:, v].sum())
            new = _sigmoid(offset + at)
            most = max(most, float(np.abs(new - chance[rows, v]).max(initial=0.0)))
            chance[rows, v] = new
        if most < 1e-6:
            break
    chance = np.where(several, chance, np.where(present, 0.0, 1.0))
    others = np.stack([np.delete(chance, v, 1).prod(1) for v in range(len(rates))], 1)
    shares = np.where(several, _given_some(chance, others), 0.0)
    _check_reached(shares.sum(0), present, rates)
    lost = several & (_uniform(present.shape, draw) < chance)
    while (again := several.any(1) & ~(present & ~lost).any(1)).any():
        lost[again] = several[again] & (_uniform(lost[again].shape, draw) < chance[again])
    return np.asarray(lost)


def _given_some(chance: Array, others: Array) -> Array:
    """Return the chance of a loss, given that not this and all `others` are lost."""
    return np.asarray(chance * (1 - others) / np.maximum(1 - chance * others, 1e-300))


def _at_random(present: Array, rates: Array, logits: Array, draw: torch.Generator) -> Array:
    """Draw losses by the value of a modality that each sample keeps."""
    weights = np.where(present, 1 - rates + 1e-12, 0.0)
    edges = weights.cumsum(1)
    kept = (_uniform((len(present), 1), draw) * edges[:, -1:] >= edges).sum(1)
    kept = kept.clip(max=len(rates) - 1)
    by = logits[np.arange(len(present)), kept]
    chance = np.zeros(present.shape)
    for v in np.flatnonzero(rates):
        rows = present[:, v] & (kept != v)

        def share(offset: float, rows: Array = rows) -> float:
            return float(_sigmoid(offset + by[rows]).sum())

        offset = _bisect(share, rates[v] * present[:, v].sum())
        chance[rows, v] = _sigmoid(offset + by[rows])
    _check_reached(chance.sum(0), present, rates)
    return np.asarray(_uniform(present.shape, draw) < chance)


def _blocks(present: Array, rates: Array, length: int, draw: torch.Generator) -> Array:
    """Draw outages of a number of rows; a row that has one modality left keeps it."""
    lost = np.zeros(present.shape, dtype=np.bool_)
    wanted = np.rint(rates * present.sum(0)).astype(int)
    for v in torch.randperm(len(rates), generator=draw).tolist():
        left = int(wanted[v])
        free = present[:, v] & ((present & ~lost).sum(1) > 1)
        for start in torch.randperm(len(present), generator=draw).tolist() if left else ():
            rows = start + np.flatnonzero(free[start : start + length])[:left]
            lost[rows, v], free[rows] = True, False
            left -= len(rows)
            if not left:
                break
    _check_reached(lost.sum(0), present, rates)
    return lost


def _check_reached(shares: Array, present: Array, rates: Array) -> None:
    """Refuse rates whose expected numbers of losses, ``(V,)``, differ from what was asked."""
    count = present.sum(0)
    reached = shares / np.maximum(count, 1)
    short = np.abs(reached - rates) * (count > 0) > 0.005 + 0.5 / np.maximum(count, 1)
    if short.any():
        v = int(short.argmax())
        raise _NotReachedError(v, float(reached[v]), float(rates[v]))


def _bisect(share: Callable[[float], float], wanted: float) -> float:
    low, high = -_FARTHEST, _FARTHEST
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if share(middle) < wanted else (low, middle)
    return (low + high) / 2


def _sigmoid(x: Array) -> Array:
    return np.asarray(0.5 * (1 + np.tanh(0.5 * x)))


def _uniform(shape: tuple[int, ...], draw: torch.Generator) -> Array:
    return torch.rand(shape, generator=draw, dtype=torch.float64).numpy()
