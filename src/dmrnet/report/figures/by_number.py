"""Score against the number of modalities seen."""

from __future__ import annotations

from matplotlib.figure import Figure as Canvas

from dmrnet.report.figures.axes import axes_at, bare_grid, error_bars
from dmrnet.report.figures.figure import Figure, make_figure
from dmrnet.report.figures.legend import legend, legend_height
from dmrnet.report.figures.svg import data_id
from dmrnet.report.figures.systems import best_systems, worse_left_out
from dmrnet.report.records.combinations import members
from dmrnet.report.statistics.estimates import average
from dmrnet.report.summary.summary import DataSummary


def by_number(summary: DataSummary, name: str) -> Figure:
    """Draw the average and the worst score of the combinations of each size."""
    systems, shown = best_systems(summary)
    sizes: dict[int, list[str]] = {}
    for combination in summary.compared or summary.combinations:
        sizes.setdefault(len(members(combination)), []).append(combination)

    def draw(ink: str) -> Canvas:
        figure = Canvas(figsize=(5.6, 3.1 + legend_height(shown, 4.8)))
        axes = axes_at(figure, left=0.6, bottom=0.5, width=4.8, height=2.3)
        for item, mark in zip(systems, shown, strict=True):
            xs, averages, worst = [], [], []
            for size, names in sorted(sizes.items()):
                scores = [item.scores[c] for c in names if c in item.scores]
                mean = average(scores)
                if mean is None:
                    continue
                # Only a slight shift: a larger one would bend the lines.
                xs.append(size + 0.1 * mark.shift)
                averages.append(mean)
                worst.append(100 * max((v.mean for v in scores), key=summary.score.error))
            gid = data_id(mark.label)
            error_bars(axes, xs, averages, mark.colour, 100, gid)
            means = [100 * mean.mean for mean in averages]
            axes.plot(xs, means, marker=mark.shape, color=mark.colour, markersize=4.5, gid=gid)
            axes.plot(
                xs,
                worst,
                gid=gid,
                marker=mark.shape,
                color=mark.colour,
                markersize=3.5,
                markerfacecolor="none",
                linestyle=":",
                linewidth=0.9,
            )
        axes.set_xticks(sorted(sizes))
        axes.set_xlim(min(sizes) - 0.4, max(sizes) + 0.4)
        axes.set_xlabel("modalities seen")
        axes.set_ylabel(f"{summary.score.label} in %")
        bare_grid(axes, ink)
        legend(axes, shown, ink)
        return figure

    title = f"{summary.score.label[:1].upper()}{summary.score.label[1:]} by number of modalities"
    caption = (
        "Filled: average over the combinations of this many modalities; bars are ± one standard "
        "error over seeds. Hollow and dotted: the worst of these combinations."
    )
    return make_figure(name, title, caption + worse_left_out(summary), draw)
