"""Histograms of the distance between channels, for each pair of modalities (Fig. 1)."""

from __future__ import annotations

from matplotlib.figure import Figure as Canvas

from dmrnet.report.figures.drawing.figure import Figure, make_figure
from dmrnet.report.figures.drawing.histograms import Panel, draw_panels, mean_density
from dmrnet.report.figures.drawing.systems import Mark, analysed_left_out, analysed_systems
from dmrnet.report.statistics.formatting import shortened
from dmrnet.report.summary.analyses import AnalysisSummary
from dmrnet.report.summary.summary import DataSummary

MOST_PAIRS = 9
"""Number of pairs of modalities that have a panel; those within a modality come first."""


def pairs_of(analysed: AnalysisSummary) -> list[str]:
    """Return modalities, then pairs of them, as rows name them: ``rgb``, ``rgb+ir``."""
    return sorted(analysed.combinations("cosine"), key=lambda name: name.count("+"))


def distance_figure(
    summary: DataSummary, analysed: AnalysisSummary, form: str, name: str
) -> Figure | None:
    """Draw a panel for each pair of modalities, one line per system.

    Returns:
        The figure, or None if no run has a histogram of the form, ``cosine`` or ``printed``.
    """
    shown = analysed_systems(summary, analysed)
    pairs = pairs_of(analysed)
    panels = [_panel(analysed, shown, form, pair) for pair in pairs[:MOST_PAIRS]]
    if not any(panel.densities for panel in panels):
        return None
    edges = next(of["edges"] for by_seed in analysed.arrays.values() for of in by_seed.values())
    columns = min(3, len(panels))

    def draw(ink: str) -> Canvas:
        size = (2.05, 1.25)
        return draw_panels(
            panels, edges, shown, ink, columns=columns, size=size, gap=0.62, below=-0.3
        )

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
    caption = " ".join(sentences) + analysed_left_out(summary, analysed)
    title = "Distance between channels" + (", as printed" if form == "printed" else "")
    return make_figure(name, title, caption, draw)


def _panel(analysed: AnalysisSummary, shown: list[Mark], form: str, pair: str) -> Panel:
    """Gather histograms and means of one pair of modalities."""
    key = f"{form}/{pair}"
    densities, means = {}, {}
    for label in (mark.label for mark in shown):
        by_seed = analysed.arrays.get(label, {}).values()
        counts = [of[key] for of in by_seed if key in of and of[key].sum()]
        if (density := mean_density(counts)) is not None:
            densities[label] = density
        if (mean := analysed.get(label, form, pair)) is not None:
            means[label] = mean.mean
    first, _, second = pair.partition("+")
    title = f"{shortened(first, 13)} to {shortened(second, 13)}"
    return Panel(title if second else f"within {shortened(first, 20)}", densities, means)
