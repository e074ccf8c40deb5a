"""The variance of every combination, epoch by epoch, with the highest circled (Fig. 3)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import fmean

from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from dmrnet.report.figures.figures import Figure
from dmrnet.report.figures.marks import bare
from dmrnet.report.figures.svg import to_png, to_svg
from dmrnet.report.records.combinations import canonical
from dmrnet.report.records.rows import integer, number, read_records, text
from dmrnet.report.records.runs import VARIANCE
from dmrnet.report.statistics.formatting import shortened
from dmrnet.report.summary.summary import DataSummary, SystemSummary

Course = Mapping[str, Mapping[int, float]]
"""``{combination: {epoch counted from 1: mean variance}}``."""

_WORST = "#d55e00"
_NAMED = 15


def course_of(folders: Iterable[Path], modalities: Sequence[str]) -> dict[str, dict[int, float]]:
    """Read the variance of each combination and epoch, averaged over runs.

    Args:
        folders: Of runs of one system; those without a variance are passed over.
        modalities: In order.
    """
    found: dict[str, dict[int, list[float]]] = {}
    for folder in folders:
        path = folder / VARIANCE
        if not path.is_file():
            continue
        for where, record in read_records(path):
            value = number(record, "mean_variance", where)
            if value is not None:
                name = canonical(text(record, "combination", where), modalities)
                epoch = integer(record, "epoch", where) + 1
                found.setdefault(name, {}).setdefault(epoch, []).append(value)
    return {
        name: {epoch: fmean(values) for epoch, values in sorted(of.items())}
        for name, of in found.items()
    }


def highest(course: Course, k: int) -> list[str]:
    """Return the k combinations of the highest variance in the last epoch, highest first."""
    last = max(max(of) for of in course.values())
    ends = {name: of[last] for name, of in course.items() if last in of}
    return sorted(ends, key=lambda name: -ends[name])[:k]


def course_figure(summary: DataSummary, item: SystemSummary, name: str) -> Figure | None:
    """Draw one line a combination over the epochs; the top V circled, the truly worst coloured.

    Returns:
        The figure, or None where the system recorded no variance.
    """
    folders = [run.path for run in summary.runs if run.label == item.label]
    course = course_of(folders, summary.modalities)
    if not course:
        return None
    v = len(summary.modalities)
    circled = highest(course, v)
    error = {k: summary.score.error(value.mean) for k, value in item.scores.items()}
    worst = sorted((k for k in error if k in course), key=lambda k: (-error[k], k))[:v]
    named = (
        list(course) if len(course) <= _NAMED else [k for k in course if k in {*circled, *worst}]
    )

    def draw(ink: str) -> Canvas:
        left, width, height = 0.55, 3.9, max(2.4, 0.15 * len(named) + 0.3)
        room = 0.35 + 0.068 * max(len(shortened(k, 30)) for k in named)
        figure = Canvas(figsize=(left + width + room, height + 0.65))
        across, up = figure.get_size_inches()
        axes = figure.add_axes((left / across, 0.45 / up, width / across, height / up))
        _lines(axes, course, circled, worst, ink)
        _names(axes, course, named, worst, ink, height)
        axes.set_xlabel("epoch")
        axes.set_ylabel("mean σ²")
        bare(axes, ink)
        axes.grid(axis="y", color=ink, alpha=0.12, linewidth=0.6)
        return figure

    both = len(set(circled) & set(worst))
    seeds = "" if len(folders) == 1 else f", averaged over {len(folders)} seeds"
    caption = (
        f"Mean variance σ² of each combination in training{seeds}. Circled in the last epoch are "
        f"the {len(circled)} highest, which the paper calls hard; coloured and dashed are the "
        f"{len(worst)} that score worst on {'validation' if summary.split == 'val' else 'test'}: "
        f"{both} of them are circled."
    )
    if len(named) < len(course):
        caption += f" {len(named)} of {len(course)} combinations are named."
    title = f"Variance by epoch, {item.label}"
    svg = to_svg(draw, name, f"{title}. {caption}")
    return Figure(name, title, caption, wide=False, svg=svg, png=to_png(draw), system=item.label)


def _lines(
    axes: Axes, course: Course, circled: Sequence[str], worst: Sequence[str], ink: str
) -> None:
    for name, of in course.items():
        bad = name in worst
        axes.plot(
            list(of),
            list(of.values()),
            color=_WORST if bad else ink,
            alpha=1 if bad else 0.45,
            linewidth=1.3 if bad else 0.9,
            linestyle=(0, (4, 1.5)) if bad else "-",
            zorder=3 if bad else 2,
        )
    last = max(max(of) for of in course.values())
    axes.plot(
        [last] * len(circled),
        [course[name][last] for name in circled],
        linestyle="none",
        marker="o",
        markersize=8,
        markerfacecolor="none",
        markeredgecolor=_WORST,
        markeredgewidth=1.3,
        clip_on=False,
        zorder=4,
    )
    first = min(min(of) for of in course.values())
    # Lines end at the edge, where their names stand; few epochs are marked one by one.
    axes.set_xlim(first if first < last else first - 0.5, last)
    if last - first < 12:
        axes.set_xticks(range(first, last + 1))


def _names(
    axes: Axes,
    course: Course,
    named: Sequence[str],
    worst: Sequence[str],
    ink: str,
    height: float,
) -> None:
    """Write names at the ends of lines, moved apart where lines end close together."""
    low, high = axes.get_ylim()
    ends = sorted((list(course[name].values())[-1], name) for name in named)
    step = 0.15 * (high - low) / height
    places: list[float] = []
    for value, _ in ends:
        places.append(max(value, places[-1] + step) if places else value)
    over = max(0.0, places[-1] - high)
    for k in reversed(range(len(places))):
        limit = places[k + 1] - step if k + 1 < len(places) else high
        places[k] = min(places[k] - (over if k + 1 == len(places) else 0.0), limit)
    for (value, name), place in zip(ends, places, strict=True):
        bad = name in worst
        axes.annotate(
            shortened(name, 30),
            xy=(1, value),
            xycoords=("axes fraction", "data"),
            xytext=(1.05, place),
            textcoords=("axes fraction", "data"),
            color=_WORST if bad else ink,
            va="center",
            annotation_clip=False,
            arrowprops={
                "arrowstyle": "-",
                "color": _WORST if bad else ink,
                "alpha": 0.4,
                "linewidth": 0.6,
                "relpos": (0, 0.5),
                "shrinkA": 1,
                "shrinkB": 6,
            },
        )
    axes.set_ylim(low, high)
