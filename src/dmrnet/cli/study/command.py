"""``dmrnet study``: make and report the runs of a study."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from dmrnet.cli.arguments import Arguments, check_run_flags, positive
from dmrnet.locking import lock_folder
from dmrnet.storage import check_folder

if TYPE_CHECKING:
    from dmrnet.studies import Board, Job
    from dmrnet.studies.spec import Entry, Study

USAGE = """dmrnet study STUDY [--data NAME[=ROOT] ...] [--root DIR] [--out DIR]
                    [--seeds INT] [--methods NAME ...] [--recipes NAME ...]
                    [--workers INT] [--threads INT] [--gpus ID,ID] [--share I/N]
                    [--backend local|ray] [--address ADDRESS] [--retry INT]
                    [--dry-run] [--SETTING VALUE ...]"""

EXAMPLES = """examples:
  dmrnet study methods --seeds 3 --out runs/methods
  dmrnet study methods --data mfeat digits=prepared watch=prepared --workers 4
  dmrnet study mine.yaml --out runs/mine --max-epochs 30
"""


def run(argv: Sequence[str]) -> int:
    """Make the missing runs, then the report."""
    parser = arguments()
    words = list(argv)
    if not words or words[0] in ("-h", "--help"):
        sys.stdout.write(parser.format_help())
        return 0 if words else 2
    from dmrnet.studies.shipped import find_study

    if words[0].startswith("--"):
        raise ValueError(f"expected the name or file of a study first, got {words[0]}")
    path = find_study(words.pop(0))
    if "-h" in words or "--help" in words:
        from dmrnet.cli.study.text import described
        from dmrnet.studies.form import read_study

        sys.stdout.write(described(read_study(path), path))
        return 0
    args, more = parser.parse_known_args(words)
    return _run(args, more, path, parser)


def arguments() -> Arguments:
    """Return the parser of the words after the study's name."""
    from dmrnet.cli.listing import as_lines
    from dmrnet.studies.shipped import first_line, shipped

    parser = Arguments(
        "dmrnet study",
        "Make the runs behind a table, a figure or your own study, given by name or YAML file, and "
        "report them. Finished runs are not made again: the same command continues after Ctrl-C or "
        "a crash, and retries failed runs.",
        usage=USAGE,
        epilog="Any other flag of dmrnet fit applies to every run, e.g. --max-epochs 30.\n\n"
        + EXAMPLES,
    )
    add = parser.options.add_argument
    add("--data", metavar="NAME", nargs="+", help="data sets, NAME or NAME=ROOT [the study's]")
    add("--root", metavar="DIR", help="folder of prepared data, or of one such folder per data set")
    add("--out", metavar="DIR", help="folder [runs/STUDY]")
    add("--seeds", metavar="INT", type=positive, help="number of seeds, from 0 [the study's]")
    add("--recipes", metavar="NAME", nargs="+", help="recipes instead of the study's")
    add("--methods", metavar="NAME", nargs="+", help="only these of the study's methods")
    add("--workers", metavar="INT", type=positive, help="concurrent runs [one per core or GPU]")
    add("--threads", metavar="INT", type=positive, default=1, help="threads per worker [1]")
    add("--gpus", metavar="ID,ID", default="", help="GPUs to distribute workers over")
    add("--backend", choices=("local", "ray"), default="local", help="where runs are made [local]")
    add("--address", metavar="ADDRESS", help="address of a Ray cluster [start a local one]")
    add("--share", metavar="I/N", type=_share, help="make the I-th of N equal shares, no report")
    add("--retry", metavar="INT", type=_count, default=0, help="retries of failed runs [0]")
    add("--dry-run", action="store_true", help="show the runs without making any")
    parser.add_argument_group(
        "studies", as_lines({name: first_line(path) for name, path in shipped().items()})
    )
    return parser


def _count(text: str) -> int:
    return 0 if text == "0" else positive(text)


def _share(text: str) -> tuple[int, int]:
    part, _, parts = text.partition("/")
    if not (part.isdecimal() and parts.isdecimal() and 1 <= int(part) <= int(parts)):
        raise argparse.ArgumentTypeError(f"expected I/N with I from 1 to N, got {text!r}")
    return int(part), int(parts)


def _run(args: argparse.Namespace, more: Sequence[str], path: Path, parser: Arguments) -> int:
    from dmrnet.cli.failures import Stopped
    from dmrnet.cli.screen import loading, screen
    from dmrnet.cli.study.data import with_data
    from dmrnet.cli.study.end import finish, report_share
    from dmrnet.settings.flags import read_flags
    from dmrnet.studies.form import read_study
    from dmrnet.studies.plan import plan

    study, flags = with_data(read_study(path), args.data, args.root, list(more))
    if args.seeds is not None:
        study = with_seeds(study, tuple(range(args.seeds)))
    if args.recipes is not None:
        study = with_recipes(study, tuple(args.recipes))
    if args.methods is not None:
        study = with_methods(study, args.methods)
    if args.address is not None and args.backend != "ray":
        raise ValueError("--address needs --backend ray")
    _check_flags(study, flags, parser)
    out = Path(args.out or Path("runs") / path.stem)
    check_folder(out)
    planned = plan(study, (*flags, "--threads", str(args.threads)))
    console = screen()
    with loading():
        from dmrnet.cli.study.sizes import show_chosen, show_cost, show_plan, show_search
        from dmrnet.studies.names import check_names
        from dmrnet.studies.resolve import resolve, share_of
        from dmrnet.studies.search.run import check_search, run_search

        check_names(study)
        members = resolve(planned, out / "runs")
    if study.search is None:
        show_plan(console, study, planned, members, out)
    else:
        check_search(study, planned)
        if args.share is not None:
            raise ValueError(
                "--share cannot be used with a search, whose proposals depend on earlier scores; "
                "search on one machine, then set what it chose"
            )
        show_search(console, study, planned)
    fixed = [name for name, _ in read_flags(flags)]
    show_cost(console, study, planned, fixed)
    if args.dry_run:
        return 0
    start = time.monotonic()
    try:
        if study.search is not None:
            planned, trials, chosen = run_search(study, planned, fixed, partial(make, args), out)
            show_chosen(console, trials, chosen)
            members = resolve(planned, out / "runs")
            show_plan(console, study, planned, members, out)
        mine = share_of(members, args.share) if args.share else members
        board = make(args, [m.job for m in mine if not m.finished], out)
    except KeyboardInterrupt as stop:
        raise Stopped("finished runs are kept; the same command makes the others") from stop
    seconds = time.monotonic() - start
    if args.share:
        return report_share(console, args.share, mine, board, out)
    # If two studies run in one folder, the second reports after the first.
    with lock_folder(out):
        return finish(console, study, planned, members, board, out, seconds)


def _check_flags(study: Study, flags: Sequence[str], parser: Arguments) -> None:
    """Check flags for every run, and the study's settings of data, before processes start."""
    from dmrnet.studies.plan import as_argv

    own = [flag.removeprefix("--") for flag in parser.flags()]
    for data, settings in study.data.items():
        entries = study.by_data[data].methods if data in study.by_data else ()
        methods = list(dict.fromkeys(entry.method for entry in entries or study.methods))
        words = as_argv({key: value for key, value in settings.items() if key != "data"})
        check_run_flags("study", study.dataset(data), methods, [*words, *flags], own)


def with_seeds(study: Study, seeds: tuple[int, ...]) -> Study:
    """Return a study with these seeds for every method on every data set."""
    changes = {
        name: replace(change, seeds=(), methods=_without_seeds(change.methods))
        for name, change in study.by_data.items()
    }
    methods = _without_seeds(study.methods)
    return replace(study, seeds=seeds, methods=methods, by_data=changes)


def _without_seeds(entries: tuple[Entry, ...]) -> tuple[Entry, ...]:
    return tuple(replace(entry, seeds=()) for entry in entries)


def with_recipes(study: Study, recipes: tuple[str, ...]) -> Study:
    """Return a study with all its recipes replaced."""
    changes = {
        name: replace(change, recipes=recipes if change.recipes else ())
        for name, change in study.by_data.items()
    }
    return replace(study, recipes=recipes, by_data=changes)


def with_methods(study: Study, names: Sequence[str]) -> Study:
    """Return a study with only the entries that have one of these labels or methods.

    What it says of the other entries goes, too: reasons to leave them out, and a baseline that is
    one of them.
    """
    from dmrnet.hints import nearest

    groups = [study.methods, *(change.methods for change in study.by_data.values())]
    known = {word: None for entries in groups for e in entries for word in (e.name, e.method)}
    for name in names:
        if name not in known:
            raise ValueError(f"--methods: the study has no {name!r}; {nearest(name, known)}")

    def select(entries: tuple[Entry, ...]) -> tuple[Entry, ...]:
        return tuple(e for e in entries if e.name in names or e.method in names)

    kept = {word for e in select(study.all_entries) for word in (e.name, e.method)}

    def baseline(name: str) -> str:
        return name if any(name == word or name.startswith(f"{word} ") for word in kept) else ""

    changes = {
        key: replace(
            change,
            methods=select(change.methods),
            leave_out={name: why for name, why in change.leave_out.items() if name in kept},
            baseline=baseline(change.baseline),
        )
        for key, change in study.by_data.items()
    }
    return replace(
        study,
        methods=select(study.methods),
        by_data=changes,
        baseline=baseline(study.baseline),
    )


def make(args: argparse.Namespace, todo: Sequence[Job], out: Path) -> Board:
    """Make runs; retry failed ones as often as requested."""
    from dmrnet.cli.screen import screen
    from dmrnet.cli.study.progress import watch
    from dmrnet.studies import run_jobs

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    gpus = [part for part in args.gpus.split(",") if part]
    default = len(gpus) or max(1, (cores or 1) // args.threads)

    def once(jobs: Sequence[Job]) -> Board:
        workers, runs = args.workers or default, out / "runs"
        if args.backend == "local":
            logs, threads = out / "logs", args.threads
            events = run_jobs(jobs, runs, workers, logs, threads=threads, gpus=tuple(gpus))
        else:
            from dmrnet.studies.workers.on_ray import run_on_ray

            events = run_on_ray(jobs, runs, args.workers, args.threads, bool(gpus), args.address)
        return watch(jobs, workers, screen(error=True), events)

    board = once(todo)
    for _ in range(args.retry):
        if not board.broken:
            break
        board = once([board.jobs[number] for number in sorted(board.broken)])
    return board
