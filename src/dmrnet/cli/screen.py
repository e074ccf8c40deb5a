"""Consoles of a command, and number formats."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from dmrnet.cli.failures import discard
from dmrnet.engine.training.processes import rank
from dmrnet.lazy import collection_paused
from dmrnet.report.records.metrics import is_rate
from dmrnet.text import escaped, is_plain

PIPED_WIDTH = 120
"""Width of output to a file or a pipe, in columns."""


class Screen(Console):
    """Console that survives a closed pipe: a training does not end because ``head`` has."""

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """Show hidden characters of users' names as escapes; rich's own controls stay."""
        for segment in super().render(renderable, options):
            if segment.control or is_plain(segment.text):
                yield segment
            else:
                yield Segment(escaped(segment.text, keep="\n"), segment.style)

    def render_str(self, text: str, **options: Any) -> Text:  # noqa: ANN401
        """Escape before columns are measured."""
        return super().render_str(escaped(text, keep="\n"), **options)

    def on_broken_pipe(self) -> None:
        """Stop writing and let the command continue."""
        self.quiet = True
        discard(self.file)


def screen(error: bool = False) -> Console:
    """Return the console for results (stdout), or for progress (stderr).

    Only the first of several processes of one training writes.
    """
    stream = sys.stderr if error else sys.stdout
    piped = not stream.isatty() and "COLUMNS" not in os.environ
    return Screen(
        file=stream,
        highlight=False,
        # Users' names may have brackets.
        markup=False,
        width=PIPED_WIDTH if piped else None,
        quiet=rank() > 0,
    )


@contextmanager
def loading() -> Iterator[None]:
    """Show a status while loading, in a terminal; importing PyTorch takes seconds."""
    console = screen(error=True)
    status = console.status("loading") if console.is_terminal else nullcontext()
    with status, collection_paused():
        yield


def plain_table(words: Iterable[str], numbers: Iterable[str] = ()) -> Table:
    """Return a table without lines, with columns of words, then right-aligned ones of numbers."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in words:
        table.add_column(Text(escaped(name)))
    for name in numbers:
        table.add_column(Text(escaped(name)), justify="right")
    return table


def counted(number: int, word: str) -> str:
    """Return a number with a noun in singular or plural.

    >>> counted(1, "run"), counted(2, "run")
    ('1 run', '2 runs')
    """
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def percent(rate: float | None) -> str:
    """Return a rate in percent.

    >>> percent(0.9126)
    '91.3 %'
    """
    return "-" if rate is None else f"{100 * rate:.1f} %"


def score_text(metric: str, value: float | None) -> str:
    """Return a score as text: a rate in percent, another number with four significant digits.

    >>> score_text("accuracy", 0.9126), score_text("mae", 12.3456)
    ('91.3 %', '12.35')
    """
    if value is None or is_rate(metric):
        return percent(value)
    return f"{value:.4g}"


def clock(seconds: float) -> str:
    """Return a duration in hours, minutes and seconds.

    >>> clock(75.2), clock(3725)
    ('1:15', '1:02:05')
    """
    whole = round(seconds)
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
