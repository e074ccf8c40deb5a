"""Figures from the scores of all combinations: expected scores, Shapley values, next modality.

A score is looked up by the set of the modalities that are seen.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import combinations, product

Seen = frozenset[str]
ScoreOf = Callable[[Seen], float]

MOST_MODALITIES = 10
"""Largest number of modalities whose 1023 combinations are all scored for this."""


COIN = 0.5
"""Error rate without any modality, where lower is better."""


def expected_score(score: ScoreOf, present: Mapping[str, float]) -> float:
    """Return the mean score of non-empty combinations, weighted by how probable each is.

    Args:
        score: Score of a combination.
        present: Probability that a modality is present, by name, for every modality.

    Raises:
        ValueError: If no modality may be present.

    >>> table = {frozenset("a"): 0.6, frozenset("b"): 0.5, frozenset("ab"): 0.9}
    >>> round(expected_score(table.__getitem__, {"a": 1.0, "b": 0.5}), 3)
    0.75
    """
    total = weight = 0.0
    for shown in product((False, True), repeat=len(present)):
        seen = frozenset(name for name, on in zip(present, shown, strict=True) if on)
        p = math.prod(rate if name in seen else 1 - rate for name, rate in present.items())
        if seen and p:
            total, weight = total + p * score(seen), weight + p
    if not weight:
        raise ValueError("expected at least one modality that may be there, got none")
    return total / weight


def mean_by_size(score: ScoreOf, names: Sequence[str]) -> list[float]:
    """Return the mean score of the combinations of 1, 2, ... and all modalities."""
    sizes = range(1, len(names) + 1)
    return [
        sum(score(frozenset(chosen)) for chosen in combinations(names, size))
        / math.comb(len(names), size)
        for size in sizes
    ]


def expected_of_sizes(by_size: Sequence[float], fails: float) -> float:
    """Return `expected_score` where every modality fails with one probability below 1.

    Args:
        by_size: What `mean_by_size` returned.
        fails: The probability.

    >>> expected_of_sizes([0.5, 0.9], 0.0), round(expected_of_sizes([0.5, 0.9], 0.5), 4)
    (0.9, 0.6333)
    """
    most = len(by_size)
    weights = [
        math.comb(most, size) * (1 - fails) ** size * fails ** (most - size)
        for size in range(1, most + 1)
    ]
    return sum(w * s for w, s in zip(weights, by_size, strict=True)) / sum(weights)


def shapley_values(score: ScoreOf, names: Sequence[str], nothing: float = 0.0) -> dict[str, float]:
    """Return the mean gain of each modality over all orders of adding it.

    The values sum up to the score of all modalities less that of none.

    Args:
        score: Score of a combination.
        names: The modalities.
        nothing: Score without any; another one by c changes every value by -c / V.

    >>> table = {frozenset("a"): 0.6, frozenset("b"): 0.5, frozenset("ab"): 0.9}
    >>> {name: round(v, 2) for name, v in shapley_values(table.__getitem__, "ab").items()}
    {'a': 0.5, 'b': 0.4}
    """
    size = len(names)
    values = dict.fromkeys(names, 0.0)
    for name in names:
        others = [one for one in names if one != name]
        for number in range(size):
            share = 1 / (size * math.comb(size - 1, number))
            for chosen in combinations(others, number):
                before = score(frozenset(chosen)) if chosen else nothing
                values[name] += share * (score(frozenset(chosen) | {name}) - before)
    return values


def gains_of_next(
    score: ScoreOf, names: Sequence[str], now: Seen, lower_is_better: bool = False
) -> dict[str, float]:
    """Return by how much each modality that is not seen changes the score, the best first."""
    gains = {name: score(now | {name}) - score(now) for name in names if name not in now}
    sign = 1 if lower_is_better else -1
    return dict(sorted(gains.items(), key=lambda item: sign * item[1]))
