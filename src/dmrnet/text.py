"""Text that is safe to show: no hidden characters in names, terminals and cells of a CSV.

Imports nothing of this package.
"""

from __future__ import annotations

import codecs
import re
import shlex
import unicodedata
from collections.abc import Iterable

_BIDI = frozenset(map(chr, (0x61C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))))
"""Characters that change the direction of what follows: a name would be shown as another."""

_INVISIBLE = frozenset("\u00ad\u180e\u200b\u2060\u2061\u2062\u2063\u2064\ufeff")
"""Characters of no width and no use in a name, by which two names may look the same. The joiners
U+200C and U+200D are part of words in some scripts."""

_HIDDEN = frozenset(("Cc", "Cs", "Zl", "Zp"))
"""Unicode categories of control characters, of halves of characters, and of line breaks."""

_PLAIN = {"●": "x", "○": ".", "±": "+/-", "×": "x", "σ": "sigma", "²": "^2", "ρ": "rho"}
_PLAIN |= {"–": "-", "−": "-", "─": "-", "…": "...", "→": "->"}
"""Replacements for streams that lack these characters."""

_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")
"""A cell that a spreadsheet reads as a number, whatever it begins with."""

_EMPTY = '""'

LOSSY = "dmrnet.plain"
"""Name of the error handler of streams that `plain_streams` of the command line sets."""


def is_hidden(letter: str) -> bool:
    r"""Return whether a character is not seen, or changes how others are.

    >>> [is_hidden(letter) for letter in ("a", " ", "\n", "\x1b", "\u202e", "\u200b", "é")]
    [False, False, True, True, True, True, False]
    """
    return letter in _BIDI or letter in _INVISIBLE or unicodedata.category(letter) in _HIDDEN


def is_plain(text: str) -> bool:
    """Return whether a text has no hidden character."""
    # Most text is printable, which is fast to check.
    return text.isprintable() or not any(map(is_hidden, text))


def check_plain(what: str, text: str) -> str:
    """Return a name without hidden characters.

    Args:
        what: Word for it in the error, such as ``modality name``.
        text: The name.

    Raises:
        ValueError: If it has a line break, or a control, direction or invisible character.

    >>> check_plain("class name", "été")
    'été'
    """
    if is_plain(text):
        return text
    mend = "".join("_" if is_hidden(letter) else letter for letter in text)
    raise ValueError(
        f"{what} '{escaped(text)}' holds a line break, or a control, direction or invisible "
        f"character; rename it, e.g. {mend!r}"
    )


def escaped(text: str, keep: str = "") -> str:
    r"""Return a text with its hidden characters as escapes, for terminals and for labels.

    Args:
        text: Any text; bytes of file names that are no Unicode, as `os.fsdecode` returns them, are
            shown as bytes.
        keep: Hidden characters that stay.

    >>> escaped("a\x1b[31m\nb\u202e"), escaped("a\nb", keep="\n")
    ('a\\x1b[31m\\nb\\u202e', 'a\nb')
    """
    if is_plain(text):
        return text
    return "".join(
        _escape(letter) if is_hidden(letter) and letter not in keep else letter for letter in text
    )


def shell(*words: object) -> str:
    r"""Return words as a shell reads them, quoted where need be.

    >>> print(shell("dmrnet", "evaluate", "my runs/1", "a\nb"))
    dmrnet evaluate 'my runs/1' $'a\nb'
    """
    return " ".join(map(_shell_word, map(str, words)))


def csv_text(rows: Iterable[Iterable[str]]) -> str:
    r"""Return rows as CSV; cells that a spreadsheet would run as a formula begin with ``'``.

    Numbers stay as they are.

    >>> csv_text([["=1+1", "-2.5", "@a", "-b", "a=b"]])
    "'=1+1,-2.5,'@a,'-b,a=b\n"
    """
    lines = (",".join(_quoted(guarded_cell(cell)) for cell in row) for row in rows)
    # A row of one empty cell is no empty line.
    return "".join(f"{line or _EMPTY}\n" for line in lines)


def guarded_cell(cell: str) -> str:
    """Return a cell of a CSV that no spreadsheet runs as a formula."""
    if cell.startswith(("=", "+", "-", "@", "\t", "\r")) and not _NUMBER.fullmatch(cell):
        return f"'{cell}"
    return cell


def _quoted(cell: str) -> str:
    """Return a cell in quotes if it needs them; the csv module leaves a carriage return bare."""
    return '"' + cell.replace('"', '""') + '"' if any(c in cell for c in ',"\r\n') else cell


def _shell_word(word: str) -> str:
    if is_plain(word):
        return shlex.quote(word)
    letters = (_escape(c) if is_hidden(c) else f"\\{c}" if c in "\\'" else c for c in word)
    return f"$'{''.join(letters)}'"


def _escape(letter: str) -> str:
    code = ord(letter)
    if 0xDC80 <= code <= 0xDCFF:  # a byte of a file name, by os.fsdecode
        return f"\\x{code - 0xDC00:02x}"
    return letter.encode("unicode_escape", "surrogatepass").decode()


def _replace(error: UnicodeError) -> tuple[str, int]:
    """Replace characters that a stream cannot write."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    letters = error.object[error.start : error.end]
    return "".join(_PLAIN.get(one) or _escape(one) for one in letters), error.end


codecs.register_error(LOSSY, _replace)
