"""Reading and checking the YAML form of a study. Imports no torch."""

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
        ValueError: If it is not YAML, or a key or value is unknown; the error names the nearest.
    """
    tree = read_tree(path, "study")
    return _Reader(str(path)).study(tree, path)


class _Reader:
    """Reader of the parts of a study. Every error begins with the file and the key.

    Args:
        where: Name of the file.
    """

    def __init__(self, where: str) -> None:
        self.where = where

    def study(self, tree: object, path: Path | None) -> Study:
        keys = self._keys(tree, "", [name for name in Study.__dataclass_fields__ if name != "path"])
        if not keys.get("methods"):
            raise ValueError(f"{self.where}: expected methods, a list of names, got none")
        result: dict[str, Any] = {"title": path.stem if path else "", "path": path}
        for name, value in keys.items():
            result[name] = self._value(name, value)
        return Study(**result)

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

    def _keys(self, tree: object, part: str, known: Iterable[str]) -> dict[str, Any]:
        """Return a mapping with checked keys; ``recipe`` means ``recipes``, hyphens underscores."""
        known = list(known)
        if not isinstance(tree, Mapping):
            raise ValueError(f"{self._at(part)}: expected `name: value` lines, got {tree!r}")
        result = {}
        for key, value in tree.items():
            name = str(key).replace("-", "_")
            name = "recipes" if name == "recipe" and "recipes" in known else name
            if name not in known:
                raise ValueError(f"{self._at(part)}: unknown key {key!r}; {nearest(name, known)}")
            result[name] = value
        return result

    def _at(self, part: str) -> str:
        return f"{self.where}, {part}" if part else self.where

    def _text(self, part: str, value: object) -> str:
        if not isinstance(value, str | int | float) or isinstance(value, bool):
            raise ValueError(f"{self._at(part)}: expected text, got {value!r}")
        return str(value).strip()

    def _truth(self, part: str, value: object) -> bool:
        if not isinstance(value, bool):
            raise ValueError(f"{self._at(part)}: expected true or false, got {value!r}")
        return value

    def _names(self, part: str, value: object) -> tuple[str, ...]:
        values = value if isinstance(value, list) else [value]
        if not values:
            raise ValueError(f"{self._at(part)}: expected at least one name, got none")
        return tuple(self._text(part, item) for item in values)

    def _known(self, part: str, name: str, known: Iterable[str], kind: str) -> str:
        if name not in (choices := list(known)):
            raise ValueError(f"{self._at(part)}: unknown {kind} {name!r}; {nearest(name, choices)}")
        return name

    def _method(self, part: str, value: object) -> str:
        return self._known(part, self._text(part, value), METHODS, "method")

    def _data_names(self, part: str, value: object) -> tuple[str, ...]:
        names = self._names(part, value)
        return tuple(self._known(part, name, DATASETS, "data set") for name in names)

    def _seeds(self, part: str, value: object) -> tuple[int, ...]:
        seeds = value
        if isinstance(value, int) and _is_seed(value):
            seeds = list(range(min(value, MOST_SEEDS + 1)))
        fine = isinstance(seeds, list) and 0 < len(seeds) <= MOST_SEEDS
        if not isinstance(seeds, list) or not fine or not all(map(_is_seed, seeds)):
            raise ValueError(
                f"{self._at(part)}: expected a number of seeds or a list of them, got {value!r}"
            )
        return tuple(dict.fromkeys(seeds))

    def _settings(self, part: str, value: object) -> dict[str, str]:
        values = {} if value is None else value
        if not isinstance(values, Mapping):
            raise ValueError(f"{self._at(part)}: expected `setting: value` lines, got {value!r}")
        return {self._setting(part, key): as_flag(item) for key, item in flat(values).items()}

    def _setting(self, part: str, key: object) -> str:
        name = str(key).removeprefix("--").replace("_", "-")
        if name in ("seed", "recipe", "method", "method.name", "data", "data.name"):
            raise ValueError(
                f"{self._at(part)}: {key} cannot be set here; use seeds, recipes, methods "
                "and data of the study"
            )
        return name

    def _grid(self, part: str, value: object) -> dict[str, tuple[str, ...]]:
        values = {} if value is None else value
        if not isinstance(values, Mapping):
            raise ValueError(f"{self._at(part)}: expected `setting: [values]` lines, got {value!r}")
        result = {}
        for key, items in flat(values).items():
            if not isinstance(items, list) or not items:
                raise ValueError(
                    f"{self._at(part)}: expected a list of values of {key}, got {items!r}"
                )
            result[self._setting(part, key)] = tuple(as_flag(item) for item in items)
        return result

    def _entries(self, part: str, value: object) -> tuple[Entry, ...]:
        items = value if isinstance(value, list) else [value]
        return tuple(self._entry(part, item) for item in items)

    def _entry(self, part: str, value: object) -> Entry:
        if not isinstance(value, Mapping):
            return Entry(self._method(part, value))
        keys = self._keys(value, part, Entry.__dataclass_fields__)
        if "method" not in keys:
            raise ValueError(f"{self._at(part)}: expected the name of a method in {dict(value)!r}")
        return Entry(**{name: self._value(name, item) for name, item in keys.items()})

    def _data(self, part: str, value: object) -> dict[str, dict[str, str]]:
        if not isinstance(value, Mapping):
            return {name: {} for name in self._data_names(part, value)}
        result = {}
        for name, settings in value.items():
            self._known(part, str(name), DATASETS, "data set")
            own = self._settings(f"{part} {name}", settings)
            result[str(name)] = {f"data.{k.removeprefix('data.')}": v for k, v in own.items()}
        return result

    def _count(self, part: str, value: object) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise ValueError(f"{self._at(part)}: expected a whole number above 0, got {value!r}")
        return value

    def _search(self, part: str, value: object) -> Search:
        if value is True:
            return Search()
        keys = self._keys(value, part, Search.__dataclass_fields__)
        ranges = keys.pop("settings", None) or {}
        if not isinstance(ranges, Mapping):
            raise ValueError(f"{self._at(part)}: expected `setting: range` lines, got {ranges!r}")
        result = {self._setting(part, k): self._range(f"{part} {k}", v) for k, v in ranges.items()}
        return Search(settings=result, **{k: self._value(k, item) for k, item in keys.items()})

    def _range(self, part: str, value: object) -> tuple[str, ...] | Range:
        if isinstance(value, list) and value:
            return tuple(as_flag(item) for item in value)
        if not isinstance(value, Mapping):
            raise ValueError(
                f"{self._at(part)}: expected a list of values, or low and high, got {value!r}"
            )
        keys = self._keys(value, part, Range.__dataclass_fields__)
        low, high = keys.get("low"), keys.get("high")
        numbers = [x for x in (low, high) if isinstance(x, int | float) and not isinstance(x, bool)]
        log, whole = (self._truth(f"{part} {k}", keys.get(k, False)) for k in ("log", "whole"))
        if len(numbers) < 2 or not numbers[0] < numbers[1] or (log and numbers[0] <= 0):
            raise ValueError(
                f"{self._at(part)}: expected low below high, above 0 if log is true, got "
                f"low {low!r} and high {high!r}"
            )
        return Range(numbers[0], numbers[1], log, whole)

    def _reasons(self, part: str, value: object) -> dict[str, str]:
        if not isinstance(value, Mapping):
            raise ValueError(f"{self._at(part)}: expected `name: why` lines, got {value!r}")
        return {str(name): self._text(f"{part} {name}", why) for name, why in value.items()}

    def _by_data(self, part: str, value: object) -> dict[str, Change]:
        if not isinstance(value, Mapping):
            raise ValueError(f"{self._at(part)}: expected names of data sets, got {value!r}")
        result = {}
        for name, tree in value.items():
            self._known(part, str(name), DATASETS, "data set")
            keys = self._keys(tree, f"{part} {name}", Change.__dataclass_fields__)
            result[str(name)] = Change(
                **{key: self._value(key, item) for key, item in keys.items()}
            )
        return result


def _is_seed(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
