"""Settings as options: each field of the settings classes with its type, default and docstring.

Flags, files, help and error messages all read these, so a new setting needs only a field and its
line in the docstring's ``Attributes``. Imports no torch.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from functools import cache
from typing import Any, get_args, get_type_hints

from dmrnet.hints import closest
from dmrnet.settings.values import holds, without_none

REQUIRED = object()
"""Default of a setting that must be given."""

OTHER_NAMES = {
    "learning-rate": "lr",
    "bs": "batch-size",
    "wd": "weight-decay",
    "workers": "num-workers",
    "epochs": "max-epochs",
    "gradient-clip-val": "clip",
    "loggers": "logger",
    "missing-rate": "rates",
    "p-missing": "rates",
}
"""Names that other tools have for a setting."""

ELSEWHERE = {
    "amp": "mixed precision is --precision bf16",
    "fp16": "mixed precision is --precision bf16",
    "early-stopping": "--patience N stops after N selections without a new best",
    "gpu": "--accelerator gpu trains on a GPU, and --devices N on several",
    "gpus": "--accelerator gpu trains on a GPU, and --devices N on several",
    "ngpus": "--accelerator gpu trains on a GPU, and --devices N on several",
    "metric": "--select-by selects weights by another score than that of the data; all metrics "
    "are in the rows that evaluate writes",
    "monitor": "--select-by selects weights by another score than that of the data",
    "resume": "the same command goes on with a run that was stopped; --out names its folder",
    "checkpoint": "the same command goes on with a run that was stopped; --out names its folder",
    "ckpt-path": "the same command goes on with a run that was stopped; --out names its folder",
    "model": "--method NAME says what is trained",
    "ckpt": "the same command goes on with a run that was stopped; --out names its folder",
    "resume-from": "the same command goes on with a run that was stopped; --out names its folder",
    "cuda": "--accelerator gpu trains on a GPU, and --devices N on several",
    "device": "--accelerator cpu or gpu says where to train, --devices N on how many",
    "num-gpus": "--accelerator gpu trains on a GPU, and --devices N on several",
    "test": "files of your own are named with --data arrays --data.train FILE --data.test FILE",
    "save-dir": "--out names the folder of the run",
    "output-dir": "--out names the folder of the run",
    "name": "--out names the folder of the run, whose name is that of the run",
    "run-name": "--out names the folder of the run, whose name is that of the run",
    "deterministic": "runs are repeatable as they are: everything random follows from --seed",
}
"""What stands here for settings of other tools that have no counterpart of one name."""

SHORT = ("data", "method", "config", "out")
"""Flags of ``fit`` that are not settings of that name."""


@dataclass(frozen=True)
class Option:
    """One setting.

    Attributes:
        key: Dotted name, as in ``config.yaml``: ``method.network.width``.
        annotation: Type.
        default: Default value; `REQUIRED` if there is none.
        help: Line of the docstring.
    """

    key: str
    annotation: Any
    default: Any
    help: str

    @property
    def is_mapping(self) -> bool:
        """Whether the setting maps names, each set by a flag ``--key.name``."""
        return holds(self.annotation, dict)


def flag_of(key: str) -> str:
    """Return a key as a flag.

    >>> flag_of("data.val_share")
    '--data.val-share'
    """
    return "--" + key.replace("_", "-")


def options_of(kind: type, prefix: str = "") -> tuple[Option, ...]:
    """Return the settings of a dataclass, including those of the dataclasses in it.

    Args:
        kind: A dataclass whose docstring has ``Attributes``.
        prefix: Start of every key, with its dot.
    """
    return _options_of(kind, prefix)


@cache
def _options_of(kind: type, prefix: str) -> tuple[Option, ...]:
    hints, lines = get_type_hints(kind), _attributes(kind)
    options: list[Option] = []
    for field in fields(kind):
        factory: Any = field.default_factory
        key = prefix + field.name
        if isinstance(factory, type) and is_dataclass(factory):
            options.extend(options_of(factory, f"{key}."))
            continue
        default = REQUIRED if field.default is MISSING else field.default
        if factory is not MISSING:
            default = factory()
        options.append(Option(key, hints[field.name], default, lines.get(field.name, "")))
    return tuple(options)


def _attributes(kind: type) -> dict[str, str]:
    """Return the line of each attribute in the docstrings of a class and its bases."""
    lines: dict[str, str] = {}
    for base in reversed(kind.__mro__):
        text = inspect.cleandoc(base.__dict__.get("__doc__") or "")
        section = text.partition("Attributes:\n")[2]
        name = ""
        for line in section.partition("\n\n")[0].splitlines():
            text = line.strip()
            if not line.startswith(5 * " "):
                name, _, text = text.partition(": ")
                lines[name] = ""
            lines[name] = f"{lines[name]} {text}".strip()
    return lines


def find(name: str, options: Mapping[str, Option], flag: bool = True) -> tuple[str, Any]:
    """Return the key and the type of a setting, or of a name that a setting maps.

    Args:
        name: The key or flag as written, without leading hyphens; they stand for underscores.
        options: Every setting by key.
        flag: Whether the error spells settings as flags, or as keys of a file.

    Raises:
        ValueError: If there is no such setting; the error names the nearest.
    """
    key = name.replace("-", "_")
    if key in options:
        return key, options[key].annotation
    for option in options.values():
        start = f"{option.key}."
        if option.is_mapping and key.startswith(start) and key != start:
            # Names keep their hyphens.
            return start + name[len(start) :], get_args(without_none(option.annotation))[1]
    group = key.partition(".")[0]
    owner = options.get(f"{group}.name") if "." in key else None
    of = f" of {group} {owner.default}" if owner else ""
    shown = f"{'--' if flag else ''}{name}"
    if not shown.isprintable():
        shown = repr(shown)
    raise ValueError(f"unknown setting {shown}{of}; {_hint(key, options, flag)}")


def _hint(wrong: str, options: Mapping[str, Option], flag: bool) -> str:
    """Return a hint at the setting that was meant, found by its last part or within its group."""
    keys = {key.replace("_", "-"): key for key in options if not key.endswith(".name")}
    word = wrong.replace("_", "-")
    if word in ELSEWHERE:
        return ELSEWHERE[word]
    last = {other: key for other, key in OTHER_NAMES.items() if key in keys}
    last |= {key.rpartition(".")[2]: key for key in reversed(keys)}
    group, _, tail = word.rpartition(".")
    match = last.get(tail)
    if match is None:
        while group and not any(key.startswith(f"{group}.") for key in keys):
            group = group.rpartition(".")[0]
        inside = {k.removeprefix(f"{group}."): k for k in keys if k.startswith(f"{group}.")}
        if group:
            near = closest(word.removeprefix(f"{group}."), inside)
            if near is None:
                direct = [name for name in inside if "." not in name]
                return f"{group} has {', '.join(direct or inside)}"
            match = inside[near]
        else:
            match = closest(word, (*keys, *SHORT)) or last.get(closest(tail, last) or "")
    if match is None:
        return "--help lists the settings of a data set and a method"
    return f"did you mean {'--' + match if flag else keys.get(match, match)!r}?"
