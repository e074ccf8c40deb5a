"""Progress of a study: a line for each run that ends, and in a terminal a live view below them."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path

from rich.console import Console, RenderableType
from rich.live import Live
from rich.text import Text

from dmrnet.cli.screen import clock, percent
from dmrnet.studies import Board, Done, Event, Failed, Held, Job, run_jobs

BAR = 24
"""Columns of the bar."""

PER_SECOND = 4
"""Pictures a second."""


def watch(
    jobs: Sequence[Job],
    out: Path,
    workers: int,
    console: Console,
    threads: int = 1,
    gpus: Sequence[str] = (),
    making: Callable[[], Generator[Event, None, None]] | None = None,
) -> Board:
    """Make the runs of a study and show how they go.

    Args:
        jobs: The runs.
        out: Folder of the study: ``runs/`` and ``logs/`` go into it.
        workers: Processes at the same time.
        console: Where to write.
        threads: Of each worker.
        gpus: Ids of GPUs that the workers are shared out to.
        making: Makes the runs and gives what happens; by default processes of this machine do.

    Raises:
        ValueError: If the settings cannot be read; the other runs are not tried.
    """
    board, begun = Board(jobs, workers), time.monotonic()
    if not jobs:
        return board

    def now_shown() -> RenderableType:
        now = time.monotonic()
        return picture(board, now - begun, now)

    live = Live(
        console=console, get_renderable=now_shown, refresh_per_second=PER_SECOND, transient=True
    )
    if console.is_terminal:
        live.start()
    try:
        where = (out / "runs", workers, out / "logs")
        local = partial(run_jobs, jobs, *where, threads=threads, gpus=tuple(gpus))
        with closing((making or local)()) as events:
            for event in events:
                now = time.monotonic()
                _tell_held(board, event, console)
                board.take(event, now)
                _tell(board, event, console, now)
    finally:
        live.stop()
    return board


def _tell_held(board: Board, event: Event, console: Console) -> None:
    """Say once that another process makes a run."""
    if isinstance(event.message, Held) and event.job is not None and event.job not in board.held:
        line = f"waiting for {board.jobs[event.job].label}, which {event.message.by} makes"
        console.print(Text(line, style="dim"), soft_wrap=True)


def _tell(board: Board, event: Event, console: Console, now: float) -> None:
    message = event.message
    if not isinstance(message, (Done, Failed)):
        return
    assert event.job is not None
    label = board.jobs[event.job].label
    width = max(20, *(len(job.label) for job in board.jobs))
    place = f"{board.ended:>{len(str(len(board.jobs)))}}/{len(board.jobs)}  {label:<{width}}"
    if isinstance(message, Failed):
        if message.settings:
            raise ValueError(message.error)
        line = f"{place}  {'left out' if message.unfit else 'failed'}: {message.error}"
        console.print(Text(line, style="dim" if message.unfit else "red"), soft_wrap=True)
        return
    took = f"in {clock(sum(message.seconds.values()))}" if message.fresh else "was finished"
    left = None if console.is_terminal else board.left(now)
    more = "" if left is None or board.ended == len(board.jobs) else f"  about {clock(left)} left"
    console.print(f"{place}  val {percent(message.score):>7}  {took}{more}", soft_wrap=True)


def picture(board: Board, spent: float, now: float) -> Text:
    """Return the live view: how far the study is, and what each worker does."""
    current = dict(board.current)
    share = (board.ended + sum(1 - one.left for one in current.values())) / len(board.jobs)
    full = min(BAR, round(BAR * share))
    left = board.left(now)
    time_left = "" if left is None else f", about {clock(left)} left"
    lines = [
        f"{'━' * full}{'╌' * (BAR - full)}  {board.ended}/{len(board.jobs)} runs, "
        f"{clock(spent)} so far{time_left}"
    ]
    for worker in range(board.workers):
        if worker not in current:
            lines.append("  starting" if worker not in board.ready else "")
            continue
        epoch = current[worker].epoch
        line = f"  {board.jobs[current[worker].job].label:<22}"
        if epoch is not None:
            line += f"epoch {epoch.epoch:>{len(str(epoch.epochs))}}/{epoch.epochs}  "
            line += f"loss {epoch.loss:.3f}"
            line += "" if epoch.selection is None else f"  val {percent(epoch.selection)}"
        lines.append(line)
    return Text("\n".join(line for line in lines if line), no_wrap=True, overflow="ellipsis")
