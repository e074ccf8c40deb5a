"""Analyses of what a run has recorded: the variance of Table 6, and how good its hard sets are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from dmrnet.engine.analysis.base import AnalysisResult
from dmrnet.engine.run.folder import RunFolder
from dmrnet.evaluation import hard_set_agreement, measure_of
from dmrnet.evaluation.hard_sets import rank_correlation, top
from dmrnet.evaluation.measures import goodness
from dmrnet.modalities import Task
from dmrnet.settings.config import RunSettings


def variance(folder: RunFolder) -> AnalysisResult:
    """Return the sigma^2 row of Table 6: of each combination at the kept epoch, after their mean.

    Raises:
        ValueError: If the method has no distribution, or nothing was recorded.
    """
    rows = [row for row in _kept_statistics(folder) if row["mean_variance"] is not None]
    if not rows:
        raise ValueError(
            f"the method of {folder.path} has no distribution, so no variance; analyse a run of "
            "dmr or dmrnet"
        )
    mean = sum(row["mean_variance"] for row in rows) / len(rows)
    return AnalysisResult(
        [
            ("", "variance", mean, sum(row["n"] for row in rows)),
            *((row["combination"], "variance", row["mean_variance"], row["n"]) for row in rows),
        ]
    )


def hard_sets(folder: RunFolder, settings: RunSettings, task: Task, split: str) -> AnalysisResult:
    """Return how well hard sets of the kept epoch match the combinations that score worst.

    The sets are the mined one (`mined`), the V combinations of the highest variance
    (`by_variance`) and the V of the highest loss (`by_loss`). For each: the share that is truly
    worst on the split, the share by chance (`_chance`), and the probability that chance gives at
    least as much (`_chance_of_more`); and the rank correlation of variance and loss with the error.

    Raises:
        ValueError: If the split was not evaluated, or nothing was recorded.
    """
    measure = measure_of(settings.data, task, settings.training.select_by)
    scores = {
        row["combination"]: row["value"]
        for row in folder.rows()
        if row["split"] == split and row["metric"] == measure.name
    }
    if not scores:
        raise ValueError(f"{folder.path} has no scores on {split}; run dmrnet evaluate first")
    statistics = {row["combination"]: row for row in _kept_statistics(folder)}
    rows = [statistics[name] for name in scores if name in statistics]
    good = goodness(measure, _column([scores[row["combination"]] for row in rows]))
    variances = _column([row["mean_variance"] for row in rows])
    losses = _column([row["mean_loss"] for row in rows])
    size = len(task.modalities)
    sets = {
        "mined": torch.tensor([row["hard"] for row in rows]),
        "by_variance": top(variances, size),
        "by_loss": top(losses, size),
    }
    n = sum(row["n"] for row in rows)
    result = AnalysisResult()
    for name, hard in sets.items():
        agreement = hard_set_agreement(hard, good)
        if agreement is not None:
            result.lines += [
                ("", name, agreement.share, n),
                ("", f"{name}_chance", agreement.chance, n),
                ("", f"{name}_chance_of_more", agreement.chance_of_more, n),
            ]
    result.lines += [
        ("", "variance_rank", rank_correlation(variances, -good), n),
        ("", "loss_rank", rank_correlation(losses, -good), n),
    ]
    return result


def _kept_statistics(folder: RunFolder) -> list[dict[str, Any]]:
    """Return the statistics of combinations in the epoch whose weights were kept.

    Raises:
        ValueError: If none were recorded.
    """
    best = folder.read_facts().get("best_epoch")
    rows = [row for row in folder.statistics() if row["epoch"] == best]
    if not rows:
        raise ValueError(
            f"{folder.path} recorded no statistics of combinations in the epoch that it kept "
            "(variance.jsonl); with more than 20 modalities there are none"
        )
    return rows


def _column(values: Sequence[float | None]) -> Tensor:
    return torch.tensor(
        [float("nan") if value is None else value for value in values], dtype=torch.float64
    )
