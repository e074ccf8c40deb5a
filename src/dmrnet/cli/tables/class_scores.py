"""Print metrics of classes below the accuracy, and name predictions of one class only."""

from __future__ import annotations

import math
from collections.abc import Mapping

from rich.console import Console

from dmrnet.api.scores import Scores, Values
from dmrnet.cli.screen import counted, percent, plain_table
from dmrnet.report.records.metrics import (
    CLASS_METRICS,
    RECALL,
    advice_on_constant,
    counted_combinations,
)

MOST_CLASSES = 6
"""Largest number of classes whose recalls are shown."""


def show_class_scores(console: Console, scores: Scores) -> None:
    """Print metrics of classes, on average and with all modalities; nothing without them.

    The metric that comes first is shown already.
    """
    values, whole, first = scores.values, "+".join(scores.modalities), scores.metric
    if "majority" not in values:
        return
    titles = CLASS_METRICS
    if first != "accuracy":
        titles = {"accuracy": "Accuracy", "majority": "Most frequent class alone", **titles}
    shown = {name: title for name, title in titles.items() if name in values and name != first}
    many = len(values[next(iter(shown))]) > 1
    table = plain_table([""], ["average", "all modalities"] if many else [""])
    table.show_header = many
    for metric, title in shown.items():
        full, _ = values[metric].get(whole, (math.nan, 0))
        texts = [percent(_average(values[metric])), percent(_defined(full))]
        label = title if title.isupper() else title[0].lower() + title[1:]
        table.add_row(label, *texts[not many :])
    console.print()
    console.print(table)
    recalls = {
        metric.removeprefix(RECALL): of[whole]
        for metric, of in values.items()
        if metric.startswith(RECALL) and whole in of
    }
    if len(recalls) <= MOST_CLASSES and any(n for _, n in recalls.values()):
        each = ", ".join(
            f"{name} {percent(_defined(value))} (n {n})" for name, (value, n) in recalls.items()
        )
        console.print(f"recall with all modalities: {each}", soft_wrap=True, markup=False)
    if text := constant_text(values):
        console.print(text, style="yellow", soft_wrap=True, markup=False)


def constant_text(values: Values) -> str:
    """Return a sentence on combinations that predict one class for every sample; empty if none.

    If all samples are of one class, a sentence says so instead.
    """
    shares = values.get("majority", {})
    if shares and all(share == 1 for share, n in shares.values() if n):
        return (
            "all samples are of one class: no score says whether another would be recognised; "
            "score samples of every class"
        )
    numbers = values.get("predicted_classes", {})
    enough = counted_combinations({name: n for name, (_, n) in numbers.items()})
    constant = [
        name
        for name, (number, _) in numbers.items()
        if number == 1 and name in enough and shares.get(name, (1.0, 0))[0] < 1
    ]
    if not constant:
        return ""
    always = {
        metric.removeprefix(RECALL)
        for metric, of in values.items()
        if metric.startswith(RECALL) and all(of.get(name, (0.0, 0))[0] == 1 for name in constant)
    }
    which = f" ({always.pop()})" if len(always) == 1 else ""
    every = len(constant) == len(enough)
    more = f" and {counted(len(constant) - 3, 'more combination')}" if len(constant) > 3 else ""
    names = "any combination" if every else f"{', '.join(constant[:3])}{more}"
    return (
        f"every prediction from {names} is one class{which}: such a score is that of a constant; "
        f"{advice_on_constant(max(shares[name][0] for name in constant))}"
    )


def _average(of: Mapping[str, tuple[float, int]]) -> float | None:
    """Return the mean of the defined values over combinations with enough samples."""
    defined = {name: (value, n) for name, (value, n) in of.items() if value == value}
    enough = counted_combinations({name: n for name, (_, n) in defined.items()})
    return sum(defined[name][0] for name in enough) / len(enough) if enough else None


def _defined(value: float) -> float | None:
    return None if math.isnan(value) else value
