"""The YAML form of a study, read and checked: every key, every name, the nearest to a wrong one.

Imports no torch.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from dmrnet.data.registry import DATASETS
from dmrnet.hints import nearest
from dmrnet.methods import METHODS
from dmrnet.settings.files import flat, read_tree
from dmrnet.studies.spec import Change, Entry, Range, Search, Study, as_flag

MOST_SEEDS = 10_000


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
            "search": self._search,
            "trials": self._count,
            "at_once": self._count,
            "own": self._truth,
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

    def _count(self, place: str, value: object) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise ValueError(f"{self._at(place)}: expected a whole number above 0, got {value!r}")
        return value

    def _search(self, place: str, value: object) -> Search:
        if value is True:
            return Search()
        keys = self._keys(value, place, Search.__dataclass_fields__)
        ranges = keys.pop("settings", None) or {}
        if not isinstance(ranges, Mapping):
            raise ValueError(f"{self._at(place)}: expected `setting: range` lines, got {ranges!r}")
        found = {self._setting(place, k): self._range(f"{place} {k}", v) for k, v in ranges.items()}
        return Search(settings=found, **{k: self._value(k, item) for k, item in keys.items()})

    def _range(self, place: str, value: object) -> tuple[str, ...] | Range:
        if isinstance(value, list) and value:
            return tuple(as_flag(item) for item in value)
        if not isinstance(value, Mapping):
            raise ValueError(
                f"{self._at(place)}: expected a list of values, or low and high, got {value!r}"
            )
        keys = self._keys(value, place, Range.__dataclass_fields__)
        low, high = keys.get("low"), keys.get("high")
        numbers = [x for x in (low, high) if isinstance(x, int | float) and not isinstance(x, bool)]
        log, whole = (self._truth(f"{place} {k}", keys.get(k, False)) for k in ("log", "whole"))
        if len(numbers) < 2 or not numbers[0] < numbers[1] or (log and numbers[0] <= 0):
            raise ValueError(
                f"{self._at(place)}: expected low below high, above 0 where log is true, got "
                f"low {low!r} and high {high!r}"
            )
        return Range(numbers[0], numbers[1], log, whole)

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
