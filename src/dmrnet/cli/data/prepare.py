"""``dmrnet data prepare``: check and decode the published files of a data set once."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)

from dmrnet.cli.arguments import Arguments
from dmrnet.cli.screen import screen
from dmrnet.text import shell

PLAIN_LINES = 10
"""Number of lines per kind of file outside a terminal."""

PROG = "dmrnet data prepare"


def run(argv: Sequence[str]) -> int:
    """Prepare one data set."""
    from dmrnet.data.published.preparation import PREPARATIONS, prepare
    from dmrnet.data.registry import DATASETS

    parser = Arguments(
        PROG,
        "Check the published files of a data set and decode them once, into a cache that\n"
        "dmrnet fit --data NAME --data.root DIR reads. It resumes after an interruption.",
        usage=f"{PROG} NAME PATH [PATH ...] --root DIR",
    )
    parser.add_argument("name", metavar="NAME", help=f"one of {', '.join(PREPARATIONS)}")
    parser.add_argument("paths", metavar="PATH", nargs="*", help="published folder or file")
    options = parser.options
    options.add_argument(
        "--source",
        metavar="PATH",
        action="append",
        default=[],
        help="the same as PATH; may be repeated",
    )
    options.add_argument("--root", metavar="DIR", required=True, help="folder for the cache")
    options.add_argument(
        "--bad",
        choices=("refuse", "skip", "absent"),
        default="refuse",
        help="if files are missing or damaged: write nothing, continue without their samples, or "
        "keep samples that have another modality; in any case they are reported, and all are "
        "listed in DIR/NAME.rejected.txt [refuse]",
    )
    options.add_argument(
        "--allow-pickle",
        action="store_true",
        help="open a data set that is published as a pickle (watch); only numbers and text are "
        "accepted, but do not open a file that you do not trust",
    )
    args = parser.read(argv)
    sources = [*args.paths, *args.source]
    if not sources:
        raise ValueError(f"{PROG}: expected PATH (or --source PATH), a published folder or file")
    console = screen()
    with _Bars(screen(error=True)) as bars:
        prepare(
            args.name,
            sources,
            args.root,
            bad=args.bad,
            allow_pickle=args.allow_pickle,
            log=lambda text: console.print(text, soft_wrap=True, markup=False),
            progress=bars,
        )
    if args.name in DATASETS:
        command = shell("dmrnet", "fit", "--data", args.name, "--data.root", args.root)
        console.print(f"next: {command}", soft_wrap=True)
    return 0


class _Bars(Progress):
    """Progress of each kind of file: bars in a terminal, lines elsewhere."""

    def __init__(self, console: Console) -> None:
        super().__init__(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self.groups: dict[str, TaskID] = {}
        self.tenths: dict[str, int] = {}

    def __call__(self, group: str, done: int, total: int) -> None:
        if self.console.is_terminal:
            if group not in self.groups:
                self.groups[group] = self.add_task(group, total=total)
            self.update(self.groups[group], completed=done)
            return
        tenth = PLAIN_LINES * done // max(1, total)
        if tenth > self.tenths.get(group, 0) and total > 1:
            self.tenths[group] = tenth
            self.console.print(f"{group} {done}/{total}", soft_wrap=True)
