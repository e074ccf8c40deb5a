"""Errors, warnings and log messages as single lines on stderr, and the exit codes."""

from __future__ import annotations

import logging
import os
import select
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, TextIO

from dmrnet.engine.training.processes import rank, speaks

MENDABLE = (
    ValueError,
    TypeError,
    FileNotFoundError,
    FileExistsError,
    IsADirectoryError,
    NotADirectoryError,
    PermissionError,
)
"""What the user can mend in the command, the settings or the data: exit code 2."""


LONGEST = 500
"""Of a longer message (torch lists every weight that does not fit) so much is shown."""


class Stopped(KeyboardInterrupt):
    """Ctrl-C, with a sentence on how to go on."""


def guarded(command: Callable[[], int], debug: bool = False) -> int:
    """Run a command; turn what it raises into one line and an exit code.

    Args:
        command: Returns its exit code.
        debug: Show the traceback too.
    """
    try:
        with one_line_each():
            code = command()
            sys.stdout.flush()
            return code
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else 0 if stop.code is None else 2
    except KeyboardInterrupt as stop:
        told = f"; {stop}" if str(stop) else ""
        if rank() == 0:
            _say(f"stopped{told}")
        return 130
    except BrokenPipeError as error:
        if not unread(sys.stdout):
            return _fail(error, 1, debug)
        # The reader of a pipe (head, say) has seen enough. What is still buffered goes nowhere.
        discard(sys.stdout)
        return 0
    except MENDABLE as error:
        return _fail(error, 2, debug)
    except Exception as error:
        return _fail(error, 1, debug)


def _fail(error: Exception, code: int, debug: bool) -> int:
    if not speaks(error):
        return code
    if debug:
        _write("".join(traceback.format_exception(error)))
    _say(f"error: {told(error)}" + ("" if code == 2 or debug else " (--debug shows where)"))
    return code


def told(error: BaseException) -> str:
    """Return an error as one line; its kind too, where it is none of the user's making."""
    text = " ".join(str(error).split())
    if isinstance(error, OSError) and error.strerror:
        text = f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    if len(text) > LONGEST:
        text = text[:LONGEST] + " ..."
    kind = type(error).__name__
    if not text:
        return kind
    return text if isinstance(error, (*MENDABLE, OSError)) else f"{kind}: {text}"


def _say(text: str) -> None:
    _write(f"dmrnet: {text}\n")


def _write(text: str) -> None:
    """Write to stderr, if anybody reads it."""
    try:
        sys.stderr.write(text)
    except BrokenPipeError:
        discard(sys.stderr)


def unread(stream: IO[str]) -> bool:
    """Return whether a stream is a pipe whose reader is gone; on Windows it is taken to be."""
    try:
        poll = select.poll()
        poll.register(stream.fileno(), select.POLLOUT)
        return any(flags & (select.POLLERR | select.POLLHUP) for _, flags in poll.poll(0))
    except AttributeError:
        return True
    except (OSError, ValueError):
        return False  # a stream without a file


def discard(stream: IO[str]) -> None:
    """Let all that is written to a stream from here on go nowhere, what it still holds too."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


@contextmanager
def one_line_each() -> Iterator[None]:
    """Show each warning and log message as one line, for as long as a command runs."""

    def show(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        if rank() == 0:
            _say(f"warning: {' '.join(str(message).split())}")

    handler = _OneLine()
    log = logging.getLogger("dmrnet")
    before = warnings.showwarning
    warnings.showwarning = show
    log.addHandler(handler)
    try:
        yield
    finally:
        log.removeHandler(handler)
        warnings.showwarning = before


class _OneLine(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.WARNING)

    def emit(self, record: logging.LogRecord) -> None:
        if rank() == 0:
            _say(" ".join(record.getMessage().split()))
