"""``dmrnet data prepare``: check and decode a data set's published files, once."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType

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

PLAIN_LINES = 10
"""So many lines a kind of file, where a line cannot be written over."""

PROG = "dmrnet data prepare"


def run(argv: Sequence[str]) -> int:
    """Prepare one data set."""
    from dmrnet.data.published.preparation import PREPARATIONS, prepare
    from dmrnet.data.registry import DATASETS

    parser = Arguments(
        PROG,
        "Check the published files of a data set and decode them once, into a cache that\n"
        "dmrnet fit --data NAME --data.root DIR reads. Interrupted, it goes on from where it was.",
        usage=f"{PROG} NAME --source PATH [--source PATH ...] --root DIR",
    )
    parser.add_argument("name", metavar="NAME", help=f"one of {', '.join(PREPARATIONS)}")
    options = parser.options
    options.add_argument(
        "--source",
        metavar="PATH",
        action="append",
        required=True,
        help="folder or file with what was published; may be given several times",
    )
    options.add_argument("--root", metavar="DIR", required=True, help="folder for the cache")
    options.add_argument(
        "--bad",
        choices=("refuse", "skip"),
        default="refuse",
        help="what to do where files are missing or damaged: make nothing, or go on without them; "
        "either way they are named, and all of them listed in DIR/NAME.rejected.txt [refuse]",
    )
    options.add_argument(
        "--allow-pickle",
        action="store_true",
        help="open a data set that is published as a pickle (watch); only numbers and text are "
        "let through, yet open none that you do not trust",
    )
    found = parser.read(argv)
    console = screen()
    with _Bars(screen(error=True)) as bars:
        prepare(
            found.name,
            found.source,
            found.root,
            bad=found.bad,
            allow_pickle=found.allow_pickle,
            log=lambda text: console.print(text, soft_wrap=True, markup=False),
            progress=bars,
        )
    if found.name in DATASETS:
        line = f"next: dmrnet fit --data {found.name} --data.root {found.root}"
        console.print(line, soft_wrap=True)
    return 0


class _Bars:
    """Shows how many files of each kind are done."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self.tasks: dict[str, TaskID] = {}
        self.tenths: dict[str, int] = {}

    def __enter__(self) -> _Bars:
        self.bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.bars.stop()

    def __call__(self, group: str, done: int, total: int) -> None:
        if self.console.is_terminal:
            if group not in self.tasks:
                self.tasks[group] = self.bars.add_task(group, total=total)
            self.bars.update(self.tasks[group], completed=done)
            return
        tenth = PLAIN_LINES * done // max(1, total)
        if tenth > self.tenths.get(group, 0) and total > 1:
            self.tenths[group] = tenth
            self.console.print(f"{group} {done}/{total}", soft_wrap=True)
