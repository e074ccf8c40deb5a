"""Histograms of the distance between channels, for each pair of modalities (Fig. 1)."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure as Canvas

from dmrnet.report.figures.figure import Figure, make_figure
from dmrnet.report.figures.histograms import Layout, Panel, draw_panels, mean_density
from dmrnet.report.figures.systems import analysed_left_out, analysed_systems
from dmrnet.report.statistics.formatting import shortened
from dmrnet.report.summary.analyses import AnalysisSummary

MOST_PAIRS = 9
"""Number of pairs of modalities that have a panel; those within a modality come first."""


def pairs_of(analysed: AnalysisSummary) -> list[str]:
    """Return modalities, then pairs of them, as rows name them: ``rgb``, ``rgb+ir``."""
    return sorted(analysed.combinations("cosine"), key=lambda name: name.count("+"))


def distance_figure(
    analysed: AnalysisSummary, labels: Sequence[str], form: str, name: str, *, with_baseline: bool
) -> Figure | None:
    """Draw a panel for each pair of modalities, one line a system.

    Args:
        analysed: A channel distance.
        labels: Labels of the systems, the baseline first.
        form: ``cosine`` or ``printed``.
        name: Stem of the figure's file names.
        with_baseline: Whether the first system is a baseline.

    Returns:
        The figure, or None if no run has a histogram.
    """
    _, shown = analysed_systems(analysed, labels, with_baseline=with_baseline)
    pairs = pairs_of(analysed)
    panels = [_panel(analysed, [mark.label for mark in shown], form, p) for p in pairs[:MOST_PAIRS]]
    if not any(panel.densities for panel in panels):
        return None
    edges = next(of["edges"] for by_seed in analysed.arrays.values() for of in by_seed.values())
    layout = Layout(columns=min(3, len(panels)), width=2.05, height=1.25, gap=0.62, below=-0.3)

    def draw(ink: str) -> Canvas:
        return draw_panels(panels, edges, shown, layout, ink)

    sentences = [
        "Histograms over samples and pairs of channels of "
        + ("one minus the cosine." if form == "cosine" else "Eq. 14-15 as printed."),
        "Marks above a panel are means; further right is more diverse. Maps are the encoders'.",
    ]
    if form == "printed":
        sentences.append("This form follows the number of channels: compare equal networks only.")
    if any(panel.top[1] for panel in panels):
        sentences.append(
            "Peaks higher than their panel are cut: at 1 are channels that are never active in "
            "the same position."
        )
    if more := len(pairs) - len(panels):
        sentences.append(f"{more} more pairs are in the table.")
    caption = " ".join(sentences) + analysed_left_out(analysed, labels)
    title = "Distance between channels" + (", as printed" if form == "printed" else "")
    return make_figure(name, title, caption, draw)


def _panel(analysed: AnalysisSummary, labels: Sequence[str], form: str, pair: str) -> Panel:
    """Gather histograms and means of one pair of modalities."""
    key = f"{form}/{pair}"
    densities, means = {}, {}
    for label in labels:
        by_seed = analysed.arrays.get(label, {}).values()
        counts = [of[key] for of in by_seed if key in of and of[key].sum()]
        if (density := mean_density(counts)) is not None:
            densities[label] = density
        if (mean := analysed.get(label, form, pair)) is not None:
            means[label] = mean.mean
    first, _, second = pair.partition("+")
    title = (
        f"{shortened(first, 13)} to {shortened(second, 13)}"
        if second
        else f"within {shortened(first, 20)}"
    )
    return Panel(title, densities, means)
