"""The figures of a report: by number of modalities, by combination, and the mined variance."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from dmrnet.report.figures.marks import MOST_SYSTEMS, Mark, bare, dot_matrix, key, key_places, marks
from dmrnet.report.figures.svg import data_id, to_png, to_svg
from dmrnet.report.records.combinations import members
from dmrnet.report.statistics import formatting as fmt
from dmrnet.report.statistics.estimates import Estimate, average
from dmrnet.report.summary.summary import DataSummary, SystemSummary

MOST_COLUMNS = 64
"""More combinations than this (six modalities have 63) are not all drawn."""

_HARDEST = 40
_MOST_VARIANCES = 4
_NARROW = 15
_POINTS = 72


@dataclass(frozen=True, slots=True)
class Figure:
    """A drawn figure.

    Attributes:
        name: Letters, digits and hyphens; the name of its files.
        title: A few words.
        caption: How to read it, and what it leaves out.
        wide: Whether it is too wide to shrink to a narrow page.
        svg: SVG to stand in a page.
        png: The same as PNG.
        system: The one system that it shows; empty where it shows several.
    """

    name: str
    title: str
    caption: str
    wide: bool
    svg: str
    png: bytes
    system: str = ""


def draw_figures(summary: DataSummary, prefix: str) -> list[Figure]:
    """Draw what there is to draw of a summary.

    Args:
        summary: The summary; without any value nothing is drawn.
        prefix: Begins the figures' names: letters, digits and hyphens.
    """
    figures = []
    if summary.combinations:
        if len(summary.modalities) > 2:
            figures.append(by_number(summary, f"{prefix}-number"))
        figures.append(by_combination(summary, f"{prefix}-combinations"))
    figures += [
        by_variance(summary, item, f"{prefix}-variance-{index + 1}")
        for index, item in enumerate(_with_variance(summary)[:_MOST_VARIANCES])
    ]
    return figures


def _with_variance(summary: DataSummary) -> list[SystemSummary]:
    return [
        item
        for item in summary.systems
        if item.hardness is not None and item.hardness.variance and item.scores
    ]


def by_number(summary: DataSummary, name: str) -> Figure:
    """Score against the number of modalities seen: the average, and the worst combination."""
    systems, shown = _shown(summary)
    groups: dict[int, list[str]] = {}
    for combination in summary.compared or summary.combinations:
        groups.setdefault(len(members(combination)), []).append(combination)

    def draw(ink: str) -> Canvas:
        figure = Canvas(figsize=(5.6, 3.1 + 0.17 * _key_lines(shown, 4.8)))
        axes = _axes(figure, left=0.6, bottom=0.5, width=4.8, height=2.3)
        for item, mark in zip(systems, shown, strict=True):
            xs, means, worst = [], [], []
            averages = []
            for size, names in sorted(groups.items()):
                found = [item.scores[c] for c in names if c in item.scores]
                mean = average(found)
                if mean is None:
                    continue
                # A slight shift alone: a larger one would bend the lines.
                xs.append(size + 0.1 * mark.shift)
                averages.append(mean)
                means.append(100 * mean.mean)
                worst.append(100 * max((v.mean for v in found), key=summary.score.error))
            gid = data_id(mark.label)
            _intervals(axes, xs, averages, mark.colour, 100, gid)
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
        axes.set_xticks(sorted(groups))
        axes.set_xlim(min(groups) - 0.4, max(groups) + 0.4)
        axes.set_xlabel("modalities seen")
        axes.set_ylabel(f"{summary.score.label} in %")
        bare(axes, ink)
        axes.grid(axis="y", color=ink, alpha=0.12, linewidth=0.6)
        key(axes, shown, ink)
        return figure

    title = f"{summary.score.label[:1].upper()}{summary.score.label[1:]} by number of modalities"
    caption = (
        "Filled: average over the combinations of that many modalities; bars are ± one standard "
        "error over seeds. Hollow and dotted: the worst such combination." + _left_out(summary)
    )
    return _figure(name, title, caption, draw, wide=False)


def by_combination(summary: DataSummary, name: str) -> Figure:
    """Score of every combination over a matrix of dots, and the difference to the baseline."""
    systems, shown = _shown(summary)
    columns = _columns(summary)
    ours = [(item, mark) for item, mark in zip(systems, shown, strict=True) if item.gains]
    width, left = _width(columns), _left(summary)
    matrix = 0.165 * len(summary.modalities) + 0.1
    lower = 1.35 if ours else 0.0
    upper = 2.5

    def draw(ink: str) -> Canvas:
        lines = _key_lines(shown, width)
        base = 0.22
        figure = Canvas(
            figsize=(left + width + 0.15, base + matrix + lower + upper + 0.39 + 0.17 * lines)
        )
        dots = _axes(figure, left, base, width, matrix)
        dot_matrix(dots, columns, summary.modalities, ink)
        panels = [dots]
        if ours:
            gains = _axes(figure, left, base + 0.06 + matrix, width, lower - 0.12)
            for item, mark in ours:
                _dots(gains, columns, item.gains, mark)
            over = fmt.shortened(summary.baseline or "", 14)
            _panel(gains, f"points\nvs {over}", ink)
            gains.axhline(0, color=ink, linewidth=0.8)
            panels.append(gains)
        scores = _axes(figure, left, base + 0.06 + matrix + lower, width, upper)
        for item, mark in zip(systems, shown, strict=True):
            _dots(scores, columns, item.scores, mark)
        _panel(scores, f"{summary.score.label} in %", ink)
        panels.append(scores)
        for panel in panels:
            panel.set_xlim(-0.6, len(columns) - 0.4)
        _bands(panels, columns, ink)
        key(scores, shown, ink)
        return figure

    told = (
        ""
        if len(columns) == len(summary.combinations)
        else (
            f" Drawn are {len(columns)} of {len(summary.combinations)} combinations: single "
            f"modalities, all of them, and the {_HARDEST} worst; the tables have every one."
        )
    )
    caption = (
        "Each column is a combination: filled dots are the modalities seen. Columns stand by how "
        "many modalities are seen, fewest first; among those of as many, where the first system "
        "does worst comes first. Bars are ± one standard error over seeds."
        + (
            f" The lower panel is the difference to {summary.baseline}, paired by seed."
            if ours
            else ""
        )
        + told
        + _left_out(summary)
    )
    return _figure(name, "Every combination", caption, draw, wide=len(columns) > _NARROW)


def by_variance(summary: DataSummary, item: SystemSummary, name: str) -> Figure:
    """Mean variance of each combination with the hard set circled (Fig. 3), over its error."""
    hardness = item.hardness
    assert hardness is not None
    error = {k: summary.score.error(v.mean) for k, v in item.scores.items()}
    known = [k for k in error if k in hardness.variance]
    known.sort(key=lambda k: (-error[k], k))
    if len(known) > MOST_COLUMNS:
        keep = {*known[:_HARDEST], *hardness.mined, *hardness.worst}
        known = [k for k in known if k in keep]
    mark = marks([item.label], with_baseline=False)[0]
    width, left = _width(known), _left(summary)
    matrix = 0.165 * len(summary.modalities) + 0.1

    def draw(ink: str) -> Canvas:
        figure = Canvas(figsize=(left + width + 0.15, matrix + 3.4))
        dots = _axes(figure, left, 0.08, width, matrix)
        dot_matrix(dots, known, summary.modalities, ink)
        errors = _axes(figure, left, 0.16 + matrix, width, 1.35)
        for worst in (False, True):
            places = [i for i, k in enumerate(known) if (k in hardness.worst) is worst]
            errors.bar(
                places,
                [100 * error[known[i]] for i in places],
                width=0.66,
                color=_WORST if worst else ink,
                alpha=1 if worst else 0.35,
            )
        _panel(
            errors,
            "error in %" if not summary.score.lower_is_better else f"{summary.score.label} in %",
            ink,
        )
        variance = _axes(figure, left, 1.75 + matrix, width, 1.45)
        values = [hardness.variance[k] for k in known]
        means = [value.mean for value in values]
        _intervals(variance, range(len(known)), values, mark.colour, 1)
        variance.plot(means, linestyle="none", marker="o", markersize=3.6, color=mark.colour)
        circled = [i for i, k in enumerate(known) if k in hardness.mined]
        variance.plot(
            circled,
            [means[i] for i in circled],
            linestyle="none",
            marker="o",
            markersize=9,
            markerfacecolor="none",
            markeredgecolor=_WORST,
            markeredgewidth=1.3,
            clip_on=False,
        )
        _panel(variance, "mean σ²", ink)
        for panel in (dots, errors, variance):
            panel.set_xlim(-0.6, len(known) - 0.4)
        return figure

    rank = hardness.variance_rank
    told = ""
    if rank is not None:
        meaning = (
            "high variance went with hard combinations"
            if rank > 0.5
            else "high variance went with easy combinations"
            if rank < -0.5
            else "variance said little about which combinations are hard"
        )
        told = f" Their rank correlation is {rank:+.2f}: here {meaning}.".replace("-", fmt.MINUS)
    caption = (
        "Worst combination on the left. Above: mean variance σ² in the epoch whose weights are kept"
        f"{_epochs(summary, item)}; circled are the combinations that "
        "mining called hard. Below: the error; in the circles' colour, the "
        f"{len(hardness.worst)} truly worst. Were variance a sign of hardness, both would fall "
        "from left to right." + told
    )
    if len(known) < len(item.scores):
        caption += (
            f" Drawn are {len(known)} of {len(item.scores)} combinations: the {_HARDEST} worst and "
            "the mined ones; the correlation is over all."
        )
    more = len(_with_variance(summary)) - _MOST_VARIANCES
    if more > 0:
        caption += f" {_MOST_VARIANCES} systems are drawn; {more} more are in the table above."
    title = f"Variance and error, {item.label}"
    drawn = _figure(name, title, caption, draw, wide=len(known) > _NARROW)
    return replace(drawn, system=item.label)


_WORST = "#d55e00"


def _epochs(summary: DataSummary, item: SystemSummary) -> str:
    """Say which epoch is shown, of each seed where they differ."""
    by_seed = {run.seed: run.epoch for run in summary.runs if run.label == item.label and run.epoch}
    if not by_seed:
        return ""
    if len(set(by_seed.values())) == 1:
        return f" ({next(iter(by_seed.values()))})"
    told = ", ".join(f"{epoch} of seed {seed}" for seed, epoch in sorted(by_seed.items()))
    return f" ({told})"


def _figure(
    name: str, title: str, caption: str, draw: Callable[[str], Canvas], *, wide: bool
) -> Figure:
    svg = to_svg(draw, name, f"{title}. {caption}")
    return Figure(name, title, caption, wide, svg, to_png(draw))


def _shown(summary: DataSummary) -> tuple[tuple[SystemSummary, ...], list[Mark]]:
    """Return what is drawn: every system, or of many the baseline and the best by average."""
    drawn = {item.label for item in summary.systems if item.label == summary.baseline}
    ranked = sorted(
        (item for item in summary.systems if item.label not in drawn),
        key=lambda item: (
            summary.score.error(item.headlines["average"].mean)
            if "average" in item.headlines and item.scores
            else 2.0
        ),
    )
    drawn |= {item.label for item in ranked[: MOST_SYSTEMS - len(drawn)]}
    systems = tuple(item for item in summary.systems if item.label in drawn)
    labels = [item.label for item in systems]
    return systems, marks(labels, with_baseline=summary.baseline is not None)


def _left_out(summary: DataSummary) -> str:
    more = len(summary.systems) - MOST_SYSTEMS
    if more <= 0:
        return ""
    which = f"the {MOST_SYSTEMS} systems"
    if summary.baseline is not None:
        which = f"{summary.baseline} and the {MOST_SYSTEMS - 1} systems"
    return f" Drawn are {which} with the best average; {more} more are in the tables."


def _columns(summary: DataSummary) -> list[str]:
    """Order the combinations: by number of modalities, then the worst of the first system first."""
    first = summary.systems[0].scores
    hard = {
        name: summary.score.error(first[name].mean) if name in first else -1.0
        for name in summary.combinations
    }
    names = sorted(summary.combinations, key=lambda name: (len(members(name)), -hard[name]))
    if len(names) <= MOST_COLUMNS:
        return names
    keep = set(sorted(names, key=lambda name: -hard[name])[:_HARDEST])
    keep |= {name for name in names if len(members(name)) in (1, len(summary.modalities))}
    return [name for name in names if name in keep]


def _width(columns: Sequence[str]) -> float:
    """Width of the axes in inches: wide columns for few combinations, narrow for many."""
    return max(3.0, len(columns) * _each(columns))


def _each(columns: Sequence[str]) -> float:
    """Width of a column in inches."""
    count = len(columns)
    return 0.6 if count <= 7 else 0.36 if count <= 15 else 0.26 if count <= 31 else 0.168


def _left(summary: DataSummary) -> float:
    longest = max(len(fmt.shortened(name, 16)) for name in summary.modalities)
    return max(0.68, 0.18 + 0.075 * longest)


def _axes(figure: Canvas, left: float, bottom: float, width: float, height: float) -> Axes:
    across, up = figure.get_size_inches()
    return figure.add_axes((left / across, bottom / up, width / across, height / up))


def _key_lines(shown: Sequence[Mark], width: float) -> int:
    return 1 + max(line for _, _, line in key_places(shown, width * _POINTS))


def _dots(axes: Axes, columns: Sequence[str], values: Mapping[str, Estimate], mark: Mark) -> None:
    places = [i + mark.shift for i, name in enumerate(columns) if name in values]
    found = [values[name] for name in columns if name in values]
    _intervals(axes, places, found, mark.colour, 100, data_id(mark.label))
    axes.plot(
        places,
        [100 * value.mean for value in found],
        gid=data_id(mark.label, [name for name in columns if name in values]),
        linestyle="none",
        marker=mark.shape,
        markersize=3.4 if len(columns) > 31 else 4.6,
        color=mark.colour,
    )


def _intervals(
    axes: Axes,
    places: Sequence[float],
    values: Sequence[Estimate],
    colour: str,
    scale: float,
    gid: str | None = None,
) -> None:
    """Draw ± one standard error where there is one."""
    known = [(x, v.mean, v.se) for x, v in zip(places, values, strict=True) if v.se is not None]
    axes.vlines(
        [x for x, _, _ in known],
        [scale * (mean - se) for _, mean, se in known],
        [scale * (mean + se) for _, mean, se in known],
        color=colour,
        linewidth=0.9,
        gid=gid,
    )


def _panel(axes: Axes, label: str, ink: str) -> None:
    axes.set_ylabel(label)
    axes.set_xticks([])
    bare(axes, ink)
    axes.grid(axis="y", color=ink, alpha=0.12, linewidth=0.6)
    axes.set_axisbelow(True)


def _bands(panels: Sequence[Axes], columns: Sequence[str], ink: str) -> None:
    """Shade every second group of combinations of one size, and say its size."""
    sizes = [len(members(name)) for name in columns]
    for index, size in enumerate(dict.fromkeys(sizes)):
        first, count = sizes.index(size), sizes.count(size)
        if index % 2:
            for panel in panels:
                panel.axvspan(first - 0.5, first + count - 0.5, color=ink, alpha=0.05, linewidth=0)
        panels[0].text(
            first + count / 2 - 0.5,
            -0.02,
            f"{size} seen" if count * _each(columns) > 0.5 else str(size),
            color=ink,
            ha="center",
            va="top",
            transform=panels[0].get_xaxis_transform(),
        )
