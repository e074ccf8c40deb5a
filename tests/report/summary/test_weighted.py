"""Scores of weighted samples against scikit-learn's, and their intervals in a report."""

from __future__ import annotations

import json

import numpy as np
import pytest
from sklearn import metrics
from tests.report.mistakes.made import add_predictions

from dmrnet.report.records.predictions import Predictions, read_predictions
from dmrnet.report.records.rows import RowError
from dmrnet.report.records.runs import read_runs
from dmrnet.report.summary.bootstrap import resample
from dmrnet.report.summary.summary import summarise
from dmrnet.report.summary.weighted import weighted_score

N, K, DRAWS = 50, 2, 6
NAMES = ("a", "b")


def predictions(**of):
    scored = np.ones((K, N), bool)
    scored[1, ::3] = False
    zeros = {"right": np.zeros((K, N), bool), "target": np.zeros(N, int)}
    return Predictions(
        **(zeros | of), combinations=NAMES, scored=scored,
        sources=np.arange(N).astype(str), modalities=NAMES,
    )  # fmt: skip


@pytest.mark.parametrize(
    "score", ["mae", "r2", "map", "rank_mae", "balanced_accuracy", "worst_recall"]
)
def test_against_scikit_learn(score):
    draw = np.random.default_rng(0)
    weight = draw.integers(0, 4, (DRAWS, N)).astype(float)
    if score in ("mae", "r2"):
        truth = draw.normal(1000, 3, (N, 1 if score == "mae" else 2))
        values = truth + draw.normal(0, 1, (K, *truth.shape))
        of = predictions(values=values, truth=truth)
        name = {"mae": "mean_absolute_error", "r2": "r2_score"}[score]

        def slow(k, some, w):
            return getattr(metrics, name)(truth[some], values[k, some], sample_weight=w)

    elif score == "map":
        truth = (draw.random((N, 3)) < 0.4).astype(float)
        # Few different values, so that many are equal.
        values = draw.integers(0, 6, (K, N, 3)) / 6
        of = predictions(values=values, truth=truth)

        def slow(k, some, w):
            args = truth[some], values[k, some]
            return metrics.average_precision_score(*args, average="macro", sample_weight=w)

    else:
        target, guess = draw.integers(0, 3, N), draw.integers(0, 3, (K, N))
        of = predictions(right=guess == target, target=target, predicted=guess)

        def slow(k, some, w):
            if score == "rank_mae":
                args = target[some], guess[k, some]
                return metrics.mean_absolute_error(*args, sample_weight=w)
            args = target[some], guess[k, some]
            recalls = metrics.recall_score(*args, average=None, sample_weight=w)
            return recalls.min() if score == "worst_recall" else recalls.mean()

    found = weighted_score(score, of, [0, 1])(weight)
    for d in range(DRAWS):
        for k in range(K):
            some = of.scored[k]
            assert found[d, k] == pytest.approx(slow(k, some, weight[d, some]))


def test_what_is_not_drawn_is_undefined():
    truth = np.array([[1.0], [1.0], [5.0]])
    of = Predictions(
        NAMES[:1], np.zeros((1, 3), bool), np.ones((1, 3), bool), np.zeros(3, int),
        np.arange(3).astype(str), NAMES, values=truth[None] + 1, truth=truth,
    )  # fmt: skip
    # Numbers that are all the same have no R².
    assert np.isnan(weighted_score("r2", of, [0])(np.array([[2.0, 1.0, 0.0]]))).all()
    labels = Predictions(
        NAMES[:1], np.zeros((1, 3), bool), np.ones((1, 3), bool), np.zeros(3, int),
        np.arange(3).astype(str), NAMES, values=np.full((1, 3, 1), 0.5), truth=truth > 2,
    )  # fmt: skip
    assert np.isnan(weighted_score("map", labels, [0])(np.array([[1.0, 1.0, 0.0]]))).all()


@pytest.mark.parametrize(("kind", "metric"), [("numbers", "mae"), ("labels", "map")])
def test_reports_have_the_intervals(make_run, kind, metric):
    runs = [
        make_run(m, s, modalities=NAMES, metric=metric) for m in ("sf-md", "dmr") for s in (0, 1)
    ]
    for number, run in enumerate(runs):
        _, target, guess = add_predictions(
            run, NAMES, kind=kind, classes=1 if kind == "numbers" else 3, n=80, seed=number
        )
        with np.load(run / "predictions.npz") as saved:
            arrays = dict(saved)
        if kind == "labels":
            arrays["probabilities"] = np.clip(guess * 0.8 + 0.1, 0, 1)
            value = 0.8
        else:
            value = float(np.abs(guess - target).mean())
        arrays["source"] = np.arange(80).astype(str)
        np.savez(run / "predictions.npz", **arrays)
        path = run / "results.jsonl"
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        for row in rows:
            if row["combination"]:
                row["value"] = value
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    read = read_runs(runs, "test")
    (summary,) = summarise(read, "test", "sf-md")
    found = resample(summary, read, draws=250)
    assert found.draws == 250
    low, high = found.levels["dmr"]["full"]
    if kind == "numbers":
        # In the unit in which scores are shown: a hundredth.
        assert 0.005 < low < summary.systems[1].headlines["full"].mean < high < 0.012
    else:
        assert 0.5 < low < high < 1
    assert found.differences["dmr", "sf-md"].keys() >= {"average", "worst"}
    np.savez(runs[0] / "predictions.npz", **(arrays | {"scored": np.ones((3, 5), bool)}))
    with pytest.raises(RowError, match="expected predictions of shape"):
        read_predictions(read[0], NAMES, probabilities=True)
