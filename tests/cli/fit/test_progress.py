"""The progress line of one training."""

from __future__ import annotations

import io
import time

import pytest
from rich.console import Console

from dmrnet.cli.fit.progress import FitProgress
from dmrnet.engine.training.trainee import Progress


def console(terminal: bool) -> tuple[Console, io.StringIO]:
    stream = io.StringIO()
    return Console(file=stream, force_terminal=terminal, width=80), stream


def test_a_pipe_gets_ten_lines() -> None:
    where, stream = console(terminal=False)
    with FitProgress(where) as progress:
        for epoch in range(1, 101):
            progress(Progress(epoch, 100, 0.5, None, None))
    lines = stream.getvalue().splitlines()
    assert len(lines) == 10
    assert lines[-1].startswith("epoch 100/100  loss 0.500")


def test_the_line_says_all_of_it() -> None:
    progress = FitProgress(console(terminal=False)[0])
    progress.line(Progress(1, 50, 1.0, None, None), now=100.0)
    line = progress.line(Progress(11, 50, 0.25, 0.9, 0.95), now=120.0)
    assert line == "epoch 11/50  loss 0.250  val 90.0 %  best 95.0 %  1:18 left"


def test_after_a_resumption_the_time_follows_from_what_was_done_here() -> None:
    progress = FitProgress(console(terminal=False)[0])
    assert "left" not in progress.line(Progress(40, 50, 1.0, None, None), now=0.0)
    assert progress.line(Progress(42, 50, 1.0, None, None), now=4.0).endswith("0:16 left")


@pytest.mark.parametrize("epochs", [1, 7, 1000])
def test_a_terminal_gets_one_line_that_fits(epochs: int) -> None:
    where, stream = console(terminal=True)
    with FitProgress(where) as progress:
        for epoch in range(1, epochs + 1):
            shown = Progress(epoch, epochs, 12.345, 0.999, 0.999)
            progress(shown)
            assert len(progress.line(shown, time.monotonic())) <= 80
    assert "epoch" in stream.getvalue()
