"""The scores of one run, from its rows: the averages, and the combinations where they are few."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from dmrnet.cli.screen import percent

FEW = 15
"""Up to so many combinations are shown one by one: those of four modalities."""

LABELS = {"acer": "ACER", "miou": "mIoU"}
"""Metrics that a reader knows by another name."""

LOWER = frozenset({"acer"})
"""Metrics of which small values are good."""

COMPLETE = "_complete"
"""Ending of a metric on the samples that have everything."""

SEEN, UNSEEN = "●", "○"


@dataclass(frozen=True)
class Scores:
    """Accuracy, or what else the data are judged by, of each combination.

    Attributes:
        by_name: Rate and samples scored, in the order of the rows; only defined ones.
        lower_is_better: Whether small rates are good.
    """

    by_name: Mapping[str, tuple[float, int]]
    lower_is_better: bool = False

    @property
    def average(self) -> float:
        """Mean over combinations."""
        return sum(rate for rate, _ in self.by_name.values()) / len(self.by_name)

    @property
    def worst(self) -> str:
        """The combination that scores worst."""
        pick = max if self.lower_is_better else min
        return pick(self.by_name, key=lambda name: self.by_name[name][0])

    def rate(self, name: str) -> float | None:
        """Return the rate of a combination, None where it is undefined."""
        return self.by_name[name][0] if name in self.by_name else None


def scores_of(
    rows: Iterable[Mapping[str, Any]], split: str, metric: str = "accuracy"
) -> Scores | None:
    """Return the scores in a run's rows, None where there are none."""
    found = {
        str(row["combination"]): (float(row["value"]), int(row["n"]))
        for row in rows
        if row["split"] == split and row["metric"] == metric and row["value"] is not None
    }
    return Scores(found, metric.removesuffix(COMPLETE) in LOWER) if found else None


def show_scores(
    console: Console,
    rows: Iterable[Mapping[str, Any]],
    split: str,
    facts: Mapping[str, Any],
    each: bool = False,
) -> None:
    """Print what a run scores on a split.

    Args:
        console: Where to.
        rows: The run's.
        split: Whose rows are shown.
        facts: What `run.json` says.
        each: Show every combination where they are few.
    """
    rows, names = list(rows), [str(name) for name in facts["modalities"]]
    metric = str(facts.get("score", "accuracy"))
    label = LABELS.get(metric, metric)
    scores = scores_of(rows, split, metric)
    if scores is None:
        console.print(f"no {label} on {split} is defined", soft_wrap=True)
        return
    complete = scores_of(rows, split, metric + COMPLETE)
    shown = each and len(scores.by_name) <= FEW
    if shown:
        console.print(_each(scores, complete, names, label))
        console.print()
    console.print(f"{label} on {split} ({counted(scores)})", style="bold", soft_wrap=True)
    console.print(_summary(scores, complete, [] if shown else names))


def _each(scores: Scores, complete: Scores | None, names: list[str], label: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in names:
        table.add_column(name, justify="center")
    table.add_column(label, justify="right")
    table.add_column("samples", justify="right")
    if complete is not None:
        table.add_column("of the complete", justify="right")
    order = sorted(scores.by_name, key=lambda text: text.count("+"))
    for name in order:
        rate, n = scores.by_name[name]
        parts = name.split("+")
        marks = [SEEN if one in parts else UNSEEN for one in names]
        more = [] if complete is None else [percent(complete.rate(name))]
        table.add_row(*marks, percent(rate), str(n), *more)
    return table


def counted(scores: Scores) -> str:
    """Return on how many samples combinations were scored: one number, or the least and the most.

    >>> counted(Scores({"a": (0.5, 40), "b": (0.5, 30), "a+b": (0.5, 25)}))
    '25 to 40 samples, those that have all of a combination'
    """
    least = min(n for _, n in scores.by_name.values())
    most = max(n for _, n in scores.by_name.values())
    if least == most:
        return f"{most} sample{'' if most == 1 else 's'}"
    return f"{least} to {most} samples, those that have all of a combination"


def _summary(scores: Scores, complete: Scores | None, names: list[str]) -> Table:
    """Return average and worst; for names that are given also all of them and each alone."""
    lines: dict[str, tuple[float | None, float | None]] = {
        f"average of {len(scores.by_name)} combinations": (
            scores.average,
            complete.average if complete else None,
        ),
        f"worst: {scores.worst}": (
            scores.rate(scores.worst),
            complete.rate(scores.worst) if complete else None,
        ),
    }
    if len(names) > 1:
        full = "+".join(names)
        lines["all modalities"] = (scores.rate(full), complete.rate(full) if complete else None)
    lines |= {
        f"{name} alone": (scores.rate(name), complete.rate(name) if complete else None)
        for name in names
    }
    table = Table(box=None, pad_edge=False, header_style="bold", show_header=complete is not None)
    if len(scores.by_name) == 1:
        # One combination is its own average and its own worst.
        lines = {scores.worst: lines[f"worst: {scores.worst}"]}
    table.add_column("")
    table.add_column("on all", justify="right")
    if complete is not None:
        least = max(n for _, n in complete.by_name.values())
        table.add_column(Text(f"on the {least} complete"), justify="right")
    for text, (rate, of_complete) in lines.items():
        more = [] if complete is None else [percent(of_complete)]
        table.add_row(text, percent(rate), *more)
    return table
