"""Names of combinations, in one order for all systems of a data set."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain


def modality_order(models: Iterable[Sequence[str]], combinations: Iterable[str]) -> tuple[str, ...]:
    """Return every modality once: in the models' order, then in that of the longest names.

    Args:
        models: Modalities of each model, in its order; empty tuples if unknown.
        combinations: Names of combinations, such as ``fou+pix``.

    Example:
        >>> modality_order([], ["b", "a+b", "a"])
        ('a', 'b')
    """
    known = chain.from_iterable(models)
    named = sorted(set(combinations), key=lambda name: (-name.count("+"), name))
    return tuple(dict.fromkeys([*known, *chain.from_iterable(n.split("+") for n in named)]))


def members(combination: str) -> tuple[str, ...]:
    """Return the modalities that a combination's name lists."""
    return tuple(combination.split("+"))


def canonical(combination: str, order: Sequence[str]) -> str:
    """Return a combination's name with its modalities in the given order; an empty one stays so.

    Example:
        >>> canonical("pix+fou", ("fou", "pix"))
        'fou+pix'
    """
    return "+".join(sorted(members(combination), key=order.index)) if combination else ""


def in_table_order(combinations: Iterable[str], order: Sequence[str]) -> list[str]:
    """Sort combinations as in the paper's tables: by number of modalities, then by their order.

    Example:
        >>> in_table_order(["a+c", "c", "a+b", "a"], ("a", "b", "c"))
        ['a', 'c', 'a+b', 'a+c']
    """

    def key(name: str) -> tuple[int, list[int]]:
        return len(members(name)), [order.index(part) for part in members(name)]

    return sorted(combinations, key=key)
