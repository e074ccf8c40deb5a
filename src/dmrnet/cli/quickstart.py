"""``dmrnet quickstart``: train and compare five methods on real data on one page."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dmrnet.cli.arguments import Arguments, check_run_flags, positive
from dmrnet.methods.default import AHEAD

if TYPE_CHECKING:
    from dmrnet.studies import Board

METHODS = ("full", "sf-md", "dmr", "dmrnet", AHEAD)
"""Trained on complete samples only; the baseline; the paper's; the one that won."""

WORKERS = 2
"""Default number of processes, fewer on a machine with fewer cores."""


def run(argv: Sequence[str]) -> int:
    """Make the missing runs, then the report."""
    parser = Arguments(
        "dmrnet quickstart",
        f"Train {', '.join(METHODS)} with several seeds, test them on every combination of "
        "modalities, and report them on one page. Finished runs are not trained again.",
        usage="dmrnet quickstart [--out DIR] [--seeds INT] [--workers INT] [--data NAME]\n"
        "                         [--max-epochs INT] [--SETTING VALUE ...]",
        epilog="Any other flag of dmrnet fit applies to every run, e.g. --batch-size 64.",
    )
    add = parser.options.add_argument
    add("--out", metavar="DIR", default="runs/quickstart", help="folder [runs/quickstart]")
    add("--seeds", metavar="INT", type=positive, default=3, help="seeds per method [3]")
    workers = max(1, min(WORKERS, os.cpu_count() or 1))
    add("--workers", metavar="INT", type=positive, default=workers, help=f"processes [{workers}]")
    add("--data", metavar="NAME", default="mfeat", help="data set [mfeat]")
    add("--max-epochs", metavar="INT", type=positive, help="epochs per run [chosen by data size]")
    args, more = parser.parse_known_args(list(argv))
    shared = ["--threads", "1"]
    if args.max_epochs is not None:
        shared += ["--max-epochs", str(args.max_epochs)]

    from dmrnet.cli.failures import Stopped
    from dmrnet.cli.report import BASELINE, show_report
    from dmrnet.cli.screen import clock, screen
    from dmrnet.cli.study.progress import watch
    from dmrnet.storage import check_folder
    from dmrnet.studies import run_jobs
    from dmrnet.studies.plan import plan
    from dmrnet.studies.spec import Entry, Study

    own = ("recipe", "out", "seeds", "workers")
    check_run_flags("quickstart", args.data, METHODS, more, own)
    console, out, start = screen(), Path(args.out), time.monotonic()
    # Report a folder that cannot be written to once, not for every run.
    check_folder(out / "runs")
    (out / "runs").mkdir(parents=True, exist_ok=True)
    seeds = tuple(range(args.seeds))
    study = Study("quickstart", tuple(map(Entry, METHODS)), data={args.data: {}}, seeds=seeds)
    jobs = plan(study, [*shared, *more]).jobs
    console.print(
        f"{len(METHODS)} methods x {args.seeds} seeds on {args.data}, {args.workers} in parallel, "
        f"into {out}",
        soft_wrap=True,
    )
    try:
        events = run_jobs(jobs, out / "runs", args.workers, out / "logs")
        board = watch(jobs, args.workers, screen(error=True), events)
    except KeyboardInterrupt as stop:
        raise Stopped("finished runs are kept; the same command makes the others") from stop
    summary = f"{len(board.runs)} runs in {clock(time.monotonic() - start)}; {spent(board)}"
    if not board.runs:
        console.print(summary, style="dim", soft_wrap=True)
        return 1
    split = "test" if all(done.tested for done in board.done.values()) else "val"
    show_report(console, board.runs, out / "report", BASELINE, split, summary)
    return 1 if board.failed else 0


def spent(board: Board) -> str:
    """Return the time of each stage, added over workers."""
    from dmrnet.cli.screen import clock

    stages = [f"{name} {clock(seconds)}" for name, seconds in board.seconds.items()]
    return f"all processes together: {', '.join(stages)}" if stages else "nothing to do"
