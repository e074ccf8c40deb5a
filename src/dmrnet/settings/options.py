"""What may be set: every field of the settings classes, with its type, default and explanation.

The command line's help, its error messages and the names it suggests all come from here, so a field
and its line in the docstring's ``Attributes`` are all that a new setting needs. Imports no torch.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from dmrnet.hints import nearest

REQUIRED = object()
"""Default of what must be given."""


@dataclass(frozen=True)
class Option:
    """One setting.

    Attributes:
        key: Dotted, as in ``config.yaml``: ``method.network.width``.
        annotation: Its type.
        default: What it is where nobody sets it; `REQUIRED` where somebody must.
        help: What its docstring says.
    """

    key: str
    annotation: Any
    default: Any
    help: str

    @property
    def flag(self) -> str:
        """As it is written on the command line."""
        return flag_of(self.key)

    @property
    def is_mapping(self) -> bool:
        """Whether it holds names of the user's own, each set by a flag ``--key.name``."""
        return any(get_origin(kind) is dict for kind in _choices(self.annotation))

    @property
    def is_list(self) -> bool:
        """Whether it holds several values."""
        return any(get_origin(kind) is list for kind in _choices(self.annotation))


def flag_of(key: str) -> str:
    """Return a key as a flag.

    >>> flag_of("data.val_share")
    '--data.val-share'
    """
    return "--" + key.replace("_", "-")


def options_of(kind: type, prefix: str = "") -> list[Option]:
    """Return the settings of a dataclass, those of dataclasses inside it included.

    Args:
        kind: A dataclass whose docstrings have ``Attributes``.
        prefix: Goes before every key, with its dot.
    """
    hints, said = get_type_hints(kind), _explanations(kind)
    found: list[Option] = []
    for field in fields(kind):
        factory: Any = field.default_factory
        if isinstance(factory, type) and is_dataclass(factory):
            found.extend(options_of(factory, f"{prefix}{field.name}."))
            continue
        default = field.default if field.default is not MISSING else REQUIRED
        if factory is not MISSING:
            default = factory()
        key = prefix + field.name
        found.append(Option(key, hints[field.name], default, said.get(field.name, "")))
    return found


def _explanations(kind: type) -> dict[str, str]:
    """Return what the docstrings of a class and its bases say of each attribute."""
    from docstring_parser import parse

    said: dict[str, str] = {}
    for base in reversed(kind.__mro__):
        for attribute in parse(base.__dict__.get("__doc__") or "").params:
            said[attribute.arg_name] = " ".join((attribute.description or "").split())
    return said


def summary_of(kind: type) -> str:
    """Return the first sentence of a class's docstring."""
    first = " ".join((kind.__doc__ or "").split("\n\n")[0].split())
    return first.partition(". ")[0].rstrip(".")


def _choices(annotation: object) -> tuple[Any, ...]:
    """Return the alternatives of a type, None left out."""
    if get_origin(annotation) in (Union, UnionType):
        return tuple(kind for kind in get_args(annotation) if kind is not NoneType)
    return (annotation,)


_NAMES: dict[Any, tuple[str, str, str]] = {
    int: ("a whole number", "whole numbers", "INT"),
    float: ("a number", "numbers", "NUM"),
    str: ("text", "texts", "TEXT"),
    bool: ("true or false", "trues or falses", "true|false"),
}


def expected(annotation: object) -> str:
    """Say what a type accepts.

    >>> expected(int | None)
    'a whole number'
    >>> expected(Literal["best", "last"])
    'best or last'
    """
    return " or ".join(_expected(kind) for kind in _choices(annotation))


def _expected(kind: Any) -> str:  # noqa: ANN401
    if get_origin(kind) is Literal:
        *some, last = (str(value) for value in get_args(kind))
        return f"{', '.join(some)} or {last}" if some else last
    if get_origin(kind) is list:
        (item,) = get_args(kind)
        return f"a list of {_NAMES[item][1] if item in _NAMES else 'values'}, e.g. a,b"
    if get_origin(kind) is dict:
        return "names with a value each"
    return _NAMES[kind][0] if kind in _NAMES else str(kind)


def placeholder(annotation: object) -> str:
    """Return what stands for the value in help.

    >>> placeholder(list[float] | None)
    'NUM,NUM'
    """
    return "|".join(_placeholder(kind) for kind in _choices(annotation))


def _placeholder(kind: Any) -> str:  # noqa: ANN401
    if get_origin(kind) is Literal:
        return "|".join(str(value) for value in get_args(kind))
    if get_origin(kind) is list:
        return ",".join(2 * [_placeholder(get_args(kind)[0])])
    if get_origin(kind) is dict:
        return _placeholder(get_args(kind)[1])
    return _NAMES[kind][2] if kind in _NAMES else "VALUE"


def find(name: str, options: Mapping[str, Option]) -> str:
    """Return the key that a name means: hyphens for underscores, names of the user's own kept.

    Args:
        name: As the user wrote it, without the two hyphens before it.
        options: Every setting by key.

    Raises:
        ValueError: If there is none; it names the nearest.
    """
    plain = name.replace("-", "_")
    if plain in options:
        return plain
    for key, option in options.items():
        if option.is_mapping and plain.startswith(f"{key}.") and len(plain) > len(key) + 1:
            return f"{key}.{name[len(key) + 1 :]}"
    group = plain.partition(".")[0]
    owner = options.get(f"{group}.name") if "." in plain else None
    of = f" of {group} {owner.default}" if owner else ""
    shown = name if name.isprintable() else repr(name)
    raise ValueError(f"unknown setting {shown}{of}; {suggestion(plain, options)}")


OTHER_NAMES = {
    "learning-rate": "lr",
    "bs": "batch-size",
    "wd": "weight-decay",
    "workers": "num-workers",
}
"""What settings are called elsewhere."""

SHORT = ("data", "method", "config", "out")
"""Flags of ``fit`` that are no setting by that name."""


def suggestion(plain: str, keys: Iterable[str]) -> str:
    """Return a hint at the key that was meant, by its last part where the whole is not near."""
    whole = {key.replace("_", "-"): key for key in keys if not key.endswith(".name")}
    word = plain.replace("_", "-")
    last = {key.rpartition(".")[2]: key for key in reversed(whole)}
    last = {other: key for other, key in OTHER_NAMES.items() if key in whole} | last
    tail = word.rpartition(".")[2]
    if tail in last:
        return f"did you mean {last[tail]!r}?"
    group = word.rpartition(".")[0]
    while group and not any(key.startswith(f"{group}.") for key in whole):
        group = group.rpartition(".")[0]
    if group:
        inside = {k.removeprefix(f"{group}."): k for k in whole if k.startswith(f"{group}.")}
        hint = nearest(word.removeprefix(f"{group}."), inside)
        if hint.startswith("did"):
            return f"did you mean {inside[hint.split(chr(39))[1]]!r}?"
        direct = [name for name in inside if "." not in name]
        return f"{group} has {', '.join(direct or inside)}"
    hint = nearest(word, (*whole, *SHORT))
    if hint.startswith("known:"):
        hint = nearest(tail, last)
        if hint.startswith("did"):
            return f"did you mean {last[hint.split(chr(39))[1]]!r}?"
        return "--help lists the settings of a data set and a method"
    return hint
