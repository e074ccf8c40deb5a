"""Errors of presentation-attack detection, with the names of ISO/IEC 30107-3, and thresholds.

APCER is the share of attacks taken as bona fide, BPCER the share of bona fide samples taken as
attacks, ACER the mean of the two. A sample is taken as bona fide where its score, the probability
of that class, is above the threshold. Of nobody a share is undefined (NaN), never 0.

The released code of the paper swaps the first two names; their mean is the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

ThresholdBy = Literal["half", "eer", "min-acer"]
"""0.5, as an argmax over two classes; or where APCER and BPCER meet, or ACER is lowest."""


@dataclass(frozen=True)
class ErrorRates:
    """The three rates, float64 of one shape.

    Attributes:
        acer: Mean of the other two.
        apcer: Attacks taken as bona fide, of all attacks.
        bpcer: Bona fide samples taken as attacks, of all bona fide samples.
    """

    acer: Tensor
    apcer: Tensor
    bpcer: Tensor


def error_rates(confusion: Tensor, bona_fide: int = 1) -> ErrorRates:
    """Return the rates of confusion matrices (true class by row).

    Args:
        confusion: int64 ``(..., 2, 2)``.
        bona_fide: Which of the two classes is no attack.

    >>> rates = error_rates(torch.tensor([[90, 10], [2, 8]]))
    >>> [round(float(rate), 3) for rate in (rates.acer, rates.apcer, rates.bpcer)]
    [0.15, 0.1, 0.2]

    Raises:
        ValueError: If there are other than two classes.
    """
    if confusion.shape[-2:] != (2, 2) or bona_fide not in (0, 1):
        raise ValueError(
            f"expected counts (..., 2, 2) of two classes, one of them bona fide, got "
            f"{tuple(confusion.shape)} and bona fide class {bona_fide}"
        )
    attack = 1 - bona_fide
    counts = confusion.double()
    apcer = counts[..., attack, bona_fide] / counts[..., attack, :].sum(-1)
    bpcer = counts[..., bona_fide, attack] / counts[..., bona_fide, :].sum(-1)
    return ErrorRates((apcer + bpcer) / 2, apcer, bpcer)


def threshold_of(score: Tensor, is_bona_fide: Tensor, by: ThresholdBy) -> float:
    """Return a threshold that is set on samples whose truth is known; NaN without both kinds.

    Every threshold that parts the scores differently is tried: below all, between two neighbours,
    at the highest. ``eer``: where APCER and BPCER differ least (of equal ones, where ACER is
    lower). ``min-acer``: where ACER is lowest (of equal ones, the nearest to 0.5).

    Args:
        score: ``(n,)``: the probability of bona fide.
        is_bona_fide: bool ``(n,)``.
        by: How it is chosen; ``half`` is 0.5 whatever the scores.

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
    values, place = score.unique(return_inverse=True)
    size = len(values)
    of_attacks = place[~is_bona_fide].bincount(minlength=size).double()
    of_bona_fides = place[is_bona_fide].bincount(minlength=size).double()
    # Threshold k lies below value k; the last one lies at the highest value, above which is none.
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
    # Rates are fractions of whole numbers; equal ones may differ in their last digit.
    best = first <= first.min() + 1e-12
    return float(thresholds[torch.where(best, second, torch.inf).argmin()])
