"""From a matplotlib figure to SVG text that suits a page, light or dark, and to a PNG."""

from __future__ import annotations

import io
import json
import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from html import escape

import matplotlib as mpl
from matplotlib.figure import Figure

INK = "#010203"
"""Stands for the colour of text and axes; becomes ``currentColor`` in the SVG."""

_PNG_INK = "#222222"
# A file that is looked at by itself has no page to take its colour from.
_ALONE = "<style>svg{color:#333}@media (prefers-color-scheme:dark){svg{color:#ddd}}</style>"


DATA = "data:"
"""Begins the gid of an artist that becomes ``data-s`` and ``data-c``; see `data_id`."""


def data_id(system: str, columns: Sequence[str] = ()) -> str:
    """Return the gid of an artist that shows a system, so that a page can hide it.

    Args:
        system: The system's label.
        columns: The combination that each of its markers stands for.
    """
    # In hexadecimal digits: a name may hold quotes and angle brackets.
    return DATA + json.dumps([system, ",".join(columns)]).encode().hex()


def to_svg(draw: Callable[[str], Figure], name: str, described: str) -> str:
    """Draw a figure as SVG: text as text, no date, ids of its own, colour from the page.

    Args:
        draw: Makes the figure in the ink that it is given.
        name: Letters and hyphens; begins every id, so that several figures may share a page.
        described: What the figure shows, for who cannot see it.
    """
    stream = io.StringIO()
    with _quiet_style():
        draw(INK).savefig(
            stream, format="svg", transparent=True, metadata={"Date": None, "Creator": None}
        )
    text = stream.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>", "", text, flags=re.DOTALL)
    referred = set(re.findall(r"(?:href=\"|url\()#([^\")]+)", text))
    # Within tags alone: what a label says must stay as it is.
    text = re.sub(r"<[^>]*>", lambda match: _tidy(match[0], name, referred), text)
    text = re.sub(r"\s*\n\s*", "\n", text)
    head, rest = text.split(">", 1)
    head += f' role="img" aria-label="{escape(described)}" font-family="sans-serif"'
    return head + ' stroke-linejoin="round">' + rest


def _tidy(tag: str, name: str, referred: set[str]) -> str:
    """Put one tag right: colour from the page, short numbers, only the ids that are needed."""
    tag = tag.replace(INK, "currentColor")
    tag = re.sub(f' id="({DATA}[0-9a-f]*)"', lambda m: _as_data(m[1]), tag)
    tag = re.sub(
        r' id="([^"]*)"', lambda m: f' id="{name}-{m[1]}"' if m[1] in referred else "", tag
    )
    tag = re.sub(r'(href="|url\()#', rf"\1#{name}-", tag)
    tag = re.sub(r'font-family: [^;"]*;? ?', "", tag)
    if "href=" not in tag and " id=" not in tag:
        tag = re.sub(r"\d+\.\d{3,}", lambda m: f"{float(m[0]):.2f}", tag)
    else:
        tag = re.sub(r'( [xy]=")(\d+\.\d{3,})', lambda m: f"{m[1]}{float(m[2]):.2f}", tag)
    return re.sub(r" transform=\"rotate\(-0 [^\"]*\"", "", tag)


def _as_data(gid: str) -> str:
    system, columns = json.loads(bytes.fromhex(gid.removeprefix(DATA)))
    said = f' data-s="{escape(system)}"'
    return f'{said} data-c="{escape(columns)}"' if columns else said


def standalone(svg: str) -> str:
    """Make a file of an SVG: with a declaration and a colour of its own."""
    head, rest = svg.split(">", 1)
    return f'<?xml version="1.0" encoding="utf-8"?>\n{head}>\n{_ALONE}{rest}'


def to_png(draw: Callable[[str], Figure]) -> bytes:
    """Draw a figure as PNG on white."""
    stream = io.BytesIO()
    with _quiet_style():
        draw(_PNG_INK).savefig(
            stream, format="png", dpi=160, facecolor="white", metadata={"Software": None}
        )
    return stream.getvalue()


@contextmanager
def _quiet_style() -> Iterator[None]:
    style = mpl.rc_context(
        {
            "svg.fonttype": "none",
            "svg.hashsalt": "dmrnet",
            "text.parse_math": False,
            "font.family": "sans-serif",
            "font.size": 8.0,
            "axes.linewidth": 0.6,
            "lines.linewidth": 1.0,
            "path.simplify": True,
        }
    )
    with style, warnings.catch_warnings():
        # A name may hold letters that matplotlib's font lacks; a browser has others.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        yield
