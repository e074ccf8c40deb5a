"""Thresholds that are set on validation, kept with the run, and used at its test."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from dmrnet.data.dataset import Dataset
from dmrnet.engine.folder import RunFolder
from dmrnet.engine.rows import row_of
from dmrnet.evaluation import AttackErrors, Evaluation, Measure, Predictions, measure_of
from dmrnet.modalities import name_of
from dmrnet.settings.config import RunSettings


def set_thresholds(
    measure: Measure, result: Evaluation, folder: RunFolder, modalities: tuple[str, ...]
) -> Evaluation:
    """Set the threshold of each combination on validation and keep it with the run.

    Returns:
        The counts at those thresholds; as they were where the threshold is fixed.
    """
    if not isinstance(measure, AttackErrors) or measure.threshold == "half":
        return result
    assert result.predictions is not None
    thresholds = measure.thresholds(result.predictions)
    names = [name_of(mask, modalities) for mask in result.combinations.cpu()]
    folder.write_facts(
        thresholds={
            name: None if value != value else value
            for name, value in zip(names, thresholds.tolist(), strict=True)
        }
    )
    return measure.at(result, thresholds)


def take_thresholds(
    measure: Measure, result: Evaluation, folder: RunFolder, modalities: tuple[str, ...]
) -> tuple[Evaluation, Tensor]:
    """Return the counts at the thresholds that the run keeps, and these, float64 ``(K,)``.

    Raises:
        ValueError: If the run keeps none though they are set on validation.
    """
    if not isinstance(measure, AttackErrors) or measure.threshold == "half":
        return result, torch.full((len(result.combinations),), 0.5, dtype=torch.float64)
    kept = folder.read_facts().get("thresholds")
    names = [name_of(mask, modalities) for mask in result.combinations.cpu()]
    if not isinstance(kept, dict) or any(name not in kept for name in names):
        raise ValueError(
            f"{folder.facts}: expected the thresholds that training set on validation, found none; "
            "restore the file, or train again into another --out"
        )
    values = [float("nan") if kept[name] is None else float(kept[name]) for name in names]
    thresholds = torch.tensor(values, dtype=torch.float64)
    return measure.at(result, thresholds), thresholds


def decided(measure: Measure, predictions: Predictions, thresholds: Tensor) -> Tensor:
    """Return the class that is taken for each sample under each combination.

    Args:
        measure: What the data are judged by.
        predictions: Of every sample under every combination.
        thresholds: float64 ``(K,)``, as `take_thresholds` returns them.

    Returns:
        int64 ``(K, n)``; -1 where the threshold of the combination is undefined.
    """
    if not isinstance(measure, AttackErrors) or measure.threshold == "half":
        return predictions.probabilities.argmax(-1)
    real = measure.bona_fide
    taken = predictions.probabilities[..., real].double() > thresholds[:, None]
    found = torch.where(taken, real, 1 - real)
    return found.masked_fill(thresholds.isnan()[:, None], -1)


def rows_by_type(
    run: str,
    settings: RunSettings,
    result: Evaluation,
    thresholds: Tensor,
    dataset: Dataset,
) -> list[dict[str, Any]]:
    """Return APCER of each type of attack and combination, where the data know types.

    Rows are ``apcer/TYPE``, and ``apcer/worst`` of the worst type, which the norm reports.
    """
    measure = measure_of(settings.data)
    kinds, kind = dataset.attack_types, dataset.attack_type
    if not isinstance(measure, AttackErrors) or kind is None or not kinds:
        return []
    if result.predictions is None:
        return []
    at = kind[result.predictions.index]
    rates, counts = measure.by_type(result.predictions, thresholds, at, len(kinds))
    rows = []
    for row, mask in enumerate(result.combinations.cpu()):
        name = name_of(mask, dataset.task.modalities)
        of_types = zip(kinds, rates[row].tolist(), counts[row].tolist(), strict=True)
        found = [(f"apcer/{text}", rate, n) for text, rate, n in of_types]
        worst = max((one for one in found if one[1] == one[1]), key=lambda x: x[1], default=None)
        if worst is not None:
            found.append(("apcer/worst", worst[1], worst[2]))
        rows += [row_of(run, settings, "test", name, metric, v, n) for metric, v, n in found]
    return rows
