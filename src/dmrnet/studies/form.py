"""Reading and checking the YAML form of a study. Imports no torch.

Every error begins with the file and the keys, as in ``mine.yaml: by-data: digits: seeds: …``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, fields, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from dmrnet.data.registry import DATASETS
from dmrnet.hints import nearest
from dmrnet.methods import METHODS
from dmrnet.peers import IMML, PEERS
from dmrnet.settings.files import flat, read_tree
from dmrnet.settings.values import LARGEST_SEED, check
from dmrnet.studies.spec import Change, Entry, Range, Search, Study, as_flag
from dmrnet.text import check_plain

MOST_SEEDS = 10_000
OTHERS = "others"
"""Entry that means every method that no other entry of its list names."""

Reader = Callable[[Any], Any]
T = TypeVar("T")
Record = TypeVar("Record", Study, Entry, Change, Search, Range)


def read_study(path: Path) -> Study:
    """Read a study from its file.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is not YAML, or a key or value is unknown; the error names the nearest.
    """
    return _at(path, partial(_study, path), read_tree(path, "study"))


def _study(path: Path, tree: object) -> Study:
    study = _record(Study, tree, title=path.stem, path=path)
    data_name = partial(_known, [*DATASETS, *study.data], "data set")
    for entry in study.all_entries:
        for name in entry.only:
            _at("methods: only", data_name, name)
    for name in study.by_data:
        _at("by-data", data_name, name)
    return study


def study_of(tree: Mapping[str, Any], title: str = "study") -> Study:
    """Return a study from the content of its file.

    Raises:
        ValueError: If a key or value is unknown; the error names the nearest.
    """
    return _at("study", partial(_record, Study, title=title, path=None), tree)


def _at(key: object, read: Callable[[Any], T], value: object) -> T:
    """Read a value; an error begins with its key."""
    try:
        return read(value)
    except ValueError as error:
        raise ValueError(f"{key}: {error}") from error


def _record(
    kind: type[Record],
    tree: object,
    readers: Mapping[str, Reader] | None = None,
    **values: Any,  # noqa: ANN401
) -> Record:
    """Read a dataclass; ``recipe`` means ``recipes``, hyphens mean underscores."""
    names, read = [field.name for field in fields(kind) if field.name != "path"], set[str]()
    for key, value in _mapping(tree, "`name: value` lines").items():
        name = str(key).replace("-", "_")
        name = "recipes" if name == "recipe" and "recipes" in names else name
        if name not in names:
            raise ValueError(f"unknown key {key!r}; {nearest(name, names)}")
        if name in read:
            raise ValueError(f"{name} stands twice; leave one")
        read.add(name)
        values[name] = _at(key, {**READERS, **(readers or {})}[name], value)
    for field in fields(kind):
        if field.default is field.default_factory is MISSING and field.name not in values:
            raise ValueError(f"expected {field.name}, got {tree!r}")
    return kind(**values)


def _mapping(value: object, lines: str) -> Mapping[Any, Any]:
    if not isinstance(value, Mapping):
        raise ValueError(f"expected {lines}, got {value!r}")
    return value


def _text(value: object) -> str:
    if not isinstance(value, str | int | float) or isinstance(value, bool):
        raise ValueError(f"expected text, got {value!r}")
    return check_plain("the text", str(value).strip())


def _lines(value: object) -> str:
    """Read text that may have several lines."""
    return "\n".join(map(_text, str(value).splitlines() if isinstance(value, str) else [value]))


def _known(known: Iterable[str], kind: str, value: object) -> str:
    name = _text(value)
    if name not in (choices := list(known)):
        raise ValueError(f"unknown {kind} {name!r}; {nearest(name, choices)}")
    return name


_method = partial(_known, METHODS, "method")
_method_or_others = partial(_known, [*METHODS, OTHERS], "method")
_data_name = partial(_known, DATASETS, "data set")


def _list(read: Callable[[Any], T], value: object) -> tuple[T, ...]:
    values = value if isinstance(value, list) else [value]
    if not values:
        raise ValueError("expected at least one name, got none")
    return tuple(map(read, values))


def _entries(value: object) -> tuple[Entry, ...]:
    entries = _list(_entry, value)
    named = {entry.method for entry in entries}
    rest = [name for name in METHODS if name not in named]
    return tuple(
        replace(entry, method=name)
        for entry in entries
        for name in (rest if entry.method == OTHERS else [entry.method])
    )


def _entry(value: object) -> Entry:
    if not isinstance(value, Mapping):
        return Entry(_method_or_others(value))
    entry = _record(Entry, value, {"method": _method_or_others})
    if entry.method == OTHERS and entry.label:
        raise ValueError(f"expected no label for {OTHERS}, got {entry.label!r}")
    return entry


def _seeds(value: object) -> tuple[int, ...]:
    seeds = value
    if isinstance(value, int) and _is_seed(value):
        seeds = list(range(min(value, MOST_SEEDS + 1)))
    fine = isinstance(seeds, list) and 0 < len(seeds) <= MOST_SEEDS
    if not isinstance(seeds, list) or not fine or not all(map(_is_seed, seeds)):
        raise ValueError(f"expected a number of seeds or a list of them, got {value!r}")
    return tuple(dict.fromkeys(seeds))


def _is_seed(value: object) -> bool:
    if not isinstance(value, int) or isinstance(value, bool):
        return False
    return 0 <= value <= LARGEST_SEED


def _count(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError(f"expected a whole number above 0, got {value!r}")
    return value


def _setting(key: object) -> str:
    name = str(key).removeprefix("--").replace("_", "-")
    if name in ("seed", "recipe", "method", "method.name", "data", "data.name"):
        raise ValueError(
            f"{key} cannot be set here; use seeds, recipes, methods and data of the study"
        )
    return name


def _settings(value: object) -> dict[str, str]:
    tree = _mapping({} if value is None else value, "`setting: value` lines")
    return _by_setting(flat(tree), as_flag)


def _by_setting(tree: Mapping[Any, Any], read: Callable[[Any], T]) -> dict[str, T]:
    """Read the values of settings, which may be spelt with hyphens or underscores, but once."""
    values: dict[str, T] = {}
    for key, value in tree.items():
        name = _setting(key)
        if name in values:
            raise ValueError(f"{name} is set twice; leave one")
        values[name] = _at(key, read, value)
    return values


def _grid(value: object) -> dict[str, tuple[str, ...]]:
    tree = _mapping({} if value is None else value, "`setting: [values]` lines")
    return _by_setting(flat(tree), _choices)


def _choices(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not value:
        raise ValueError(f"expected a list of values, got {value!r}")
    return tuple(map(as_flag, value))


def _data(value: object) -> dict[str, dict[str, str]]:
    if not isinstance(value, Mapping):
        return {name: {} for name in _list(_data_name, value)}
    return {
        _text(name): _at(name, partial(_data_settings, name), own) for name, own in value.items()
    }


def _data_settings(name: object, value: object) -> dict[str, str]:
    settings = {f"data.{key.removeprefix('data.')}": text for key, text in _settings(value).items()}
    # The name of a version of a data set is the study's own.
    version_of = settings.pop("data.name", None)
    _data_name(name if version_of is None else version_of)
    return settings if version_of is None else {"data": version_of, **settings}


def _by_data(value: object) -> dict[str, Change]:
    trees = _mapping(value, "names of data sets")
    return {_text(key): _at(key, partial(_record, Change), tree) for key, tree in trees.items()}


def _costs(value: object) -> dict[str, float]:
    costs = _mapping(value, "`method: multiple of the baseline's seconds` lines")
    return {_method(name): _at(name, partial(check, float), cost) for name, cost in costs.items()}


def _rate(value: object) -> float:
    rate = float(check(float, value))
    if not 0 < rate < 1:
        raise ValueError(f"expected a probability above 0 and below 1, got {value!r}")
    return rate


def _reasons(value: object) -> dict[str, str]:
    reasons = _mapping(value, "`name: why` lines")
    return {_text(name): _at(name, _lines, why) for name, why in reasons.items()}


def _search(value: object) -> Search:
    return Search() if value is True else _record(Search, value, {"settings": _ranges})


def _ranges(value: object) -> dict[str, tuple[str, ...] | Range]:
    ranges = _mapping(value or {}, "`setting: range` lines")
    return _by_setting(ranges, _range)


def _range(value: object) -> tuple[str, ...] | Range:
    if isinstance(value, list) and value:
        return _choices(value)
    span = _record(Range, _mapping(value, "a list of values, or low and high"))
    if not span.low < span.high or (span.log and span.low <= 0):
        raise ValueError(
            f"expected low below high, above 0 if log is true, got low {span.low:g} and high "
            f"{span.high:g}"
        )
    return span


READERS: dict[str, Reader] = {
    **dict.fromkeys(("title", "baseline", "label"), _text),
    "about": _lines,
    **dict.fromkeys(("recipes", "analyses", "printed"), partial(_list, _text)),
    **dict.fromkeys(("method", "printed_as"), _method),
    **dict.fromkeys(("protocol", "own", "log", "whole"), partial(check, bool)),
    **dict.fromkeys(("low", "high", "seconds"), partial(check, float)),
    **dict.fromkeys(("trials", "at_once"), _count),
    "methods": _entries,
    "only": partial(_list, _text),
    "data": _data,
    "seeds": _seeds,
    "settings": _settings,
    "grid": _grid,
    "by_data": _by_data,
    "leave_out": _reasons,
    "search": _search,
    "costs": _costs,
    "peers": partial(_list, partial(_known, [*PEERS, *IMML], "classifier")),
    "incomplete": _rate,
}
"""Reader of each key, whichever part of a study it is in."""
