"""Terminal tables of the scores of one run: averages, and combinations if there are few."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from dmrnet.api.scores import Scores, Values, values_of
from dmrnet.cli.screen import counted, percent, plain_table, score_text
from dmrnet.cli.tables.class_scores import show_class_scores
from dmrnet.cli.tables.parts import show_parts
from dmrnet.report.pages.tables.table import SEEN, UNSEEN
from dmrnet.report.records.metrics import COMPLETE, LEAST_SAMPLES, is_rate, score_label

FEW = 15
"""Largest number of combinations shown one by one: those of four modalities."""


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
    values = values_of(rows, split)
    metric = str(facts.get("score", "accuracy"))
    label = score_label(metric)
    if not defined(values, metric) and metric == "acer":
        for rate, missing in (("apcer", "bona fide"), ("bpcer", "an attack")):
            if defined(values, rate):
                metric, label = rate, rate.upper()
                line = f"no ACER on {split} is defined, since no sample is {missing}; {label} is"
                console.print(line, style="yellow", soft_wrap=True)
                break
    if not defined(values, metric):
        console.print(f"no {label} on {split} is defined", soft_wrap=True)
        return
    scores = Scores(tuple(map(str, facts["modalities"])), split, metric, values)
    counts = {name: n for name, (_, n) in defined(values, metric).items()}
    shown = each and len(counts) <= FEW
    if shown:
        console.print(_each(scores, label))
        console.print()
    samples = samples_text(counts.values())
    console.print(f"{label} on {split} ({samples})", style="bold", soft_wrap=True)
    console.print(_summary(scores, () if shown else scores.modalities))
    for line in few_lines(counts, is_rate(metric)):
        console.print(line, soft_wrap=True)
    show_class_scores(console, scores)
    show_parts(console, scores)


def defined(values: Values, metric: str) -> dict[str, tuple[float, int]]:
    """Return the defined values of a metric, with the number of samples, by combination."""
    return {name: one for name, one in values.get(metric, {}).items() if one[0] == one[0]}


def few_lines(counts: Mapping[str, int], is_percent: bool) -> list[str]:
    """Return sentences on combinations that were scored on few samples, by their numbers.

    >>> few_lines({"a": 40, "b": 1, "a+b": 30}, True)
    ['left out of average and worst: 1 combination scored on fewer than 20 samples (b: n 1)']
    """
    few = {name: n for name, n in counts.items() if n < LEAST_SAMPLES}
    if not few:
        return []
    fewest = min(few, key=lambda name: few[name])
    if len(few) == len(counts):
        least = few[fewest]
        what = f": one sample of {least} is {percent(1 / least)} of a score"
        return [
            f"every combination was scored on fewer than {LEAST_SAMPLES} samples"
            f"{what if is_percent else ''}"
        ]
    return [
        f"left out of average and worst: {counted(len(few), 'combination')} scored on fewer than "
        f"{LEAST_SAMPLES} samples ({fewest}: n {few[fewest]})"
    ]


def _each(scores: Scores, label: str) -> Table:
    names, metric = scores.modalities, scores.metric
    complete = defined(scores.values, metric + COMPLETE)
    table = plain_table(names, [label, "samples", *(["on complete"] if complete else [])])
    for column in table.columns[: len(names)]:
        column.justify = "center"
    values = defined(scores.values, metric)
    for name in sorted(values, key=lambda text: text.count("+")):
        value, n = values[name]
        marks = [SEEN if one in name.split("+") else UNSEEN for one in names]
        more = [score_text(metric, complete.get(name, (None,))[0])] if complete else []
        table.add_row(*marks, score_text(metric, value), str(n), *more)
    return table


def samples_text(numbers: Collection[int]) -> str:
    """Return the number of samples scored: one number, or the smallest and largest.

    >>> samples_text([40, 30, 25])
    '25 to 40 samples, those that have all modalities of a combination'
    """
    least, most = min(numbers), max(numbers)
    if least == most:
        return counted(most, "sample")
    return f"{least} to {most} samples, those that have all modalities of a combination"


def _summary(scores: Scores, names: Sequence[str]) -> Table:
    """Return average and worst; with names also all of them together and each alone.

    Last comes the score of the most frequent class alone, if it is known.
    """
    metric, (worst, _) = scores.metric, scores.worst
    column, complete = (defined(scores.values, one) for one in (metric, metric + COMPLETE))
    columns, averages, header = [column], [scores.average], ["on all"]
    if complete:
        columns.append(complete)
        averages.append(scores.by(metric + COMPLETE).average)
        header.append(f"on {max(n for _, n in complete.values())} complete")
    table = plain_table([""], header)
    table.show_header = bool(complete)
    if len(column) == 1:
        # One combination is its own average and its own worst.
        lines = {worst: worst}
    else:
        average = f"average of {counted(len(column) - len(scores.left_out), 'combination')}"
        table.add_row(average, *(score_text(metric, value) for value in averages))
        uneven = len({n for _, n in column.values()}) > 1
        of = f" ({counted(column[worst][1], 'sample')})" if uneven else ""
        lines = {f"worst: {worst}{of}": worst}
        lines |= {"all modalities": "+".join(names)} if len(names) > 1 else {}
        lines |= {f"{name} alone": name for name in names}
    for text, name in lines.items():
        values = (one.get(name, (None,))[0] for one in columns)
        table.add_row(text, *(score_text(metric, value) for value in values))
    if metric == "accuracy" and scores.majority is not None:
        alone = percent(scores.majority)
        table.add_row("most frequent class alone", alone, *([""] * (len(columns) - 1)))
    return table
