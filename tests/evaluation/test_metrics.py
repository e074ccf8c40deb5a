"""Metrics from counts, against scikit-learn and sorting."""

from __future__ import annotations

import math

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, confusion_matrix, log_loss

from dmrnet.evaluation import accuracy, evaluate, worst
from dmrnet.modalities import Batch, CachedFeatures, all_combinations


def test_counts_and_rates_equal_scikit_learn() -> None:
    draw = np.random.default_rng(0)
    logits, target = draw.normal(size=(60, 4)), draw.integers(4, size=60)

    class Given:
        modalities = ("x",)

        def cached(self, inputs, where):
            return CachedFeatures(inputs)

        def logits(self, feats, mask):
            return feats["x"]

    batch = Batch(
        {"x": torch.tensor(logits, dtype=torch.float32)},
        torch.ones(60, 1, dtype=torch.bool),
        torch.tensor(target),
        torch.arange(60),
        where={"x": None},
    )
    found = evaluate(Given(), [batch], all_combinations(1), 4)
    predicted = logits.argmax(1)
    assert np.array_equal(found.confusion[0], confusion_matrix(target, predicted))
    assert float(accuracy(found.confusion)[0]) == accuracy_score(target, predicted)
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    expected = log_loss(target, p, normalize=False, labels=range(4))
    assert math.isclose(float(found.log_loss[0]), expected, rel_tol=1e-5)


def test_accuracy_without_samples_is_undefined() -> None:
    confusion = torch.tensor([[[3, 1], [0, 4]], [[0, 0], [0, 0]]])
    assert accuracy(confusion)[0] == 7 / 8
    assert accuracy(confusion)[1].isnan()


@given(
    st.lists(st.sampled_from([0.1, 0.2, 0.3, math.nan]), min_size=1, max_size=8), st.integers(1, 9)
)
def test_the_worst_are_the_lowest_and_never_undefined(values: list[float], k: int) -> None:
    ranked = sorted((v, i) for i, v in enumerate(values) if not math.isnan(v))
    expected = {i for _, i in ranked[:k]}
    got = worst(torch.tensor(values, dtype=torch.float64), k)
    assert set(got.nonzero().flatten().tolist()) == expected
