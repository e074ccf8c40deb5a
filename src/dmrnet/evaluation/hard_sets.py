"""Whether combinations that were called hard are the truly worst, and what chance would give."""

from __future__ import annotations

from dataclasses import dataclass
from math import comb

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
    known = ~scores.isnan()
    hard, scores = hard[known], scores[known]
    size, total = int(hard.sum()), len(hard)
    if not size:
        return None
    shared = int((hard & worst(scores, size)).sum())
    more = sum(comb(size, m) * comb(total - size, size - m) for m in range(shared, size + 1))
    return Agreement(shared / size, size / total, more / comb(total, size), size)


def top(values: Tensor, k: int) -> Tensor:
    """Return which k of the values are the highest, bool ``(K,)``; NaN is never among them."""
    return worst(-values, k)


def rank_correlation(first: Tensor, second: Tensor) -> float:
    """Return Spearman's correlation over the entries that both have; NaN where one is constant.

    >>> round(rank_correlation(torch.tensor([1.0, 2, 3]), torch.tensor([5.0, 9, 30])), 3)
    1.0
    """
    known = ~(first.isnan() | second.isnan())
    ranks = torch.stack([_ranks(first[known]), _ranks(second[known])])
    if ranks.shape[1] < 2 or bool((ranks.std(1) == 0).any()):
        return float("nan")
    return float(torch.corrcoef(ranks)[0, 1])


def _ranks(values: Tensor) -> Tensor:
    """Return the rank of each value; equal ones share the mean of theirs."""
    below = (values[None] < values[:, None]).sum(1)
    equal = (values[None] == values[:, None]).sum(1)
    return below + (equal + 1).double() / 2
