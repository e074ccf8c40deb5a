"""Agreement of mined hard sets with the truly worst combinations, and that of random sets."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from dmrnet.evaluation.metrics import worst


@dataclass(frozen=True)
class Agreement:
    """Agreement of a set of combinations with the truly worst ones.

    Attributes:
        share: Share of the set that is among the same number of worst combinations.
        chance: Expected share of a random set of that size.
        chance_of_more: Probability that a random set has this share or more.
        size: Size of the set.
    """

    share: float
    chance: float
    chance_of_more: float
    size: int


def hard_set_agreement(hard: Tensor, scores: Tensor) -> Agreement | None:
    """Compare a set of combinations with the same number of worst ones.

    Two random sets of k among K share k^2 / K on average, a share of k / K; the probability of
    sharing m or more is a tail of the hypergeometric distribution.

    Args:
        hard: Bool tensor of shape ``(K,)``, True for combinations in the set.
        scores: Tensor of shape ``(K,)``, higher is better; combinations with NaN are left out.

    Returns:
        Agreement, or None if no combination in the set has a score.

    >>> hard = torch.tensor([True, True, False, False])
    >>> agreement = hard_set_agreement(hard, torch.tensor([0.1, 0.9, 0.2, 0.8]))
    >>> agreement.share, agreement.chance, round(agreement.chance_of_more, 3)
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
    """Return the k highest values as bool ``(K,)``; NaN is never among them."""
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
