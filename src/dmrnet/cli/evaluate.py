"""``dmrnet evaluate``: score finished runs on every combination, or analyse them."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dmrnet.cli.arguments import Arguments, constants, positive, probabilities
from dmrnet.text import shell

if TYPE_CHECKING:
    from rich.console import Console


def run(argv: Sequence[str]) -> int:
    """Score each run and print the scores, or analyse it and print the analyses."""
    parser = Arguments(
        "dmrnet evaluate",
        "Score runs on their test sets, on every combination of modalities. Rows are written to "
        "results.jsonl in the run's folder, predictions to predictions.npz. With --analyse, runs "
        "are analysed instead: rows in analyses.jsonl, histograms and tables in analyses.npz.",
    )
    parser.add_argument("runs", nargs="+", metavar="RUN", help="folder of a finished run")
    add = parser.options.add_argument
    add("--test", metavar="FILE", help="test on this .npz file [the run's test set]")
    add(
        "--bad-rows",
        choices=("refuse", "skip"),
        default="refuse",
        help="rows of that file that cannot be used: an error, or named and left out [refuse]",
    )
    add(
        "--data.absent",
        dest="absent",
        type=constants,
        metavar="NAME=NUM,...",
        help="a modality of that file that is this number throughout is absent",
    )
    add("--batch-size", type=positive, default=512, metavar="INT", help="samples per step [512]")
    add("--tile", type=positive, metavar="INT", help="predict images in tiles of this size")
    rates = parser.options.add_mutually_exclusive_group()
    rates.add_argument(
        "--rates",
        type=probabilities,
        metavar="NAME=P,...",
        help="probability that a modality is there (1 for those not named): also print the score "
        "to expect, what each modality is worth, and which one to add next",
    )
    rates.add_argument(
        "--fail-rates",
        type=probabilities,
        metavar="NAME=P,...",
        help="the same, by the probability that a modality fails",
    )
    add("--device", default="auto", help="auto, cpu or cuda [auto]")
    add(
        "--analyse",
        nargs="+",
        metavar="NAME",
        help="channel-distance, angles, variance or hard-set; the first two with optional "
        "@COMBINATION",
    )
    add("--split", metavar="SPLIT", help="samples of --analyse: val or test [val]")
    args = parser.read(argv)
    if args.split is not None and args.analyse is None:
        raise ValueError("--split needs --analyse; scores always use the test set")
    if args.test is None and (args.absent or args.bad_rows == "skip"):
        raise ValueError("--data.absent and --bad-rows need --test FILE")
    if args.analyse and (args.absent or args.bad_rows == "skip"):
        raise ValueError("--data.absent and --bad-rows need scores; leave --analyse out")
    if args.analyse and (args.rates or args.fail_rates):
        raise ValueError("--rates and --fail-rates need scores; leave --analyse out")
    console = analyse(args) if args.analyse else score(args)
    command = shell("dmrnet", "report", *args.runs, "--out", "report")
    console.print(f"next: {command}", soft_wrap=True)
    return 0


def score(args: argparse.Namespace) -> Console:
    """Score runs on their test sets; return the console."""
    from dmrnet.cli.screen import loading, screen
    from dmrnet.cli.tables.scores import FEW, show_scores
    from dmrnet.cli.tables.worth import check_rates, show_worth

    with loading():
        from dmrnet.engine.evaluate import evaluate_run
        from dmrnet.engine.run.devices import device_of
        from dmrnet.engine.run.finished import open_run
        from dmrnet.modalities import count

    console, where = screen(), device_of(args.device)
    opened = [open_run(Path(path), where) for path in args.runs]
    rates = args.rates or {name: 1 - p for name, p in (args.fail_rates or {}).items()}
    for one in opened if rates else ():
        check_rates(rates, one.task.modalities)
    for path, one in zip(args.runs, opened, strict=True):
        if len(opened) > 1:
            console.print(path, style="bold", soft_wrap=True)
        result, kept = evaluate_run(
            one,
            args.test,
            args.batch_size,
            args.tile,
            absent=args.absent,
            bad_rows=args.bad_rows,
        )
        show_scores(console, one.folder.rows(), "test", one.folder.read_facts(), each=True)
        if rates:
            console.print()
            show_worth(console, one.folder, rates)
        files = "results.jsonl" + (" and predictions.npz" if kept else "")
        number, of = len(result.combinations), count(len(one.task.modalities))
        scored = (
            f"all {of} combinations" if number == of else f"{number} random of {of} combinations"
        )
        rest = "" if number <= FEW else f" ({scored})"
        console.print(f"written: {files} in {path}{rest}\n", style="dim", soft_wrap=True)
    return console


def analyse(args: argparse.Namespace) -> Console:
    """Make the named analyses; return the console."""
    from dmrnet.cli.screen import loading, screen
    from dmrnet.cli.tables.analyses import show_analyses

    with loading():
        from dmrnet.engine.analysis.analyse import analyse_run
        from dmrnet.engine.run.devices import device_of

    split = args.split or ("val" if args.test is None else "test")
    console, where = screen(), device_of(args.device)
    for path in args.runs:
        if len(args.runs) > 1:
            console.print(path, style="bold", soft_wrap=True)
        rows = analyse_run(
            Path(path),
            args.analyse,
            split,
            test=args.test,
            batch_size=args.batch_size,
            device=where,
        )
        show_analyses(console, rows, split)
        console.print(f"written: analyses.jsonl in {path}\n", style="dim", soft_wrap=True)
    return console
