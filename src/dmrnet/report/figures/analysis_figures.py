"""Figures of analyses: histograms of channel distance (Fig. 1), angles between embeddings."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from numpy.typing import NDArray

from dmrnet.report.figures.figures import Figure
from dmrnet.report.figures.marks import MOST_SYSTEMS, Mark, bare, key, key_places, marks
from dmrnet.report.figures.svg import data_id, to_png, to_svg
from dmrnet.report.statistics.formatting import shortened
from dmrnet.report.summary.analyses import AnalysisSummary

MOST_PAIRS = 9
"""So many pairs of modalities have a panel: within each first, then between two."""

_LINES = ("-", (0, (4, 1.5)), (0, (1, 1)), (0, (6, 1.5, 1, 1.5)))
POINTS = 72
_TAIL = 0.002


def systems_of(
    analysed: AnalysisSummary, labels: Sequence[str], *, with_baseline: bool
) -> tuple[list[str], list[Mark]]:
    """Return the systems that have the analysis, and the marks that they have in every figure."""
    shown = labels[:MOST_SYSTEMS]
    every = dict(zip(shown, marks(shown, with_baseline=with_baseline), strict=True))
    having = {label for label, _, _ in analysed.values}
    kept = [label for label in shown if label in having]
    return kept, [every[label] for label in kept]


def left_out(analysed: AnalysisSummary, labels: Sequence[str]) -> str:
    """Say how many systems that have the analysis are not drawn; empty where all are."""
    having = {label for label, _, _ in analysed.values}
    more = sum(label in having for label in labels[MOST_SYSTEMS:])
    if not more:
        return ""
    verb = "is" if more == 1 else "are"
    return f" {more} more {verb} in the table alone, since colours tell {MOST_SYSTEMS} apart."


def pairs_of(analysed: AnalysisSummary) -> list[str]:
    """Return modalities, then pairs of them, as the combination of a row names them."""
    return sorted(analysed.combinations("cosine"), key=lambda name: name.count("+"))


def distance_figure(
    analysed: AnalysisSummary, labels: Sequence[str], form: str, name: str, *, with_baseline: bool
) -> Figure | None:
    """Draw the histogram of each pair of modalities, one line a system (Fig. 1).

    Args:
        analysed: A channel distance.
        labels: Of the systems, the baseline first.
        form: ``cosine`` or ``printed``.
        name: Of the figure's files.
        with_baseline: Whether the first system is a baseline.

    Returns:
        The figure, or None where no histogram stands.
    """
    systems, shown = systems_of(analysed, labels, with_baseline=with_baseline)
    pairs = pairs_of(analysed)[:MOST_PAIRS]
    densities = {
        (label, pair): density
        for label in systems
        for pair in pairs
        if (density := _density(analysed.arrays.get(label, {}), f"{form}/{pair}")) is not None
    }
    if not densities:
        return None
    edges = next(of["edges"] for by_seed in analysed.arrays.values() for of in by_seed.values())
    low, high = range_of(densities.values(), edges)
    tops = {pair: top_of([d for (_, of), d in densities.items() if of == pair]) for pair in pairs}
    columns = min(3, len(pairs))
    lines = -(-len(pairs) // columns)

    def draw(ink: str) -> Canvas:
        each, height, gap, left = 2.05, 1.25, 0.62, 0.12
        width = columns * each + (columns - 1) * 0.2
        head = 0.32 + 0.17 * (1 + max(line for _, _, line in key_places(shown, width * POINTS)))
        total = head + lines * (height + gap) - 0.3
        figure = Canvas(figsize=(left + width + 0.15, total))
        for place, pair in enumerate(pairs):
            row, column = divmod(place, columns)
            bottom = total - head - row * (height + gap) - height
            axes = axes_at(figure, left + column * (each + 0.2), bottom, each, height)
            histograms(axes, pair, systems, shown, densities, edges, tops[pair][0])
            for label, mark in zip(systems, shown, strict=True):
                if (mean := analysed.get(label, form, pair)) is not None:
                    mean_mark(axes, mean.mean, mark)
            axes.set_xlim(low, high)
            axes.set_title(_pair_title(pair), fontsize=8, color=ink, loc="left", pad=9)
            axes.set_yticks([])
            bare(axes, ink)
            axes.spines["left"].set_visible(False)
        legend = axes_at(figure, left, total - head + 0.3, width, 0.02)
        legend.axis("off")
        key(legend, shown, ink)
        return figure

    title = "Distance between channels" + (", as printed" if form == "printed" else "")
    told = [
        "Histograms over samples and pairs of channels of "
        + ("one minus the cosine." if form == "cosine" else "Eq. 14-15 as printed."),
        "The marks above are the means; to the right is more diverse. Maps are those of the "
        "encoders.",
    ]
    if form == "printed":
        told.append("This form follows the number of channels: compare equal networks only.")
    if any(cut for _, cut in tops.values()):
        told.append(
            "A peak that rises out of its panel is cut: at 1 are channels that are never active "
            "in one place."
        )
    if more := len(pairs_of(analysed)) - len(pairs):
        told.append(f"{more} pairs more are in the table.")
    caption = " ".join(told) + left_out(analysed, labels)
    return figure_of(name, title, caption, draw)


def histograms(
    axes: Axes,
    pair: str,
    systems: Sequence[str],
    shown: Sequence[Mark],
    densities: Mapping[tuple[str, str], NDArray[Any]],
    edges: NDArray[Any],
    top: float,
) -> None:
    """Draw one line a system that has a histogram of the pair, in its colour and dashes."""
    for index, (label, mark) in enumerate(zip(systems, shown, strict=True)):
        if (label, pair) in densities:
            axes.stairs(
                densities[label, pair],
                edges,
                color=mark.colour,
                linewidth=1.1,
                linestyle=_LINES[index % len(_LINES)],
                baseline=None,
                gid=data_id(label),
            )
    axes.set_ylim(0, top)


def mean_mark(axes: Axes, value: float, mark: Mark) -> None:
    """Set a system's mark at its mean, above the panel."""
    axes.plot(
        [value],
        [1.05],
        marker=mark.shape,
        color=mark.colour,
        markersize=4.2,
        transform=axes.get_xaxis_transform(),
        clip_on=False,
        gid=data_id(mark.label),
    )


def top_of(densities: Sequence[NDArray[Any]]) -> tuple[float, bool]:
    """Return the height of a panel, and whether a peak is cut so that the rest can be seen."""
    highest = max(float(density.max()) for density in densities) if densities else 1.0
    rest = max((float(np.sort(density)[-4]) for density in densities), default=highest)
    cut = highest > 2 * rest
    return (1.3 * rest if cut else 1.08 * highest), cut


def _density(by_seed: Mapping[int, Mapping[str, NDArray[Any]]], name: str) -> NDArray[Any] | None:
    """Return the mean over seeds of a histogram's share by bin."""
    counts = [of[name] for of in by_seed.values() if name in of and of[name].sum()]
    if not counts:
        return None
    return np.asarray(np.mean([count / count.sum() for count in counts], axis=0))


def range_of(densities: Any, edges: NDArray[Any]) -> tuple[float, float]:  # noqa: ANN401
    """Return what to draw: nearly all of every histogram."""
    lows, highs = [], []
    for density in densities:
        grown = np.cumsum(density)
        lows.append(edges[int(np.searchsorted(grown, _TAIL * grown[-1]))])
        highs.append(edges[1 + int(np.searchsorted(grown, (1 - _TAIL) * grown[-1]))])
    return float(min(lows)), float(max(highs))


def _pair_title(pair: str) -> str:
    first, _, second = pair.partition("+")
    if not second:
        return f"within {shortened(first, 20)}"
    return f"{shortened(first, 13)} to {shortened(second, 13)}"


ANGLES = (
    ("within", "one combination", "o", False),
    ("between", "two combinations", "o", True),
    ("classes", "two classes", "|", True),
)
"""Metric, words, marker, and whether it is filled."""


def angle_figure(
    analysed: AnalysisSummary, labels: Sequence[str], name: str, *, with_baseline: bool
) -> Figure | None:
    """Draw one line a system: the spread of a class, the angle of its combinations, of classes."""
    systems, shown = systems_of(analysed, labels, with_baseline=with_baseline)
    if not systems:
        return None
    left = 0.2 + 0.063 * max(len(shortened(label)) for label in systems)

    def draw(ink: str) -> Canvas:
        height, width = 0.24 * len(systems) + 0.1, 2.7
        figure = Canvas(figsize=(left + 2 * width + 0.45, height + 0.95))
        for column, (suffix, words) in enumerate(
            (("_centred", "from the mean embedding"), ("", "from zero"))
        ):
            axes = axes_at(figure, left + column * (width + 0.25), 0.5, width, height)
            for y, (label, mark) in enumerate(zip(systems, shown, strict=True)):
                _angles(axes, analysed, label, mark, y, suffix)
            axes.set_ylim(len(systems) - 0.5, -0.5)
            axes.set_xlim(left=0)
            names = [shortened(label) for label in systems] if not column else []
            axes.set_yticks(range(len(systems)) if not column else [], names)
            axes.set_xlabel(f"degrees, {words}")
            bare(axes, ink)
            axes.tick_params(axis="y", length=0)
            axes.grid(axis="x", color=ink, alpha=0.12, linewidth=0.6)
        _angle_key(figure, left, height, ink)
        return figure

    caption = (
        "Mean angle between embeddings of two samples of one class under one combination (hollow: "
        "the spread that the class has anyway) and under two (filled), and between the mean "
        "directions of two classes (bar), each with ± one standard error over seeds. Combinations "
        "point apart in so far as the filled dot lies right of the hollow one. Seen from the mean "
        "embedding, systems with and without a ReLU before the classifier can be compared; seen "
        "from zero they cannot."
    )
    caption += left_out(analysed, labels)
    return figure_of(name, "Directions of combinations", caption, draw)


def _angles(
    axes: Axes, analysed: AnalysisSummary, label: str, mark: Mark, y: int, suffix: str
) -> None:
    found = {metric: analysed.get(label, metric + suffix) for metric, _, _, _ in ANGLES}
    within, between = found["within"], found["between"]
    if within is not None and between is not None:
        axes.plot(
            [within.mean, between.mean],
            [y, y],
            color=mark.colour,
            linewidth=1.6,
            alpha=0.45,
            gid=data_id(label),
        )
    for metric, _, marker, filled in ANGLES:
        value = found[metric]
        if value is None:
            continue
        if value.se is not None:
            axes.hlines(
                y,
                value.mean - value.se,
                value.mean + value.se,
                color=mark.colour,
                gid=data_id(label),
            )
        axes.plot(
            [value.mean],
            [y],
            marker=marker,
            markersize=5.5 if marker == "o" else 9,
            markeredgewidth=1.3,
            color=mark.colour,
            markerfacecolor=mark.colour if filled else "none",
            linestyle="none",
            gid=data_id(label),
        )


def _angle_key(figure: Canvas, left: float, height: float, ink: str) -> None:
    axes = axes_at(figure, left, height + 0.66, 5.0, 0.16)
    axes.set_xlim(0, 5.0)
    axes.set_ylim(-1, 1)
    axes.axis("off")
    x = 0.08
    for _, words, marker, filled in ANGLES:
        axes.plot(
            [x],
            [0],
            marker=marker,
            markersize=5 if marker == "o" else 8,
            markeredgewidth=1.2,
            color=ink,
            markerfacecolor=ink if filled else "none",
            linestyle="none",
        )
        axes.text(x + 0.1, 0, words, color=ink, va="center_baseline")
        x += 0.35 + 0.066 * len(words)


def axes_at(figure: Canvas, left: float, bottom: float, width: float, height: float) -> Axes:
    """Add axes at a place in inches."""
    across, up = figure.get_size_inches()
    return figure.add_axes((left / across, bottom / up, width / across, height / up))


def figure_of(name: str, title: str, caption: str, draw: Callable[[str], Canvas]) -> Figure:
    """Draw a figure that a narrow page may shrink."""
    svg = to_svg(draw, name, f"{title}. {caption}")
    return Figure(name, title, caption, wide=False, svg=svg, png=to_png(draw))
