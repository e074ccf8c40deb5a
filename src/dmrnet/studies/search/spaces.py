"""What a search may try of a system: what its method declares, and what the study adds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod

from dmrnet.methods import method
from dmrnet.methods.search import SEARCH
from dmrnet.studies.spec import Range, Search, as_flag

Space = Mapping[str, tuple[str, ...] | Range]
"""Settings by flag, without hyphens: the values, or the range, of each."""


def space_of(
    name: str, search: Search, fixed: Sequence[str] = ()
) -> dict[str, tuple[str, ...] | Range]:
    """Return what is searched of a method.

    Args:
        name: Of the method.
        search: Of the study.
        fixed: Settings that somebody has set: not searched.
    """
    own = SEARCH.get(name, {}) if search.own else {}
    space: dict[str, tuple[str, ...] | Range] = {
        f"method.{setting.replace('_', '-')}": tuple(as_flag(value) for value in values)
        for setting, values in own.items()
    }
    space |= search.settings
    return {setting: values for setting, values in space.items() if setting not in fixed}


def size_of(space: Space) -> int | None:
    """Return how many settings there are; None with a range of numbers among them.

    >>> size_of({"lr": ("1", "2"), "ema": ("0", "0.9", "0.98")}), size_of({"lr": Range(1, 2)})
    (6, None)
    """
    lists = [values for values in space.values() if not isinstance(values, Range)]
    return prod(map(len, lists)) if len(lists) == len(space) else None


def first_of(name: str, recipe: str, space: Space) -> dict[str, str]:
    """Return the point that is tried first: the method's own settings, else the middle of a range.

    Args:
        name: Of the method.
        recipe: Of the method.
        space: What is searched.
    """
    settings = method(name).recipe(recipe)
    found = {}
    for setting, values in space.items():
        owner, _, field = setting.partition(".")
        value = getattr(settings, field.replace("-", "_"), None) if owner == "method" else None
        found[setting] = as_flag(value) if _holds(values, value) else _middle(values)
    return found


def _holds(values: tuple[str, ...] | Range, value: object) -> bool:
    if isinstance(values, Range):
        return isinstance(value, int | float) and values.low <= value <= values.high
    return value is not None and as_flag(value) in values


def _middle(values: tuple[str, ...] | Range) -> str:
    if not isinstance(values, Range):
        return values[len(values) // 2]
    middle = (values.low * values.high) ** 0.5 if values.log else (values.low + values.high) / 2
    return as_flag(round(middle) if values.whole else middle)
