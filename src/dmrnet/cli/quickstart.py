"""``dmrnet quickstart``: train and compare four methods on real data, and show a page."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dmrnet.cli.arguments import Arguments, positive
from dmrnet.hints import nearest

if TYPE_CHECKING:
    from dmrnet.studies import Board

METHODS = ("sf-md", "head-only", "dmr", "dmrnet")
WORKERS = 2
"""Processes by default, fewer on a machine of fewer cores."""


def run(argv: Sequence[str]) -> int:
    """Make the runs that are not there yet, then the report."""
    parser = Arguments(
        "dmrnet quickstart",
        f"Train {', '.join(METHODS)} with some seeds, test them on every combination of "
        "modalities, and put them on one page. What is finished is not trained again.",
        usage="dmrnet quickstart [--out DIR] [--seeds INT] [--workers INT] [--data NAME]\n"
        "                         [--max-epochs INT] [--SETTING VALUE ...]",
        epilog="Any other flag of dmrnet fit goes to every run, e.g. --batch-size 64.",
    )
    add = parser.options.add_argument
    add("--out", metavar="DIR", default="runs/quickstart", help="folder [runs/quickstart]")
    add("--seeds", metavar="INT", type=positive, default=3, help="seeds of each method [3]")
    workers = max(1, min(WORKERS, os.cpu_count() or 1))
    add("--workers", metavar="INT", type=positive, default=workers, help=f"processes [{workers}]")
    add("--data", metavar="NAME", default="mfeat", help="data set [mfeat]")
    add("--max-epochs", metavar="INT", type=positive, help="epochs of each run [by the data]")
    args, more = parser.parse_known_args(list(argv))
    shared = ["--data", args.data, "--threads", "1"]
    if args.max_epochs is not None:
        shared += ["--max-epochs", str(args.max_epochs)]

    from dmrnet.cli.failures import Stopped
    from dmrnet.cli.report import BASELINE, show_report
    from dmrnet.cli.screen import clock, screen
    from dmrnet.cli.study_progress import watch
    from dmrnet.studies import Grid

    check(args.data, more)
    console, out, begun = screen(), Path(args.out), time.monotonic()
    grid = Grid(METHODS, tuple(range(args.seeds)), shared=(*shared, *more))
    console.print(
        f"{len(METHODS)} methods x {args.seeds} seeds on {args.data}, {args.workers} at a time, "
        f"into {out}",
        soft_wrap=True,
    )
    try:
        board = watch(grid.jobs(), out, args.workers, screen(error=True))
    except KeyboardInterrupt as stop:
        raise Stopped("finished runs stay; the same command goes on with the others") from stop
    told = f"{len(board.runs)} runs in {clock(time.monotonic() - begun)}; {spent(board)}"
    if not board.runs:
        console.print(told, style="dim", soft_wrap=True)
        return 1
    split = "test" if all(done.tested for done in board.done.values()) else "val"
    show_report(console, board.runs, out / "report", BASELINE, split, told)
    return 1 if board.failed else 0


def check(data: str, words: Sequence[str]) -> None:
    """Check what can be checked without loading torch, before processes start.

    Raises:
        ValueError: If a flag is unknown or lacks its value, or is quickstart's own to set.
    """
    from dmrnet.engine.config import parse_data
    from dmrnet.engine.flags import checked_flags, read_flags
    from dmrnet.engine.options import Option, options_of
    from dmrnet.engine.settings import Training

    flags = [flag for flag in read_flags(words) if not flag[0].startswith(("method.", "config"))]
    for name, _ in read_flags(words):
        if name in ("method.name", "seed"):
            raise ValueError(
                f"quickstart itself sets --{name.partition('.')[0]}; --seeds says how many seeds, "
                "and dmrnet fit trains one method"
            )
    # Those of quickstart itself are gone by now; here they are what a misspelt one is near to.
    named = [Option(name, str, "", "") for name in ("recipe", "out", "seeds", "workers")]
    known = [*named, *options_of(Training)]
    own = [flag for flag in flags if not flag[0].startswith("data.")]
    checked_flags(own, {option.key: option for option in known})
    for name, _ in read_flags(words):
        if name.startswith("method."):
            check_method(name)
    of_data = [word for name, value in flags if name[:5] == "data." for word in (name, value)]
    parse_data(data, [word if at % 2 else f"--{word}" for at, word in enumerate(of_data) if word])


def check_method(name: str) -> None:
    """Check the name of a setting that every method gets.

    Raises:
        ValueError: If one of the methods has none of that name.
    """
    from dmrnet.cli.method_options import kept

    flag = "--" + name.replace("_", "-")
    known = {method: list(kept(method)["settings"]) for method in METHODS}
    # Names of the user's own stand behind some flags.
    lacking = [
        method
        for method, flags in known.items()
        if not any(flag == one or _own(flag, one) for one in flags)
    ]
    if lacking:
        everywhere = [
            flag for flag in known[METHODS[0]] if all(flag in of for of in known.values())
        ]
        raise ValueError(
            f"unknown setting {flag} of method {lacking[0]}, and quickstart sets it for all of "
            f"{', '.join(METHODS)}; {nearest(flag, everywhere)}"
        )


def _own(flag: str, of: str) -> bool:
    return of.endswith(".NAME") and flag.startswith(of.removesuffix("NAME"))


def spent(board: Board) -> str:
    """Say what the time went into, added up over workers."""
    from dmrnet.cli.screen import clock

    stages = [f"{name} {clock(seconds)}" for name, seconds in board.seconds.items()]
    return f"its processes together: {', '.join(stages)}" if stages else "nothing to do"
