"""Rows of a run: a result for each combination and metric, and the statistics of each epoch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from dmrnet.evaluation import Evaluation, Measure, PixelEvaluation
from dmrnet.modalities import from_index, name_of
from dmrnet.objectives import EpochStatistics
from dmrnet.settings.config import RunSettings

Line = tuple[str, str, float, int]
"""Combination (empty for what belongs to none), metric, value, number of samples."""

COMPLETE = "_complete"
"""Suffix of a metric measured on the samples that have every modality."""


def result_rows(
    run: str, settings: RunSettings, split: str, lines: Iterable[Line]
) -> list[dict[str, Any]]:
    """Return a row for each line; an undefined value is null.

    Args:
        run: Name of the run.
        settings: Settings of the run.
        split: Split that was scored.
        lines: What was measured.
    """
    changed, label = settings.changed(), settings.data_label
    return [
        {
            "run": run,
            "method": settings.method.name,
            "recipe": settings.recipe,
            "settings": changed,
            "dataset": label,
            "split": split,
            "seed": settings.seed,
            "combination": combination,
            "metric": metric,
            "value": None if value != value else value,
            "n": n,
        }
        for combination, metric, value, n in lines
    ]


def score_lines(
    measure: Measure, evaluation: Evaluation, modalities: tuple[str, ...]
) -> Iterator[Line]:
    """Yield the scores of the measure, and the log loss, of each combination.

    Where some sample lacks a modality, the scores on the samples that have every modality follow
    (``accuracy_complete``): only those are the same samples for every combination.
    """
    # Counts at other thresholds are on the CPU, whatever the device.
    complete = evaluation.complete.cpu()
    evaluation = replace(evaluation, confusion=evaluation.confusion.cpu(), complete=complete)
    n = evaluation.confusion.sum((1, 2))
    columns = dict(measure.of(evaluation))
    if evaluation.log_loss is not None:
        columns["log_loss"] = (evaluation.log_loss.cpu() / n, n)
    if bool((complete.sum((1, 2)) < n).any()):
        columns |= {
            f"{metric}{COMPLETE}": column
            for metric, column in measure.of(evaluation, complete=True).items()
        }
    names = [name_of(mask, modalities) for mask in evaluation.combinations.cpu()]
    for metric, (values, counts) in columns.items():
        if isinstance(evaluation, PixelEvaluation):
            counts = _images(evaluation, metric)
        for name, value, count in zip(names, values.tolist(), counts.tolist(), strict=True):
            yield name, metric, value, count


def _images(evaluation: PixelEvaluation, metric: str) -> Tensor:
    """Return the number of images scored under each combination, ``(K,)``, rather than pixels."""
    scored = evaluation.scored
    return (scored & scored.all(0) if metric.endswith(COMPLETE) else scored).sum(1)


def statistics_rows(
    epoch: int,
    statistics: EpochStatistics,
    hard_set: Tensor | None,
    modalities: tuple[str, ...],
) -> list[dict[str, Any]]:
    """Return the rows of an epoch for ``variance.jsonl``: one for each combination that it saw.

    Args:
        epoch: Epoch, counted from 0.
        statistics: Statistics of the epoch.
        hard_set: bool ``(2^V,)``; None without one.
        modalities: V names.
    """
    counts = statistics.loss.counts
    seen = counts.nonzero().flatten().cpu()
    if hard_set is None:
        hard_set = torch.zeros_like(counts, dtype=torch.bool)
    columns = (statistics.variance.means, statistics.loss.means, counts, hard_set)
    values = zip(*(column.cpu()[seen].tolist() for column in columns), strict=True)
    return [
        {
            "epoch": epoch,
            "combination": name_of(mask, modalities),
            "mean_variance": None if variance != variance else variance,
            "mean_loss": loss,
            "n": int(n),
            "hard": hard,
        }
        for mask, (variance, loss, n, hard) in zip(
            from_index(seen, len(modalities)), values, strict=True
        )
    ]
