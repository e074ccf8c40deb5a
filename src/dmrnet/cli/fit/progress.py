"""Progress of one training: a live line in a terminal, a line now and then elsewhere."""

from __future__ import annotations

import time
from types import TracebackType
from typing import TYPE_CHECKING

from rich.console import Console
from rich.live import Live
from rich.text import Text

from dmrnet.cli.screen import clock, percent

if TYPE_CHECKING:
    from dmrnet.engine.training.trainee import Progress

WIDE = 100
"""From so many columns on there is room for a bar of 20, else of 10."""

PLAIN_LINES = 10
"""So many lines, where a line cannot be written over."""


class FitProgress:
    """Called with the progress of a training after every epoch.

    Args:
        console: Where to write.
    """

    def __init__(self, console: Console) -> None:
        self.console = console
        self.live = Live(console=console, auto_refresh=False, transient=True)
        self.start: tuple[float, int] | None = None
        self.begun = time.monotonic()
        self.tenth = 0

    def __enter__(self) -> FitProgress:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.live.stop()

    def again(self) -> None:
        """Begin anew: what was shown so far was another training, of a teacher."""
        self.live.stop()
        self.start, self.tenth = None, 0

    def __call__(self, progress: Progress) -> None:
        """Show where the training stands."""
        line = self.line(progress, time.monotonic())
        if self.console.is_terminal:
            self.live.start()
            self.live.update(Text(line, no_wrap=True, overflow="ellipsis"), refresh=True)
            return
        tenth = PLAIN_LINES * progress.epoch // progress.epochs
        if tenth > self.tenth:
            self.tenth = tenth
            self.console.print(line, soft_wrap=True)

    def line(self, progress: Progress, now: float) -> str:
        """Return the line; the time left follows from the epochs seen here."""
        done, epochs = progress.epoch, progress.epochs
        bar = ""
        if self.console.is_terminal:
            length = 20 if self.console.width >= WIDE else 10
            full = length * done // epochs
            bar = f"{'━' * full}{'╌' * (length - full)} "
        parts = [f"{bar}epoch {done:>{len(str(epochs))}}/{epochs}", f"loss {progress.loss:.3f}"]
        if progress.selection is not None:
            val = "val" if progress.score == "accuracy" else f"val {progress.score}"
            parts += [f"{val} {percent(progress.selection)}", f"best {percent(progress.best)}"]
        if self.start is None:
            # The first epoch seen also warms up; after a resumption it is not epoch 1.
            self.start = (now, done)
        elif done > self.start[1]:
            each = (now - self.start[0]) / (done - self.start[1])
            parts.append(f"{clock(each * (epochs - done))} left")
        return "  ".join(parts)
