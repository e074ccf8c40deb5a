"""Help of ``dmrnet fit``: short, and long where a data set or a method is named."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict

from dmrnet.cli.arguments import Arguments
from dmrnet.cli.listing import as_lines, summaries
from dmrnet.data.registry import DATASETS, data_class
from dmrnet.methods import METHODS, method
from dmrnet.methods.default import AHEAD, PAPERS
from dmrnet.settings.files import flat
from dmrnet.settings.flags import read_flags
from dmrnet.settings.options import REQUIRED, Option, flag_of, options_of
from dmrnet.settings.training import Training
from dmrnet.settings.values import placeholder

USAGE = """dmrnet fit [--data NAME] [--method NAME] [--recipe NAME] [--seed INT]
                  [--out DIR] [--config FILE] [--SETTING VALUE ...]"""

EXAMPLES = """examples:
  dmrnet fit --method sf-md --seed 1 --out runs/baseline
  dmrnet fit --data arrays --data.train train.npz --out runs/mine
  dmrnet fit --config runs/mine/config.yaml --seed 1 --out runs/mine-1
  dmrnet fit --data arrays --method dmrnet --help   every setting of these two
"""

FIRST = {
    "--data NAME": "Data set; --data NAME --help lists its settings.",
    "--method NAME": "Method; --method NAME --help lists its settings and recipes. By default "
    f"{AHEAD} where each sample has one class, otherwise {PAPERS}.",
    "--recipe NAME": "Named settings of the method: best (what measured best here; default), "
    "paper (as printed), released (as that code computes); some methods have more.",
    "--seed INT": "Seed of splits, weights, order, masks and noise. [0]",
    "--out DIR": "Run folder. [runs/DATA-METHOD-RECIPE-seedSEED]",
    "--config FILE": "YAML file of settings, for example config.yaml of another run. Flags go "
    "before files, wherever they stand.",
    "--debug": "Show the traceback of an error.",
}


OFTEN = (
    "max_epochs",
    "batch_size",
    "lr",
    "optimizer",
    "select_by",
    "class_weights",
    "patience",
    "precision",
    "accelerator",
    "num_workers",
)
"""Settings of training that most people set, in the order of the help."""


def fit_help(argv: Sequence[str]) -> str:
    """Return the help for the other words on the command line."""
    flags = {name: value or "" for name, value in read_flags(argv)}
    data, of_method = flags.get("data.name"), flags.get("method.name")
    parser = Arguments(
        "dmrnet fit",
        "Train one method on one data set with one seed, into a run folder. The same "
        "command goes on with a run that was stopped. A setting is a flag, or a key of "
        "a --config file; hyphens and underscores are the same.",
        usage=USAGE,
        epilog=EXAMPLES,
    )
    for words, text in FIRST.items():
        flag, _, value = words.partition(" ")
        if value:
            parser.options.add_argument(flag, metavar=value, help=text)
        else:
            parser.options.add_argument(flag, action="store_true", help=text)
    training = {option.key: option for option in options_of(Training)}
    _settings(parser, "often set", [training.pop(key) for key in OFTEN])
    if data is None:
        parser.add_argument_group("data sets", as_lines(summaries(DATASETS), "mfeat"))
    else:
        _settings(parser, f"settings of data {data}", options_of(data_class(data), "data."))
    if of_method is None:
        parser.add_argument_group("methods", as_lines(summaries(METHODS)))
    else:
        kind, recipe = method(of_method), flags.get("recipe", "best")
        title = f"settings of method {of_method}, recipe {recipe}"
        values = flat({"method": asdict(kind.recipe(recipe))})
        _settings(parser, title, options_of(kind, "method."), values)
        recipes = {
            name: ", ".join(f"{key} {value}" for key, value in changes.items()) or "plain defaults"
            for name, changes in kind.recipes.items()
        }
        parser.add_argument_group(f"recipes of {of_method}", as_lines(recipes, "best"))
    _settings(parser, "more settings of training", training.values())
    return parser.format_help()


def _settings(
    parser: argparse.ArgumentParser,
    title: str,
    options: Iterable[Option],
    values: Mapping[str, object] | None = None,
) -> None:
    """Add a group with a line for each setting, with its value in brackets."""
    group = parser.add_argument_group(title)
    for option in options:
        default = (values or {}).get(option.key, option.default)
        text = option.help
        if default is REQUIRED:
            text += " (needed)"
        elif default not in (None, {}, []):
            text += f" [{default}]"
        group.add_argument(
            flag_of(option.key) + (".NAME" if option.is_mapping else ""),
            metavar=placeholder(option.annotation),
            help=text.replace("%", "%%").replace("`", ""),
        )
