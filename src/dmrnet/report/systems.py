"""Systems: what a table gives one line each, told apart by method, recipe and settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

DEFAULT_RECIPE = "best"
"""The recipe that a label leaves unsaid."""

_PREFIX = "method."


@dataclass(frozen=True, slots=True)
class System:
    """A method with its recipe and settings; its seeds are repetitions of one thing.

    Attributes:
        method: Name of the method.
        recipe: Name of the recipe.
        settings: What was set away from the recipe, as sorted ``(name, text)`` pairs.
    """

    method: str
    recipe: str
    settings: tuple[tuple[str, str], ...]

    def label(self, without: frozenset[tuple[str, str]] = frozenset()) -> str:
        """Name the system for a reader.

        Args:
            without: Settings to leave unsaid.

        Example:
            >>> System("dmr", "paper", (("method.alpha", "0.01"),)).label()
            'dmr (paper) alpha=0.01'
        """
        recipe = "" if self.recipe == DEFAULT_RECIPE else f" ({self.recipe})"
        said = "".join(
            f" {key.removeprefix(_PREFIX)}={value}"
            for key, value in self.settings
            if (key, value) not in without
        )
        return self.method + recipe + said


def system(method: str, recipe: str, settings: Mapping[str, object]) -> System:
    """Make the system of a row.

    Numbers that are equal are the same setting however they are written (``1`` and ``1.0``), and
    nested settings are named with dots.

    Example:
        >>> system("dmr", "best", {"head": {"alpha": 1e-2}, "epochs": 5.0}).settings
        (('epochs', '5'), ('head.alpha', '0.01'))
    """
    return System(method, recipe, tuple(sorted(_flat("", settings))))


def shared_settings(systems: Sequence[System]) -> frozenset[tuple[str, str]]:
    """Return the settings that all of two or more systems have: said once, not in every label."""
    if len(systems) < 2:
        return frozenset()
    return frozenset.intersection(*(frozenset(item.settings) for item in systems))


def find_baseline(systems: Sequence[System], name: str) -> System | None:
    """Find the system that a baseline's name means.

    A whole label (``sf-md (paper)``, ``sf-md lr=0.1``) means that system. A method's name means
    its system of the default recipe without settings of its own, or else its only system.

    Raises:
        ValueError: If several systems of that method are there and none is the plain one.
    """
    shared = shared_settings(systems)
    for item in systems:
        if name in (item.label(), item.label(shared)):
            return item
    named = [item for item in systems if item.method == name]
    if len(named) > 1:
        labels = ", ".join(repr(item.label()) for item in named)
        raise ValueError(f"Expected one baseline, but {name!r} could be {labels}: name one.")
    return named[0] if named else None


def _flat(prefix: str, settings: Mapping[str, object]) -> list[tuple[str, str]]:
    pairs: list[tuple[str, str]] = []
    for key, value in settings.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping) and value:
            pairs += _flat(f"{name}.", value)
        else:
            pairs.append((name, _said(value)))
    return pairs


def _said(value: object) -> str:
    if value is None or isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return format(value, ".12g")
    if isinstance(value, list):
        return "[" + ",".join(_said(item) for item in value) + "]"
    return str(value)
