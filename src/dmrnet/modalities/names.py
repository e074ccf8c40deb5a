"""Checks of modality names."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from dmrnet.hints import nearest
from dmrnet.text import check_plain

SEPARATOR = "+"
"""Joins the modalities of a combination: ``rgb+ir``."""


def check_names(names: Iterable[str]) -> tuple[str, ...]:
    """Return the names as a tuple, in the given order.

    Args:
        names: Names of the modalities. Their order is the order of mask columns everywhere.

    Raises:
        TypeError: If `names` is a single string, or a name is not a string.
        ValueError: If there are no names, or a name is empty, has leading or trailing blanks,
            holds ``+`` (which joins names into combinations), a line break or a control or
            direction character, or occurs twice.

    >>> check_names(["rgb", "depth"])
    ('rgb', 'depth')
    """
    if isinstance(names, str):
        raise TypeError(f"expected several modality names, got the one string {names!r}")
    checked = tuple(names)
    if not checked:
        raise ValueError("expected at least one modality, got none")
    for name in checked:
        if not isinstance(name, str):
            raise TypeError(f"expected modality names as strings, got {name!r}")
        if not name or name != name.strip():
            raise ValueError(f"modality name {name!r} is empty or has outer blanks; rename it")
        check_plain("modality name", name)
        if SEPARATOR in name:
            raise ValueError(
                f"modality name {name!r} holds {SEPARATOR!r}, which joins the names of a "
                f"combination; rename it, e.g. {name.replace(SEPARATOR, '_')!r}"
            )
    twice = sorted({name for name in checked if checked.count(name) > 1})
    if twice:
        raise ValueError(f"expected distinct modality names, got {', '.join(twice)} twice")
    return checked


def position(name: str, modalities: Sequence[str]) -> int:
    """Return the column of a modality.

    Raises:
        ValueError: If the modality is unknown.
    """
    if name not in modalities:
        raise ValueError(f"unknown modality {name!r}; {nearest(name, modalities)}")
    return list(modalities).index(name)
