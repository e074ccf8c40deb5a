"""Patterns of presence: which combinations of modalities samples have, and of which classes."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass

import torch
from torch import Tensor

from dmrnet.data.dataset import Dataset
from dmrnet.targets import target_of

MOST_PATTERNS = 64
"""Largest number of combinations that are counted one by one."""

NOTABLE = 0.01
"""Largest p, times the number of modalities, at which a warning says that presence predicts the
class."""


LEAST_DIFFERENCE = 0.05
"""Smallest difference between classes, in the share of samples with a modality, worth a warning."""


@dataclass(frozen=True)
class Dependence:
    """A modality whose presence depends on the class.

    Attributes:
        modality: Its name.
        p: p of the test of independence.
        shares: Share of the samples of each class that have it; NaN for classes without samples.
    """

    modality: str
    p: float
    shares: tuple[float, ...]


def patterns(part: Dataset, most: int = MOST_PATTERNS) -> dict[str, list[int]]:
    """Return the number of samples of each class by combination, the most frequent first.

    Samples without a class are left out; of images with a class for every pixel, the most frequent
    class counts. Where no class is predicted, the samples are counted together.

    Args:
        part: The samples.
        most: Combinations to return; rarer ones are left out.
    """
    names, number, target = part.task.modalities, len(part.task.classes), part.target
    if not target_of(part.task).counts:
        number, target = 1, torch.zeros(len(target), dtype=torch.int64)
    known = target >= 0
    place = torch.tensor([1 << column for column in range(len(names))])
    codes = (part.present[known].long() * place).sum(1)
    pairs = Counter(zip(codes.tolist(), target[known].tolist(), strict=True))
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

    Tested by chi-square where Cochran's rule allows it (no expected count below 1, at most a fifth
    below 5), else each class against the rest by Fisher's exact test; Bonferroni's correction for
    the number of tests. None without classes.
    """
    if not target_of(part.task).counts:
        return []
    number, known = len(part.task.classes), part.target >= 0
    target, present = part.target[known], part.present[known]
    size = target.bincount(minlength=number).double()
    results = []
    for column, name in enumerate(part.task.modalities):
        having = target[present[:, column]].bincount(minlength=number).double()
        table = torch.stack([having, size - having])
        p = chi_square_p(table)
        p = fisher_p(table) if p is None else p
        if p * present.shape[1] <= NOTABLE:
            results.append(Dependence(name, p, tuple((having / size).tolist())))
    return sorted(results, key=lambda one: one.p)


def presence_warnings(part: Dataset) -> list[str]:
    """Return sentences on presence that predicts the class.

    They name the modalities whose own presence does, or else the combination of those present.
    """
    task = part.task
    if task.dense or bool(part.present.all()) or not target_of(task).counts:
        return []
    warnings = []
    for one in dependences(part):
        shares = [
            (share, name)
            for share, name in zip(one.shares, task.classes, strict=True)
            if not math.isnan(share)
        ]
        (least, rare), (most, often) = min(shares), max(shares)
        if most - least < LEAST_DIFFERENCE:
            continue
        warnings.append(
            f"train: presence of {one.modality} predicts the class (p {one.p:.1g}): in "
            f"{_percent(most)} of {often}, in {_percent(least)} of {rare}"
        )
    counts = torch.tensor(list(patterns(part, MOST_PATTERNS).values())).double()
    if not warnings:
        p = chi_square_p(_frequent(counts))
        if p is not None and p <= NOTABLE:
            warnings.append(f"train: which modalities a row has predicts the class (p {p:.1g})")
    if warnings:
        guess = float(counts.max(1).values.sum() / counts.sum())
        majority = float(counts.sum(0).max() / counts.sum())
        warnings[-1] += (
            f"; guessing the class from what is present alone is right in {_percent(guess)} of "
            f"rows, the most frequent class in {_percent(majority)}: a model may learn the gaps "
            "instead of the data"
        )
    return warnings


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _frequent(counts: Tensor) -> Tensor:
    """Return counts ``(P, M)`` in which rows with small expected counts are one row."""
    expected = counts.sum(1, keepdim=True) * counts.sum(0, keepdim=True) / counts.sum()
    few = (expected < 5).any(1)
    return torch.cat([counts[~few], counts[few].sum(0, keepdim=True)])


def fisher_p(counts: Tensor) -> float:
    """Return p that rows of a table are independent of columns: each column against the rest.

    Fisher's exact test of each column, two-sided by doubling the smaller tail, times the number of
    columns (Bonferroni); at most 1.

    Args:
        counts: float64 ``(2, C)``.
    """
    rows, columns = counts.sum(1), counts.sum(0)
    total, first = float(counts.sum()), float(rows[0])
    smallest = 1.0
    for one, size in zip(counts[0].tolist(), columns.tolist(), strict=True):
        number = torch.arange(max(0.0, first + size - total), min(first, size) + 1).double()
        # Hypergeometric: number rows of the column among the first.
        log_p = _log_choose(size, number) + _log_choose(total - size, first - number)
        probability = (log_p - _log_choose(total, torch.tensor(first).double())).exp()
        tails = probability[number <= one].sum(), probability[number >= one].sum()
        smallest = min(smallest, 2 * float(min(tails)))
    return min(1.0, smallest * len(columns))


def _log_choose(total: float, some: Tensor) -> Tensor:
    """Return the logarithm of the number of ways to choose some of a total."""
    whole = torch.tensor(total + 1).double().lgamma()
    return whole - (some + 1).lgamma() - (total - some + 1).lgamma()


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
