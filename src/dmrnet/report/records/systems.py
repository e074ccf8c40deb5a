"""Systems, the lines of a table: a method with its recipe and settings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class System:
    """A method with its recipe and settings; runs of several seeds repeat one system.

    Attributes:
        settings: Settings that differ from the recipe, as sorted ``(name, text)`` pairs.
        source: Publication of the system; empty for systems that were run here.
    """

    method: str
    recipe: str
    settings: tuple[tuple[str, str], ...]
    source: str = ""

    def label(self, without: frozenset[tuple[str, str]] = frozenset()) -> str:
        """Return the system's name on the page, without some of its settings.

        Example:
            >>> System("dmr", "paper", (("method.alpha", "0.01"),)).label()
            'dmr (paper) alpha=0.01'
        """
        # The default recipe is left out, and the prefix of the method's own settings.
        recipe = "" if self.recipe in ("best", "") else f" ({self.recipe})"
        settings = "".join(
            f" {key.removeprefix('method.')}={value}"
            for key, value in self.settings
            if (key, value) not in without
        )
        return self.method + recipe + settings + (f" [{self.source}]" if self.source else "")


def system(method: str, recipe: str, settings: Mapping[str, object], source: str = "") -> System:
    """Make a system from the values of a row.

    Equal numbers are the same setting however they are written (``1`` and ``1.0``); nested settings
    get names with dots.

    Example:
        >>> system("dmr", "best", {"head": {"alpha": 1e-2}, "epochs": 5.0}).settings
        (('epochs', '5'), ('head.alpha', '0.01'))
    """
    return System(method, recipe, tuple(sorted(_flat("", settings))), source)


def labels_of(
    systems: Sequence[System], names: Mapping[System, str] | None = None
) -> dict[System, str]:
    """Return the label of every system, without shared settings and with sources as numbers.

    A custom name replaces the label unless it is not unique.

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
    renamed = labels | {item: name for item, name in (names or {}).items() if item in labels}
    count = Counter(renamed.values())
    return {item: name if count[name] == 1 else labels[item] for item, name in renamed.items()}


def sources_of(systems: Sequence[System]) -> tuple[str, ...]:
    """Return the sources of published systems in order of appearance: the first is [1]."""
    return tuple(dict.fromkeys(item.source for item in systems if item.source))


def data_name(label: str) -> str:
    """Return a data set's name without the settings that rows append to it.

    Example:
        >>> data_name("crema-d (spectrogram=released)")
        'crema-d'
    """
    return label.partition(" ")[0]


def shared_settings(systems: Sequence[System]) -> frozenset[tuple[str, str]]:
    """Return the settings that all of two or more systems have, to be shown once.

    Published systems do not count: a paper does not list its defaults.
    """
    own = [item for item in systems if not item.source]
    if len(own) < 2:
        return frozenset()
    return frozenset.intersection(*(frozenset(item.settings) for item in own))


def find_baseline(
    systems: Sequence[System], name: str, names: Mapping[System, str] | None = None
) -> System | None:
    """Find the system that a baseline's name means; None if there is none.

    The name is one of `names`, a whole label (``sf-md (paper)``, ``sf-md lr=0.1``), or that of a
    method. A method's name means its system of the default recipe without settings of its own, else
    its only system without settings of its own, else its only system. Published systems are no
    baselines, since nothing is paired with them.

    Raises:
        ValueError: If the method has several systems and none is the plain one.
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
        raise ValueError(f"expected one baseline, but {name!r} could be {labels}; name one of them")
    return named[0] if named else None


def _flat(prefix: str, settings: Mapping[str, object]) -> list[tuple[str, str]]:
    pairs: list[tuple[str, str]] = []
    for key, value in settings.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping) and value:
            pairs += _flat(f"{name}.", value)
        else:
            pairs.append((name, _setting_text(value)))
    return pairs


def _setting_text(value: object) -> str:
    if value is None or isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return format(value, ".12g")
    if isinstance(value, list):
        return "[" + ",".join(_setting_text(item) for item in value) + "]"
    return str(value)
