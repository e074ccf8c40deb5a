"""Conformal sets: classes that hold the true one at a chosen rate, for each combination.

Split conformal prediction with the score 1 - p of the true class (`Sadinle et al., Least ambiguous
set-valued classifiers with bounded error levels, JASA 2019 <https://arxiv.org/abs/1609.00451>`_),
calibrated on the validation samples of the same combination: the level holds for each combination,
not just on average.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

TIE = 1e-6
"""Scores that differ by less are equal: rounding would otherwise leave out classes as probable as
those that set the threshold, in many samples at once where inputs repeat."""


def conformal_scores(probabilities: Tensor, target: Tensor, scored: Tensor) -> Tensor:
    """Return 1 - p of the true class, float64 ``(K, n)``; NaN where not scored."""
    index = target.expand(len(probabilities), -1)[..., None]
    scores = 1 - probabilities.double().gather(2, index)[..., 0]
    return scores.masked_fill(~scored, torch.nan)


def conformal_threshold(scores: Tensor, level: float) -> Tensor:
    """Return the score up to which classes belong to the set of each combination.

    The ceil((n + 1) level)-th smallest of n scores; infinite, so that sets hold every class, where
    n is too small for the level.

    Args:
        scores: float ``(K, n)``, NaN where a sample does not count.
        level: Rate at which sets are to hold the true class, between 0 and 1.

    Raises:
        ValueError: If the level is not between 0 and 1.

    >>> conformal_threshold(torch.tensor([[0.1, 0.4, 0.2, 0.3]]), 0.8)
    tensor([0.4000])
    >>> conformal_threshold(torch.tensor([[0.1, 0.4, 0.2, 0.3]]), 0.9)
    tensor([inf])
    """
    if not 0 < level < 1:
        raise ValueError(f"expected a level between 0 and 1, such as 0.9, got {level}")
    known = (~scores.isnan()).sum(1)
    ranks = torch.tensor([math.ceil((n + 1) * level - 1e-9) for n in known.tolist()])
    ordered = scores.nan_to_num(torch.inf).sort(1).values
    ordered = torch.cat([ordered, torch.full_like(ordered[:, :1], torch.inf)], 1)
    thresholds = ordered.gather(1, ranks.clamp(1, ordered.shape[1])[:, None] - 1)[:, 0]
    return torch.where(ranks <= known, thresholds, torch.inf)


def conformal_sets(probabilities: Tensor, threshold: Tensor) -> Tensor:
    """Return the classes of each set, bool ``(..., M)``; the predicted class always belongs.

    Args:
        probabilities: float ``(..., M)``.
        threshold: float, broadcast against ``(...)``.

    >>> conformal_sets(torch.tensor([0.7, 0.25, 0.05]), torch.tensor(0.8))
    tensor([ True,  True, False])
    """
    inside = 1 - probabilities.double() <= threshold[..., None].double() + TIE
    best = probabilities.argmax(-1, keepdim=True)
    return inside.scatter(-1, best, value=True)
