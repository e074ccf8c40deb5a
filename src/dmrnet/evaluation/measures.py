"""Measures: the metric that selects checkpoints and is reported first, with further metrics.

The settings of a data set name its measure; see `Scored`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor

from dmrnet.evaluation.acer import ThresholdBy, error_rates, threshold_of
from dmrnet.evaluation.combinations import Evaluation, MaskPredictions
from dmrnet.evaluation.metrics import accuracy, mean_iou
from dmrnet.modalities import Task

Columns = Mapping[str, tuple[Tensor, Tensor]]
"""Values ``(K,)`` of each metric, and the numbers of samples behind them, ``(K,)``."""


class Measure:
    """Base class: computes metrics of an evaluation, by default from its confusion counts.

    Attributes:
        name: Name of the metric that selects checkpoints and is reported first.
        label: Its name in tables.
        lower_is_better: Whether lower values are better.
        threshold: Criterion of the threshold; all but ``half`` need the predictions to be kept.
        needs_predictions: Whether the metrics are not of counts alone.
    """

    name: str
    label: str
    lower_is_better: bool = False
    threshold: ThresholdBy = "half"
    needs_predictions: bool = False

    def of(self, evaluation: Evaluation, complete: bool = False) -> Columns:
        """Return every metric of an evaluation, that of `name` first.

        Args:
            evaluation: Evaluation; with predictions where the metrics are not of counts.
            complete: Whether to score only the samples that have every modality.
        """
        return self.columns(evaluation.complete if complete else evaluation.confusion)

    def columns(self, confusion: Tensor) -> Columns:
        """Return every metric of counts int64 ``(K, M, M)``, that of `name` first."""
        raise TypeError(f"{type(self).__name__} does not define columns")


@dataclass(frozen=True)
class Accuracy(Measure):
    """Share of correctly classified samples."""

    name = label = "accuracy"

    def columns(self, confusion: Tensor) -> Columns:
        """Return the accuracy of each combination."""
        return {"accuracy": (accuracy(confusion), confusion.sum((1, 2)))}


@dataclass(frozen=True)
class MeanIoU(Measure):
    """Mean intersection over union of the classes over all pixels, and pixel accuracy."""

    name, label = "miou", "mIoU"

    def columns(self, confusion: Tensor) -> Columns:
        """Return both metrics of each combination from counts of pixels."""
        n = confusion.sum((1, 2))
        return {"miou": (mean_iou(confusion), n), "pixel_accuracy": (accuracy(confusion), n)}


@dataclass(frozen=True)
class AttackErrors(Measure):
    """ACER, APCER, BPCER and accuracy of two classes.

    Attributes:
        bona_fide: Number of the bona fide class.
        threshold: ``half``, or a criterion for each combination's threshold on validation data.
    """

    bona_fide: int = 1
    threshold: ThresholdBy = "half"

    name, label = "acer", "ACER"
    lower_is_better = True

    def columns(self, confusion: Tensor) -> Columns:
        """Return the rates of each combination."""
        rates = error_rates(confusion, self.bona_fide)
        of_class = confusion.sum(2)
        return {
            "acer": (rates.acer, confusion.sum((1, 2))),
            "apcer": (rates.apcer, of_class[:, 1 - self.bona_fide]),
            "bpcer": (rates.bpcer, of_class[:, self.bona_fide]),
            "accuracy": (accuracy(confusion), confusion.sum((1, 2))),
        }

    def thresholds(self, predictions: MaskPredictions) -> Tensor:
        """Return the best threshold of each combination on these samples, float64 ``(K,)``."""
        real = predictions.target == self.bona_fide
        thresholds = [
            threshold_of(p[scored, self.bona_fide], real[scored], self.threshold)
            for p, scored in zip(predictions.probabilities, predictions.scored, strict=True)
        ]
        return torch.tensor(thresholds, dtype=torch.float64)

    def at(self, evaluation: Evaluation, thresholds: Tensor) -> Evaluation:
        """Return the evaluation with counts at other thresholds than an argmax.

        A combination whose threshold is undefined has no counts.

        Args:
            evaluation: Evaluation with predictions.
            thresholds: Float64 tensor of shape ``(K,)``.
        """
        predictions = evaluation.predictions
        assert predictions is not None
        accepted = self._accepted(predictions, thresholds)
        predicted = torch.where(accepted, self.bona_fide, 1 - self.bona_fide)
        scored = predictions.scored & ~thresholds.isnan()[:, None]
        whole = predictions.scored.all(0)
        return replace(
            evaluation,
            confusion=_counts(predicted, predictions.target, scored),
            complete=_counts(predicted, predictions.target, scored & whole),
        )

    def _accepted(self, predictions: MaskPredictions, thresholds: Tensor) -> Tensor:
        """Return bool ``(K, n)``, True where the score is above the combination's threshold."""
        return predictions.probabilities[..., self.bona_fide].double() > thresholds[:, None]

    def by_type(
        self, predictions: MaskPredictions, thresholds: Tensor, kind: Tensor, types: int
    ) -> tuple[Tensor, Tensor]:
        """Return APCER of each combination and type of attack, and the numbers of attacks.

        Args:
            predictions: MaskPredictions of every sample under every combination.
            thresholds: Float64 tensor of shape ``(K,)``.
            kind: Int64 tensor of shape ``(n,)``: type of each sample's attack; negative if it is
                unknown or the sample is bona fide.
            types: Number of types.

        Returns:
            Float64 and int64 tensors of shape ``(K, types)``.
        """
        attack = (kind >= 0) & (predictions.target != self.bona_fide)
        of_type = torch.nn.functional.one_hot(kind.clamp(min=0), types).double()
        scored = (predictions.scored & attack).double()
        total = scored @ of_type
        wrong = (scored * self._accepted(predictions, thresholds)) @ of_type
        rates = torch.where(thresholds.isnan()[:, None], torch.nan, wrong / total)
        return rates, total.long()


def _counts(predicted: Tensor, target: Tensor, scored: Tensor) -> Tensor:
    """Return confusion counts int64 ``(K, 2, 2)`` of predictions ``(K, n)``."""
    cell = 2 * target.expand_as(predicted) + predicted
    return torch.stack([((cell == c) & scored).sum(1) for c in range(4)], 1).reshape(-1, 2, 2)


class Scored(Protocol):
    """Protocol of data settings: the attributes that define the score."""

    @property
    def metric(self) -> str:
        """Metric that selects and is reported first: accuracy, acer or miou; of volumes dice."""
        ...

    @property
    def bona_fide(self) -> int:
        """Class that is no attack; read for acer."""
        ...

    @property
    def threshold(self) -> ThresholdBy:
        """Rule that sets the threshold; read for acer."""
        ...


def measure_of(data: Scored, task: Task | None = None, by: str | None = None) -> Measure:
    """Return the measure that the settings of a data set name, or that its task has.

    Args:
        data: Settings of the data set.
        task: What is predicted; None for classes.
        by: Metric of classes that comes first, as in the setting `select_by`; None for the
            measure's own.

    Raises:
        ValueError: If the metric is unknown, or `by` does not fit the task.
    """
    own = _own_measure(data, task)
    if by is None or own.name == (metric := by.replace("-", "_")):
        return own
    if task is not None and (task.dense or task.target not in ("classes", "ordinal")):
        what = f"a class for every {task.element}" if task.dense else task.target
        raise ValueError(f"select_by {by} is for one class per sample, but the task is {what}")
    if own.threshold != "half":
        raise ValueError(
            f"select_by {by} has no threshold, but the data set sets those of {own.label} by "
            f"{own.threshold}; set threshold of the data to half (--data.threshold)"
        )
    from dmrnet.evaluation.class_measures import ClassScore

    return ClassScore(metric, own)


def _own_measure(data: Scored, task: Task | None) -> Measure:
    if task is not None and task.axes == 3:
        from dmrnet.evaluation.volumes.measure import MeanDice
        from dmrnet.evaluation.volumes.regions import every_region, main_regions

        return MeanDice(main_regions(task), every_region(task))
    if task is not None and task.target != "classes":
        from dmrnet.evaluation.target_measures import Labels, NumberErrors, Ranks

        if task.target == "regression":
            return NumberErrors(task.classes)
        return Labels() if task.target == "multi-label" else Ranks()
    # Arrays with a class for every pixel are found when they are read.
    if data.metric == "miou" or (task is not None and task.dense):
        return MeanIoU()
    if data.metric == "accuracy":
        return Accuracy()
    if data.metric == "acer":
        return AttackErrors(data.bona_fide, data.threshold)
    raise ValueError(f"expected metric as accuracy, acer or miou, got {data.metric!r}")


def goodness(measure: Measure, values: Tensor) -> Tensor:
    """Return values negated if lower is better, so that higher is better; NaN stays NaN."""
    return -values if measure.lower_is_better else values
