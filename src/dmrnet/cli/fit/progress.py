"""Progress of one training: a live line in a terminal, a line now and then elsewhere."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, TextColumn
from rich.progress import Progress as Live

from dmrnet.cli.screen import clock, score_text

if TYPE_CHECKING:
    from dmrnet.engine.training.trainee import Progress

WIDE = 100
"""Smallest width of a terminal, in columns, for a bar of 20 columns; else it has 10."""

PLAIN_LINES = 10
"""Number of lines where a line cannot be overwritten."""


class FitProgress:
    """Shows the progress of a training on a console; called after every epoch."""

    def __init__(self, console: Console) -> None:
        self.console = console
        bar = BarColumn(20 if console.width >= WIDE else 10)
        text = TextColumn("{task.description}")
        self.live = Live(bar, text, console=console, auto_refresh=False, transient=True)
        self.task = self.live.add_task("")
        self.start: tuple[float, int] | None = None
        self.tenth = 0

    def __enter__(self) -> FitProgress:
        return self

    def __exit__(self, *_: object) -> None:
        self.restart()

    def restart(self) -> None:
        """Begin anew: what was shown so far was the training of a teacher."""
        if self.console.is_terminal:
            self.live.stop()
        self.start, self.tenth = None, 0

    def __call__(self, progress: Progress) -> None:
        """Show the progress."""
        line = self.line(progress, time.monotonic())
        if self.console.is_terminal:
            done, epochs = progress.epoch, progress.epochs
            self.live.update(self.task, description=line, completed=done, total=epochs)
            self.live.start()
            self.live.refresh()
            return
        tenth = PLAIN_LINES * progress.epoch // progress.epochs
        if tenth > self.tenth:
            self.tenth = tenth
            self.console.print(line, soft_wrap=True)

    def line(self, progress: Progress, now: float) -> str:
        """Return the line; the time left follows from the epochs of this process."""
        done, epochs = progress.epoch, progress.epochs
        parts = [f"epoch {done:>{len(str(epochs))}}/{epochs}", f"loss {progress.loss:.3f}"]
        if progress.selection is not None:
            val = "val" if progress.score == "accuracy" else f"val {progress.score}"
            parts += [
                f"{val} {score_text(progress.metric, progress.selection)}",
                f"best {score_text(progress.metric, progress.best)}",
            ]
        if self.start is None:
            # The first epoch also warms up; after a resumption it is not epoch 1.
            self.start = (now, done)
        elif done > self.start[1]:
            each = (now - self.start[0]) / (done - self.start[1])
            parts.append(f"{clock(each * (epochs - done))} left")
        return "  ".join(parts)
