"""Whether combinations that were called hard are the truly worst, and what chance would give."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from dmrnet.evaluation.metrics import worst


@dataclass(frozen=True)
class Agreement:
    """How well a set of combinations meets the truly worst ones.

    Attributes:
        share: Of the set, what is among as many that score worst.
        chance: What a random set of that size would share on average.
        chance_of_more: How often a random set would share as much or more.
        size: Of the set.
    """

    share: float
    chance: float
    chance_of_more: float
    size: int


def hard_set_agreement(hard: Tensor, scores: Tensor) -> Agreement | None:
    """Compare a set of combinations with as many that score worst.

    Two random sets of k among K share k^2 / K on average, so a share of k / K; how often they
    share m or more is a tail of the hypergeometric distribution.

    Args:
        hard: bool ``(K,)``.
        scores: ``(K,)``, higher is better; combinations of NaN are left out of both.

    Returns:
        None where no combination with a score is in the set.

    >>> hard = torch.tensor([True, True, False, False])
    >>> found = hard_set_agreement(hard, torch.tensor([0.1, 0.9, 0.2, 0.8]))
    >>> found.share, found.chance, round(found.chance_of_more, 3)
    (0.5, 0.5, 0.833)
    """
    from scipy.stats import hypergeom

    known = ~scores.isnan()
    hard, scores = hard[known], scores[known]
    size, total = int(hard.sum()), len(hard)
    if not size:
        return None
    shared = int((hard & worst(scores, size)).sum())
    more = float(hypergeom.sf(shared - 1, total, size, size))
    return Agreement(shared / size, size / total, more, size)


def top(values: Tensor, k: int) -> Tensor:
    """Return which k of the values are the highest, bool ``(K,)``; NaN is never among them."""
    return worst(-values, k)


def rank_correlation(first: Tensor, second: Tensor) -> float:
    """Return Spearman's correlation over entries that are NaN in neither; NaN if one is constant.

    >>> round(rank_correlation(torch.tensor([1.0, 2, 3]), torch.tensor([5.0, 9, 30])), 3)
    1.0
    """
    from scipy.stats import rankdata

    known = ~(first.isnan() | second.isnan())
    ranks = rankdata(torch.stack([first[known], second[known]]).cpu(), axis=1)
    if ranks.shape[1] < 2 or (np.ptp(ranks, axis=1) == 0).any():
        return float("nan")
    return float(np.corrcoef(ranks)[0, 1])
