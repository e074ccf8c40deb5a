"""``dmrnet data``: show, check, export and prepare data."""

from __future__ import annotations

import argparse
import sys
import textwrap
from collections.abc import Sequence
from importlib import import_module
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING

from dmrnet.cli.arguments import Arguments, pop_flag, seed_of
from dmrnet.hints import nearest
from dmrnet.text import shell

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from dmrnet.data.checks.description import Description
    from dmrnet.data.dataset import Splits

ACTIONS = {
    "list": "list the data sets",
    "show NAME": "show modalities, kinds, shapes, presence and classes",
    "check FILE ...": "read .npz files as fit would (the first as training file)",
    "ampute FILE --rate R --out OUT": "make modalities of a .npz file absent, by a mechanism",
    "export NAME --out DIR": "write train.npz, val.npz and test.npz",
    "prepare NAME PATH --root DIR": "check and decode published files, once",
}
MOST_CLASSES = 30
"""Largest number of classes shown."""


def run(argv: Sequence[str]) -> int:
    """Run one action."""
    from dmrnet.cli.listing import as_lines, summaries
    from dmrnet.data.registry import DATASETS

    if not argv or argv[0] in ("-h", "--help"):
        sys.stdout.write(
            "usage: dmrnet data ACTION [--help] ...\n\n"
            "Show a data set, check your files, export a data set to files.\n\n"
            f"actions:\n{textwrap.indent(as_lines(ACTIONS), '  ')}\n\n"
        )
        return 0 if argv else 2
    action, *rest = argv
    if action == "list":
        Arguments("dmrnet data list", "List the data sets.").read(rest)
        sys.stdout.write(as_lines(summaries(DATASETS)) + "\n")
        return 0
    if action in ("ampute", "prepare"):
        code: int = import_module(f"dmrnet.cli.data.{action}").run(rest)
        return code
    actions = {"show": _show, "check": _check, "export": _export}
    if action not in actions:
        known = [usage.partition(" ")[0] for usage in ACTIONS]
        raise ValueError(f"unknown action {action!r}; {nearest(action, known)}")
    return actions[action](rest)


def _read_name(argv: Sequence[str], prog: str, summary: str) -> tuple[str, int, list[str]]:
    """Return the name of the data set, the seed, and the flags ``--data.*``."""
    parser = Arguments(
        prog,
        f"{summary} Flags --data.SETTING are those of dmrnet fit.",
        usage=f"{prog} NAME [--seed INT] [--data.SETTING VALUE ...]"
        + (" --out DIR" if prog.endswith("export") else ""),
    )
    parser.add_argument("name", metavar="NAME", help="data set; dmrnet data list names them")
    parser.options.add_argument("--seed", metavar="INT", help="seed of the splits [0]")
    if prog.endswith("export"):
        parser.options.add_argument("--out", metavar="DIR", help="folder to write to (required)")
        parser.options.add_argument(
            "--overwrite", action="store_true", help="replace files of these names"
        )
    seed, rest = pop_flag(argv, "--seed")
    try:
        number = seed_of(seed or "0")
    except argparse.ArgumentTypeError as error:
        raise ValueError(f"--seed: {error}") from error
    names = [word for word in rest[:1] if not word.startswith("-")]
    if not names or "--help" in rest or "-h" in rest:
        parser.refuse_near(argv)
        parser.read([word for word in rest if word in ("-h", "--help")])
    parser.refuse_near(rest[1:])
    return names[0], number, rest[1:]


def _show(argv: Sequence[str]) -> int:
    name, seed, rest = _read_name(argv, "dmrnet data show", "Show a data set.")
    from dmrnet.cli.screen import screen
    from dmrnet.settings.config import parse_data

    show_description(screen(), parse_data(name, rest).load(seed))
    return 0


def _check(argv: Sequence[str]) -> int:
    parser = Arguments(
        "dmrnet data check",
        "Read .npz files exactly as dmrnet fit --data arrays would, and show how each array is\n"
        "interpreted, or what is wrong.",
        usage="dmrnet data check TRAIN.npz [FILE.npz ...] [--data.SETTING VALUE ...]",
    )
    parser.add_argument("files", nargs="+", metavar="FILE", help="the first is the training file")
    files = list(takewhile(lambda word: not word.startswith("-"), argv))
    flags = list(argv[len(files) :])
    if "--help" in argv or "-h" in argv:
        parser.read(["--help"])
    parser.refuse_near(flags)
    from dmrnet.settings.config import parse_data

    if not files:
        # Report misspelt flags before missing files.
        parse_data("arrays", ["--data.train", "FILE", *flags])
        parser.read([])
    from dmrnet.cli.data.presence import show_presence
    from dmrnet.cli.screen import counted, screen

    console = screen()
    train, *others = files
    roles = roles_of(others)
    words = [word for pair in roles.items() for word in pair]
    from dmrnet.data.files.archive import open_source

    kind = "volumes" if open_source(train).label_axes == 3 else "arrays"
    settings = parse_data(kind, ["--data.train", train, *words, *flags])
    splits = settings.load(0)
    show_description(console, splits)
    show_presence(console, splits)
    number = len(splits.warnings)
    for file in others[2:]:
        own = ["--data.train", train, "--data.val", others[0], "--data.test", file]
        more = parse_data(kind, [*own, *flags]).load(0)
        assert more.test is not None
        console.print(f"{file}: {len(more.test)} samples, read as the training file")
        for note in more.test.notes:
            console.print(f"  {note}", style="dim", soft_wrap=True)
        for warning in (one for one in more.warnings if one.startswith("test: ")):
            number += 1
            console.print(f"warning: {warning}", style="yellow", soft_wrap=True, markup=False)
    command = shell("dmrnet", "fit", "--data", kind, "--data.train", train, *words, *flags)
    verdict = f"nothing is wrong with {'these files' if others else 'this file'}; next:"
    if number:
        verdict = f"{counted(number, 'warning')}, see above; if all is as you mean it, next:"
    console.print(
        f"\n{verdict}\n{command}",
        soft_wrap=True,
    )
    return 0


def roles_of(others: Sequence[str]) -> dict[str, str]:
    """Return the flag of fit for each file after the training file.

    Of two files the first is for validation; a single one is for testing, unless its name has
    "val" or "dev".

    >>> roles_of(["b.npz"]), roles_of(["val.npz"])
    ({'--data.test': 'b.npz'}, {'--data.val': 'val.npz'})
    """
    if len(others) == 1:
        stem = Path(others[0]).stem.lower()
        return {"--data.val" if "val" in stem or "dev" in stem else "--data.test": others[0]}
    return dict(zip(("--data.val", "--data.test"), others, strict=False))


def _export(argv: Sequence[str]) -> int:
    out, rest = pop_flag(argv, "--out")
    overwrite = "--overwrite" in rest
    rest = [word for word in rest if word != "--overwrite"]
    name, seed, flags = _read_name(rest, "dmrnet data export", "Export a data set to .npz files.")
    if out is None:
        raise ValueError("dmrnet data export: --out DIR is missing, the folder to write to")
    from dmrnet.cli.screen import screen
    from dmrnet.data.files.export import export
    from dmrnet.settings.config import parse_data

    for path in export(parse_data(name, flags).raw(seed), Path(out), overwrite).values():
        screen().print(f"written: {path}", soft_wrap=True)
    return 0


def show_description(console: Console, splits: Splits) -> None:
    """Print the description of a data set."""
    from rich.text import Text

    from dmrnet.cli.fit.start import modality_table
    from dmrnet.data.checks.description import describe

    description = describe(splits)
    sizes = ", ".join(f"{count} {role}" for role, count in description.rows.items())
    console.print(Text.assemble((description.name, "bold"), f": {sizes}"), soft_wrap=True)
    if description.complete != description.rows:
        whole = ", ".join(f"{n} {role}" for role, n in description.complete.items())
        console.print(f"samples with every modality: {whole}", soft_wrap=True)
    console.print()
    console.print(modality_table(splits))
    console.print()
    if description.classes:
        console.print(_classes(description))
    else:
        console.print("target: numbers (regression)")
    for note in description.notes:
        console.print(f"note: {note}", style="dim", soft_wrap=True, markup=False)
    for warning in description.warnings:
        console.print(f"warning: {warning}", style="yellow", soft_wrap=True, markup=False)


def _classes(description: Description) -> Table:
    from dmrnet.cli.screen import plain_table

    roles = list(description.rows)
    noun = "label" if description.target == "multi-label" else "class"
    if description.dense:
        volumes = any(entry.modality.kind == "volume" for entry in description.modalities)
        noun = f"{'voxels' if volumes else 'pixels'} of class"
    table = plain_table((noun,), roles)
    for entry in description.classes[:MOST_CLASSES]:
        table.add_row(entry.name, *(str(entry.rows[role]) for role in roles))
    rest = len(description.classes) - MOST_CLASSES
    if rest > 0:
        table.add_row(f"and {rest} more", *("" for _ in roles))
    return table
