"""Terminal tables of what follows from a run's scores: for failures, and of each modality."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from rich.console import Console

from dmrnet.cli.screen import percent, plain_table, score_text
from dmrnet.hints import nearest
from dmrnet.report.records.metrics import (
    CONSTANT_NAMES,
    CONSTANTS,
    is_rate,
    lower_is_better,
    score_label,
)
from dmrnet.report.statistics.failures import MOST_MODALITIES

if TYPE_CHECKING:
    from dmrnet.api.scores import Scores
    from dmrnet.engine.run.folder import RunFolder


def check_rates(rates: Mapping[str, float], modalities: Sequence[str]) -> None:
    """Refuse probabilities that modalities are there which cannot be used, before any scoring.

    Raises:
        ValueError: If a modality is unknown, none may be there, or there are too many.
    """
    for name in rates:
        if name not in modalities:
            raise ValueError(f"unknown modality {name!r}; {nearest(name, modalities)}")
    if sum(p == 0 for p in rates.values()) == len(modalities):
        raise ValueError("expected at least one modality that may be there, got none")
    if len(modalities) > MOST_MODALITIES:
        raise ValueError(
            f"expected at most {MOST_MODALITIES} modalities for rates, which need the score of "
            f"every combination; got {len(modalities)}"
        )


def show_worth(console: Console, folder: RunFolder, rates: Mapping[str, float]) -> None:
    """Print the score to expect, each modality's Shapley value, and the one to add to each.

    The rates are probabilities that a modality is there.

    Raises:
        ValueError: If a combination has no score.
    """
    from dmrnet.api.scores import Scores

    facts = folder.read_facts()
    metric = str(facts.get("score", "accuracy"))
    scores = Scores.from_rows(folder.rows(), folder.fact("modalities"), "test", metric)
    expected = scores.expected_score(rates)
    label = score_label(metric)
    console.print(f"{label} to expect where modalities fail independently", style="bold")
    table = plain_table(["modality"], ["is there"])
    for name in scores.modalities:
        table.add_row(name, percent(rates.get(name, 1.0)))
    table.add_row("", "")
    if none := math.prod(1 - rates.get(name, 1.0) for name in scores.modalities):
        table.add_row("none is there (left out)", percent(none))
    table.add_row(f"{label} to expect", score_text(metric, expected))
    console.print(table)
    console.print()
    rate = is_rate(metric)
    if rate or CONSTANTS.get(metric, "") in scores.values:
        _show_values(console, scores, label)
    if len(scores.modalities) < 2:
        return
    console.print()
    console.print("which one to add", style="bold")
    table = plain_table(["seen", "add"], ["points" if rate else label])
    for name in scores.modalities:
        best, gain = next(iter(scores.next_modality([name]).items()))
        table.add_row(name, best, f"{100 * gain:+.1f}" if rate else f"{gain:+.4g}")
    console.print(table)


def _show_values(console: Console, scores: Scores, label: str) -> None:
    """Print the Shapley value of each modality."""
    lower, rate = lower_is_better(scores.metric), is_rate(scores.metric)
    values = scores.modality_value()
    of = f"add up to {label} with all"
    if lower:
        constant = CONSTANT_NAMES.get(scores.metric)
        alone = f", that of {constant} alone" if constant else ""
        of += f" less {score_text(scores.metric, scores.nothing)}{alone}; negative is better"
    console.print(f"what each modality is worth (Shapley values; {of})", style="bold")
    table = plain_table(["modality"], ["points" if rate else label])
    for name, value in sorted(values.items(), key=lambda pair: pair[1], reverse=not lower):
        table.add_row(name, f"{100 * value:+.1f}" if rate else f"{value:+.4g}")
    console.print(table)
