"""Types of settings: what each accepts, how a word of the command line is read as one.

A setting is a ``bool``, ``int``, ``float``, ``str``, ``Literal`` of texts, a ``list`` or ``dict``
of these, or one of them or ``None``.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from dmrnet.hints import closest
from dmrnet.settings.files import parse_tree

OTHER_WORDS = {
    **{"cuda": "gpu", "mps": "cpu", "fp32": "32", "32-true": "32", "float32": "32"},
    **dict.fromkeys(("bfloat16", "bf16-mixed", "16", "16-mixed", "fp16", "float16"), "bf16"),
    **{"adam": "adamw", "cos": "cosine", "onecycle": "one-cycle"},
}
"""Names that other tools have for a choice."""

LARGEST_SEED = 2**63 - 1

_NAMES: dict[Any, tuple[str, str, str]] = {
    int: ("a whole number", "whole numbers", "INT"),
    float: ("a number", "numbers", "NUM"),
    str: ("text", "texts", "TEXT"),
    bool: ("true or false", "trues or falses", "true|false"),
}


def without_none(annotation: Any) -> Any:  # noqa: ANN401
    """Return a type without the ``| None``.

    >>> without_none(int | None), without_none(str)
    (<class 'int'>, <class 'str'>)
    """
    if get_origin(annotation) not in (Union, UnionType):
        return annotation
    (kind,) = (kind for kind in get_args(annotation) if kind is not NoneType)
    return kind


def check_seed(seed: int) -> int:
    """Return a seed that torch takes.

    Raises:
        ValueError: If it is below 0 or too large.
    """
    if not 0 <= seed <= LARGEST_SEED:
        raise ValueError(f"expected a seed from 0 to {LARGEST_SEED}, got {seed}")
    return seed


def holds(annotation: object, kind: type) -> bool:
    """Return whether a type is a list or dict, or one or None.

    >>> holds(list[str] | None, list), holds(str, list)
    (True, False)
    """
    return get_origin(without_none(annotation)) is kind


def check(annotation: object, value: object) -> Any:  # noqa: ANN401
    """Return a value that fits a type; a whole number becomes a float where one is expected.

    Raises:
        ValueError: If the value does not fit.

    >>> check(float | None, 1), check(Literal["32", "bf16"], 32)
    (1.0, '32')
    """
    if value is None and NoneType in get_args(annotation):
        return None
    try:
        return _fitted(without_none(annotation), value)
    except (ValueError, OverflowError) as error:
        raise ValueError(mismatch(annotation, value)) from error


def read(annotation: object, text: str) -> Any:  # noqa: ANN401
    """Return the value of a word of the command line.

    Args:
        annotation: Type of the setting.
        text: The word; ``null`` for None, ``a,b`` or ``[a,b]`` for a list, ``a=1,b=2`` or
            ``{a: 1, b: 2}`` for names with a value each.

    Raises:
        ValueError: If the word does not fit the type.

    >>> read(list[float] | None, ".5,1e-3"), read(int | None, "null"), read(str, "1")
    ([0.5, 0.001], None, '1')
    >>> read(dict[str, float] | None, "camera=0,radar=-999")
    {'camera': 0.0, 'radar': -999.0}
    """
    if text in ("null", "~") and NoneType in get_args(annotation):
        return None
    kind, plain = without_none(annotation), text
    if kind is str or get_origin(kind) is Literal:
        return check(kind, text)
    if holds(kind, list) and not text.startswith("["):
        plain = f"[{text}]"
    if holds(kind, dict) and "=" in text and not text.startswith("{"):
        pairs = [pair.strip().partition("=") for pair in text.split(",")]
        if not all(name and equals for name, equals, _ in pairs):
            raise ValueError(mismatch(kind, text))
        return {name: read(get_args(kind)[1], value) for name, _, value in pairs}
    try:
        # YAML would read 010 as octal.
        decimal = plain.strip().lstrip("+-").isdecimal()
        return _fitted(kind, int(plain) if decimal else parse_tree(plain))
    except (ValueError, OverflowError) as error:
        raise ValueError(mismatch(kind, text)) from error


def _fitted(kind: Any, value: Any) -> Any:  # noqa: ANN401
    origin, args = get_origin(kind), get_args(kind)
    if origin is Literal and str(value) in args:
        return str(value)  # YAML reads 32 as a number where the word "32" is meant
    if origin is list and isinstance(value, list):
        return [_fitted(args[0], item) for item in value]
    if origin is dict and isinstance(value, Mapping):
        return {str(key): _fitted(args[1], item) for key, item in value.items()}
    if kind is float and type(value) is int:
        return float(value)
    if kind in _NAMES and isinstance(value, kind) and (kind is bool) == isinstance(value, bool):
        return value
    raise ValueError


def mismatch(annotation: object, value: object) -> str:
    """Return the error about a value that does not fit, with a hint at what was meant.

    >>> mismatch(Literal["auto", "cpu", "gpu"], "cuda")
    "expected auto, cpu or gpu, got 'cuda'; did you mean 'gpu'?"
    """
    kind = without_none(annotation)
    text = f"expected {expected(kind)}, got {value!r}"
    if isinstance(value, str) and value.endswith(".npz"):
        return f"{text}; for files of your own add data arrays (--data arrays)"
    if isinstance(value, str) and get_origin(kind) is Literal:
        match = closest(OTHER_WORDS.get(value, value), get_args(kind))
        return f"{text}; did you mean {match!r}?" if match else text
    return text


def expected(annotation: object) -> str:
    """Return what a type accepts, in words.

    >>> expected(int | None)
    'a whole number'
    >>> expected(Literal["best", "last"])
    'best or last'
    """
    kind = without_none(annotation)
    if get_origin(kind) is Literal:
        *some, last = get_args(kind)
        return f"{', '.join(some)} or {last}" if some else str(last)
    if holds(kind, list):
        return f"a list of {_NAMES[get_args(kind)[0]][1]}, e.g. a,b"
    return "names with a value each, e.g. a=1,b=2" if holds(kind, dict) else _NAMES[kind][0]


LONGEST_WORDS = 60
"""Number of characters of the words that stand for a value in help."""


def placeholder(annotation: object) -> str:
    """Return the word that stands for a value in help.

    >>> placeholder(list[float] | None)
    'NUM,NUM'
    """
    kind = without_none(annotation)
    if get_origin(kind) is Literal:
        words = "|".join(get_args(kind))
        # Some lists of words are longer than a line; the description of the setting has them all.
        return words if len(words) <= LONGEST_WORDS else "NAME"
    if holds(kind, list):
        return ",".join(2 * [placeholder(get_args(kind)[0])])
    return placeholder(get_args(kind)[1]) if holds(kind, dict) else _NAMES[kind][2]
