"""Angles by what two combinations have in common: tables and histograms beyond the mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure as Canvas
from numpy.typing import NDArray

from dmrnet.report.figures.analysis_figures import (
    POINTS,
    axes_at,
    figure_of,
    histograms,
    left_out,
    mean_mark,
    range_of,
    systems_of,
    top_of,
)
from dmrnet.report.figures.figures import Figure
from dmrnet.report.figures.marks import bare, key, key_places
from dmrnet.report.statistics.estimates import Estimate
from dmrnet.report.summary.analyses import AnalysisSummary

KINDS = {
    "one": "one combination",
    "nested": "one within the other",
    "shared": "some modalities in common",
    "apart": "no modality in common",
}
"""What two combinations may have in common, from one and the same to nothing at all."""

BIN = 2.0
"""Width of a histogram's bin in degrees."""

EDGES = np.arange(0.0, 180.0 + BIN, BIN)


def kind_of(first: str, second: str) -> str:
    """Say what two combinations have in common.

    >>> [kind_of("a+b", other) for other in ("a+b", "b", "b+c", "c")]
    ['one', 'nested', 'shared', 'apart']
    """
    a, b = set(first.split("+")), set(second.split("+"))
    if a == b:
        return "one"
    if a <= b or b <= a:
        return "nested"
    return "shared" if a & b else "apart"


def cells_of(arrays: Mapping[str, NDArray[Any]], suffix: str) -> dict[str, NDArray[np.float64]]:
    """Return the mean angle of each class under each two combinations, by kind.

    Args:
        arrays: Of one run: ``combinations`` and ``between`` with the suffix, ``(M, K, K)``.
        suffix: ``_centred`` for angles seen from the mean embedding, nothing for those from zero.

    Returns:
        Degrees by kind, ``(cells,)`` each; those without a sample, and kinds without a pair, are
        left out.
    """
    if "combinations" not in arrays or f"between{suffix}" not in arrays:
        return {}
    names, between = arrays["combinations"].tolist(), arrays[f"between{suffix}"]
    kinds = np.array([[kind_of(a, b) for b in names] for a in names])
    once = np.triu(np.ones(kinds.shape, dtype=bool))
    found = {kind: between[:, (kinds == kind) & once].ravel() for kind in KINDS}
    known = {kind: values[np.isfinite(values)] for kind, values in found.items()}
    return {kind: values for kind, values in known.items() if values.size}


def by_kind(analysed: AnalysisSummary, label: str, suffix: str) -> dict[str, Estimate]:
    """Return the mean angle of each kind over its classes and pairs, by seed."""
    means: dict[str, dict[int, float]] = {}
    for seed, arrays in analysed.arrays.get(label, {}).items():
        for kind, values in cells_of(arrays, suffix).items():
            means.setdefault(kind, {})[seed] = float(values.mean())
    return {kind: Estimate.of(values) for kind, values in means.items()}


def pair_figure(
    analysed: AnalysisSummary, labels: Sequence[str], name: str, *, with_baseline: bool
) -> Figure | None:
    """Draw how angles are distributed over classes and pairs, a panel a kind, a line a system.

    Args:
        analysed: An analysis of angles.
        labels: Of the systems, the baseline first.
        name: Of the figure's files.
        with_baseline: Whether the first system is a baseline.

    Returns:
        The figure, or None where no table of pairs stands.
    """
    systems, shown = systems_of(analysed, labels, with_baseline=with_baseline)
    densities = {
        (label, kind): density
        for label in systems
        for kind in KINDS
        if (density := _density(analysed.arrays.get(label, {}), kind)) is not None
    }
    if not densities:
        return None
    means = {label: by_kind(analysed, label, "_centred") for label in systems}
    kinds = [kind for kind in KINDS if any(kind == of for _, of in densities)]
    low, high = range_of(densities.values(), EDGES)
    tops = {kind: top_of([d for (_, of), d in densities.items() if of == kind]) for kind in kinds}

    def draw(ink: str) -> Canvas:
        width, each, gap, left = 5.4, 0.95, 0.42, 0.12
        head = 0.32 + 0.17 * (1 + max(line for _, _, line in key_places(shown, width * POINTS)))
        total = head + len(kinds) * (each + gap) + 0.12
        figure = Canvas(figsize=(left + width + 0.15, total))
        for row, kind in enumerate(kinds):
            bottom = total - head - row * (each + gap) - each
            axes = axes_at(figure, left, bottom, width, each)
            histograms(axes, kind, systems, shown, densities, EDGES, tops[kind][0])
            for label, mark in zip(systems, shown, strict=True):
                if (mean := means[label].get(kind)) is not None:
                    mean_mark(axes, mean.mean, mark)
            axes.set_xlim(low, high)
            title = KINDS[kind] if kind == "one" else f"two combinations, {KINDS[kind]}"
            axes.set_title(title, fontsize=8, color=ink, loc="left", pad=9)
            axes.set_yticks([])
            bare(axes, ink)
            axes.spines["left"].set_visible(False)
            if row == len(kinds) - 1:
                axes.set_xlabel("degrees, from the mean embedding")
        legend = axes_at(figure, left, total - head + 0.3, width, 0.02)
        legend.axis("off")
        key(legend, shown, ink)
        return figure

    caption = (
        "How the mean angles between embeddings of two samples of one class are distributed over "
        "classes and pairs of combinations, by what the two have in common; averaged over seeds. "
        "The marks above are the means. Were all combinations of a class forced into one "
        "direction, the lower panels would be as the first."
    )
    if any(cut for _, cut in tops.values()):
        caption += " A peak that rises out of its panel is cut."
    return figure_of(
        name, "Angles by what combinations share", caption + left_out(analysed, labels), draw
    )


def _density(
    by_seed: Mapping[int, Mapping[str, NDArray[Any]]], kind: str
) -> NDArray[np.float64] | None:
    """Return the mean over seeds of a histogram's share by bin."""
    shares = []
    for arrays in by_seed.values():
        values = cells_of(arrays, "_centred").get(kind)
        if values is not None:
            counts, _ = np.histogram(values, bins=EDGES)
            shares.append(counts / counts.sum())
    return np.asarray(np.mean(shares, axis=0)) if shares else None
