"""The variance of every combination, epoch by epoch, with the highest circled (Fig. 3)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from dmrnet.report.figures.drawing.axes import HIGHLIGHT, axes_at, bare_grid, circles
from dmrnet.report.figures.drawing.figure import Figure, make_figure
from dmrnet.report.records.mining import VarianceByEpoch, read_variance_by_epoch
from dmrnet.report.statistics.formatting import shortened
from dmrnet.report.summary.summary import DataSummary
from dmrnet.report.summary.system_summary import SystemSummary

_NAMED = 15
"""Above this number of combinations, only the circled and the worst are named."""


def highest(variance: VarianceByEpoch, k: int) -> list[str]:
    """Return the k combinations with the highest variance in the last epoch, highest first."""
    last = _last_epoch(variance)
    ends = {name: of[last] for name, of in variance.items() if last in of}
    return sorted(ends, key=lambda name: -ends[name])[:k]


def variance_by_epoch(summary: DataSummary, item: SystemSummary, name: str) -> Figure | None:
    """Draw one line per combination: the V highest circled, the V with the worst score coloured.

    Returns:
        The figure, or None if the system has no variance.
    """
    folders = [run.path for run in summary.runs if run.label == item.label]
    variance = read_variance_by_epoch(folders, summary.modalities)
    if not variance:
        return None
    v = len(summary.modalities)
    circled = highest(variance, v)
    error = {k: summary.score.error(value.mean) for k, value in item.scores.items()}
    worst = sorted((k for k in error if k in variance), key=lambda k: (-error[k], k))[:v]
    named = list(variance)
    if len(named) > _NAMED:
        named = [k for k in named if k in {*circled, *worst}]

    def draw(ink: str) -> Canvas:
        left, width, height = 0.55, 3.9, max(2.4, 0.15 * len(named) + 0.3)
        room = 0.35 + 0.068 * max(len(shortened(k, 30)) for k in named)
        figure = Canvas(figsize=(left + width + room, height + 0.65))
        axes = axes_at(figure, left, 0.45, width, height)
        _lines(axes, variance, circled, worst, ink)
        _names(axes, variance, named, worst, ink, height)
        axes.set_xlabel("epoch")
        axes.set_ylabel("mean σ²")
        bare_grid(axes, ink)
        return figure

    both = len(set(circled) & set(worst))
    seeds = "" if len(folders) == 1 else f", averaged over {len(folders)} seeds"
    caption = (
        f"Mean variance σ² of each combination in training{seeds}. Circled in the last epoch: the "
        f"{len(circled)} highest, which the paper calls hard. Coloured and dashed: the "
        f"{len(worst)} with the worst score on "
        f"{'validation' if summary.split == 'val' else 'test'}; {both} of them are circled."
    )
    if len(named) < len(variance):
        caption += f" {len(named)} of {len(variance)} combinations are named."
    return make_figure(name, f"Variance by epoch, {item.label}", caption, draw, system=item.label)


def _last_epoch(variance: VarianceByEpoch) -> int:
    return max(max(of) for of in variance.values())


def _lines(
    axes: Axes, variance: VarianceByEpoch, circled: Sequence[str], worst: Sequence[str], ink: str
) -> None:
    """Draw the lines, and the circles at their ends."""
    bad: dict[str, Any] = {"color": HIGHLIGHT, "alpha": 1, "linewidth": 1.3, "zorder": 3}
    bad["linestyle"] = (0, (4, 1.5))
    good: dict[str, Any] = {"color": ink, "alpha": 0.45, "linewidth": 0.9, "zorder": 2}
    for name, of in variance.items():
        axes.plot(list(of), list(of.values()), **(bad if name in worst else good))
    first, last = min(min(of) for of in variance.values()), _last_epoch(variance)
    circles(axes, [last] * len(circled), [variance[name][last] for name in circled], 8)
    # Lines end at the edge, where their names stand; few epochs are marked one by one.
    axes.set_xlim(first if first < last else first - 0.5, last)
    if last - first < 12:
        axes.set_xticks(range(first, last + 1))


def _names(
    axes: Axes,
    variance: VarianceByEpoch,
    named: Sequence[str],
    worst: Sequence[str],
    ink: str,
    height: float,
) -> None:
    """Write names at the ends of lines, moved apart if lines end close together."""
    low, high = axes.get_ylim()
    ends = sorted((list(variance[name].values())[-1], name) for name in named)
    step = 0.15 * (high - low) / height
    ys: list[float] = []
    for value, _ in ends:
        ys.append(max(value, ys[-1] + step) if ys else value)
    # From the top down: no name above the axes, none closer than a step to the one above it.
    limit = high
    for k in reversed(range(len(ys))):
        ys[k] = min(ys[k], limit)
        limit = ys[k] - step
    for (value, name), y in zip(ends, ys, strict=True):
        colour = HIGHLIGHT if name in worst else ink
        axes.annotate(
            shortened(name, 30),
            xy=(1, value),
            xycoords=("axes fraction", "data"),
            xytext=(1.05, y),
            textcoords=("axes fraction", "data"),
            color=colour,
            va="center",
            annotation_clip=False,
            arrowprops={
                "arrowstyle": "-",
                "color": colour,
                "alpha": 0.4,
                "linewidth": 0.6,
                "relpos": (0, 0.5),
                "shrinkA": 1,
                "shrinkB": 6,
            },
        )
    axes.set_ylim(low, high)
