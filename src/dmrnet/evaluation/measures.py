"""What a data set is judged by: the measure that selects and is reported first, and its parts.

The settings of the data set say which: see `Scored`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar, Protocol

import torch
from torch import Tensor

from dmrnet.evaluation.acer import ThresholdBy, error_rates, threshold_of
from dmrnet.evaluation.combinations import Evaluation, Predictions
from dmrnet.evaluation.metrics import accuracy, mean_iou

Columns = Mapping[str, tuple[Tensor, Tensor]]
"""For each metric its values ``(K,)``, and on how many samples they stand, ``(K,)``."""


class Measure(Protocol):
    """How confusion counts become scores."""

    @property
    def name(self) -> str:
        """The metric that selects and is reported first."""
        ...

    @property
    def label(self) -> str:
        """Its name for a reader."""
        ...

    @property
    def lower_is_better(self) -> bool:
        """Whether small values are good."""
        ...

    @property
    def threshold(self) -> ThresholdBy:
        """How the threshold is set; other than ``half``, predictions must be kept."""
        ...

    def columns(self, confusion: Tensor) -> Columns:
        """Return every metric of counts int64 ``(K, M, M)``, the first one that of `name`."""
        ...


@dataclass(frozen=True)
class Accuracy:
    """The share of samples classified correctly."""

    name: ClassVar[str] = "accuracy"
    label: ClassVar[str] = "accuracy"
    lower_is_better: ClassVar[bool] = False
    threshold: ClassVar[ThresholdBy] = "half"

    def columns(self, confusion: Tensor) -> Columns:
        """Return the accuracy of each combination."""
        return {"accuracy": (accuracy(confusion), confusion.sum((1, 2)))}


@dataclass(frozen=True)
class MeanIoU:
    """Mean intersection over union of the classes, over all pixels; then the share of right."""

    name: ClassVar[str] = "miou"
    label: ClassVar[str] = "mIoU"
    lower_is_better: ClassVar[bool] = False
    threshold: ClassVar[ThresholdBy] = "half"

    def columns(self, confusion: Tensor) -> Columns:
        """Return both of each combination, counts being of pixels."""
        n = confusion.sum((1, 2))
        return {"miou": (mean_iou(confusion), n), "pixel_accuracy": (accuracy(confusion), n)}


@dataclass(frozen=True)
class AttackErrors:
    """ACER first, then APCER, BPCER and accuracy, of two classes.

    Attributes:
        bona_fide: The class that is no attack.
        threshold: ``half``, or set on validation, for each combination by itself.
    """

    bona_fide: int = 1
    threshold: ThresholdBy = "half"

    name: ClassVar[str] = "acer"
    label: ClassVar[str] = "ACER"
    lower_is_better: ClassVar[bool] = True

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

    def thresholds(self, predictions: Predictions) -> Tensor:
        """Return the threshold of each combination, float64 ``(K,)``, set on these samples."""
        real = predictions.target == self.bona_fide
        found = [
            threshold_of(p[scored, self.bona_fide], real[scored], self.threshold)
            for p, scored in zip(predictions.probabilities, predictions.scored, strict=True)
        ]
        return torch.tensor(found, dtype=torch.float64)

    def at(self, evaluation: Evaluation, thresholds: Tensor) -> Evaluation:
        """Return the counts again, with other thresholds than an argmax has.

        Where the threshold of a combination is undefined, nothing is counted.

        Args:
            evaluation: With predictions.
            thresholds: float64 ``(K,)``.
        """
        found = evaluation.predictions
        assert found is not None
        taken = found.probabilities[..., self.bona_fide].double() > thresholds[:, None]
        predicted = torch.where(taken, self.bona_fide, 1 - self.bona_fide)
        scored = found.scored & ~thresholds.isnan()[:, None]
        whole = found.scored.all(0)
        return replace(
            evaluation,
            confusion=_counts(predicted, found.target, scored),
            complete=_counts(predicted, found.target, scored & whole),
        )

    def by_type(
        self, predictions: Predictions, thresholds: Tensor, kind: Tensor, types: int
    ) -> tuple[Tensor, Tensor]:
        """Return APCER of each combination and type of attack, and how many attacks each has.

        Args:
            predictions: Of every sample under every combination.
            thresholds: float64 ``(K,)``.
            kind: int64 ``(n,)``: the type of each sample's attack, in the order of the
                predictions; below 0 where it is not known, or the sample is none.
            types: How many types there are.

        Returns:
            float64 and int64 ``(K, types)``.
        """
        taken = predictions.probabilities[..., self.bona_fide].double() > thresholds[:, None]
        attack = (kind >= 0) & (predictions.target != self.bona_fide)
        of_type = torch.nn.functional.one_hot(kind.clamp(min=0), types).double()
        scored = (predictions.scored & attack).double()
        total = scored @ of_type
        wrong = (scored * taken) @ of_type
        rates = torch.where(thresholds.isnan()[:, None], torch.nan, wrong / total)
        return rates, total.long()


def _counts(predicted: Tensor, target: Tensor, scored: Tensor) -> Tensor:
    """Return confusion counts int64 ``(K, 2, 2)`` of predictions ``(K, n)``."""
    cell = 2 * target.expand_as(predicted) + predicted
    return torch.stack([((cell == place) & scored).sum(1) for place in range(4)], 1).reshape(
        -1, 2, 2
    )


class Scored(Protocol):
    """What the settings of a data set say of its score."""

    @property
    def metric(self) -> str:
        """Metric that selects and is reported first: accuracy, acer or miou."""
        ...

    @property
    def bona_fide(self) -> int:
        """Class that is no attack; read for acer."""
        ...

    @property
    def threshold(self) -> ThresholdBy:
        """How the threshold is set; read for acer."""
        ...


def measure_of(data: Scored) -> Measure:
    """Return the measure that the settings of a data set name.

    Raises:
        ValueError: If the metric is unknown.
    """
    if data.metric == "accuracy":
        return Accuracy()
    if data.metric == "acer":
        return AttackErrors(data.bona_fide, data.threshold)
    if data.metric == "miou":
        return MeanIoU()
    raise ValueError(f"unknown metric {data.metric!r}; expected accuracy, acer or miou")


def goodness(measure: Measure, values: Tensor) -> Tensor:
    """Return values of which higher is better, whatever the measure; NaN stays NaN."""
    return -values if measure.lower_is_better else values
