"""Search space of a system: what its method declares, and what the study adds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod

from dmrnet.methods import method
from dmrnet.methods.search import SEARCH
from dmrnet.studies.spec import Range, Search, Study, as_flag

Space = Mapping[str, tuple[str, ...] | Range]
"""Values or range of each setting, by flag without leading hyphens."""


def space_of(
    name: str, search: Search, fixed: Sequence[str] = ()
) -> dict[str, tuple[str, ...] | Range]:
    """Return the search space of a method, without the settings that are fixed."""
    own = SEARCH.get(name, {}) if search.own else {}
    space: dict[str, tuple[str, ...] | Range] = {
        f"method.{setting.replace('_', '-')}": tuple(as_flag(value) for value in values)
        for setting, values in own.items()
    }
    space |= search.settings
    return {setting: values for setting, values in space.items() if setting not in fixed}


def searched_settings(study: Study) -> tuple[str, ...]:
    """Return the names, as in result rows, of the settings that a study's search may choose."""
    if study.search is None:
        return ()
    spaces = [space_of(entry.method, study.search) for entry in study.all_entries]
    return tuple(dict.fromkeys(name.replace("-", "_") for space in spaces for name in space))


def size_of(space: Space) -> int | None:
    """Return the number of points of a space; None if it has a range.

    >>> size_of({"lr": ("1", "2"), "ema": ("0", "0.9", "0.98")}), size_of({"lr": Range(1, 2)})
    (6, None)
    """
    lists = [values for values in space.values() if not isinstance(values, Range)]
    return prod(map(len, lists)) if len(lists) == len(space) else None


def tries(space: Space, search: Search) -> int:
    """Return the number of settings that a search tries of a space.

    >>> tries({"lr": ("1", "2")}, Search(trials=9)), tries({"lr": Range(1, 2)}, Search(trials=9))
    (2, 9)
    """
    size = size_of(space)
    return search.trials if size is None else min(size, search.trials)


def first_of(name: str, recipe: str, space: Space) -> dict[str, str]:
    """Return the first point to try: the recipe's settings, otherwise the middle of a range."""
    settings = method(name).recipe(recipe)
    point = {}
    for setting, values in space.items():
        owner, _, field = setting.partition(".")
        value = getattr(settings, field.replace("-", "_"), None) if owner == "method" else None
        point[setting] = as_flag(value) if _contains(values, value) else _middle(values)
    return point


def _contains(values: tuple[str, ...] | Range, value: object) -> bool:
    if isinstance(values, Range):
        return isinstance(value, int | float) and values.low <= value <= values.high
    return value is not None and as_flag(value) in values


def _middle(values: tuple[str, ...] | Range) -> str:
    if not isinstance(values, Range):
        return values[len(values) // 2]
    middle = (values.low * values.high) ** 0.5 if values.log else (values.low + values.high) / 2
    return as_flag(round(middle) if values.whole else middle)
