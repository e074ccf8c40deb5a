"""The dots below a panel that name combinations: a column each, filled where a modality is seen."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes

from dmrnet.report.figures.axes import bare
from dmrnet.report.records.combinations import members
from dmrnet.report.statistics.formatting import shortened

MOST_COLUMNS = 64
"""Above this number of combinations (six modalities have 63), only some are drawn."""

HARDEST = 40
"""Number of combinations drawn for their bad score if not all are."""

_NARROW = 15


def is_wide(columns: Sequence[str]) -> bool:
    """Whether a matrix has too many columns to shrink to a narrow page."""
    return len(columns) > _NARROW


def matrix_size(columns: Sequence[str], modalities: Sequence[str]) -> tuple[float, float, float]:
    """Return margin on the left, for labels, and width and height of the matrix, in inches."""
    longest = max(len(shortened(name, 16)) for name in modalities)
    width = max(3.0, len(columns) * column_width(columns))
    return max(0.68, 0.18 + 0.075 * longest), width, 0.165 * len(modalities) + 0.1


def column_width(columns: Sequence[str]) -> float:
    """Return the width of a column in inches: wide columns for few combinations."""
    count = len(columns)
    return 0.6 if count <= 7 else 0.36 if count <= 15 else 0.26 if count <= 31 else 0.168


def dot_matrix(
    axes: Axes, combinations: Sequence[str], modalities: Sequence[str], ink: str
) -> None:
    """Draw a column of dots for each combination: filled where a modality is seen."""
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
