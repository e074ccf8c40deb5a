"""Systems: what a table gives one line each, told apart by method, recipe and settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

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
        source: Where others published it; empty for what was run here.
    """

    method: str
    recipe: str
    settings: tuple[tuple[str, str], ...]
    source: str = ""

    def label(self, without: frozenset[tuple[str, str]] = frozenset()) -> str:
        """Name the system for a reader.

        Args:
            without: Settings to leave unsaid.

        Example:
            >>> System("dmr", "paper", (("method.alpha", "0.01"),)).label()
            'dmr (paper) alpha=0.01'
        """
        recipe = "" if self.recipe in (DEFAULT_RECIPE, "") else f" ({self.recipe})"
        said = "".join(
            f" {key.removeprefix(_PREFIX)}={value}"
            for key, value in self.settings
            if (key, value) not in without
        )
        return self.method + recipe + said + (f" [{self.source}]" if self.source else "")


def system(method: str, recipe: str, settings: Mapping[str, object], source: str = "") -> System:
    """Make the system of a row.

    Numbers that are equal are the same setting however they are written (``1`` and ``1.0``), and
    nested settings are named with dots.

    Example:
        >>> system("dmr", "best", {"head": {"alpha": 1e-2}, "epochs": 5.0}).settings
        (('epochs', '5'), ('head.alpha', '0.01'))
    """
    return System(method, recipe, tuple(sorted(_flat("", settings))), source)


def labels_of(
    systems: Sequence[System], names: Mapping[System, str] | None = None
) -> dict[System, str]:
    """Name every system for a reader: shared settings left unsaid, sources by their number.

    Args:
        systems: The systems.
        names: What some are called otherwise; a name that two would have is not taken.

    Example:
        >>> list(labels_of([system("dmr", "best", {}), system("dmr", "", {}, "A")]).values())
        ['dmr', 'dmr [1]']
    """
    shared = shared_settings(systems)
    numbers = {source: number for number, source in enumerate(sources_of(systems), start=1)}
    labels = {
        item: replace(item, source=str(numbers.get(item.source, ""))).label(shared)
        for item in systems
    }
    asked = labels | {item: name for item, name in (names or {}).items() if item in labels}
    taken = [*asked.values()]
    return {item: name if taken.count(name) == 1 else labels[item] for item, name in asked.items()}


def sources_of(systems: Sequence[System]) -> tuple[str, ...]:
    """Return the sources of published systems, in order of appearance: the first is [1]."""
    return tuple(dict.fromkeys(item.source for item in systems if item.source))


def data_name(label: str) -> str:
    """Return a data set's name without the settings that stand behind it in rows.

    Example:
        >>> data_name("crema-d (spectrogram=released)")
        'crema-d'
    """
    return label.partition(" ")[0]


def shared_settings(systems: Sequence[System]) -> frozenset[tuple[str, str]]:
    """Return the settings that all of two or more systems have: said once, not in every label.

    Those that others published are not asked: a paper does not say what it left alone.
    """
    own = [item for item in systems if not item.source]
    if len(own) < 2:
        return frozenset()
    return frozenset.intersection(*(frozenset(item.settings) for item in own))


def find_baseline(
    systems: Sequence[System], name: str, names: Mapping[System, str] | None = None
) -> System | None:
    """Find the system that a baseline's name means.

    What a system is called in `names` means that system; so does a whole label (``sf-md (paper)``,
    ``sf-md lr=0.1``). A method's name means its system of the default recipe without settings of
    its own, or else its only system without settings of its own, or else its only system. What
    others published is no baseline: nothing can be paired with it.

    Raises:
        ValueError: If several systems of that method are there and none is the plain one.
    """
    systems = [item for item in systems if not item.source]
    shared = shared_settings(systems)
    for item in systems:
        if name in (item.label(), item.label(shared), (names or {}).get(item)):
            return item
    named = [item for item in systems if item.method == name]
    plain = [item for item in named if shared.issuperset(item.settings)]
    named = plain if len(plain) == 1 else named
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
