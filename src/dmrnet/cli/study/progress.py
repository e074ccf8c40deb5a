"""Progress of a study: a line per finished run, and in a terminal a live view below them."""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence
from contextlib import closing

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from dmrnet.cli.screen import clock, score_text
from dmrnet.studies import Board, Busy, Done, Event, Failed, Job

BAR = 24
"""Width of the bar, in columns."""

PER_SECOND = 4
"""Refreshes per second."""


def watch(
    jobs: Sequence[Job], workers: int, console: Console, events: Generator[Event, None, None]
) -> Board:
    """Make the runs of a study, as `events` are asked for, and show their progress.

    Raises:
        ValueError: If the settings of a run cannot be read; no other run is tried.
    """
    board, start = Board(jobs, workers), time.monotonic()
    if not jobs:
        return board

    def view() -> Group:
        now = time.monotonic()
        return live_view(board, now - start, now)

    live = Live(console=console, get_renderable=view, refresh_per_second=PER_SECOND, transient=True)
    if console.is_terminal:
        live.start()
    try:
        with closing(events) as stream:
            for event in stream:
                now = time.monotonic()
                _print_busy(board, event, console)
                board.update(event, now)
                _print_end(board, event, console, now)
    finally:
        live.stop()
    return board


def _print_busy(board: Board, event: Event, console: Console) -> None:
    """Print once that another process is making a run."""
    if isinstance(event.message, Busy) and event.job is not None and event.job not in board.busy:
        line = f"waiting for {board.jobs[event.job].label}, which {event.message.by} is making"
        console.print(Text(line, style="dim"), soft_wrap=True)


def _print_end(board: Board, event: Event, console: Console, now: float) -> None:
    """Print the result of a job that has ended."""
    message = event.message
    if not isinstance(message, (Done, Failed)):
        return
    assert event.job is not None
    label = board.jobs[event.job].label
    width = max(20, *(len(job.label) for job in board.jobs))
    prefix = f"{board.ended:>{len(str(len(board.jobs)))}}/{len(board.jobs)}  {label:<{width}}"
    if isinstance(message, Failed):
        if message.settings:
            raise ValueError(message.error)
        line = f"{prefix}  {'left out' if message.unfit else 'failed'}: {message.error}"
        console.print(Text(line, style="dim" if message.unfit else "red"), soft_wrap=True)
        return
    duration = f"in {clock(sum(message.seconds.values()))}" if message.fresh else "was finished"
    left = None if console.is_terminal else board.left(now)
    more = "" if left is None or board.ended == len(board.jobs) else f"  about {clock(left)} left"
    console.print(
        f"{prefix}  val {score_text(message.metric, message.score):>7}  {duration}{more}",
        soft_wrap=True,
    )


def live_view(board: Board, spent: float, now: float) -> Group:
    """Return the live view: progress of the study, and the current job of each worker."""
    current = dict(board.current)
    done = board.ended + sum(1 - job.left for job in current.values())
    left = board.left(now)
    time_left = "" if left is None else f", about {clock(left)} left"
    total = len(board.jobs)
    head = Table.grid(padding=(0, 2))
    head.add_row(
        ProgressBar(total=total, completed=done, width=BAR),
        f"{board.ended}/{total} runs, {clock(spent)} so far{time_left}",
    )
    lines = []
    for worker in range(board.workers):
        if worker not in current:
            lines += [] if worker in board.ready else ["  starting"]
            continue
        epoch = current[worker].epoch
        line = f"  {board.jobs[current[worker].job].label:<22}"
        if epoch is not None:
            line += f"epoch {epoch.epoch:>{len(str(epoch.epochs))}}/{epoch.epochs}  "
            line += f"loss {epoch.loss:.3f}"
            line += (
                ""
                if epoch.selection is None
                else f"  val {score_text(epoch.metric, epoch.selection)}"
            )
        lines.append(line)
    return Group(head, Text("\n".join(lines), no_wrap=True, overflow="ellipsis"))
