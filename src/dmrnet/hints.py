"""Hints for mistyped words. Imports nothing heavy, so that the command line can use it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def closest(word: str, known: Iterable[str]) -> str | None:
    """Return the known word that is nearest to a mistyped one, or None where none is near.

    >>> closest("dmrnt", ["sf-md", "dmrnet"])
    'dmrnet'
    """
    return next(iter(difflib.get_close_matches(word, list(known), n=1)), None)


def nearest(word: str, known: Iterable[str]) -> str:
    """Return a hint that names the nearest known word, or lists what is known.

    >>> nearest("dmrnt", ["sf-md", "dmrnet"])
    "did you mean 'dmrnet'?"
    >>> nearest("xyz", ["rgb", "ir"])
    'known: rgb, ir'
    """
    choices = list(known)
    match = closest(word, choices)
    return f"did you mean {match!r}?" if match else f"known: {', '.join(choices)}"
