"""Advice: the missing modality that would lower the expected error most."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from dmrnet.modalities import index_of

FEWEST = 20
"""Smallest number of validation samples for which a gain is reported."""


@dataclass(frozen=True)
class Gains:
    """Gain of adding a modality, measured on validation samples that have it and the combination.

    Attributes:
        gain: float64 ``(K, M, V)``: how much the error falls if modality v joins combination k,
            over the samples that k predicts as class m; NaN where v is in k or there are fewer
            than `FEWEST` such samples.
        error: Standard error of each gain, paired by sample.
    """

    gain: Tensor
    error: Tensor


def gains_of(
    predicted: Tensor, target: Tensor, scored: Tensor, combinations: Tensor, classes: int
) -> Gains:
    """Measure the gain of each modality next to each combination, by predicted class.

    A class with few predictions has its mean drawn towards that of all classes, as if `FEWEST`
    samples of those had been seen too.

    Args:
        predicted: int64 ``(K, n)``, predicted classes.
        target: int64 ``(n,)``.
        scored: bool ``(K, n)``.
        combinations: bool ``(K, V)``.
        classes: Number of classes, M.
    """
    number, modalities = combinations.shape
    row_of = {int(index): row for row, index in enumerate(index_of(combinations))}
    shape = (number, classes, modalities)
    gain, error = (torch.full(shape, torch.nan, dtype=torch.float64) for _ in range(2))
    right = (predicted == target).double()
    for row, mask in enumerate(combinations):
        for other in (~mask).nonzero().flatten().tolist():
            joined = mask.clone()
            joined[other] = True
            wider = row_of.get(int(index_of(joined[None])))
            if wider is None:
                continue
            both = scored[row] & scored[wider]
            if int(both.sum()) < FEWEST:
                continue
            fall = (right[wider] - right[row])[both]
            gain[row, :, other], error[row, :, other] = _by_class(
                fall, predicted[row][both], classes
            )
    return Gains(gain, error)


def _by_class(fall: Tensor, predicted: Tensor, classes: int) -> tuple[Tensor, Tensor]:
    """Return the mean fall of the error of each predicted class and its standard error."""
    counts = torch.bincount(predicted, minlength=classes).double()
    total = torch.bincount(predicted, fall, classes)
    square = torch.bincount(predicted, fall.square(), classes)
    mean, spread = fall.mean(), fall.square().mean()
    seen = counts + FEWEST
    means = (total + FEWEST * mean) / seen
    variance = ((square + FEWEST * spread) / seen - means.square()).clamp_min(0)
    return means, (variance / seen).sqrt()


def advise(gains: Gains, row: Tensor, predicted: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the modality to add to each sample, its gain and the standard error of that.

    Args:
        gains: Gains, as `gains_of` returns them.
        row: int64 ``(n,)``, number of each sample's combination.
        predicted: int64 ``(n,)``, predicted classes.

    Returns:
        int64 ``(n,)``, -1 where no gain is known, and float64 ``(n,)`` twice.
    """
    own, error = gains.gain[row, predicted], gains.error[row, predicted]
    best, which = own.nan_to_num(-torch.inf).max(1)
    known = best > -torch.inf
    return (
        which.masked_fill(~known, -1),
        best.masked_fill(~known, torch.nan),
        error.gather(1, which[:, None])[:, 0].masked_fill(~known, torch.nan),
    )
