"""The settings of a run as a file and as flags, checked alike.

One parser reads both: ``config.yaml`` of a run folder repeats the run, and every key of it is a
flag. What may be set depends on the data set and the method, so these two names are found first.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from jsonargparse import ArgumentParser, Namespace

from dmrnet.data import DATASETS, data_class
from dmrnet.engine.settings import Training
from dmrnet.hints import nearest
from dmrnet.methods import METHODS, method
from dmrnet.methods.settings import MethodSettings

if TYPE_CHECKING:
    from dmrnet.data.dataset import Splits


class DataSettings(Protocol):
    """Settings of a data set; a dataclass."""

    def load(self, seed: int) -> Splits:
        """Return the splits of a run with that seed."""
        ...


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

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, in the form of ``config.yaml``."""
        return {
            "data": {"name": self.dataset, **asdict(self.data)},  # type: ignore[call-overload]
            "method": {"name": self.method.name, **asdict(self.method)},
            "recipe": self.recipe,
            "seed": self.seed,
            **asdict(self.training),
        }

    def changed(self) -> dict[str, Any]:
        """Return what is set away from the recipe's and the trainer's own, by flag name."""
        base = flat({"method": asdict(type(self.method).recipe(self.recipe)), **asdict(Training())})
        mine = flat({"method": asdict(self.method), **asdict(self.training)})
        quiet = {"threads", "num_workers", "accelerator", "devices"}
        return {
            key: value
            for key, value in mine.items()
            if key not in quiet and (key not in base or base[key] != value)
        }


def flat(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return a nested dict with dotted keys.

    >>> flat({"a": {"b": 1}, "c": 2})
    {'a.b': 1, 'c': 2}
    """
    result: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, dict) and value:
            result.update(flat(value, f"{prefix}{key}."))
        else:
            result[prefix + key] = value
    return result


def run_parser(data: str, of_method: str, recipe: str, prog: str = "dmrnet fit") -> ArgumentParser:
    """Return the parser for runs of one method on one data set.

    Args:
        data: Name of the data set.
        of_method: Name of the method.
        recipe: Its values become the defaults of ``--method.*``.
        prog: As help and errors name the command.

    Raises:
        ValueError: If a name is unknown.
    """
    parser = ArgumentParser(prog=prog, exit_on_error=False, add_help=False)
    parser.add_argument("--config", action="config", help="YAML file of settings; flags go first.")
    parser.add_argument("--data.name", type=Literal[tuple(DATASETS)], default=data, help="Data set")
    parser.add_argument(
        "--method.name", type=Literal[tuple(METHODS)], default=of_method, help="Method"
    )
    parser.add_argument("--recipe", type=str, default=recipe, help="Named settings of the method")
    parser.add_argument("--seed", type=int, default=0, help="Of everything that is random")
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
    """Read the settings of a run from flags, a ``--config`` file among them.

    Raises:
        FileNotFoundError: If the ``--config`` file is missing.
        ValueError: If a flag, key or value is not understood; the nearest one is named.
    """
    args = normal(argv)
    data, of_method, recipe = names_in(args)
    parser = run_parser(data, of_method, recipe, prog)
    try:
        return settings_of(parser.parse_args(args))
    except Exception as error:
        if type(error).__name__ not in ("ArgumentError", "ParserError", "ArgumentTypeError"):
            raise
        raise ValueError(explain(str(error), parser)) from error


ALIASES = {
    "--data": "--data.name",
    "--method": "--method.name",
    "--encoder": "--method.network.encoder",
}
"""Short flags of the command line, and the keys they stand for."""


def normal(argv: Sequence[str]) -> list[str]:
    """Return flags in the parser's form: ``--max-epochs 3`` becomes ``--max_epochs=3``.

    >>> normal(["--data", "mfeat", "--max-epochs", "3"])
    ['--data.name=mfeat', '--max_epochs=3']
    """
    joined: list[str] = []
    words = list(argv)
    while words:
        word = words.pop(0)
        if not word.startswith("--") or word == "--":
            joined.append(word)
            continue
        flag, equals, value = word.partition("=")
        flag = flag.replace("-", "_").replace("__", "--", 1)
        flag = ALIASES.get(flag, flag)
        if not equals and words and not words[0].startswith("--"):
            equals, value = "=", words.pop(0)
        joined.append(flag + equals + value)
    return joined


def names_in(args: Sequence[str]) -> tuple[str, str, str]:
    """Find the data set, method and recipe in flags and the config file they name."""
    found = {"data.name": "mfeat", "method.name": "dmrnet", "recipe": "best"}
    flags = dict(arg[2:].partition("=")[::2] for arg in args if arg.startswith("--"))
    if "config" in flags:
        tree = _yaml(Path(flags["config"]))
        found.update({k: str(v) for k, v in flat(tree).items() if k in found})
    found.update({key: value for key, value in flags.items() if key in found})
    data_class(found["data.name"])
    method(found["method.name"]).recipe(found["recipe"])
    return found["data.name"], found["method.name"], found["recipe"]


def _yaml(path: Path) -> dict[str, Any]:
    from jsonargparse import get_loader

    if not path.is_file():
        raise FileNotFoundError(f"there is no config file {path}")
    tree = get_loader("yaml")(path.read_text())
    if not isinstance(tree, dict):
        raise ValueError(f"{path}: expected a mapping of settings, got {type(tree).__name__}")
    for key in ("data", "method"):
        if isinstance(tree.get(key), str):
            raise ValueError(f"{path}: write `{key}: {{name: {tree[key]}}}`")
    return tree


def explain(message: str, parser: ArgumentParser) -> str:
    """Return a parser's message in one line, with the nearest known key for an unknown one."""
    known = [
        action.dest
        for action in parser._actions
        if action.dest not in ("help", "config", "data", "method", "method.network")
    ]
    unknown = re.search(r"unrecognized arguments: --([\w.\-]+)", message, re.IGNORECASE)
    in_group = re.search(r"[Gg]roup '([\w.]+)' does not accept (?:option|key) '([\w.]+)'", message)
    top = re.search(r"(?:[Kk]ey|option) [\"']([\w.]+)[\"'] is not expected", message)
    if unknown:
        key = unknown.group(1)
        return f"unknown setting --{key.replace('_', '-')}; {nearest(key, known)}"
    if in_group:
        key = f"{in_group.group(1)}.{in_group.group(2)}"
        return f"unknown setting {key}; {nearest(key, known)}"
    if top:
        return f"unknown setting {top.group(1)}; {nearest(top.group(1), known)}"
    return " ".join(message.split())


def dump(settings: RunSettings) -> str:
    """Return the text of ``config.yaml``."""
    tree = settings.to_dict()
    parser = run_parser(tree["data"]["name"], tree["method"]["name"], settings.recipe)
    parsed = parser.parse_object(tree)
    return str(parser.dump(parsed, skip_none=False))
