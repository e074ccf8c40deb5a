"""Combinations of modalities by name, in one order for all systems of a data set."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain


def modality_order(models: Iterable[Sequence[str]], combinations: Iterable[str]) -> tuple[str, ...]:
    """Return every modality, in the first model's order where that is known.

    Args:
        models: Modalities of each model, in its order; may be empty tuples.
        combinations: Names such as ``fou+pix``, in a model's order; the longest come first.

    Example:
        >>> modality_order([], ["b", "a+b", "a"])
        ('a', 'b')
    """
    known = chain.from_iterable(models)
    named = sorted(set(combinations), key=lambda name: (-name.count("+"), name))
    return tuple(dict.fromkeys([*known, *chain.from_iterable(n.split("+") for n in named)]))


def members(combination: str) -> tuple[str, ...]:
    """Return the modalities of a combination's name."""
    return tuple(combination.split("+"))


def canonical(combination: str, order: Sequence[str]) -> str:
    """Name a combination in the given order of modalities.

    Example:
        >>> canonical("pix+fou", ("fou", "pix"))
        'fou+pix'
    """
    return "+".join(sorted(members(combination), key=order.index))


def in_table_order(combinations: Iterable[str], order: Sequence[str]) -> list[str]:
    """Sort as the paper's tables do: by number of modalities, then by their order.

    Example:
        >>> in_table_order(["a+c", "c", "a+b", "a"], ("a", "b", "c"))
        ['a', 'c', 'a+b', 'a+c']
    """
    place = {name: index for index, name in enumerate(order)}
    return sorted(
        combinations,
        key=lambda name: (len(members(name)), [place[part] for part in members(name)]),
    )
