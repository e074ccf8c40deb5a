"""Patterns of presence: which combinations of modalities samples have, and of which classes."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import torch
from torch import Tensor

from dmrnet.data.dataset import Dataset

MOST_PATTERNS = 64
"""Largest number of combinations that are counted one by one."""

NOTABLE = 0.01
"""Largest p, times the number of modalities, at which presence is said to tell the class."""


@dataclass(frozen=True)
class Dependence:
    """A modality whose presence depends on the class.

    Attributes:
        modality: Its name.
        p: p of the chi-square test of independence.
        shares: Share of the samples of each class that have it; NaN for classes without samples.
    """

    modality: str
    p: float
    shares: tuple[float, ...]


def patterns(part: Dataset, most: int = MOST_PATTERNS) -> dict[str, list[int]]:
    """Return the number of samples of each class by combination, the most frequent first.

    Samples without a class are left out; of images with a class for every pixel, the most frequent
    class counts.

    Args:
        part: The samples.
        most: Combinations to return; rarer ones are left out.
    """
    names, number = part.task.modalities, len(part.task.classes)
    known = part.target >= 0
    place = torch.tensor([1 << column for column in range(len(names))])
    codes = (part.present[known].long() * place).sum(1)
    pairs = Counter(zip(codes.tolist(), part.target[known].tolist(), strict=True))
    counts: dict[int, list[int]] = {}
    for (code, label), n in pairs.items():
        counts.setdefault(code, [0] * number)[label] = n
    order = sorted(counts, key=lambda code: (-sum(counts[code]), code))
    return {
        "+".join(name for column, name in enumerate(names) if code >> column & 1): counts[code]
        for code in order[:most]
    }


def dependences(part: Dataset) -> list[Dependence]:
    """Return the modalities whose presence depends on the class, the clearest first.

    Tested by chi-square, Bonferroni's correction for the number of modalities, where Cochran's
    rule allows it: no expected count below 1, at most a fifth below 5.
    """
    number, known = len(part.task.classes), part.target >= 0
    target, present = part.target[known], part.present[known]
    size = target.bincount(minlength=number).double()
    found = []
    for column, name in enumerate(part.task.modalities):
        having = target[present[:, column]].bincount(minlength=number).double()
        p = chi_square_p(torch.stack([having, size - having]))
        if p is not None and p * present.shape[1] <= NOTABLE:
            found.append(Dependence(name, p, tuple((having / size).tolist())))
    return sorted(found, key=lambda one: one.p)


def chi_square_p(counts: Tensor) -> float | None:
    """Return p of Pearson's test that rows and columns of a table are independent.

    Args:
        counts: float64 ``(R, C)``; empty rows and columns are left out.

    Returns:
        p; None where there is nothing to test, or expected counts are too small.
    """
    from scipy.special import chdtrc

    counts = counts[counts.sum(1) > 0][:, counts.sum(0) > 0]
    rows, columns = counts.shape
    if rows < 2 or columns < 2:
        return None
    expected = counts.sum(1, keepdim=True) * counts.sum(0, keepdim=True) / counts.sum()
    if expected.min() < 1 or (expected < 5).double().mean() > 0.2:
        return None
    statistic = float(((counts - expected).square() / expected).sum())
    return float(chdtrc((rows - 1) * (columns - 1), statistic))
