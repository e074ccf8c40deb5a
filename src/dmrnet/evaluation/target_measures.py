"""Measures of numbers, of several labels and of ordered classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from dmrnet.evaluation.class_metrics import majority_share
from dmrnet.evaluation.combinations import Evaluation
from dmrnet.evaluation.measures import Columns, Measure
from dmrnet.evaluation.metrics import accuracy, constant_rank_error, quadratic_kappa, rank_error


class _OfPredictions(Measure):
    """Base class: computes metrics from the predictions of every sample."""

    def scores(self, predicted: Tensor, target: Tensor) -> dict[str, float]:
        """Return metrics of predictions ``(n, M)``, n at least 1, that of `name` first."""
        raise TypeError(f"{type(self).__name__} does not define scores")

    def of(self, evaluation: Evaluation, complete: bool = False) -> Columns:
        """Return every metric of an evaluation that has predictions."""
        kept = evaluation.predictions
        assert kept is not None
        scored = kept.scored & kept.scored.all(0) if complete else kept.scored
        n = scored.sum(1)
        rows = [
            self.scores(values[some], kept.target[some]) if bool(some.any()) else {}
            for values, some in zip(kept.probabilities, scored, strict=True)
        ]
        names = next((row for row in rows if row), {self.name: torch.nan})
        return {
            name: (torch.tensor([row.get(name, torch.nan) for row in rows]).double(), n)
            for name in names
        }


@dataclass(frozen=True)
class NumberErrors(_OfPredictions):
    """Mean absolute error, root mean squared error and R² (coefficient of determination).

    Of one target the absolute error comes first, and ``constant_mae`` is that of the best constant.
    Several may have different units, so that the
    errors are of single targets, ``mae/NAME``, and R² comes first, averaged over the targets that
    differ between the scored samples.

    Attributes:
        targets: Names of the targets.
    """

    targets: tuple[str, ...]

    @property
    def name(self) -> str:  # type: ignore[override]
        """Name of the first metric."""
        return "mae" if len(self.targets) == 1 else "r2"

    @property
    def label(self) -> str:  # type: ignore[override]
        """Its name in tables."""
        return "MAE" if len(self.targets) == 1 else "R²"

    @property
    def lower_is_better(self) -> bool:  # type: ignore[override]
        """Whether lower values are better."""
        return len(self.targets) == 1

    def scores(self, predicted: Tensor, target: Tensor) -> dict[str, float]:
        """Return the errors in the unit of each target, and R²."""
        from torchmetrics.functional.regression import (
            mean_absolute_error,
            mean_squared_error,
            r2_score,
        )

        many = len(self.targets)
        predicted, target = predicted.double(), target.double()
        mae = mean_absolute_error(predicted, target, num_outputs=many).reshape(-1)
        mse = mean_squared_error(predicted, target, num_outputs=many).reshape(-1)
        r2 = torch.full((many,), torch.nan, dtype=torch.float64)
        # R² compares with the mean of the targets, which must differ.
        for column in (target.amax(0) > target.amin(0)).nonzero().flatten().tolist():
            r2[column] = r2_score(predicted[:, column], target[:, column])
        if many == 1:
            errors = {"mae": mae.item(), "rmse": mse.sqrt().item(), "r2": r2.item()}
            # No constant has a smaller absolute error than the median.
            alone = mean_absolute_error(target.median().expand_as(target).contiguous(), target)
            return errors | {"constant_mae": alone.item()}
        each = {"mae": mae.tolist(), "rmse": mse.sqrt().tolist(), "r2": r2.tolist()}
        # A target that is the same in all samples has none, and takes none from the others.
        return {"r2": r2.nanmean().item()} | {
            f"{metric}/{name}": value
            for metric, values in each.items()
            for name, value in zip(self.targets, values, strict=True)
        }


@dataclass(frozen=True)
class Labels(_OfPredictions):
    """Mean average precision over labels, and F1 at one half: macro and micro.

    A label without a positive sample has no average precision; one that no sample has and none is
    predicted to have has no F1. Macro averages are over the labels that have one.
    """

    name, label = "map", "mAP"

    def scores(self, predicted: Tensor, target: Tensor) -> dict[str, float]:
        """Return the three metrics of probabilities ``(n, M)``."""
        from torchmetrics.functional.classification import binary_average_precision, binary_f1_score

        labels = list(zip(predicted.T, target.T, strict=True))
        precisions = [binary_average_precision(p, y) for p, y in labels if bool(y.any())]
        f1 = [binary_f1_score(p, y) for p, y in labels if bool(y.any() | (p > 0.5).any())]
        micro = binary_f1_score(predicted.flatten(), target.flatten()).item()
        return {
            "map": _mean(precisions),
            "f1_macro": _mean(f1),
            "f1_micro": micro if f1 else torch.nan,
        }


def _mean(values: Sequence[Tensor]) -> float:
    """Return the mean of scalars; NaN without any."""
    return torch.stack(list(values)).double().mean().item() if values else torch.nan


@dataclass(frozen=True)
class Ranks(Measure):
    """Mean absolute error of ranks, quadratic weighted kappa and accuracy of ordered classes.

    ``constant_rank_mae`` and ``majority`` are what the best constants score.
    """

    name, label = "rank_mae", "MAE of ranks"
    lower_is_better = True

    def columns(self, confusion: Tensor) -> Columns:
        """Return the metrics of each combination."""
        n = confusion.sum((1, 2))
        return {
            "rank_mae": (rank_error(confusion), n),
            "kappa": (quadratic_kappa(confusion), n),
            "accuracy": (accuracy(confusion), n),
            "constant_rank_mae": (constant_rank_error(confusion), n),
            "majority": (majority_share(confusion), n),
        }
