"""Metrics of numbers, labels and ordered classes, against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn import metrics

from dmrnet.evaluation import Evaluation, MaskPredictions, measure_of
from dmrnet.evaluation.target_measures import Labels, NumberErrors, Ranks
from dmrnet.evaluation.values import pooled
from dmrnet.modalities import Modality, Task
from dmrnet.targets import TARGETS

N = 40
DRAW = np.random.default_rng(0)


def evaluation_of(predicted: np.ndarray, target: np.ndarray, scored: np.ndarray) -> Evaluation:
    k, n = scored.shape
    kept = MaskPredictions(
        torch.arange(n),
        torch.from_numpy(target),
        torch.from_numpy(scored),
        torch.from_numpy(predicted),
    )
    n_scored = torch.from_numpy(scored.sum(1)).view(-1, 1, 1)
    return Evaluation(torch.ones(k, 1, dtype=torch.bool), n_scored, n_scored, None, kept)


SCORED = np.stack([np.ones(N, bool), DRAW.random(N) < 0.5, np.zeros(N, bool)])


@pytest.mark.parametrize("many", [1, 2])
def test_numbers(many: int) -> None:
    target = DRAW.normal(size=(N, many)) * 5 + 100
    predicted = target + DRAW.normal(size=(3, N, many))
    names = ("y", "z")[:many]
    measure = NumberErrors(names)
    columns = measure.of(evaluation_of(predicted, target, SCORED))
    assert next(iter(columns)) == measure.name == ("mae" if many == 1 else "r2")
    for k in (0, 1):
        y, p = target[SCORED[k]], predicted[k, SCORED[k]]
        expected = {
            "mae": metrics.mean_absolute_error(y, p, multioutput="raw_values"),
            "rmse": metrics.root_mean_squared_error(y, p, multioutput="raw_values"),
            "r2": metrics.r2_score(y, p, multioutput="raw_values"),
        }
        for metric, values in expected.items():
            for name, value in zip(names, values, strict=True):
                column = metric if many == 1 else f"{metric}/{name}"
                assert columns[column][0][k].item() == pytest.approx(value)
                assert columns[column][1][k] == SCORED[k].sum()
        if many == 1:
            alone = [metrics.mean_absolute_error(y, np.full_like(y, c)) for c in y[:, 0]]
            assert columns["constant_mae"][0][k].item() == pytest.approx(min(alone))
        assert columns["r2"][0][k].item() == pytest.approx(expected["r2"].mean())
    assert all(values[2].isnan() for values, _ in columns.values())
    complete = measure.of(evaluation_of(predicted[:2], target, SCORED[:2]), complete=True)
    both = SCORED[1]
    y, p = target[both], predicted[0, both]
    assert complete["r2"][0][0].item() == pytest.approx(metrics.r2_score(y, p))


def test_r2_needs_targets_that_differ() -> None:
    predicted = np.array([[[1.0], [2.0]]])
    columns = NumberErrors(("y",)).of(
        evaluation_of(predicted, np.full((2, 1), 3.0), np.ones((1, 2), bool))
    )
    assert columns["mae"][0].item() == 1.5
    assert columns["r2"][0].isnan().all()


def test_labels() -> None:
    target = (DRAW.random((N, 4)) < [0.2, 0.5, 0.0, 0.3]).astype(np.int64)
    predicted = DRAW.random((3, N, 4)).astype(np.float32)
    predicted[..., 2] = 0.1
    columns = Labels().of(evaluation_of(predicted, target, SCORED))
    assert next(iter(columns)) == "map"
    for k in (0, 1):
        y, p = target[SCORED[k]], predicted[k, SCORED[k]]
        some = [m for m in range(4) if y[:, m].any()]
        assert 2 not in some  # has no positive, so no average precision and no F1
        precision = metrics.average_precision_score(y[:, some], p[:, some], average="macro")
        assert columns["map"][0][k].item() == pytest.approx(precision, rel=1e-5)
        f1 = metrics.f1_score(y[:, some], p[:, some] > 0.5, average="macro")
        assert columns["f1_macro"][0][k].item() == pytest.approx(f1, rel=1e-5)
        micro = metrics.f1_score(y, p > 0.5, average="micro")
        assert columns["f1_micro"][0][k].item() == pytest.approx(micro, rel=1e-5)
    assert all(values[2].isnan() for values, _ in columns.values())


def test_ranks() -> None:
    y, p = DRAW.integers(0, 4, N), DRAW.integers(0, 4, N)
    counts = torch.from_numpy(metrics.confusion_matrix(y, p, labels=range(4)))
    columns = Ranks().columns(counts[None])
    assert columns["rank_mae"][0].item() == pytest.approx(np.abs(y - p).mean())
    kappa = metrics.cohen_kappa_score(y, p, weights="quadratic")
    assert columns["kappa"][0].item() == pytest.approx(kappa)
    assert columns["accuracy"][0].item() == pytest.approx((y == p).mean())
    assert columns["majority"][0].item() == pytest.approx(max((y == c).mean() for c in range(4)))
    alone = min(np.abs(y - c).mean() for c in range(4))
    assert columns["constant_rank_mae"][0].item() == pytest.approx(alone)


@pytest.mark.parametrize("kind", ["ordinal", "multi-label", "regression"])
def test_predictions_of_many_combinations_are_pooled(kind: str) -> None:
    task = Task((Modality("a", "vector", (1,)),), ("x", "y", "z"), target=kind)
    measure = measure_of(None, task)  # type: ignore[arg-type]
    y = torch.tensor([0, 1, 2, 2])
    if kind != "ordinal":
        y = torch.nn.functional.one_hot(y, 3)
    sure = torch.nn.functional.one_hot(torch.tensor([0, 1, 2, 2]), 3).double()
    best = {"ordinal": 0.0, "multi-label": 1.0, "regression": 1.0}[kind]
    values, n = measure.of(pooled(TARGETS[kind], y, sure))[measure.name]
    assert values.item() == best
    assert n.item() == 4


def test_a_target_that_is_the_same_in_all_samples_takes_no_score_from_the_others() -> None:
    """The mean of R² was NaN, so that no epoch could be selected."""
    target = np.stack([DRAW.normal(size=N), np.full(N, 5.0)], 1)
    predicted = target[None] + DRAW.normal(size=(1, N, 2)) / 3
    every = evaluation_of(predicted, target, np.ones((1, N), bool))
    columns = {
        name: values.item() for name, (values, _) in NumberErrors(("a", "b")).of(every).items()
    }
    expected = metrics.r2_score(target[:, 0], predicted[0, :, 0])
    assert columns["r2"] == pytest.approx(expected) == pytest.approx(columns["r2/a"])
    assert np.isnan(columns["r2/b"])
