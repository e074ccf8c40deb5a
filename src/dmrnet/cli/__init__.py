"""The command ``dmrnet``: one module per subcommand, with heavy imports inside functions.

`main` can be called from Python and returns the exit code. A training changes the process's number
of threads and memory settings of the C library.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import NoReturn

from dmrnet.hints import nearest

COMMANDS = {
    "fit": "train one method with one seed, or resume its run",
    "evaluate": "score runs on their test sets, on every combination of modalities",
    "predict": "predict the samples of a file from the modalities they have",
    "export": "write a run as one file that predicts without this package",
    "serve": "answer predictions of a run over HTTP",
    "explore": "play with a run in the browser: modalities off, corrupted",
    "report": "report runs as a table, Markdown and one page",
    "data": "show a data set, check your files, export a set to files",
    "study": "make the runs behind a table, a figure or your own study",
    "quickstart": "train and compare five methods on the embedded digits",
}
"""Subcommands with their summaries; each is a module of this package with a `run(argv)`."""

OPTIONS = {
    "--help": "this text, or after a command the help of that command",
    "--version": "the version",
    "--debug": "show the traceback of an error",
}
"""Options without a command."""


def program() -> NoReturn:
    """Run the command of this process and exit."""
    _open_closed()
    code = main()
    from dmrnet.engine.training.processes import exit_process

    exit_process(code)


def _open_closed() -> None:
    """Open standard streams that the shell has closed (``>&-``) on the null device.

    This occupies their descriptors, so that no other file becomes stdin, stdout or stderr.
    """
    while (nowhere := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(nowhere)
    sys.stdout = sys.stdout or open(1, "w")  # noqa: SIM115
    sys.stderr = sys.stderr or open(2, "w")  # noqa: SIM115


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        argv: Words after ``dmrnet``; those of the process by default.

    Returns:
        0 on success; 2 for errors in the command or the data; 1 for a failure while running; 130
        after an interrupt.
    """
    from dmrnet.cli.failures import guarded

    words = list(sys.argv[1:] if argv is None else argv)
    debug = "--debug" in words
    return guarded(lambda: _run([word for word in words if word != "--debug"]), debug)


def _run(words: list[str]) -> int:
    if not words:
        sys.stderr.write(_help())
        return 2
    name, *rest = words
    if name in ("-h", "--help", "help"):
        sys.stdout.write(_help())
        return 0
    if name == "--version":
        from dmrnet import __version__

        sys.stdout.write(f"dmrnet {__version__}\n")
        return 0
    if name not in COMMANDS:
        if name.startswith("-"):
            raise ValueError(f"dmrnet has no option {name}; {nearest(name, OPTIONS)}")
        raise ValueError(f"unknown command {name!r}; {nearest(name, COMMANDS)}")
    code: int = import_module(f"dmrnet.cli.{name}").run(rest)
    return code


def _help() -> str:
    commands, options = (
        "".join(f"  {name:<12}{text}\n" for name, text in lines.items())
        for lines in (COMMANDS, OPTIONS)
    )
    return (
        "usage: dmrnet COMMAND [--help] ...\n\n"
        "Multimodal learning that keeps working when modalities are missing.\n\n"
        f"commands:\n{commands}\n"
        f"options:\n{options}\n"
        "To see it work:  dmrnet quickstart\n"
    )
