"""Arguments of a subcommand: argparse, with our errors, and hints where a word is mistyped."""

from __future__ import annotations

import argparse
import shutil
import textwrap
from collections.abc import Iterable, Sequence
from typing import Any, NoReturn

from dmrnet.hints import nearest

WIDEST = 100
"""Help is not wider than so many columns."""


def columns() -> int:
    """Return how wide help is."""
    return min(shutil.get_terminal_size().columns, WIDEST) - 2


class _Format(argparse.RawDescriptionHelpFormatter):
    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=26, width=columns())


class Arguments(argparse.ArgumentParser):
    """A parser that raises ValueError and knows the nearest name.

    Args:
        prog: The command, e.g. ``dmrnet report``.
        description: What it does; wrapped here.
        more: Anything else argparse takes.
    """

    def __init__(self, prog: str, description: str, **more: Any) -> None:  # noqa: ANN401
        super().__init__(
            prog=prog,
            description=textwrap.fill(description, columns()),
            formatter_class=_Format,
            allow_abbrev=False,
            add_help=False,
            **more,
        )
        self.options = self.add_argument_group("options")
        self.options.add_argument("-h", "--help", action="help", help="show this")

    def error(self, message: str) -> NoReturn:
        """Raise what argparse found wrong.

        Raises:
            ValueError: Always.
        """
        raise ValueError(f"{message}; see {self.prog} --help")

    def read(self, argv: Sequence[str]) -> argparse.Namespace:
        """Return the arguments.

        Raises:
            ValueError: If a word is unknown, missing or of the wrong type.
        """
        # What is mistyped before what is missing, since often the one is the other.
        known = self.flags()
        for name in (word.partition("=")[0] for word in argv):
            if name.startswith("--") and len(name) > 2 and name not in known:
                raise ValueError(f"{self.prog} has no option {name}; {nearest(name, known)}")
        found, unknown = self.parse_known_args(list(argv))
        if unknown:
            name = unknown[0]
            raise ValueError(f"unexpected word {name!r}; see {self.prog} --help")
        return found

    def flags(self) -> list[str]:
        """Return every flag, with its hyphens."""
        return [name for name in self._option_string_actions if name.startswith("--")]

    def refuse_near(self, words: Iterable[str]) -> None:
        """Refuse words that are nearly a flag of this parser, before others look at them.

        Raises:
            ValueError: If there is one; it names the flag.
        """
        for name in (word.partition("=")[0] for word in words if word.startswith("--")):
            hint = nearest(name, self.flags())
            if name not in self.flags() and "." not in name and hint.startswith("did"):
                raise ValueError(f"{self.prog} has no option {name}; {hint}")


def take(argv: Sequence[str], flag: str) -> tuple[str | None, list[str]]:
    """Take one flag with its value out of others; the last of several counts.

    Raises:
        ValueError: If it has no value.

    >>> take(["--seed", "1", "--out", "runs/a"], "--out")
    ('runs/a', ['--seed', '1'])
    """
    found, rest, words = None, [], list(argv)
    while words:
        word = words.pop(0)
        name, equals, value = word.partition("=")
        if name != flag:
            rest.append(word)
        elif equals:
            found = value
        elif words and not words[0].startswith("--"):
            found = words.pop(0)
        else:
            raise ValueError(f"expected a value after {flag}")
    return found, rest


def positive(text: str) -> int:
    """Read a whole number above 0, for argparse."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number above 0, got {text!r}")
    return int(text)
