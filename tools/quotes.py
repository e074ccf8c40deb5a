"""Passages of made pages that other pages repeat.

They stand between two marks::

<!-- quote headline of results/winner.md, made by tools/make_results.py -->
...
<!-- end -->
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[1]

PAGES = (
    ROOT / "README.md",
    ROOT / "docs" / "methods.md",
    ROOT / "docs" / "how-to" / "when-not-to-use.md",
)
"""Pages with quotes."""

PASSAGES = {
    "headline": r"(?<=\n\n).+",
    "exceptions": r"(?<=^- )\*\*When it does not pay\*\*.+",
    "regimes": r"^\| Regime \|(?s:.*?)(?=\n\n)",
    "cheap": r"^\| Set \| sf-md \|(?s:.*?)(?=\n\n)",
}
"""Names of passages, with what finds their text on a made page."""

MARKS = re.compile(
    r"(?P<start><!-- quote (?P<passage>\S+) of results/(?P<page>\S+),[^>]*-->\n).*?"
    r"(?P<end>\n<!-- end -->)",
    re.DOTALL,
)


def quoted(pages: Mapping[str, str]) -> dict[Path, str]:
    """Return the pages with quotes as they should be, from the text of every made page by name.

    Raises:
        ValueError: If a page holds no quote, or one of a passage that is not on the made page.
    """
    texts = {}
    for path in PAGES:
        text, found = MARKS.subn(lambda mark: _quote(mark, pages), path.read_text())
        if not found:
            raise ValueError(f"{path}: expected a quote, {MARKS.pattern}; found none")
        texts[path] = text
    return texts


def _quote(mark: re.Match[str], pages: Mapping[str, str]) -> str:
    passage, page = mark["passage"], mark["page"]
    found = re.search(PASSAGES[passage], pages[page], re.MULTILINE)
    if found is None:
        raise ValueError(f"{page}: expected the passage {passage!r} on it")
    return f"{mark['start']}\n{found[0]}\n{mark['end']}"
