"""Settings as options: each field of the settings classes with its type, default and docstring.

Flags, files, help and error messages all read these, so a new setting needs only a field and its
line in the docstring's ``Attributes``. Imports no torch.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from functools import cache
from typing import Any, get_args, get_type_hints

from dmrnet.hints import closest
from dmrnet.settings.values import holds, without_none

ShownAs = Callable[[str], str]
"""Form of a key in errors: `flag_of`, or `str` for settings by name, in files and in Python."""

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

_GPU = "accelerator gpu (--accelerator) trains on a GPU, and devices (--devices) on several"
_OUT = "the folder of a run is out (--out), and its name that of the run"
_RESUME = "the same settings go on with a run that was stopped in its folder, out (--out)"
_AMP = "mixed precision is precision bf16 (--precision)"
_SELECT = "select_by (--select-by) selects weights by another score than that of the data"

ELSEWHERE = {
    "amp": _AMP,
    "fp16": _AMP,
    "early-stopping": "patience N (--patience) stops after N selections without a new best",
    "gpu": _GPU,
    "gpus": _GPU,
    "ngpus": _GPU,
    "metric": f"{_SELECT}; all metrics are in the rows that evaluate writes",
    "monitor": _SELECT,
    "resume": _RESUME,
    "checkpoint": _RESUME,
    "ckpt-path": _RESUME,
    "model": "method NAME (--method) says what is trained",
    "ckpt": _RESUME,
    "resume-from": _RESUME,
    "cuda": _GPU,
    "device": "accelerator cpu or gpu (--accelerator) says where to train, and devices N "
    "(--devices) on how many",
    "num-gpus": _GPU,
    "test": "files of your own, train and test, are named with their data "
    "(--data arrays --data.train FILE --data.test FILE)",
    "save-dir": _OUT,
    "output-dir": _OUT,
    "name": _OUT,
    "run-name": _OUT,
    "data.cells": "published data have no missing cells: files with NaN are refused when they are "
    "prepared; own data have this setting (--data arrays, images, volumes or table)",
    "deterministic": "runs are repeatable as they are: everything random follows from seed "
    "(--seed)",
}
"""Counterparts of settings of other tools that have another name or form here."""

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


def find(name: str, options: Mapping[str, Option], shown_as: ShownAs = flag_of) -> tuple[str, Any]:
    """Return the key and the type of a setting, or of a name that a setting maps.

    Args:
        name: The key or flag as written, without leading hyphens; they stand for underscores.
        options: Every setting by key.
        shown_as: Form of a key in errors: as a flag, or as it is (`str`).

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
    shown = f"--{name}" if shown_as is flag_of else name
    if not shown.isprintable():
        shown = repr(shown)
    raise ValueError(f"unknown setting {shown}{of}; {hint_at(key, options, shown_as)}")


def hint_at(wrong: str, options: Mapping[str, Option], shown_as: ShownAs) -> str:
    """Return a hint at the setting that was meant, found by its last part or within its group.

    >>> from dmrnet.settings.training import Training
    >>> hint_at("epochs", {option.key: option for option in options_of(Training)}, str)
    "did you mean 'max_epochs'?"
    """
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
        return "dmrnet fit --help lists the settings of a data set and a method"
    return f"did you mean {shown_as(keys.get(match, match))!r}?"
