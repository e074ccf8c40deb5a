"""Hints for mistyped words. Imports nothing heavy, so that the command line can use it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def nearest(word: str, known: Iterable[str]) -> str:
    """Return a hint that names the nearest known word, or lists what is known.

    >>> nearest("dmrnt", ["sf-md", "dmrnet"])
    "did you mean 'dmrnet'?"
    >>> nearest("xyz", ["rgb", "ir"])
    'known: rgb, ir'
    """
    choices = list(known)
    match = difflib.get_close_matches(word, choices, n=1)
    return f"did you mean {match[0]!r}?" if match else f"known: {', '.join(choices)}"
