"""Angles by what two combinations have in common: means for tables, and histograms."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure as Canvas
from numpy.typing import NDArray

from dmrnet.report.figures.figure import Figure, make_figure
from dmrnet.report.figures.histograms import Panel, draw_panels, mean_density
from dmrnet.report.figures.systems import analysed_left_out, analysed_systems
from dmrnet.report.statistics.estimates import Estimate
from dmrnet.report.summary.analyses import AnalysisSummary
from dmrnet.report.summary.summary import DataSummary

KINDS = {
    "one": "one combination",
    "nested": "one within the other",
    "shared": "some modalities in common",
    "apart": "no modality in common",
}
"""What two combinations may have in common: key, and description."""

_EDGES = np.arange(0.0, 182.0, 2.0)
"""Edges of the histograms' bins, in degrees."""


def kind_of(first: str, second: str) -> str:
    """Return what two combinations have in common, as a key of `KINDS`.

    >>> [kind_of("a+b", other) for other in ("a+b", "b", "b+c", "c")]
    ['one', 'nested', 'shared', 'apart']
    """
    a, b = set(first.split("+")), set(second.split("+"))
    if a == b:
        return "one"
    if a <= b or b <= a:
        return "nested"
    return "shared" if a & b else "apart"


def angles_by_kind(
    arrays: Mapping[str, NDArray[Any]], suffix: str
) -> dict[str, NDArray[np.float64]]:
    """Return the mean angle of each class and pair of combinations, by kind of pair.

    Args:
        arrays: Arrays of one run: names of ``combinations``, ``(K,)``, and ``between`` with the
            suffix, ``(classes, K, K)``, NaN without a sample.
        suffix: ``_centred`` for angles from the mean embedding, empty for those from zero.

    Returns:
        Degrees by kind, ``(cells,)`` each, without NaN; kinds without a pair are absent.
    """
    if "combinations" not in arrays or f"between{suffix}" not in arrays:
        return {}
    names, between = arrays["combinations"].tolist(), arrays[f"between{suffix}"]
    kinds = np.array([[kind_of(a, b) for b in names] for a in names])
    once = np.triu(np.ones(kinds.shape, dtype=bool))
    cells = {kind: between[:, (kinds == kind) & once].ravel() for kind in KINDS}
    known = {kind: values[np.isfinite(values)] for kind, values in cells.items()}
    return {kind: values for kind, values in known.items() if values.size}


def mean_by_kind(analysed: AnalysisSummary, label: str, suffix: str) -> dict[str, Estimate]:
    """Return a system's mean angle of each kind of pair, over classes and pairs, by seed."""
    means: dict[str, dict[int, float]] = {}
    for seed, arrays in analysed.arrays.get(label, {}).items():
        for kind, values in angles_by_kind(arrays, suffix).items():
            means.setdefault(kind, {})[seed] = float(values.mean())
    return {kind: Estimate.of(values) for kind, values in means.items()}


def pair_figure(summary: DataSummary, analysed: AnalysisSummary, name: str) -> Figure | None:
    """Draw how angles are distributed over classes and pairs: a panel a kind, a line a system.

    Returns:
        The figure, or None if no run has the angles of pairs.
    """
    shown = analysed_systems(summary, analysed)
    labels = [mark.label for mark in shown]
    angles = {
        label: [angles_by_kind(of, "_centred") for of in analysed.arrays.get(label, {}).values()]
        for label in labels
    }
    means = {label: mean_by_kind(analysed, label, "_centred") for label in labels}
    panels = []
    for kind, words in KINDS.items():
        counts = {
            label: [np.histogram(of[kind], bins=_EDGES)[0] for of in by_seed if kind in of]
            for label, by_seed in angles.items()
        }
        densities = {label: d for label, c in counts.items() if (d := mean_density(c)) is not None}
        title = words if kind == "one" else f"two combinations, {words}"
        if densities:
            of_kind = {label: means[label][kind].mean for label in densities}
            panels.append(Panel(title, densities, of_kind))
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
