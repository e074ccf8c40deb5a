"""The help of ``dmrnet fit``: short, and long where a data set or a method is named."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence

from dmrnet.cli.arguments import Arguments
from dmrnet.cli.fit.method_options import kept, shown
from dmrnet.cli.listing import as_lines, data_sets, methods
from dmrnet.data import data_class
from dmrnet.hints import nearest
from dmrnet.settings.flags import read_flags
from dmrnet.settings.options import Option, options_of, placeholder
from dmrnet.settings.training import Training

USAGE = """dmrnet fit [--data NAME] [--method NAME] [--recipe NAME] [--seed INT]
                  [--out DIR] [--config FILE] [--SETTING VALUE ...]"""

EXAMPLES = """examples:
  dmrnet fit --method sf-md --seed 1 --out runs/baseline
  dmrnet fit --data arrays --data.train train.npz --out runs/mine
  dmrnet fit --config runs/mine/config.yaml --seed 1 --out runs/mine-1
  dmrnet fit --data arrays --method dmrnet --help   every setting of these two
"""


def fit_help(argv: Sequence[str]) -> str:
    """Return the help for what else stands on the command line."""
    flags = {name: value or "" for name, value in read_flags(argv)}
    data, method = flags.get("data.name"), flags.get("method.name")
    parser = Arguments(
        "dmrnet fit",
        "Train one method on one data set with one seed, into a run folder. The same "
        "command goes on with a run that was stopped. A setting is a flag, or a key of "
        "a --config file; hyphens and underscores are the same.",
        usage=USAGE,
        epilog=EXAMPLES,
    )
    _first(parser.options)
    if data is None:
        parser.add_argument_group("data sets", as_lines(data_sets(), "mfeat"))
    else:
        _settings(parser, f"settings of data {data}", options_of(data_class(data), "data."))
    if method is None:
        parser.add_argument_group("methods", as_lines(methods(), "dmrnet"))
    else:
        recipe, options = flags.get("recipe", "best"), kept(method)
        if recipe not in options["recipes"]:
            hint = nearest(recipe, options["recipes"])
            raise ValueError(f"method {method} has no recipe {recipe!r}; {hint}")
        group = parser.add_argument_group(f"settings of method {method}, recipe {recipe}")
        changed = options["changes"][recipe]
        for flag, setting in options["settings"].items():
            default = changed.get(flag, setting["default"])
            _line(group, flag, setting["metavar"], setting["help"], default)
        recipes = as_lines(options["recipes"], "best")
        parser.add_argument_group(f"recipes of {method}", recipes)
    _settings(parser, "training", options_of(Training))
    return parser.format_help()


def _first(group: argparse._ArgumentGroup) -> None:
    said = {
        "--data NAME": "Data set; --data NAME --help lists its settings.",
        "--method NAME": "Method; --method NAME --help lists its settings and recipes.",
        "--recipe NAME": "Named settings of the method: best (what measured best here; default), "
        "paper (as printed), released (as that code computes); some methods have more.",
        "--seed INT": "Of splits, weights, order, masks and noise. [0]",
        "--out DIR": "The run's folder. [runs/DATA-METHOD-RECIPE-seedSEED]",
        "--config FILE": "YAML file of settings, config.yaml of another run for one. Flags go "
        "before files, wherever they stand.",
        "--debug": "Show the traceback of an error.",
    }
    for words, text in said.items():
        flag, _, value = words.partition(" ")
        if value:
            group.add_argument(flag, metavar=value, help=text)
        else:
            group.add_argument(flag, action="store_true", help=text)


def _settings(parser: Arguments, title: str, options: Iterable[Option]) -> None:
    group = parser.add_argument_group(title)
    for option in options:
        flag = f"{option.flag}.NAME" if option.is_mapping else option.flag
        _line(group, flag, placeholder(option.annotation), option.help, shown(option.default))


def _line(group: argparse._ArgumentGroup, flag: str, metavar: str, text: str, default: str) -> None:
    brackets = "({})" if default == "needed" else "[{}]"
    said = f"{text} {brackets.format(default)}" if default else text
    group.add_argument(flag, metavar=metavar, help=said.replace("%", "%%").replace("`", ""))
