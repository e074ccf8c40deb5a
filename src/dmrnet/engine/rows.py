"""Result rows: one a combination and metric, for tables to be made from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from dmrnet.evaluation import Evaluation, PixelEvaluation, measure_of
from dmrnet.modalities import name_of
from dmrnet.settings.config import RunSettings

COMPLETE = "_complete"
"""Ends a metric's name where it stands on the samples that have every modality."""


def row_of(
    run: str, settings: RunSettings, split: str, combination: str, metric: str, value: float, n: int
) -> dict[str, Any]:
    """Return a row; an undefined value is null."""
    return {
        "run": run,
        "method": settings.method.name,
        "recipe": settings.recipe,
        "settings": settings.changed(),
        "dataset": settings.data_label,
        "split": split,
        "seed": settings.seed,
        "combination": combination,
        "metric": metric,
        "value": None if value != value else value,
        "n": n,
    }


def rows_of_evaluation(
    run: str,
    settings: RunSettings,
    split: str,
    evaluation: Evaluation,
    modalities: tuple[str, ...],
) -> list[dict[str, Any]]:
    """Return what the data are judged by, and log loss, of each combination.

    Where some sample lacks a modality, the same on the samples that have everything stands beside
    it (``accuracy_complete``), since only those are the same samples for every combination.
    """
    measure = measure_of(settings.data)
    # Counts at other thresholds are on the CPU, whatever the device.
    confusion, complete = evaluation.confusion.cpu(), evaluation.complete.cpu()
    n = confusion.sum((1, 2))
    columns = {
        **measure.columns(confusion),
        "log_loss": (evaluation.log_loss.cpu() / n, n),
    }
    if bool((complete.sum((1, 2)) < n).any()):
        columns |= {
            f"{metric}{COMPLETE}": column for metric, column in measure.columns(complete).items()
        }
    if isinstance(evaluation, PixelEvaluation):
        columns = {metric: (v, _images(evaluation, metric)) for metric, (v, _) in columns.items()}
    names = [name_of(mask, modalities) for mask in evaluation.combinations.cpu()]
    return [
        row_of(run, settings, split, name, metric, value, count)
        for metric, (values, counts) in columns.items()
        for name, value, count in zip(names, values.tolist(), counts.tolist(), strict=True)
    ]


def _images(evaluation: PixelEvaluation, metric: str) -> Tensor:
    """Return on how many images a metric stands, ``(K,)``; its counts are of pixels."""
    assert evaluation.scored is not None
    scored = evaluation.scored
    return (scored & scored.all(0) if metric.endswith(COMPLETE) else scored).sum(1)


def bookkeeping(
    run: str, settings: RunSettings, split: str, figures: Mapping[str, float], n: int
) -> list[dict[str, Any]]:
    """Return rows of what belongs to no combination: cost, epochs, agreement of mining."""
    return [row_of(run, settings, split, "", name, value, n) for name, value in figures.items()]
