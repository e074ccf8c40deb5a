"""Settings of a run, read from flags, files and Python alike.

``config.yaml`` of a run folder repeats the run, and each of its keys is a flag. Which settings
there are depends on the data set and the method, so these two names are read first. Imports no
torch.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, is_dataclass
from functools import cache
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from dmrnet.data.registry import DATASETS, data_class
from dmrnet.methods import METHODS, method
from dmrnet.methods.default import AUTO, for_recipe, owners
from dmrnet.methods.settings import default_of
from dmrnet.settings.files import dump_tree, flat
from dmrnet.settings.flags import (
    Flags,
    naming,
    read_file,
    read_flags,
    values_of_file,
    values_of_flags,
)
from dmrnet.settings.options import REQUIRED, Option, ShownAs, flag_of, options_of
from dmrnet.settings.paths import paths_of
from dmrnet.settings.training import Training
from dmrnet.settings.values import check, check_seed, mismatch
from dmrnet.text import escaped

if TYPE_CHECKING:
    from dmrnet.data.sets.base import DataSettings
    from dmrnet.methods.settings import MethodSettings

DEFAULTS = {"data.name": "mfeat", "method.name": AUTO, "recipe": "best"}
"""Names of the run that no flag and no file changes; its task decides the method."""

QUIET = frozenset({"threads", "num_workers", "accelerator", "devices", "nodes", "logger"})
"""Settings that say where and how fast a run is made and who is shown it, not what it is."""


@dataclass(frozen=True)
class RunSettings:
    """Everything that decides a run's result.

    Attributes:
        dataset: Name of the data set.
        data: Settings of the data set.
        method: Settings of the method, with its recipe filled in.
        recipe: Name of that recipe.
        training: How the method is trained.
        seed: Seed of splits, weights, order, masks and noise.

    Raises:
        ValueError: If a value does not fit its type.
    """

    dataset: str
    data: DataSettings
    method: MethodSettings
    recipe: str
    training: Training
    seed: int

    def __post_init__(self) -> None:
        for start, part in (("data.", self.data), ("method.", self.method), ("", self.training)):
            for option in options_of(type(part), start):
                kind, value = option.annotation, attrgetter(option.key.removeprefix(start))(part)
                with naming(option.key):
                    if check(kind, value) != value:
                        raise ValueError(mismatch(kind, value))
        check_seed(check(int, self.seed))

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
        """Return the settings that differ from the recipe's and the trainer's own, by key."""
        base = flat({"method": asdict(type(self.method).recipe(self.recipe)), **asdict(Training())})
        mine = flat({"method": asdict(self.method), **asdict(self.training)})
        return {
            key: value
            for key, value in mine.items()
            if key not in QUIET and (key not in base or base[key] != value)
        }

    @property
    def data_label(self) -> str:
        """Name of the data in result rows; rows of different labels are never averaged or compared.

        The data set, for the user's own files the training file and its folder, and every setting
        that is not its default.
        """
        parts, paths = [self.dataset], paths_of(self.data)
        if "train" in paths:
            parts.append("/".join(Path(paths["train"]).absolute().parts[-2:]))
        changed = [
            f"{field.name}={value}"
            for field in fields(self.data)
            if (value := getattr(self.data, field.name)) != default_of(field)
            and field.name not in paths
        ]
        return escaped(" ".join([*parts, *([f"({', '.join(changed)})"] if changed else [])]))


def _data_name(data: str) -> Option:
    return Option("data.name", Literal[tuple(DATASETS)], data, "Data set.")


@cache
def run_options(data: str, of_method: str) -> Mapping[str, Option]:
    """Return every setting of a method on a data set, by key."""
    options = (
        _data_name(data),
        Option("method.name", Literal[(*METHODS, AUTO)], of_method, "Method."),
        Option("recipe", str, DEFAULTS["recipe"], "Named settings of the method."),
        Option("seed", int, 0, "Seed of splits, weights, order, masks and noise."),
        *options_of(data_class(data), "data."),
        *options_of(method(of_method), "method."),
        *options_of(Training),
    )
    return {option.key: option for option in options}


def read_config(path: str | Path, changes: Sequence[str] = ()) -> RunSettings:
    """Read ``config.yaml``.

    Args:
        path: Path of the file.
        changes: Flags that go before it, e.g. ``["--seed", "1"]``.

    Raises:
        FileNotFoundError: If the file does not exist.
        ValueError: If a key or value is not understood.
    """
    return parse_run(["--config", str(path), *changes])


def parse_run(argv: Sequence[str], shown_as: ShownAs = flag_of) -> RunSettings:
    """Read the settings of a run from flags, ``--config`` files among them.

    Flags go before files, wherever they stand, and later ones before earlier ones. A file's values
    that are no more than its recipe's own follow where flags name another recipe or method. Where
    no method is named, the settings are those of `AUTO`, until the task is known.

    Args:
        argv: The flags.
        shown_as: Form of a setting in errors; `str` where the flags stand for settings by name.

    Raises:
        FileNotFoundError: If a ``--config`` file does not exist.
        ValueError: If a flag, key or value is not understood; the error names the nearest one.
    """
    flags = read_flags(argv)
    paths = [value or "" for name, value in flags if name == "config"]
    flags = [flag for flag in flags if flag[0] != "config"]
    files = [(path, read_file(Path(path))) for path in paths]
    data, of_method, recipe = names = names_in(files, flags)
    options = run_options(data, of_method)
    files = [(path, following(content, names)) for path, content in files]
    if of_method == AUTO:
        for path, content in files:
            _check_shared(content, options, f"{path}: ")
        _check_shared([name for name, _ in flags], options, "--" if shown_as is flag_of else "")
    values: dict[str, Any] = {"seed": 0}
    values |= flat({"method": asdict(method(of_method).recipe(recipe))})
    for path, content in files:
        values |= values_of_file(path, content, options)
    values |= values_of_flags(flags, options, shown_as)
    return RunSettings(
        dataset=data,
        data=_build_data(data, values, shown_as),
        method=build(method(of_method), values, "method."),
        recipe=recipe,
        training=build(Training, values),
        seed=values["seed"],
    )


def _check_shared(names: Iterable[str], options: Mapping[str, Option], before: str) -> None:
    """Refuse a setting of single methods where none is named.

    Raises:
        ValueError: If there is one; the message names the methods.
    """
    for name in names:
        key = f"method.{name.replace('-', '_').removeprefix('method.')}"
        group = any(one == key or one.startswith(f"{key}.") for one in options)
        if name in options or group or not (own := owners(key.removeprefix("method."))):
            continue
        what = f"{before}{name} is a setting"
        if not name.startswith("method."):
            what = (
                f"unknown setting {before}{name}; did you mean '{before}method.{name}'? It is one"
            )
        raise ValueError(
            f"{what} of {', '.join(own)}, but no method is named; add "
            f"method {own[0] if len(own) == 1 else 'NAME'} (--method)"
        )


def parse_data(data: str, argv: Sequence[str]) -> DataSettings:
    """Read the settings of a data set from flags ``--data.*`` alone.

    Raises:
        ValueError: If the data set, a flag or a value is not understood.
    """
    options = (_data_name(data), *options_of(data_class(data), "data."))
    values = values_of_flags(read_flags(argv), {option.key: option for option in options})
    return _build_data(data, values)


def _build_data(data: str, values: Mapping[str, Any], shown_as: ShownAs = flag_of) -> DataSettings:
    kind = data_class(data)
    for option in options_of(kind, "data."):
        if option.default is REQUIRED and option.key not in values:
            name = shown_as(option.key)
            raise ValueError(f"{name} is missing: data {data} needs it. {option.help}")
    settings: DataSettings = build(kind, values, "data.")
    return settings


def build(kind: Any, values: Mapping[str, Any], prefix: str = "") -> Any:  # noqa: ANN401
    """Return a dataclass, and the dataclasses in it, from values by dotted key."""
    arguments = {}
    for field in fields(kind):
        key = prefix + field.name
        factory: Any = field.default_factory
        if isinstance(factory, type) and is_dataclass(factory):
            arguments[field.name] = build(factory, values, f"{key}.")
            continue
        if key in values:
            arguments[field.name] = values[key]
        # Names in a mapping may hold dots.
        start = f"{key}."
        own = {k.removeprefix(start): v for k, v in values.items() if k.startswith(start)}
        if own:
            arguments[field.name] = {**(values.get(key) or {}), **own}
    return kind(**arguments)


def names_in(files: Sequence[tuple[str, Mapping[str, Any]]], flags: Flags) -> tuple[str, str, str]:
    """Return data set, method and recipe in files and flags; raise `ValueError` if unknown."""
    names: dict[str, Any] = {}
    for _, content in files:
        names.update(content)
    names.update({key: value or "" for key, value in flags if key in DEFAULTS})
    data, of_method, recipe = _names(names)
    data_class(data)
    method(of_method).recipe(recipe)
    return data, of_method, recipe


def _names(content: Mapping[str, Any]) -> tuple[str, str, str]:
    """Return the data set, the method and the recipe of settings by key."""
    data, of_method, recipe = (str(content.get(key, value)) for key, value in DEFAULTS.items())
    return data, for_recipe(of_method, recipe), recipe


def following(content: Mapping[str, Any], names: tuple[str, str, str]) -> dict[str, Any]:
    """Return a file's values for a data set, method and recipe that flags may have changed.

    ``config.yaml`` of a run states every value. Values that its recipe set follow the recipe that
    is asked for now; values that the user set stay. Another data set has other settings, so the
    file's are left out.
    """
    data, of_method, recipe = names
    data_was, method_was, recipe_was = _names(content)
    rest = {key: value for key, value in content.items() if key not in DEFAULTS}
    if data_was != data:
        rest = {key: value for key, value in rest.items() if not key.startswith("data.")}
    if (method_was, recipe_was) != (of_method, recipe):
        base = flat({"method": asdict(method(method_was).recipe(recipe_was))})
        rest = {key: value for key, value in rest.items() if key not in base or base[key] != value}
    return rest


def dump(settings: RunSettings) -> str:
    """Return the text of ``config.yaml``."""
    return dump_tree(settings.to_dict())
