"""Progress of a study: a line for each run that ends, and in a terminal a live view below them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from rich.console import Console, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from dmrnet.cli.screen import clock, percent
from dmrnet.studies import Board, Done, Event, Failed, Job, run_jobs

BAR = 24
"""Columns of the bar."""

REFRESH = 0.2
"""Seconds between two pictures."""


def watch(jobs: Sequence[Job], out: Path, workers: int, console: Console) -> Board:
    """Make the runs of a study and show how they go.

    Args:
        jobs: The runs.
        out: Folder of the study: ``runs/`` and ``logs/`` go into it.
        workers: Processes at the same time.
        console: Where to write.

    Raises:
        ValueError: If the settings cannot be read; the other runs are not tried.
    """
    board, begun = Board(jobs, workers), time.monotonic()
    live = Live(console=console, auto_refresh=False, transient=True)
    shown = 0.0
    if console.is_terminal:
        live.start()
    try:
        with closing(run_jobs(jobs, out / "runs", workers, out / "logs")) as events:
            for event in events:
                now = time.monotonic()
                board.take(event, now)
                _tell(board, event, console, now)
                if console.is_terminal and now > shown + REFRESH:
                    live.update(picture(board, now - begun, now), refresh=True)
                    shown = now
    finally:
        live.stop()
    return board


def _tell(board: Board, event: Event, console: Console, now: float) -> None:
    message = event.message
    if not isinstance(message, (Done, Failed)):
        return
    assert event.job is not None
    label = board.jobs[event.job].label
    place = f"{board.ended:>{len(str(len(board.jobs)))}}/{len(board.jobs)}  {label:<20}"
    if isinstance(message, Failed):
        if message.settings:
            raise ValueError(message.error)
        line = f"{place}  failed: {message.error}"
        console.print(Text(line, style="red"), soft_wrap=True)
        return
    took = f"in {clock(sum(message.seconds.values()))}" if message.fresh else "was finished"
    left = None if console.is_terminal else board.left(now)
    more = "" if left is None or board.ended == len(board.jobs) else f"  about {clock(left)} left"
    console.print(f"{place}  val {percent(message.score):>7}  {took}{more}", soft_wrap=True)


def picture(board: Board, spent: float, now: float) -> RenderableType:
    """Return the live view: how far the study is, and what each worker does."""
    table = Table.grid(padding=(0, 2))
    share = (board.ended + sum(1 - c.left for c in board.current.values())) / len(board.jobs)
    full = round(BAR * share)
    left = board.left(now)
    table.add_row(
        f"{'━' * full}{'╌' * (BAR - full)}",
        f"{board.ended}/{len(board.jobs)} runs",
        f"{clock(spent)} so far" + ("" if left is None else f", about {clock(left)} left"),
    )
    if not board.current and not board.ended:
        table.add_row("starting", "", "")
    for worker in sorted(board.current):
        current = board.current[worker]
        row = [board.jobs[current.job].label, "", ""]
        if current.epoch is not None:
            epoch = current.epoch
            row[1] = f"epoch {epoch.epoch}/{epoch.epochs}"
            row[2] = f"loss {epoch.loss:.3f}"
            if epoch.selection is not None:
                row[2] += f"  val {percent(epoch.selection)}"
        table.add_row(*row)
    return table
