"""What a study is: a YAML file that says which methods, recipes, settings, data and seeds it has.

Imports no torch. ``docs/how-to/studies.md`` explains every key to a user.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dmrnet.data import DATASETS
from dmrnet.engine.flags import flat, read_tree
from dmrnet.hints import nearest
from dmrnet.methods import METHODS

Settings = Mapping[str, str]
"""Names of ``dmrnet fit``'s flags, without their hyphens, and values as they are written there."""

Choices = Mapping[str, tuple[str, ...]]
"""Settings that take several values in turn."""

MOST_SEEDS = 10_000


@dataclass(frozen=True)
class Entry:
    """One line of a study's ``methods``: a method, with what is particular to it.

    Attributes:
        method: Its name.
        label: What the study's table calls it; empty for the method's own name.
        recipes: Names of recipes; empty for those of the study.
        settings: Set in all its runs.
        grid: Settings that take several values.
        only: Data sets that it is run on; empty for all.
        leave_out: Data sets that it is not run on, and why not.
        printed_as: The method that stands for it in a printed table; empty for its own.
    """

    method: str
    label: str = ""
    recipes: tuple[str, ...] = ()
    settings: Settings = field(default_factory=dict)
    grid: Choices = field(default_factory=dict)
    only: tuple[str, ...] = ()
    leave_out: Settings = field(default_factory=dict)
    printed_as: str = ""

    @property
    def name(self) -> str:
        """Its label, or the method's name."""
        return self.label or self.method


@dataclass(frozen=True)
class Change:
    """What is different on one data set.

    Attributes:
        recipes: In place of the study's; empty for the same.
        settings: Beside the study's, and before them.
        grid: Beside the study's.
        methods: In place of the study's; empty for the same.
        leave_out: Names of entries that are not run on it, and why not.
        baseline: In place of the study's, where it is the only data set.
    """

    recipes: tuple[str, ...] = ()
    settings: Settings = field(default_factory=dict)
    grid: Choices = field(default_factory=dict)
    methods: tuple[Entry, ...] = ()
    leave_out: Settings = field(default_factory=dict)
    baseline: str = ""


@dataclass(frozen=True)
class Study:
    """A grid of runs behind one table or figure.

    Attributes:
        title: One line.
        methods: Its lines.
        about: What it is for, in as many lines as that takes.
        recipes: Of every entry that names none.
        data: Data sets, by name, with settings of each; what the command line names goes before.
        seeds: Of the runs.
        settings: Of every run.
        grid: Settings that take several values, for every entry.
        baseline: Label or method that the others are compared to.
        by_data: What is different on a data set.
        protocol: Train on the paper's data as the paper prints it, or as its code does, by recipe.
        analyses: Names of analyses to be made of the finished runs.
        printed: Names of tables of the paper whose values are shown beside the measured ones.
        path: The file that it came from.
    """

    title: str
    methods: tuple[Entry, ...]
    about: str = ""
    recipes: tuple[str, ...] = ("best",)
    data: Mapping[str, Settings] = field(default_factory=lambda: {"mfeat": {}})
    seeds: tuple[int, ...] = (0, 1, 2)
    settings: Settings = field(default_factory=dict)
    grid: Choices = field(default_factory=dict)
    baseline: str = ""
    by_data: Mapping[str, Change] = field(default_factory=dict)
    protocol: bool = False
    analyses: tuple[str, ...] = ()
    printed: tuple[str, ...] = ()
    path: Path | None = None


def read_study(path: Path) -> Study:
    """Read a study from its file.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is no YAML, or a key or value is not understood; the nearest is named.
    """
    tree = read_tree(path, "study")
    return _Reader(str(path)).study(tree, path)


class _Reader:
    """Reads the parts of a study; every error begins with the file and the place in it.

    Args:
        where: The file.
    """

    def __init__(self, where: str) -> None:
        self.where = where

    def study(self, tree: object, path: Path | None) -> Study:
        keys = self._keys(tree, "", [name for name in Study.__dataclass_fields__ if name != "path"])
        if not keys.get("methods"):
            raise ValueError(f"{self.where}: expected methods, a list of names, got none")
        found: dict[str, Any] = {"title": path.stem if path else "", "path": path}
        for name, value in keys.items():
            found[name] = self._value(name, value)
        return Study(**found)

    def _value(self, name: str, value: object) -> Any:  # noqa: ANN401
        readers = {
            "title": self._text,
            "about": self._text,
            "baseline": self._text,
            "methods": self._entries,
            "recipes": self._names,
            "analyses": self._names,
            "printed": self._names,
            "only": self._data_names,
            "data": self._data,
            "seeds": self._seeds,
            "settings": self._settings,
            "grid": self._grid,
            "by_data": self._by_data,
            "protocol": self._truth,
            "label": self._text,
            "printed_as": self._method,
            "method": self._method,
            "leave_out": self._reasons,
        }
        return readers[name](name, value)

    def _keys(self, tree: object, place: str, known: Iterable[str]) -> dict[str, Any]:
        """Return a mapping's keys, checked; ``recipe`` is ``recipes``, hyphens are underscores."""
        known = list(known)
        if not isinstance(tree, Mapping):
            raise ValueError(f"{self._at(place)}: expected `name: value` lines, got {tree!r}")
        found = {}
        for key, value in tree.items():
            name = str(key).replace("-", "_")
            name = "recipes" if name == "recipe" and "recipes" in known else name
            if name not in known:
                raise ValueError(f"{self._at(place)}: unknown key {key!r}; {nearest(name, known)}")
            found[name] = value
        return found

    def _at(self, place: str) -> str:
        return f"{self.where}, {place}" if place else self.where

    def _text(self, place: str, value: object) -> str:
        if not isinstance(value, str | int | float) or isinstance(value, bool):
            raise ValueError(f"{self._at(place)}: expected text, got {value!r}")
        return str(value).strip()

    def _truth(self, place: str, value: object) -> bool:
        if not isinstance(value, bool):
            raise ValueError(f"{self._at(place)}: expected true or false, got {value!r}")
        return value

    def _names(self, place: str, value: object) -> tuple[str, ...]:
        values = value if isinstance(value, list) else [value]
        if not values:
            raise ValueError(f"{self._at(place)}: expected one name or more, got none")
        return tuple(self._text(place, item) for item in values)

    def _known(self, place: str, name: str, known: Iterable[str], kind: str) -> str:
        if name not in (choices := list(known)):
            raise ValueError(
                f"{self._at(place)}: unknown {kind} {name!r}; {nearest(name, choices)}"
            )
        return name

    def _method(self, place: str, value: object) -> str:
        return self._known(place, self._text(place, value), METHODS, "method")

    def _data_names(self, place: str, value: object) -> tuple[str, ...]:
        names = self._names(place, value)
        return tuple(self._known(place, name, DATASETS, "data set") for name in names)

    def _seeds(self, place: str, value: object) -> tuple[int, ...]:
        seeds = value
        if isinstance(value, int) and _is_seed(value):
            seeds = list(range(min(value, MOST_SEEDS + 1)))
        fine = isinstance(seeds, list) and 0 < len(seeds) <= MOST_SEEDS
        if not isinstance(seeds, list) or not fine or not all(map(_is_seed, seeds)):
            raise ValueError(
                f"{self._at(place)}: expected how many, or a list of seeds, got {value!r}"
            )
        return tuple(dict.fromkeys(seeds))

    def _settings(self, place: str, value: object) -> dict[str, str]:
        values = {} if value is None else value
        if not isinstance(values, Mapping):
            raise ValueError(f"{self._at(place)}: expected `setting: value` lines, got {value!r}")
        return {self._setting(place, key): as_flag(item) for key, item in flat(values).items()}

    def _setting(self, place: str, key: object) -> str:
        name = str(key).removeprefix("--").replace("_", "-")
        if name in ("seed", "recipe", "method", "method.name", "data", "data.name"):
            raise ValueError(
                f"{self._at(place)}: {key} is none of a run's settings here; a study has "
                "seeds, recipes, methods and data of its own"
            )
        return name

    def _grid(self, place: str, value: object) -> dict[str, tuple[str, ...]]:
        values = {} if value is None else value
        if not isinstance(values, Mapping):
            raise ValueError(
                f"{self._at(place)}: expected `setting: [values]` lines, got {value!r}"
            )
        found = {}
        for key, items in flat(values).items():
            if not isinstance(items, list) or not items:
                raise ValueError(
                    f"{self._at(place)}: expected a list of values of {key}, got {items!r}"
                )
            found[self._setting(place, key)] = tuple(as_flag(item) for item in items)
        return found

    def _entries(self, place: str, value: object) -> tuple[Entry, ...]:
        items = value if isinstance(value, list) else [value]
        return tuple(self._entry(place, item) for item in items)

    def _entry(self, place: str, value: object) -> Entry:
        if not isinstance(value, Mapping):
            return Entry(self._method(place, value))
        keys = self._keys(value, place, Entry.__dataclass_fields__)
        if "method" not in keys:
            raise ValueError(f"{self._at(place)}: expected the name of a method in {dict(value)!r}")
        return Entry(**{name: self._value(name, item) for name, item in keys.items()})

    def _data(self, place: str, value: object) -> dict[str, dict[str, str]]:
        if not isinstance(value, Mapping):
            return {name: {} for name in self._data_names(place, value)}
        found = {}
        for name, settings in value.items():
            self._known(place, str(name), DATASETS, "data set")
            own = self._settings(f"{place} {name}", settings)
            found[str(name)] = {f"data.{k.removeprefix('data.')}": v for k, v in own.items()}
        return found

    def _reasons(self, place: str, value: object) -> dict[str, str]:
        if not isinstance(value, Mapping):
            raise ValueError(f"{self._at(place)}: expected `name: why` lines, got {value!r}")
        return {str(name): self._text(f"{place} {name}", why) for name, why in value.items()}

    def _by_data(self, place: str, value: object) -> dict[str, Change]:
        if not isinstance(value, Mapping):
            raise ValueError(f"{self._at(place)}: expected names of data sets, got {value!r}")
        found = {}
        for name, tree in value.items():
            self._known(place, str(name), DATASETS, "data set")
            keys = self._keys(tree, f"{place} {name}", Change.__dataclass_fields__)
            found[str(name)] = Change(**{key: self._value(key, item) for key, item in keys.items()})
        return found


def _is_seed(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def as_flag(value: object) -> str:
    """Return a value of a YAML file as it is written behind a flag.

    >>> as_flag(True), as_flag(None), as_flag(0.1), as_flag(["rgb", "ir"])
    ('true', 'null', '0.1', '[rgb,ir]')
    """
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"[{','.join(as_flag(item) for item in value)}]"
    return str(value)
