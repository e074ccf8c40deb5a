"""Flags and files of settings, brought into one form before their types are checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

from dmrnet.settings.options import Option, find, flag_of

ALIASES = {
    "data": "data.name",
    "method": "method.name",
    "encoder": "method.network.encoder",
}
"""Short flags of the command line, and the keys they stand for."""

Flags = list[tuple[str, str | None]]
"""Names without their two hyphens, and values; None where a name came without one."""


def read_flags(argv: Sequence[str]) -> Flags:
    """Return flags as names and values.

    Raises:
        ValueError: If a word is neither a flag nor the value of one.

    >>> read_flags(["--data", "mfeat", "--max-epochs=3"])
    [('data.name', 'mfeat'), ('max-epochs', '3')]
    """
    found: Flags = []
    words = list(argv)
    while words:
        word = words.pop(0)
        if not word.startswith("--") or len(word) < 3:
            raise ValueError(f"unexpected word {word!r}; settings are written --name value")
        name, equals, text = word[2:].partition("=")
        value: str | None = text if equals else None
        if not equals and words and not words[0].startswith("--"):
            value = words.pop(0)
        found.append((ALIASES.get(name, name), value))
    return found


def flat(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return a nested dict with dotted keys.

    >>> flat({"a": {"b": 1}, "c": 2})
    {'a.b': 1, 'c': 2}
    """
    result: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, Mapping) and value:
            result.update(flat(value, f"{prefix}{key}."))
        else:
            result[f"{prefix}{key}"] = value
    return result


def nested(values: Mapping[str, Any], options: Mapping[str, Option]) -> dict[str, Any]:
    """Return dotted keys as a tree; names of the user's own may hold dots and stay whole."""
    tree: dict[str, Any] = {}
    for key, value in values.items():
        own = next((k for k, o in options.items() if o.is_mapping and key.startswith(f"{k}.")), "")
        parts = [*own.split("."), key[len(own) + 1 :]] if own else key.split(".")
        place = tree
        for part in parts[:-1]:
            place = place.setdefault(part, {})
        place[parts[-1]] = value
    return tree


def parse_tree(text: str, where: str) -> Any:  # noqa: ANN401
    """Return what YAML says.

    Raises:
        ValueError: If it is no YAML.
    """
    from jsonargparse import get_loader

    try:
        return get_loader("yaml")(text)
    except Exception as error:  # the loader's errors have no base that is public
        reason = " ".join(str(error).split())
        raise ValueError(f"{where}: expected YAML, one `name: value` a line; {reason}") from error


def read_tree(path: Path, kind: str = "config") -> Any:  # noqa: ANN401
    """Return what a YAML file says, as the file has it.

    Args:
        path: The file.
        kind: What it is, for the error.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is no YAML.
    """
    if not path.is_file():
        raise FileNotFoundError(f"there is no {kind} file {path}")
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: expected a YAML file of settings, got no text") from error
    return parse_tree(text, str(path))


def read_file(path: Path) -> dict[str, Any]:
    """Return the settings of a YAML file with dotted keys, as the file has them.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is no YAML, or no mapping.
    """
    tree = read_tree(path)
    if tree is None:
        return {}
    if not isinstance(tree, dict):
        raise ValueError(f"{path}: expected a mapping of settings, got {type(tree).__name__}")
    values = flat(tree)
    return {ALIASES.get(key, key) if value else key: value for key, value in values.items()}


def checked_file(
    path: str, values: Mapping[str, Any], options: Mapping[str, Option]
) -> dict[str, Any]:
    """Return a file's settings under the keys they mean.

    Raises:
        ValueError: If there is no such key, or a value stands where settings do.
    """
    found: dict[str, Any] = {}
    for name, value in values.items():
        key = name.replace("-", "_")
        if any(known.startswith(f"{key}.") for known in options) and key not in options:
            if value not in (None, {}):
                raise ValueError(f"{path}: expected settings under {name}, got {value!r}")
            continue
        try:
            key = find(name, options)
        except ValueError as error:
            # In a file names are written as config.yaml has them.
            text, _, hint = str(error).partition("did you mean ")
            told = text + (f"did you mean {hint.replace('-', '_')}" if hint else "")
            raise ValueError(f"{path}: {told}") from error
        # YAML reads 32 as a number where the word "32" is meant.
        word = key in options and str(value) in get_args(options[key].annotation)
        found[key] = str(value) if word else value
    return found


def checked_flags(flags: Flags, options: Mapping[str, Option]) -> dict[str, str]:
    """Return flags under the keys they mean; the last of several of one name counts.

    Raises:
        ValueError: If a flag is unknown, or has no value.
    """
    found: dict[str, str] = {}
    for name, value in flags:
        try:
            key = find(name, options)
        except ValueError as error:
            text = str(error)
            hint = text.replace(f"setting {name}", f"setting --{name}", 1)
            raise ValueError(hint.replace("did you mean '", "did you mean '--")) from error
        option = options.get(key)
        if value is None:
            if option is None or option.annotation is not bool:
                raise ValueError(f"expected a value after {flag_of(key)}")
            value = "true"
        if option is not None and option.is_list and value != "null" and value[:1] != "[":
            value = f"[{value}]"
        found[key] = value
    return found
