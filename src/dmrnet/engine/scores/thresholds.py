"""Thresholds that are set on validation, stored with the run, and used at its test."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeGuard

import torch
from torch import Tensor

from dmrnet.confidence import Confidence
from dmrnet.data.dataset import Dataset
from dmrnet.engine.run.folder import RunFolder
from dmrnet.engine.scores.rows import Line
from dmrnet.evaluation import AttackErrors, Evaluation, MaskPredictions, Measure, measure_of
from dmrnet.modalities import name_of, parse
from dmrnet.targets import CLASSES, Target, target_of

if TYPE_CHECKING:
    from dmrnet.engine.run.finished import FinishedRun


def sets_thresholds(measure: Measure) -> TypeGuard[AttackErrors]:
    """Return whether a measure sets a threshold for each combination on validation."""
    return isinstance(measure, AttackErrors) and measure.threshold != "half"


def set_thresholds(
    measure: Measure, result: Evaluation, folder: RunFolder, modalities: tuple[str, ...]
) -> Evaluation:
    """Set the threshold of each combination on validation and store it with the run.

    Returns:
        The counts at those thresholds; `result` itself where the threshold is fixed.
    """
    if not sets_thresholds(measure):
        return result
    assert result.predictions is not None
    thresholds = measure.thresholds(result.predictions)
    names = [name_of(mask, modalities) for mask in result.combinations.cpu()]
    values = [None if value != value else value for value in thresholds.tolist()]
    folder.write_facts(thresholds=dict(zip(names, values, strict=True)))
    return measure.at(result, thresholds)


def apply_thresholds(
    measure: Measure, result: Evaluation, folder: RunFolder, modalities: tuple[str, ...]
) -> tuple[Evaluation, Tensor]:
    """Return the counts at the thresholds stored with the run, and these, float64 ``(K,)``.

    Raises:
        ValueError: If none are stored though they are set on validation.
    """
    if not sets_thresholds(measure):
        return result, torch.full((len(result.combinations),), 0.5, dtype=torch.float64)
    stored = folder.read_facts().get("thresholds")
    names = [name_of(mask, modalities) for mask in result.combinations.cpu()]
    if not isinstance(stored, dict) or any(name not in stored for name in names):
        raise ValueError(_lost(folder))
    values = [float("nan") if stored[name] is None else float(stored[name]) for name in names]
    thresholds = torch.tensor(values, dtype=torch.float64)
    return measure.at(result, thresholds), thresholds


def _lost(folder: RunFolder) -> str:
    return (
        f"{folder.facts}: expected the thresholds that training set on validation, got none; "
        "restore the file, or train again into another folder (out, --out)"
    )


def predicted_labels(
    measure: Measure, predictions: MaskPredictions, thresholds: Tensor, kind: Target = CLASSES
) -> Tensor:
    """Return the class predicted for each sample under each combination.

    Args:
        measure: Measure of the data set.
        predictions: Predictions of every sample under every combination.
        thresholds: float64 ``(K,)``, as `apply_thresholds` returns them.
        kind: What is predicted.

    Returns:
        int64 ``(K, n)``; -1 where the threshold of the combination is undefined. Bool labels or
        numbers ``(K, n, M)`` where no class is predicted.
    """
    if not sets_thresholds(measure):
        return kind.decide(predictions.probabilities)
    real = measure.bona_fide
    accepted = predictions.probabilities[..., real].double() > thresholds[:, None]
    labels = torch.where(accepted, real, 1 - real)
    return labels.masked_fill(thresholds.isnan()[:, None], -1)


@dataclass(frozen=True)
class OwnThresholds:
    """Thresholds of a run's combinations for single predictions.

    Attributes:
        accepts: Number of the class that is predicted above the threshold; the other one is below.
        values: Threshold by combination; of others it is one half.
    """

    accepts: int
    values: Mapping[str, float]


def thresholds_of(run: FinishedRun, confidence: Confidence | None) -> OwnThresholds | None:
    """Return the thresholds of a run; None where it predicts the most probable class.

    Args:
        run: The run.
        confidence: What calibrates the probabilities: thresholds move with them, so that the class
            stays. None where they are as the network gives them.

    Raises:
        ValueError: If the run sets thresholds, but has none.
    """
    measure = measure_of(run.settings.data, run.task, run.settings.training.select_by)
    if not sets_thresholds(measure):
        return None
    stored = run.folder.read_facts().get("thresholds")
    if not isinstance(stored, dict):
        raise ValueError(_lost(run.folder))
    values = {}
    for name, value in stored.items():
        if value is None:
            continue
        values[name] = float(value)
        if confidence is not None and 0 < value < 1:
            pair = torch.full((1, 2), 1 - value, dtype=torch.float64)
            pair[0, measure.bona_fide] = value
            seen = parse(name, run.task.modalities)[None]
            values[name] = confidence.calibrate(pair, seen)[0, measure.bona_fide].item()
    return OwnThresholds(measure.bona_fide, values)


def decided(
    run: FinishedRun, probabilities: Tensor, seen: Tensor, confidence: Confidence | None
) -> Tensor:
    """Return what is predicted for each sample, at the run's thresholds where it has some.

    Args:
        run: The run.
        probabilities: float ``(n, M)``; numbers in regression.
        seen: bool ``(n, V)``, the modalities that each is predicted from.
        confidence: What the probabilities were calibrated by; None if they were not.

    Returns:
        int64 ``(n,)`` classes, or what else `Target.decide` returns.
    """
    own = thresholds_of(run, confidence)
    if own is None:
        return target_of(run.task).decide(probabilities)
    masks, which = seen.unique(dim=0, return_inverse=True)
    limits = [own.values.get(name_of(mask, run.task.modalities), 0.5) for mask in masks]
    of_rows = torch.tensor(limits, dtype=torch.float64)[which]
    accepted = probabilities[:, own.accepts].double() > of_rows
    return torch.where(accepted, own.accepts, 1 - own.accepts)


def attack_type_lines(
    measure: Measure, result: Evaluation, thresholds: Tensor, dataset: Dataset
) -> Iterator[Line]:
    """Yield APCER of each type of attack and combination, where the data set knows types.

    The metrics are ``apcer/TYPE``, and ``apcer/worst`` of the worst type, which the standard asks
    for.
    """
    names, types, predictions = dataset.attack_types, dataset.attack_type, result.predictions
    if not isinstance(measure, AttackErrors) or types is None or not names or predictions is None:
        return
    rates, counts = measure.by_type(predictions, thresholds, types[predictions.index], len(names))
    rows = zip(result.combinations.cpu(), rates.tolist(), counts.tolist(), strict=True)
    for mask, of_types, numbers in rows:
        combination = name_of(mask, dataset.task.modalities)
        lines = [
            (combination, f"apcer/{name}", rate, n)
            for name, rate, n in zip(names, of_types, numbers, strict=True)
        ]
        yield from lines
        if defined := [line for line in lines if line[2] == line[2]]:
            _, _, rate, n = max(defined, key=lambda line: line[2])
            yield combination, "apcer/worst", rate, n
