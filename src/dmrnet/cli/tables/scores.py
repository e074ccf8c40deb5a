"""Terminal tables of the scores of one run: averages, and combinations if there are few."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.table import Table

from dmrnet.cli.screen import counted, percent, plain_table, score_text
from dmrnet.cli.tables.class_scores import majority, show_class_scores, values_of
from dmrnet.cli.tables.parts import show_parts
from dmrnet.report.pages.tables.table import SEEN, UNSEEN
from dmrnet.report.records.metrics import (
    COMPLETE,
    LEAST_SAMPLES,
    counted_combinations,
    is_rate,
    lower_is_better,
    score_label,
)

FEW = 15
"""Largest number of combinations shown one by one: those of four modalities."""


@dataclass(frozen=True)
class SplitScores:
    """Defined score and number of samples of each combination, in the order of the rows."""

    by_name: Mapping[str, tuple[float, int]]
    lower_is_better: bool = False
    metric: str = "accuracy"

    def text(self, value: float | None) -> str:
        """Return a score as text."""
        return score_text(self.metric, value)

    @property
    def counted(self) -> list[str]:
        """Combinations that average and worst are of: those with enough samples."""
        enough = counted_combinations({name: n for name, (_, n) in self.by_name.items()})
        return [name for name in self.by_name if name in enough]

    @property
    def average(self) -> float:
        """Mean over combinations with enough samples."""
        return sum(self.by_name[name][0] for name in self.counted) / len(self.counted)

    @property
    def worst(self) -> str:
        """Combination with the worst score, among those with enough samples."""
        pick = max if self.lower_is_better else min
        return pick(self.counted, key=lambda name: self.by_name[name][0])

    def rate(self, name: str) -> float | None:
        """Return the score of a combination; None if undefined."""
        return self.by_name[name][0] if name in self.by_name else None


def scores_of(
    rows: Iterable[Mapping[str, Any]], split: str, metric: str = "accuracy"
) -> SplitScores | None:
    """Return the scores in a run's rows; None if there are none."""
    scores = {
        str(row["combination"]): (float(row["value"]), int(row["n"]))
        for row in rows
        if row["split"] == split and row["metric"] == metric and row["value"] is not None
    }
    if not scores:
        return None
    return SplitScores(scores, lower_is_better(metric.removesuffix(COMPLETE)), metric)


def show_scores(
    console: Console,
    rows: Iterable[Mapping[str, Any]],
    split: str,
    facts: Mapping[str, Any],
    each: bool = False,
) -> None:
    """Print the scores of a run on a split.

    Args:
        console: Console to print to.
        rows: Rows of the run.
        split: Split to show.
        facts: Content of `run.json`.
        each: Whether to show every combination, if there are few.
    """
    rows, names = list(rows), [str(name) for name in facts["modalities"]]
    metric = str(facts.get("score", "accuracy"))
    label = score_label(metric)
    scores = scores_of(rows, split, metric)
    if scores is None and metric == "acer" and (rate := _defined_rate(rows, split)):
        metric, missing, scores = rate
        console.print(
            f"no ACER on {split} is defined, since no sample is {missing}; {metric.upper()} is",
            style="yellow",
            soft_wrap=True,
        )
        label = metric.upper()
    if scores is None:
        console.print(f"no {label} on {split} is defined", soft_wrap=True)
        return
    complete = scores_of(rows, split, metric + COMPLETE)
    shown = each and len(scores.by_name) <= FEW
    if shown:
        console.print(_each(scores, complete, names, label))
        console.print()
    console.print(f"{label} on {split} ({samples_text(scores)})", style="bold", soft_wrap=True)
    alone = majority(values_of(rows, split)) if metric == "accuracy" else None
    console.print(_summary(scores, complete, [] if shown else names, alone))
    for line in few_lines(scores):
        console.print(line, soft_wrap=True)
    show_class_scores(console, rows, split, names, metric)
    show_parts(console, rows, split, names, scores.counted, metric)


def _defined_rate(
    rows: Iterable[Mapping[str, Any]], split: str
) -> tuple[str, str, SplitScores] | None:
    """Return the error rate that is defined where ACER is not: its metric, and what is missing."""
    rows = list(rows)
    for metric, missing in (("apcer", "bona fide"), ("bpcer", "an attack")):
        if scores := scores_of(rows, split, metric):
            return metric, missing, SplitScores(scores.by_name, lower_is_better=True)
    return None


def few_lines(scores: SplitScores) -> list[str]:
    """Return sentences on combinations that were scored on few samples.

    >>> few_lines(SplitScores({"a": (0.5, 40), "b": (0.0, 1), "a+b": (0.4, 30)}))
    ['left out of average and worst: 1 combination scored on fewer than 20 samples (b: n 1)']
    """
    counts = {name: n for name, (_, n) in scores.by_name.items()}
    few = {name: n for name, n in counts.items() if n < LEAST_SAMPLES}
    if not few:
        return []
    fewest = min(few, key=lambda name: few[name])
    if len(few) == len(counts):
        least = few[fewest]
        what = f": one sample of {least} is {percent(1 / least)} of a score"
        return [
            f"every combination was scored on fewer than {LEAST_SAMPLES} samples"
            f"{what if is_rate(scores.metric) else ''}"
        ]
    return [
        f"left out of average and worst: {counted(len(few), 'combination')} scored on fewer than "
        f"{LEAST_SAMPLES} samples ({fewest}: n {few[fewest]})"
    ]


def _each(scores: SplitScores, complete: SplitScores | None, names: list[str], label: str) -> Table:
    table = plain_table(names, [label, "samples", *([] if complete is None else ["on complete"])])
    for column in table.columns[: len(names)]:
        column.justify = "center"
    order = sorted(scores.by_name, key=lambda text: text.count("+"))
    for name in order:
        rate, n = scores.by_name[name]
        parts = name.split("+")
        marks = [SEEN if one in parts else UNSEEN for one in names]
        more = [] if complete is None else [complete.text(complete.rate(name))]
        table.add_row(*marks, scores.text(rate), str(n), *more)
    return table


def samples_text(scores: SplitScores) -> str:
    """Return the number of samples scored: one number, or the smallest and largest.

    >>> samples_text(SplitScores({"a": (0.5, 40), "b": (0.5, 30), "a+b": (0.5, 25)}))
    '25 to 40 samples, those that have all modalities of a combination'
    """
    least = min(n for _, n in scores.by_name.values())
    most = max(n for _, n in scores.by_name.values())
    if least == most:
        return counted(most, "sample")
    return f"{least} to {most} samples, those that have all modalities of a combination"


def _summary(
    scores: SplitScores, complete: SplitScores | None, names: list[str], alone: float | None
) -> Table:
    """Return average and worst; with names also all of them together and each alone.

    Last comes the score of the most frequent class alone, if it is known.
    """
    splits, header = [scores], ["on all"]
    if complete is not None:
        splits.append(complete)
        header.append(f"on {max(n for _, n in complete.by_name.values())} complete")
    table = plain_table([""], header)
    table.show_header = complete is not None
    if len(scores.by_name) == 1:
        # One combination is its own average and its own worst.
        lines = {scores.worst: scores.worst}
    else:
        average = f"average of {counted(len(scores.counted), 'combination')}"
        table.add_row(average, *(split.text(split.average) for split in splits))
        n = scores.by_name[scores.worst][1]
        uneven = len({count for _, count in scores.by_name.values()}) > 1
        of = f" ({counted(n, 'sample')})" if uneven else ""
        lines = {f"worst: {scores.worst}{of}": scores.worst}
        lines |= {"all modalities": "+".join(names)} if len(names) > 1 else {}
        lines |= {f"{name} alone": name for name in names}
    for text, name in lines.items():
        table.add_row(text, *(split.text(split.rate(name)) for split in splits))
    if alone is not None:
        table.add_row("most frequent class alone", percent(alone), *([""] * (len(splits) - 1)))
    return table
