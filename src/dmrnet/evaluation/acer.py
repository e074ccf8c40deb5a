"""Error rates of presentation-attack detection, named as in ISO/IEC 30107-3, and thresholds.

APCER is the share of attacks accepted as bona fide, BPCER the share of bona fide samples rejected
as attacks, ACER their mean. A sample is accepted if its score, the probability of bona fide, is
above the threshold. A share of no samples is undefined (NaN), not 0.

The paper's released code swaps the names APCER and BPCER; their mean is the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

ThresholdBy = Literal["half", "eer", "min-acer"]
"""Choice of a threshold: 0.5 (an argmax over two classes), equal APCER and BPCER, or least ACER."""


@dataclass(frozen=True)
class ErrorRates:
    """The three error rates, float64 tensors of one shape."""

    acer: Tensor
    apcer: Tensor
    bpcer: Tensor


def error_rates(confusion: Tensor, bona_fide: int = 1) -> ErrorRates:
    """Return the error rates of counts int64 ``(..., 2, 2)``, true class by row.

    >>> rates = error_rates(torch.tensor([[90, 10], [2, 8]]))
    >>> [round(float(rate), 3) for rate in (rates.acer, rates.apcer, rates.bpcer)]
    [0.15, 0.1, 0.2]

    Raises:
        ValueError: If there are not two classes.
    """
    if confusion.shape[-2:] != (2, 2) or bona_fide not in (0, 1):
        raise ValueError(
            f"expected counts (..., 2, 2) with bona fide class 0 or 1, got "
            f"{tuple(confusion.shape)} with class {bona_fide}"
        )
    attack = 1 - bona_fide
    counts = confusion.double()
    apcer = counts[..., attack, bona_fide] / counts[..., attack, :].sum(-1)
    bpcer = counts[..., bona_fide, attack] / counts[..., bona_fide, :].sum(-1)
    return ErrorRates((apcer + bpcer) / 2, apcer, bpcer)


def threshold_of(score: Tensor, is_bona_fide: Tensor, by: ThresholdBy) -> float:
    """Return the best threshold on labelled samples, or NaN without samples of both kinds.

    Candidates are all thresholds that split the scores differently: below all, between neighbours,
    and at the highest. ``eer`` minimises the difference of APCER and BPCER (ties: lower ACER),
    ``min-acer`` minimises ACER (ties: nearest to 0.5).

    Args:
        score: Tensor of shape ``(n,)``: probability of bona fide.
        is_bona_fide: Bool tensor of shape ``(n,)``.
        by: Criterion; ``half`` is always 0.5.

    >>> score = torch.tensor([0.1, 0.3, 0.35, 0.8], dtype=torch.float64)
    >>> threshold_of(score, torch.tensor([False, True, False, True]), "min-acer")
    0.575

    Raises:
        ValueError: If `by` is unknown, or a score is not finite.
    """
    if by not in ("half", "eer", "min-acer"):
        raise ValueError(f"expected a threshold by half, eer or min-acer, got {by!r}")
    if by == "half":
        return 0.5
    score = score.double()
    if not bool(score.isfinite().all()):
        raise ValueError("expected finite scores, got one that is not")
    bona_fides, attacks = int(is_bona_fide.sum()), int((~is_bona_fide).sum())
    if not bona_fides or not attacks:
        return float("nan")
    values, position = score.unique(return_inverse=True)
    size = len(values)
    of_attacks = position[~is_bona_fide].bincount(minlength=size).double()
    of_bona_fides = position[is_bona_fide].bincount(minlength=size).double()
    # Threshold k is below value k; the last one is at the highest value and accepts nothing.
    apcer = torch.cat([of_attacks.sum()[None], of_attacks.sum() - of_attacks.cumsum(0)]) / attacks
    bpcer = torch.cat([of_bona_fides.new_zeros(1), of_bona_fides.cumsum(0)]) / bona_fides
    thresholds = torch.cat(
        [
            torch.nextafter(values[:1], values.new_tensor([-torch.inf])),
            (values[1:] + values[:-1]) / 2,
            values[-1:],
        ]
    )
    acer, gap = (apcer + bpcer) / 2, (apcer - bpcer).abs()
    first, second = (gap, acer) if by == "eer" else (acer, (thresholds - 0.5).abs())
    # Equal rates may differ in the last digit.
    best = first <= first.min() + 1e-12
    return float(thresholds[torch.where(best, second, torch.inf).argmin()])
