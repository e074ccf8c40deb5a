"""Mean angles between embeddings: their means by system, and how they are distributed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from numpy.typing import NDArray

from dmrnet.report.figures.drawing.axes import axes_at, bare_grid
from dmrnet.report.figures.drawing.figure import Figure, data_id, make_figure
from dmrnet.report.figures.drawing.histograms import Panel, draw_panels, mean_density
from dmrnet.report.figures.drawing.systems import Mark, analysed_left_out, analysed_systems
from dmrnet.report.statistics.estimates import Estimate
from dmrnet.report.statistics.formatting import shortened
from dmrnet.report.summary.analyses import AnalysisSummary
from dmrnet.report.summary.summary import DataSummary

KINDS = {
    "one": "one combination",
    "nested": "one within the other",
    "shared": "some modalities in common",
    "apart": "no modality in common",
}
"""Relations between two combinations: key and description."""

_EDGES = np.arange(0.0, 182.0, 2.0)
"""Edges of the histograms' bins, in degrees."""

_ANGLES = (
    ("within", "one combination", "o", False),
    ("between", "two combinations", "o", True),
    ("classes", "two classes", "|", True),
)
"""Metric, label, marker, and whether the marker is filled."""


def angle_figure(summary: DataSummary, analysed: AnalysisSummary, name: str) -> Figure | None:
    """Draw one line per system: angles within a combination, between two, and between classes.

    Returns:
        The figure, or None if no system that is shown has the analysis.
    """
    shown = analysed_systems(summary, analysed)
    if not shown:
        return None
    names = [shortened(mark.label) for mark in shown]
    left = 0.2 + 0.063 * max(map(len, names))

    def draw(ink: str) -> Canvas:
        height, width = 0.24 * len(shown) + 0.1, 2.7
        figure = Canvas(figsize=(left + 2 * width + 0.45, height + 0.95))
        origins = (("_centred", "from the mean embedding"), ("", "from zero"))
        for column, (suffix, words) in enumerate(origins):
            axes = axes_at(figure, left + column * (width + 0.25), 0.5, width, height)
            for y, mark in enumerate(shown):
                _line(axes, analysed, mark, y, suffix)
            axes.set_ylim(len(shown) - 0.5, -0.5)
            axes.set_xlim(left=0)
            axes.set_yticks(*([], []) if column else (range(len(names)), names))
            axes.set_xlabel(f"degrees, {words}")
            bare_grid(axes, ink, "x")
            axes.tick_params(axis="y", length=0)
        _key(figure, left, height, ink)
        return figure

    caption = (
        "Mean angle between embeddings of two samples of one class under one combination (hollow: "
        "the spread of the class) and under two combinations (filled), and between the mean "
        "directions of two classes (bar); each with ± one standard error over seeds. The further "
        "the filled dot lies right of the hollow one, the more do combinations point apart. "
        "Systems with and without a ReLU before the classifier can be compared from the mean "
        "embedding, not from zero."
    )
    caption += analysed_left_out(summary, analysed)
    return make_figure(name, "Directions of combinations", caption, draw)


def _line(axes: Axes, analysed: AnalysisSummary, mark: Mark, y: int, suffix: str) -> None:
    """Draw the angles of one system at height `y`."""
    style: dict[str, Any] = {"color": mark.colour, "gid": data_id(mark.label)}
    angles = {metric: analysed.get(mark.label, metric + suffix) for metric, *_ in _ANGLES}
    within, between = angles["within"], angles["between"]
    if within is not None and between is not None:
        axes.plot([within.mean, between.mean], [y, y], linewidth=1.6, alpha=0.45, **style)
    for metric, _, marker, filled in _ANGLES:
        value = angles[metric]
        if value is None:
            continue
        if value.se is not None:
            axes.hlines(y, value.mean - value.se, value.mean + value.se, **style)
        axes.plot([value.mean], [y], **_marker(marker, filled, mark.colour, key=False), **style)


def _key(figure: Canvas, left: float, height: float, ink: str) -> None:
    """Explain the markers above the panels."""
    axes = axes_at(figure, left, height + 0.66, 5.0, 0.16)
    axes.set_xlim(0, 5.0)
    axes.set_ylim(-1, 1)
    axes.axis("off")
    x = 0.08
    for _, words, marker, filled in _ANGLES:
        axes.plot([x], [0], color=ink, **_marker(marker, filled, ink, key=True))
        axes.text(x + 0.1, 0, words, color=ink, va="center_baseline")
        x += 0.35 + 0.066 * len(words)


def _marker(marker: str, filled: bool, colour: str, *, key: bool) -> dict[str, Any]:
    """Return the style of a marker, a little smaller in the key."""
    sizes = {"o": 5 if key else 5.5, "|": 8 if key else 9}
    return {
        "marker": marker,
        "markersize": sizes[marker],
        "markeredgewidth": 1.2 if key else 1.3,
        "markerfacecolor": colour if filled else "none",
        "linestyle": "none",
    }


def _kind_of(first: str, second: str) -> str:
    """Return what two combinations have in common, as a key of `KINDS`.

    >>> [_kind_of("a+b", other) for other in ("a+b", "b", "b+c", "c")]
    ['one', 'nested', 'shared', 'apart']
    """
    a, b = set(first.split("+")), set(second.split("+"))
    if a == b:
        return "one"
    if a <= b or b <= a:
        return "nested"
    return "shared" if a & b else "apart"


def _angles_by_kind(
    arrays: Mapping[str, NDArray[Any]], suffix: str
) -> dict[str, NDArray[np.float64]]:
    """Return the mean angles of a run, in degrees, of each class and pair of combinations.

    They are in ``between`` with the suffix (``_centred`` for angles from the mean embedding, empty
    for those from zero), ``(classes, K, K)``, NaN without a sample. A kind may lack pairs.
    """
    if "combinations" not in arrays or f"between{suffix}" not in arrays:
        return {}
    names, between = arrays["combinations"].tolist(), arrays[f"between{suffix}"]
    kinds = np.array([[_kind_of(a, b) for b in names] for a in names])
    once = np.triu(np.ones(kinds.shape, dtype=bool))
    cells = {kind: between[:, (kinds == kind) & once].ravel() for kind in KINDS}
    known = {kind: values[np.isfinite(values)] for kind, values in cells.items()}
    return {kind: values for kind, values in known.items() if values.size}


def mean_by_kind(analysed: AnalysisSummary, label: str, suffix: str) -> dict[str, Estimate]:
    """Return a system's mean angle of each kind of pair, over classes and pairs, by seed."""
    means: dict[str, dict[int, float]] = {}
    for seed, arrays in analysed.arrays.get(label, {}).items():
        for kind, values in _angles_by_kind(arrays, suffix).items():
            means.setdefault(kind, {})[seed] = float(values.mean())
    return {kind: Estimate.of(values) for kind, values in means.items()}


def pair_figure(summary: DataSummary, analysed: AnalysisSummary, name: str) -> Figure | None:
    """Draw how angles are distributed over classes and pairs: a panel per kind, a line per system.

    Returns:
        The figure, or None if no run has the angles of pairs.
    """
    shown = analysed_systems(summary, analysed)
    angles = {
        mark.label: [
            _angles_by_kind(arrays, "_centred")
            for arrays in analysed.arrays.get(mark.label, {}).values()
        ]
        for mark in shown
    }
    panels = []
    for kind, words in KINDS.items():
        densities, means = {}, {}
        for label, by_seed in angles.items():
            counts = [np.histogram(of[kind], bins=_EDGES)[0] for of in by_seed if kind in of]
            if (density := mean_density(counts)) is not None:
                densities[label] = density
                means[label] = mean_by_kind(analysed, label, "_centred")[kind].mean
        if densities:
            title = words if kind == "one" else f"two combinations, {words}"
            panels.append(Panel(title, densities, means))
    if not panels:
        return None

    def draw(ink: str) -> Canvas:
        size, label = (5.4, 0.95), "degrees, from the mean embedding"
        return draw_panels(
            panels, _EDGES, shown, ink, columns=1, size=size, gap=0.42, below=0.12, label=label
        )

    caption = (
        "Distribution of the mean angles between embeddings of two samples of one class, over "
        "classes and pairs of combinations, by what the two combinations have in common; averaged "
        "over seeds. Marks above a panel are means. If all combinations of a class pointed in one "
        "direction, the lower panels would look like the first."
    )
    if any(panel.top[1] for panel in panels):
        caption += " Peaks higher than their panel are cut."
    caption += analysed_left_out(summary, analysed)
    return make_figure(name, "Angles by what combinations share", caption, draw)
