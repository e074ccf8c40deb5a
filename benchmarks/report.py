"""Measurements as tables in the terminal, Markdown, JSON and a plot."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from itertools import groupby
from pathlib import Path

import matplotlib
from matplotlib.axes import Axes
from rich.console import Console
from rich.table import Table

from benchmarks.clock import Row

COLUMNS = (
    "subject",
    "median",
    "spread",
    "ratio",
    "share of peak",
    "samples/s",
    "MiB",
    "difference",
    "note",
)


def cells(row: Row) -> tuple[str, ...]:
    """Return a row's numbers as text."""
    timed = bool(row.seconds)
    ratio = (
        "" if row.ratio is None else f"{row.ratio[0]:.2f} ({row.ratio[1]:.2f}–{row.ratio[2]:.2f})"
    )
    return (
        row.subject,
        _seconds(row.median) if timed else "",
        f"{_seconds(min(row.seconds))}–{_seconds(max(row.seconds))}" if timed else "",
        ratio,
        "" if row.rate is None else f"{row.rate:.0%}",
        "" if row.speed is None else f"{row.speed:.3g}",
        "" if row.memory is None else f"{row.memory:.0f}",
        "" if row.difference is None else f"{row.difference:.0e}",
        row.note,
    )


def _seconds(value: float) -> str:
    """Return seconds as text, in s or ms.

    >>> _seconds(2.5), _seconds(0.0125)
    ('2.50 s', '12.5 ms')
    """
    return f"{value:.2f} s" if value >= 1 else f"{1000 * value:.1f} ms"


def columns(rows: Sequence[Row]) -> list[int]:
    """Return the numbers of the columns that are not empty in every row of a case."""
    filled = zip(*(cells(row) for row in rows), strict=True)
    return [place for place, of_column in enumerate(filled) if any(of_column)]


def groups(rows: Sequence[Row]) -> list[tuple[str, str, list[Row]]]:
    """Return the rows by part and case, in order."""
    return [
        (part, case, list(of_case))
        for (part, case), of_case in groupby(rows, lambda row: (row.part, row.case))
    ]


def show(rows: Sequence[Row], console: Console) -> None:
    """Write tables to the terminal."""
    for part, case, of_case in groups(rows):
        table = Table(title=f"{part}: {case}", title_justify="left")
        shown = columns(of_case)
        for column in (COLUMNS[place] for place in shown):
            at = "left" if column in ("subject", "note") else "right"
            table.add_column(column, justify=at)  # type: ignore[arg-type]
        for row in of_case:
            table.add_row(*(cells(row)[place] for place in shown))
        console.print(table)


def markdown(rows: Sequence[Row], facts: dict[str, str]) -> str:
    """Return the tables as Markdown, with the machine above them."""
    lines = ["# Benchmarks", "", *(f"- {name}: {value}" for name, value in facts.items())]
    before = ""
    for part, case, of_case in groups(rows):
        if part != before:
            lines += ["", f"## {part}"]
        before = part
        shown = columns(of_case)
        head = " | ".join(COLUMNS[place] for place in shown)
        lines += ["", f"{case}", "", f"| {head} |", "| --- |" + " ---: |" * (len(shown) - 1)]
        for row in of_case:
            found = cells(row)
            lines.append(f"| {' | '.join(found[place] for place in shown)} |")
    return "\n".join(lines) + "\n"


def plot(rows: Sequence[Row], path: Path) -> None:
    """Draw how many times as fast as the released code's way each subject is, and growth with V."""
    from matplotlib.figure import Figure

    # The line at 1 is the released code.
    compared = [row for row in rows if row.part in ("step", "evaluation") and row.ratio is not None]
    shown = [row for row in compared if row.subject != "released"]
    grown = [row for row in rows if row.part == "a combination of all"]
    if not shown and not grown:
        return
    # Letters as paths would make a large file of a drawing.
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "dmrnet"}):
        figure = Figure(
            figsize=(8, 1.2 + 0.3 * len(shown) + 2.6 * bool(grown)), layout="constrained"
        )
        heights = [max(0.3 * len(shown), 0.1), 2.6] if grown else [1]
        panels = figure.subplots(len(heights), squeeze=False, height_ratios=heights)[:, 0]
        if shown:
            _ratios(panels[0], shown)
        else:
            panels[0].set_axis_off()
        if grown:
            _growth(panels[1], grown)
        figure.savefig(path, metadata={"Date": None})


def _ratios(axes: Axes, shown: Sequence[Row]) -> None:
    labels = [f"{row.part}: {row.case.split(',')[0]} · {row.subject}" for row in shown]
    middle = [row.ratio[0] for row in shown if row.ratio]
    low = [row.ratio[0] - row.ratio[1] for row in shown if row.ratio]
    high = [row.ratio[2] - row.ratio[0] for row in shown if row.ratio]
    colours = ["#999999" if row.subject.startswith("released") else "#1f77b4" for row in shown]
    axes.barh(range(len(shown)), middle, xerr=[low, high], color=colours, height=0.7)
    axes.set_yticks(range(len(shown)), labels, fontsize=8)
    axes.set_ylim(len(shown) - 0.4, -0.6)
    axes.axvline(1, color="black", linewidth=0.8)
    axes.set_xlabel("times as fast as the released code's way in float32 (median, range)")


def _growth(axes: Axes, grown: Sequence[Row]) -> None:
    modalities = [int(row.case.split("V=")[1].split(",")[0]) for row in grown]
    axes.plot(modalities, [1000 * row.median for row in grown], "o-", color="#1f77b4")
    axes.set_ylim(bottom=0)
    axes.set_xticks(modalities)
    axes.set_xlabel("modalities")
    axes.set_ylabel("ms per combination")


def read(files: Sequence[Path]) -> list[Row]:
    """Return the rows of benchmarks that were written before."""
    return [
        Row(**row | {"ratio": None if row["ratio"] is None else tuple(row["ratio"])})
        for file in files
        for row in json.loads(file.read_text(encoding="utf-8"))["rows"]
    ]


def write(rows: Sequence[Row], facts: dict[str, str], out: Path) -> None:
    """Write everything into a folder."""
    out.mkdir(parents=True, exist_ok=True)
    (out / "benchmarks.md").write_text(markdown(rows, facts), encoding="utf-8")
    data = {"facts": facts, "rows": [asdict(row) for row in rows]}
    text = json.dumps(data, indent=1, ensure_ascii=False)
    (out / "benchmarks.json").write_text(text + "\n", encoding="utf-8")
    plot(rows, out / "benchmarks.svg")
