"""Errors, warnings and log messages as single lines on stderr, and the exit codes."""

from __future__ import annotations

import logging
import os
import select
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from io import TextIOWrapper
from typing import IO

from dmrnet.engine.training.processes import rank, reports
from dmrnet.extras import missing
from dmrnet.text import LOSSY, escaped

MENDABLE = (
    ValueError,
    TypeError,
    FileNotFoundError,
    FileExistsError,
    IsADirectoryError,
    NotADirectoryError,
    PermissionError,
)
"""Errors that the user can mend in the command, settings or data: exit code 2."""

LONGEST = 500
"""Number of characters shown of a message; torch lists every weight that does not fit."""


class Stopped(KeyboardInterrupt):
    """Ctrl-C, with a sentence on how to resume."""


def guarded(command: Callable[[], int], debug: bool = False) -> int:
    """Run a command; turn an exception into one line, with a traceback if debug, and a code."""
    try:
        with plain_streams(), one_line_each():
            code = command()
            sys.stdout.flush()
            return code
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else 0 if stop.code is None else 2
    except KeyboardInterrupt as stop:
        hint = f"; {stop}" if str(stop) else ""
        if rank() == 0:
            _say(f"stopped{hint}")
        return 130
    except BrokenPipeError as error:
        if not unread(sys.stdout):
            return _fail(error, 1, debug)
        # The reader of the pipe, such as head, has ended. Buffered output is discarded.
        discard(sys.stdout)
        return 0
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] == "dmrnet":
            return _fail(error, 1, debug)
        return _fail(_named(error), 2, debug)
    except MENDABLE as error:
        return _fail(error, 2, debug)
    except Exception as error:
        return _fail(error, 1, debug)


def _fail(error: Exception, code: int, debug: bool) -> int:
    if not reports(error):
        return code
    if debug:
        _write("".join(traceback.format_exception(error)))
    _say(f"error: {one_line(error)}" + ("" if code == 2 or debug else " (--debug shows where)"))
    return code


def _named(error: ModuleNotFoundError) -> Exception:
    """Return a missing package as a user error that says how to install it."""
    own = str(error).startswith("No module named")
    named = ValueError(str(missing(error) if own else error))
    return named.with_traceback(error.__traceback__)


def one_line(error: BaseException) -> str:
    """Return an error in one line, with its type if it is not a user error."""
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
    with plain_streams():
        _write(f"dmrnet: {escaped(text)}\n")


def _write(text: str) -> None:
    """Write to stderr, if it has a reader."""
    try:
        sys.stderr.write(text)
    except BrokenPipeError:
        discard(sys.stderr)


def unread(stream: IO[str]) -> bool:
    """Whether a stream is a pipe without a reader; always True on Windows."""
    try:
        poll = select.poll()
        poll.register(stream.fileno(), select.POLLOUT)
        return any(flags & (select.POLLERR | select.POLLHUP) for _, flags in poll.poll(0))
    except AttributeError:
        return True
    except (OSError, ValueError):
        return False  # a stream without a file


def discard(stream: IO[str]) -> None:
    """Send the rest of a stream's output, including buffered output, to the null device."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


@contextmanager
def plain_streams() -> Iterator[None]:
    """Write what a stream's encoding lacks in other characters, instead of failing."""
    streams = [
        (one, one.errors) for one in (sys.stdout, sys.stderr) if isinstance(one, TextIOWrapper)
    ]
    for stream, _ in streams:
        stream.reconfigure(errors=LOSSY)
    try:
        yield
    finally:
        for stream, before in streams:
            with suppress(ValueError):  # closed meanwhile
                stream.reconfigure(errors=before)


@contextmanager
def one_line_each() -> Iterator[None]:
    """Show each warning and log message as one line while a command runs."""

    def show(message: Warning | str, *_: object, **__: object) -> None:
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
