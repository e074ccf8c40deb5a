"""Drawn figures: SVG elements that suit a light or dark page, and PNG."""

from __future__ import annotations

import io
import json
import re
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from hashlib import blake2b
from html import escape
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure as Canvas

INK = "#212223"
"""Colour of text and axes, which no system has; becomes ``currentColor`` in the SVG."""

_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "dmrnet",
    "text.parse_math": False,
    "font.family": "sans-serif",
    "font.size": 9.0,
    "axes.linewidth": 0.6,
    "lines.linewidth": 1.0,
    "path.simplify": True,
}
# A file by itself has no page to take its colour from.
_FILE_STYLE = "<style>svg{color:#333}@media (prefers-color-scheme:dark){svg{color:#ddd}}</style>"

DATA = "data:"
"""Start of an artist's gid that becomes ``data-s`` and ``data-c``; see `data_id`."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A drawn figure, as an SVG element and as PNG.

    Attributes:
        name: Stem of its file names: letters, digits and hyphens.
        wide: Whether the figure is too wide to shrink to a narrow page.
        system: Label of the only system shown; empty if the figure shows several.
    """

    name: str
    title: str
    caption: str
    wide: bool
    svg: str
    png: bytes
    system: str = ""


def make_figure(
    name: str,
    title: str,
    caption: str,
    draw: Callable[[str], Canvas],
    *,
    wide: bool = False,
    system: str = "",
) -> Figure:
    """Write a `Figure` as SVG and PNG; `draw` draws it in the given colour of text and axes."""
    canvas = cache(draw)
    svg = to_svg(canvas, name, f"{title}. {caption}")
    return Figure(name, title, caption, wide, svg, to_png(canvas), system)


def data_id(system: str, columns: Sequence[str] = ()) -> str:
    """Return a gid for an artist of a system, so that a page can hide the artist.

    The columns are the combinations of its markers.
    """
    # As hexadecimal digits: a name may hold quotes and angle brackets.
    return DATA + json.dumps([system, ",".join(columns)]).encode().hex()


def to_svg(draw: Callable[[str], Canvas], name: str, described: str) -> str:
    """Return a figure as SVG: text as text, no date, unique ids, colour from the page.

    Every id starts with a hash of the name, so that several figures can share a page; the
    description is for screen readers.
    """
    stream = io.StringIO()
    metadata = {"Date": None, "Creator": None}
    with _quiet_style():
        draw(INK).savefig(stream, format="svg", transparent=True, metadata=metadata)
    text = stream.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>", "", text, flags=re.DOTALL)
    short = blake2b(name.encode(), digest_size=4).hexdigest()
    referred = dict.fromkeys(re.findall(r"(?:href=\"|url\()#([^\")]+)", text))
    ids = {known: f"f{short}-{number}" for number, known in enumerate(referred)}
    # Only within tags: the text of labels must stay as it is.
    text = re.sub(r"<[^>]*>", lambda match: _tidy(match[0], ids), text)
    text = re.sub(r"\s*\n\s*", "\n", text)
    text = _SAME_STYLE.sub(_with_one_style, text)
    head, rest = text.split(">", 1)
    # A page shows it no smaller than lets letters of nine points be read.
    head = re.sub(r' width="([\d.]+)pt"', r' width="\1pt" style="--w:\1pt"', head)
    head += f' role="img" aria-label="{escape(described)}" font-family="sans-serif"'
    return head + ' stroke-linejoin="round">' + rest


_SAME_STYLE = re.compile(r'(?:<use [^>]*? style="([^"]*)"/>\n)(?:<use [^>]*? style="\1"/>\n)+')


def _with_one_style(match: re.Match[str]) -> str:
    """Let marks in a row that look the same share one style."""
    marks = match[0].replace(f' style="{match[1]}"', "")
    return f'<g style="{match[1]}">\n{marks}</g>\n'


def _tidy(tag: str, ids: Mapping[str, str]) -> str:
    """Clean one tag: colour from the page, short numbers and paths, ids that are referred to."""
    tag = tag.replace(INK, "currentColor")
    tag = re.sub(f' id="({DATA}[0-9a-f]*)"', lambda m: _as_data(m[1]), tag)
    tag = re.sub(r' id="([^"]*)"', lambda m: f' id="{ids[m[1]]}"' if m[1] in ids else "", tag)
    tag = re.sub(r'(href="|url\()#([^")]+)', lambda m: f"{m[1]}#{ids.get(m[2], m[2])}", tag)
    tag = re.sub(r' d="[^"]*"', lambda m: re.sub(r"\s*([A-Za-z])\s+", r"\1", m[0]), tag)
    tag = re.sub(r'font-family: [^;"]*;? ?', "", tag)
    if "href=" not in tag and " id=" not in tag:
        tag = re.sub(r"\d+\.\d{3,}", lambda m: f"{float(m[0]):.2f}", tag)
    else:
        tag = re.sub(r'( [xy]=")(\d+\.\d{3,})', lambda m: f"{m[1]}{float(m[2]):.2f}", tag)
    return re.sub(r" transform=\"rotate\(-0 [^\"]*\"", "", tag)


def _as_data(gid: str) -> str:
    system, columns = json.loads(bytes.fromhex(gid.removeprefix(DATA)))
    attribute = f' data-s="{escape(system)}"'
    return f'{attribute} data-c="{escape(columns)}"' if columns else attribute


def standalone(svg: str) -> str:
    """Return an SVG element as the text of a file, with a declaration and a colour of its own."""
    head, rest = svg.split(">", 1)
    return f'<?xml version="1.0" encoding="utf-8"?>\n{head}>\n{_FILE_STYLE}{rest}'


def to_png(draw: Callable[[str], Canvas]) -> bytes:
    """Return a figure as PNG on white."""
    stream = io.BytesIO()
    metadata = {"Software": None}
    with _quiet_style():
        draw(INK).savefig(stream, format="png", dpi=160, facecolor="white", metadata=metadata)
    return stream.getvalue()


@contextmanager
def _quiet_style() -> Iterator[None]:
    with mpl.rc_context(_STYLE), warnings.catch_warnings():
        # A name may hold letters that matplotlib's font lacks; a browser has other fonts.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        yield
