"""What tells systems apart in figures, and the matrix of dots that names combinations."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from dmrnet.report.figures.svg import data_id
from dmrnet.report.records.combinations import members
from dmrnet.report.statistics.formatting import shortened

# After Okabe and Ito, the light ones darkened: each has a contrast of 3 or more against white and
# against a dark page. The first, grey, is the baseline's.
COLOURS = (
    "#7f7f7f",
    "#0078b8",
    "#d55e00",
    "#009c72",
    "#c4659a",
    "#9a7400",
    "#7d6bc9",
    "#3b8fa3",
)
_SHAPES = ("o", "s", "^", "D", "v", "P", "X", "*")

MOST_SYSTEMS = len(COLOURS)
"""More systems than this are not told apart by eye; a figure shows the best of them."""


@dataclass(frozen=True, slots=True)
class Mark:
    """How a system is drawn.

    Attributes:
        label: Its name.
        colour: Its colour.
        shape: Its marker, so that colour is not needed to tell it apart.
        shift: Where it stands within a column, from -0.5 to 0.5.
    """

    label: str
    colour: str
    shape: str
    shift: float


def marks(labels: Sequence[str], *, with_baseline: bool) -> list[Mark]:
    """Give each system its mark; grey is kept for a baseline, which comes first."""
    first = 0 if with_baseline else 1
    return [
        Mark(
            label,
            COLOURS[(index + first) % len(COLOURS)],
            _SHAPES[(index + first) % len(_SHAPES)],
            0.0 if len(labels) == 1 else 0.62 * (index / (len(labels) - 1) - 0.5),
        )
        for index, label in enumerate(labels)
    ]


def key(axes: Axes, shown: Sequence[Mark], ink: str) -> None:
    """Write a legend over the axes, one entry a system, in as many lines as it needs."""
    box = axes.get_window_extent()
    width, height = box.width * 72 / axes.figure.dpi, box.height * 72 / axes.figure.dpi
    for mark, x, line in key_places(shown, width):
        y = 1 + (6 + 12 * line) / height
        axes.add_artist(
            Line2D(
                [(x + 4) / width],
                [y],
                marker=mark.shape,
                color=mark.colour,
                markersize=5,
                linestyle="none",
                transform=axes.transAxes,
                clip_on=False,
                gid=data_id(mark.label),
            )
        )
        axes.text(
            (x + 11) / width,
            y,
            shortened(mark.label),
            color=ink,
            va="center_baseline",
            transform=axes.transAxes,
            gid=data_id(mark.label),
        )


def key_places(shown: Sequence[Mark], width: float) -> Iterator[tuple[Mark, float, int]]:
    """Lay a legend out: yield each mark with its place in points and its line, 0 the lowest."""
    lines: list[list[tuple[Mark, float]]] = [[]]
    x = 0.0
    for mark in shown:
        needed = 24 + 5.0 * len(shortened(mark.label))
        if lines[-1] and x + needed > width:
            lines.append([])
            x = 0.0
        lines[-1].append((mark, x))
        x += needed
    for index, line in enumerate(lines):
        for mark, place in line:
            yield mark, place, len(lines) - 1 - index


def dot_matrix(
    axes: Axes, combinations: Sequence[str], modalities: Sequence[str], ink: str
) -> None:
    """Draw a column of dots under each place of the axes above: filled where seen."""
    seen = [
        (x, y)
        for x, name in enumerate(combinations)
        for y, part in enumerate(modalities)
        if part in members(name)
    ]
    every = [(x, y) for x in range(len(combinations)) for y in range(len(modalities))]
    size = 16 if len(combinations) > 20 else 26
    for dots, alpha in ((every, 0.15), (seen, 1.0)):
        xs, ys = zip(*dots, strict=True)
        axes.scatter(xs, ys, s=size, color=ink, alpha=alpha, linewidths=0)
    rows = [[modalities.index(part) for part in members(name)] for name in combinations]
    axes.vlines(range(len(rows)), [*map(min, rows)], [*map(max, rows)], color=ink, linewidth=0.8)
    axes.set_yticks(range(len(modalities)), [shortened(name, 16) for name in modalities])
    axes.set_ylim(len(modalities) - 0.4, -0.6)
    axes.set_xticks([])
    bare(axes, ink)
    axes.spines["left"].set_visible(False)
    axes.spines["bottom"].set_visible(False)
    axes.tick_params(length=0)


def bare(axes: Axes, ink: str) -> None:
    """Leave the axes their left and lower edge, in the page's ink, and a faint grid."""
    axes.set_facecolor("none")
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(ink)
        axes.spines[side].set_alpha(0.5)
    axes.tick_params(colors=ink, length=2.5, width=0.6)
    axes.yaxis.label.set_color(ink)
    axes.xaxis.label.set_color(ink)
