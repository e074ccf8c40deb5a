"""A drawn figure: SVG and PNG, with its title and caption."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from matplotlib.figure import Figure as Canvas

from dmrnet.report.figures.svg import to_png, to_svg


@dataclass(frozen=True, slots=True)
class Figure:
    """A drawn figure.

    Attributes:
        name: Stem of its file names: letters, digits and hyphens.
        title: A few words.
        caption: How to read the figure, and what it leaves out.
        wide: Whether the figure is too wide to shrink to a narrow page.
        svg: SVG element for a page.
        png: The same picture as PNG.
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
    """Draw a `Figure` as SVG and PNG; `draw` draws it in the given colour of text and axes."""
    svg = to_svg(draw, name, f"{title}. {caption}")
    return Figure(name, title, caption, wide, svg, to_png(draw), system)
