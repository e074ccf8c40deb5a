"""The settings of a run as a file and as flags, checked alike.

One parser reads both: ``config.yaml`` of a run folder repeats the run, and every key of it is a
flag. What may be set depends on the data set and the method, so these two names are found first.
Importing this imports no torch; reading the settings of a method does.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from jsonargparse import ArgumentParser, Namespace

from dmrnet.data import DATASETS, data_class
from dmrnet.hints import nearest
from dmrnet.methods import METHODS, method
from dmrnet.settings.flags import (
    Flags,
    checked_file,
    checked_flags,
    flat,
    nested,
    read_file,
    read_flags,
)
from dmrnet.settings.options import REQUIRED, Option, expected, flag_of, options_of
from dmrnet.settings.paths import paths_of
from dmrnet.settings.training import Training

if TYPE_CHECKING:
    from dmrnet.data.sets.base import DataSettings
    from dmrnet.methods.settings import MethodSettings

DEFAULTS = {"data.name": "mfeat", "method.name": "dmrnet", "recipe": "best"}
"""What is run where nobody says."""

OTHER_WORDS = {"cuda": "gpu", "fp32": "32", "bfloat16": "bf16"}
"""What values are called elsewhere."""

QUIET = frozenset({"threads", "num_workers", "accelerator", "devices", "nodes"})
"""Settings that say where and how fast a run is made, not what it is."""


@dataclass(frozen=True)
class RunSettings:
    """Everything that decides a run's result.

    Attributes:
        dataset: Name of the data set.
        data: Its settings.
        method: Settings of the method, its recipe already filled in.
        recipe: Name of that recipe.
        training: How it is trained.
        seed: Of splits, weights, order, masks and noise.
    """

    dataset: str
    data: DataSettings
    method: MethodSettings
    recipe: str
    training: Training
    seed: int

    def __post_init__(self) -> None:
        if self.seed < 0:
            raise ValueError(f"expected a seed of 0 or more, got {self.seed}")

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, in the form of ``config.yaml``."""
        return {
            "data": {"name": self.dataset, **asdict(self.data)},
            "method": {"name": self.method.name, **asdict(self.method)},
            "recipe": self.recipe,
            "seed": self.seed,
            **asdict(self.training),
        }

    def changed(self) -> dict[str, Any]:
        """Return what is set away from the recipe's and the trainer's own, by flag name."""
        base = flat({"method": asdict(type(self.method).recipe(self.recipe)), **asdict(Training())})
        mine = flat({"method": asdict(self.method), **asdict(self.training)})
        return {
            key: value
            for key, value in mine.items()
            if key not in QUIET and (key not in base or base[key] != value)
        }

    @property
    def data_label(self) -> str:
        """How result rows name the data: what differs here is never averaged or compared.

        The data set, for the user's own files the training file and its folder, and every setting
        that is not its default.
        """
        parts, paths = [self.dataset], paths_of(self.data)
        if "train" in paths:
            parts.append("/".join(Path(paths["train"]).absolute().parts[-2:]))
        changed = [
            f"{field.name}={value}"
            for field in fields(self.data)
            if (value := getattr(self.data, field.name)) != field.default
            and field.name not in paths
        ]
        return " ".join([*parts, *([f"({', '.join(changed)})"] if changed else [])])


def run_options(data: str, of_method: str) -> dict[str, Option]:
    """Return everything that may be set for a method on a data set, by key.

    Raises:
        ValueError: If a name is unknown.
    """
    options = [
        Option("data.name", Literal[tuple(DATASETS)], data, "Data set."),
        Option("method.name", Literal[tuple(METHODS)], of_method, "Method."),
        Option("recipe", str, DEFAULTS["recipe"], "Named settings of the method."),
        Option("seed", int, 0, "Of splits, weights, order, masks and noise."),
        *options_of(data_class(data), "data."),
        *options_of(method(of_method), "method."),
        *options_of(Training),
    ]
    return {option.key: option for option in options}


@cache
def run_parser(data: str, of_method: str, recipe: str, prog: str = "dmrnet fit") -> ArgumentParser:
    """Return the parser for runs of one method on one data set; made once, since that is slow.

    Args:
        data: Name of the data set.
        of_method: Name of the method.
        recipe: Its values become the defaults of ``--method.*``.
        prog: As errors name the command.

    Raises:
        ValueError: If a name is unknown.
    """
    parser = ArgumentParser(prog=prog, exit_on_error=False, add_help=False)
    parser.add_argument("--data.name", type=Literal[tuple(DATASETS)], default=data)
    parser.add_argument("--method.name", type=Literal[tuple(METHODS)], default=of_method)
    parser.add_argument("--recipe", type=str, default=recipe)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_class_arguments(data_class(data), "data")
    parser.add_class_arguments(method(of_method), "method")
    parser.add_class_arguments(Training)
    parser.set_defaults(
        {
            f"method.{key}": value
            for key, value in flat(asdict(method(of_method).recipe(recipe))).items()
        }
    )
    return parser


def settings_of(parsed: Namespace) -> RunSettings:
    """Return the settings that a parser of `run_parser` read."""
    tree = parsed.as_dict()
    data, of_method = dict(tree["data"]), dict(tree["method"])
    dataset = data.pop("name")
    return RunSettings(
        dataset=dataset,
        data=_built(data_class(dataset), data),
        method=_built(method(of_method.pop("name")), of_method),
        recipe=tree["recipe"],
        training=_built(Training, {f.name: tree[f.name] for f in fields(Training)}),
        seed=tree["seed"],
    )


def _built(kind: Any, values: dict[str, Any]) -> Any:  # noqa: ANN401
    """Build a dataclass from plain values, nested dataclasses included."""
    filled = {}
    for field in fields(kind):
        value = values[field.name]
        factory: Any = field.default_factory
        if isinstance(value, dict) and is_dataclass(factory):
            value = _built(factory, value)
        filled[field.name] = value
    return kind(**filled)


def read_config(path: Path, changes: Sequence[str] = ()) -> RunSettings:
    """Read ``config.yaml``.

    Args:
        path: The file.
        changes: Flags that go before it, e.g. ``["--seed", "1"]``.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If a key or value is not understood.
    """
    return parse_run(["--config", str(path), *changes])


def parse_run(argv: Sequence[str], prog: str = "dmrnet fit") -> RunSettings:
    """Read the settings of a run from flags, ``--config`` files among them.

    Flags go before files, wherever they stand, and later ones before earlier ones. A file's values
    that are no more than its recipe's own follow where flags name another recipe or method.

    Raises:
        FileNotFoundError: If a ``--config`` file is missing.
        ValueError: If a flag, key or value is not understood; the nearest one is named.
    """
    flags = read_flags(argv)
    paths = [value or "" for name, value in flags if name == "config"]
    flags = [flag for flag in flags if flag[0] != "config"]
    files = [(path, read_file(Path(path))) for path in paths]
    data, of_method, recipe = names = names_in(files, flags)
    options = run_options(data, of_method)
    values: dict[str, Any] = {}
    for path, content in files:
        values |= checked_file(path, following(content, names), options)
    given = checked_flags(flags, options)
    for option in options.values():
        _need(option, data, values | given)
        if option.default is REQUIRED and option.key in given:
            # The parser wants it in what it reads first.
            values[option.key] = given[option.key]
    parser = run_parser(data, of_method, recipe, prog)
    try:
        values |= dict(zip(DEFAULTS, names, strict=True))
        base = parser.parse_object(nested(values, options))
        args = [f"--{key}={value}" for key, value in given.items() if key not in DEFAULTS]
        return settings_of(parser.parse_args(args, namespace=base))
    except Exception as error:
        raise ValueError(_explained(error, {**values, **given}, options)) from error


def parse_data(data: str, argv: Sequence[str]) -> DataSettings:
    """Read the settings of a data set from flags ``--data.*`` alone.

    Raises:
        ValueError: If the data set, a flag or a value is not understood.
    """
    kind = data_class(data)
    name = Option("data.name", Literal[tuple(DATASETS)], data, "Data set.")
    options = {option.key: option for option in (name, *options_of(kind, "data."))}
    values = checked_flags(read_flags(argv), options)
    for option in options.values():
        _need(option, data, values)
    parser = ArgumentParser(exit_on_error=False, add_help=False)
    parser.add_class_arguments(kind, "data")
    try:
        parsed = parser.parse_args([f"--{key}={value}" for key, value in values.items()])
    except Exception as error:
        raise ValueError(_explained(error, values, options)) from error
    settings: DataSettings = _built(kind, parsed.as_dict()["data"])
    return settings


def _need(option: Option, data: str, given: Mapping[str, Any]) -> None:
    if option.default is REQUIRED and option.key not in given:
        raise ValueError(f"{option.flag} is missing: data {data} needs it. {option.help}")


def _explained(error: Exception, values: Mapping[str, Any], options: Mapping[str, Option]) -> str:
    """Return what a parser's error says; raise again what is none."""
    if type(error).__name__ not in ("ArgumentError", "ParserError", "ArgumentTypeError"):
        raise error
    return explain(str(error), values, options)


def names_in(files: Sequence[tuple[str, Mapping[str, Any]]], flags: Flags) -> tuple[str, str, str]:
    """Find the data set, method and recipe in the files and flags.

    Raises:
        ValueError: If there is none of that name.
    """
    found = dict(DEFAULTS)
    for _, content in files:
        found.update({key: str(value) for key, value in content.items() if key in DEFAULTS})
    found.update({key: value or "" for key, value in flags if key in DEFAULTS})
    data, of_method, recipe = found["data.name"], found["method.name"], found["recipe"]
    data_class(data)
    if of_method not in METHODS:
        raise ValueError(f"unknown method {of_method!r}; {nearest(of_method, METHODS)}")
    method(of_method).recipe(recipe)
    return data, of_method, recipe


def following(content: Mapping[str, Any], names: tuple[str, str, str]) -> dict[str, Any]:
    """Return a file's values for a data set, method and recipe that flags may have changed.

    ``config.yaml`` of a run states every value. Those that its recipe set are left to the recipe
    that is asked for now; those that were set by hand stay. Another data set has other settings,
    so the file's are left out.
    """
    data, of_method, recipe = names
    was = {key: str(content.get(key, default)) for key, default in DEFAULTS.items()}
    kept = dict(content)
    if was["data.name"] != data:
        kept = {key: value for key, value in kept.items() if not key.startswith("data.")}
    if (was["method.name"], was["recipe"]) != (of_method, recipe):
        base = flat({"method": asdict(method(was["method.name"]).recipe(was["recipe"]))})
        kept = {key: value for key, value in kept.items() if key not in base or base[key] != value}
    return kept


def explain(message: str, values: Mapping[str, Any], options: Mapping[str, Option]) -> str:
    """Return a parser's message in one line: the setting, what it takes, and what came.

    Args:
        message: Of the parser.
        values: What it was given, by key.
        options: What may be set.
    """
    found = re.search(r"Parser key \"([\w.]+)\"", message)
    key = found.group(1) if found else ""
    if key not in options:
        return " ".join(message.split())
    value = values.get(key, next((v for k, v in values.items() if k.startswith(f"{key}.")), None))
    if options[key].is_list and isinstance(value, str):
        value = value.strip("[]")
    text = f"{flag_of(key)}: expected {expected(options[key].annotation)}, got {value!r}"
    takes = getattr(options[key].annotation, "__args__", ())
    words = [word for word in takes if isinstance(word, str)]
    if words and isinstance(value, str):
        hint = nearest(OTHER_WORDS.get(value, value), words)
        text += f"; {hint}" if "did you" in hint else ""
    if key.startswith("data.") and str(value).endswith(".npz"):
        text += "; for files of your own add --data arrays"
    return text


def dump(settings: RunSettings) -> str:
    """Return the text of ``config.yaml``."""
    tree = settings.to_dict()
    parser = run_parser(tree["data"]["name"], tree["method"]["name"], settings.recipe)
    parsed = parser.parse_object(tree)
    return str(parser.dump(parsed, skip_unset=False))
