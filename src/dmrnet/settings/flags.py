"""Flags and files of settings: their keys found, their values read as the types of the settings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dmrnet.settings.files import flat, read_tree
from dmrnet.settings.options import Option, ShownAs, find, flag_of
from dmrnet.settings.values import check, holds, read, without_none

ALIASES = {
    "data": "data.name",
    "method": "method.name",
    "encoder": "method.network.encoder",
}
"""Short flags, and the keys they stand for."""

Flags = list[tuple[str, str | None]]
"""Names without leading hyphens, and values; None for a flag without a value."""


def read_flags(argv: Sequence[str]) -> Flags:
    """Return flags as names and values.

    Raises:
        ValueError: If a word is neither a flag nor the value of one.

    >>> read_flags(["--data", "mfeat", "--max-epochs=3"])
    [('data.name', 'mfeat'), ('max-epochs', '3')]
    """
    flags: Flags = []
    words = list(argv)
    while words:
        word = words.pop(0)
        if not word.startswith("--") or len(word) < 3:
            raise ValueError(f"unexpected word {word!r}; settings are written --name value")
        name, equals, text = word[2:].partition("=")
        value: str | None = text if equals else None
        if not equals and words and not words[0].startswith("--"):
            value = words.pop(0)
        flags.append((ALIASES.get(name, name), value))
    return flags


@contextmanager
def naming(place: str) -> Iterator[None]:
    """Put the file or setting that an error is about before its message."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{place}: {error}") from error


def values_of_flags(
    flags: Flags, options: Mapping[str, Option], shown_as: ShownAs = flag_of
) -> dict[str, Any]:
    """Return the values of flags by key.

    Of several flags of one name the last counts; names with a value each are put together.

    Raises:
        ValueError: If a flag is unknown, has no value, or its value does not fit; `shown_as`
            writes it.
    """
    words: dict[str, list[tuple[Any, str]]] = {}
    for name, word in flags:
        key, kind = find(name, options, shown_as)
        if word is None and kind is not bool:
            raise ValueError(f"expected a value after {shown_as(key)}")
        several = words.setdefault(key, []) if holds(kind, dict) else []
        words[key] = [*several, (kind, "true" if word is None else word)]
    values: dict[str, Any] = {}
    for key, some in words.items():
        for kind, word in some:
            with naming(shown_as(key)):
                value = read(kind, word)
            values[key] = {**(values.get(key) or {}), **(value or {})} if len(some) > 1 else value
    return values


def read_file(path: Path) -> dict[str, Any]:
    """Return the content of a YAML file of settings with dotted keys.

    Raises:
        FileNotFoundError: If the file does not exist.
        ValueError: If the file is not YAML, or not a mapping.
    """
    tree = read_tree(path)
    if tree is None:
        return {}
    if not isinstance(tree, dict):
        raise ValueError(f"{path}: expected a mapping of settings, got {type(tree).__name__}")
    with naming(str(path)):
        values: dict[str, Any] = {}
        for key, value in flat(tree).items():
            name = ALIASES.get(key, key) if value else key
            if name in values:
                raise ValueError(f"{name} is set twice; leave one")
            values[name] = value
    return values


def values_of_file(
    path: str, content: Mapping[str, Any], options: Mapping[str, Option]
) -> dict[str, Any]:
    """Return the values by key of the content that `read_file` returned for a path.

    Raises:
        ValueError: If a key is unknown, a value does not fit, or stands in place of settings.
    """
    values: dict[str, Any] = {}
    for name, value in content.items():
        group = name.replace("-", "_")
        with naming(path):
            if group not in options and any(key.startswith(f"{group}.") for key in options):
                if value not in (None, {}):
                    raise ValueError(f"expected settings under {name}, got {value!r}")
                continue
            key, kind = find(name, options, str)
            if key in values:
                raise ValueError(f"{key} is set twice; leave one")
            with naming(key):
                # A number in quotes is one.
                word = isinstance(value, str) and without_none(kind) in (bool, int, float)
                values[key] = read(kind, value) if word else check(kind, value)
    return values
