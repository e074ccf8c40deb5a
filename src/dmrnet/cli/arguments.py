"""Arguments of a subcommand: argparse, with errors that name the nearest flag."""

from __future__ import annotations

import argparse
import shutil
import textwrap
from collections.abc import Iterable, Sequence
from typing import Any, NoReturn

from dmrnet.hints import closest, nearest

WIDEST = 100
"""Largest width of help, in columns."""


def columns() -> int:
    """Return the width of help, in columns."""
    return min(shutil.get_terminal_size().columns, WIDEST) - 2


MOST_DIGITS = 15
"""Largest number of digits of a count."""


class _Format(argparse.RawDescriptionHelpFormatter):
    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=26, width=columns())


class Arguments(argparse.ArgumentParser):
    """A parser of a command such as ``dmrnet report``.

    It raises ValueError for a word that is unknown, missing or of the wrong type, and names the
    nearest flag.
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
        """Raise an error of argparse as a ValueError."""
        raise ValueError(f"{message}; see {self.prog} --help")

    def read(self, argv: Sequence[str]) -> argparse.Namespace:
        """Return the arguments."""
        # Mistyped flags come before missing ones, since often the one is the other.
        known = self.flags()
        for name in (word.partition("=")[0] for word in argv):
            if name.startswith("--") and len(name) > 2 and name not in known:
                raise ValueError(f"{self.prog} has no option {name}; {nearest(name, known)}")
        arguments, unknown = self.parse_known_args(list(argv))
        if unknown:
            raise ValueError(f"unexpected word {unknown[0]!r}; see {self.prog} --help")
        return arguments

    def flags(self) -> list[str]:
        """Return every flag, with its hyphens."""
        return [name for name in self._option_string_actions if name.startswith("--")]

    def refuse_near(self, words: Iterable[str]) -> None:
        """Refuse words that are nearly a flag of this parser, before others read them."""
        known = self.flags()
        for name in (word.partition("=")[0] for word in words if word.startswith("--")):
            if name not in known and "." not in name and (match := closest(name, known)):
                raise ValueError(f"{self.prog} has no option {name}; did you mean {match!r}?")


def pop_flag(argv: Sequence[str], flag: str) -> tuple[str | None, list[str]]:
    """Return the value of a flag, None without it, and the other words; the last value counts.

    >>> pop_flag(["--seed", "1", "--out", "runs/a"], "--out")
    ('runs/a', ['--seed', '1'])
    """
    value, rest, words = None, [], list(argv)
    while words:
        word = words.pop(0)
        name, equals, text = word.partition("=")
        if name != flag:
            rest.append(word)
        elif equals:
            value = text
        elif words and not words[0].startswith("--"):
            value = words.pop(0)
        else:
            raise ValueError(f"expected a value after {flag}")
    return value, rest


def share(text: str) -> float:
    """Read a number between 0 and 1.

    >>> share("0.9")
    0.9
    """
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(f"expected a number between 0 and 1, got {text!r}")
    return value


def positive(text: str) -> int:
    """Read a whole number above 0, for argparse."""
    if not (text.isascii() and text.isdecimal()) or len(text) > MOST_DIGITS or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number above 0, got {text!r}")
    return int(text)


def seed_of(text: str) -> int:
    """Read a seed, for argparse."""
    from dmrnet.settings.values import LARGEST_SEED

    if not (text.isascii() and text.isdecimal()):
        raise argparse.ArgumentTypeError(f"expected a whole number of 0 or more, got {text!r}")
    # Python refuses to read numbers of thousands of digits.
    if len(text) > MOST_DIGITS and int(text[: 2 * MOST_DIGITS]) > LARGEST_SEED:
        raise argparse.ArgumentTypeError(f"expected a seed from 0 to {LARGEST_SEED}, got more")
    return int(text)


def probabilities(text: str) -> dict[str, float]:
    """Read probabilities by name, for argparse.

    >>> probabilities("camera=.7,radar=.9")
    {'camera': 0.7, 'radar': 0.9}
    """
    rates: dict[str, float] = {}
    for part in text.split(","):
        name, equals, number = part.rpartition("=")
        if not equals or not name.strip():
            raise argparse.ArgumentTypeError(f"expected NAME=NUMBER,NAME=NUMBER, got {text!r}")
        if name.strip() in rates:
            raise argparse.ArgumentTypeError(f"{name.strip()} stands twice in {text!r}")
        rates[name.strip()] = probability(number, name.strip())
    return rates


def constants(text: str) -> dict[str, float]:
    """Read numbers by name, for argparse.

    >>> constants("camera=0,radar=-999")
    {'camera': 0.0, 'radar': -999.0}
    """
    from dmrnet.settings.values import read

    try:
        values: dict[str, float] = read(dict[str, float], text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    return values


def probability(text: str, name: str = "") -> float:
    """Read a number from 0 to 1, for argparse."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        before = f"{name}: " if name else ""
        raise argparse.ArgumentTypeError(
            f"{before}expected a probability from 0 to 1, got {text.strip()!r}"
        )
    return value


def check_run_flags(
    command: str, data: str, methods: Sequence[str], words: Sequence[str], own: Iterable[str]
) -> None:
    """Check flags against the settings of a data set and of each method, before processes start.

    Args:
        command: The command, for the error.
        data: Data set that flags ``--data.*`` are for.
        methods: Methods that flags ``--method.*`` are for.
        words: The flags.
        own: Flags of the command itself, without hyphens: an unknown flag may be near one of them.
    """
    from dmrnet.settings.config import parse_data, run_options
    from dmrnet.settings.flags import read_flags, values_of_flags
    from dmrnet.settings.options import Option

    flags = [flag for flag in read_flags(words) if flag[0] != "config"]
    for name, _ in flags:
        if name in ("method.name", "seed"):
            raise ValueError(
                f"{command} itself sets --{name.partition('.')[0]}; --seeds says how many seeds, "
                "and dmrnet fit trains one method"
            )
    for method in methods:
        options = {**run_options(data, method), **{name: Option(name, str, "", "") for name in own}}
        try:
            values_of_flags(flags, options)
        except ValueError as error:
            every = f"; {command} sets it for {', '.join(methods)}" if len(methods) > 1 else ""
            raise ValueError(f"{error}{every}") from error
    of_data = [(name, value) for name, value in flags if name.startswith("data.")]
    parse_data(data, [f"--{name}{'' if value is None else f'={value}'}" for name, value in of_data])
