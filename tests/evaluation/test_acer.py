"""ACER, APCER, BPCER and thresholds, against loops, scikit-learn and several processes."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import confusion_matrix, recall_score

from dmrnet.evaluation import (
    ACER,
    APCER,
    BPCER,
    AttackErrors,
    Evaluation,
    MaskPredictions,
    error_rates,
    goodness,
    measure_of,
    threshold_of,
)
from dmrnet.modalities import all_combinations


class Judged(NamedTuple):
    """What the settings of a data set say of its score."""

    metric: str
    bona_fide: int = 1
    threshold: str = "half"


some_scores = st.lists(
    st.tuples(st.sampled_from([0.0, 0.125, 0.25, 0.5, 0.75, 0.875, 1.0]), st.booleans()),
    min_size=1,
    max_size=25,
)


def slow(scores, real, threshold):
    """Return APCER, BPCER and ACER by counting one sample after the other."""
    wrong_attack = attack = wrong_real = reals = 0
    for score, is_real in zip(scores, real, strict=True):
        if is_real:
            reals += 1
            wrong_real += not score > threshold
        else:
            attack += 1
            wrong_attack += score > threshold
    apcer = wrong_attack / attack if attack else math.nan
    bpcer = wrong_real / reals if reals else math.nan
    return apcer, bpcer, (apcer + bpcer) / 2


@given(some_scores, st.sampled_from([0.0, 0.3, 0.5, 0.875]), st.sampled_from([0, 1]))
def test_metrics_equal_a_loop(samples, threshold, bona_fide) -> None:
    scores, real = zip(*samples, strict=True)
    score = torch.tensor(scores)
    target = torch.where(torch.tensor(real), bona_fide, 1 - bona_fide)
    found = []
    for kind in (APCER, BPCER, ACER):
        metric = kind(threshold=threshold, bona_fide=bona_fide)
        for rows in torch.arange(len(score)).split(4):
            metric.update(score[rows], target[rows])
        found.append(metric.compute().item())
    np.testing.assert_allclose(found, slow(scores, real, threshold), equal_nan=True)


@pytest.mark.parametrize("bona_fide", [0, 1])
def test_rates_of_a_confusion_matrix_equal_scikit_learn(bona_fide: int) -> None:
    draw = np.random.default_rng(0)
    target, predicted = draw.integers(2, size=80), draw.integers(2, size=80)
    rates = error_rates(torch.tensor(confusion_matrix(target, predicted)), bona_fide)
    # The share of a class that is found again is its recall.
    of_attacks = recall_score(target, predicted, pos_label=1 - bona_fide)
    of_bona_fides = recall_score(target, predicted, pos_label=bona_fide)
    assert rates.apcer.item() == pytest.approx(1 - of_attacks)
    assert rates.bpcer.item() == pytest.approx(1 - of_bona_fides)
    assert rates.acer.item() == pytest.approx(1 - (of_attacks + of_bona_fides) / 2)


def test_names_are_those_of_the_standard_and_not_of_the_released_code() -> None:
    # 10 attacks of which 3 pass; 5 bona fide samples of which 1 is refused.
    rates = error_rates(torch.tensor([[7, 3], [1, 4]]))
    assert rates.apcer.item() == pytest.approx(0.3)
    assert rates.bpcer.item() == pytest.approx(0.2)
    # The released code: APCER = refused / bona fide, NPCER = passed / attacks; one mean.
    released_apcer, released_npcer = 1 / 5, 3 / 10
    assert rates.acer.item() == pytest.approx((released_apcer + released_npcer) / 2)


def test_a_missing_class_is_undefined_and_not_perfect() -> None:
    only_attacks, only_real = torch.tensor([[9, 0], [0, 0]]), torch.tensor([[0, 0], [0, 9]])
    for counts in (only_attacks, only_real):
        assert error_rates(counts).acer.isnan()
    assert error_rates(only_attacks).bpcer.isnan()
    assert error_rates(only_attacks).apcer == 0
    assert error_rates(only_real).apcer.isnan()
    for scores in ([], [0.1, 0.9]):
        metric = ACER()
        metric.update(torch.tensor(scores), torch.zeros(len(scores), dtype=torch.long))
        assert metric.compute().isnan()
    assert math.isnan(threshold_of(torch.tensor([0.2, 0.3]), torch.tensor([True, True]), "eer"))


@given(some_scores.filter(lambda s: len({real for _, real in s}) == 2))
def test_thresholds_are_the_best_candidates(samples) -> None:
    scores, real = zip(*samples, strict=True)
    score, is_real = torch.tensor(scores), torch.tensor(real)
    tried = [slow(scores, real, t) for t in np.linspace(-0.01, 1.01, 205)]
    apcer, bpcer, acer = slow(scores, real, threshold_of(score, is_real, "min-acer"))
    assert acer == pytest.approx(min(one[2] for one in tried))
    apcer, bpcer, acer = slow(scores, real, threshold_of(score, is_real, "eer"))
    gap = min(abs(one[0] - one[1]) for one in tried)
    assert abs(apcer - bpcer) == pytest.approx(gap)
    assert acer == pytest.approx(min(x for a, b, x in tried if abs(a - b) < gap + 1e-9))
    assert threshold_of(score, is_real, "half") == 0.5


def test_types_of_attack() -> None:
    # Type 0: 1 of 2 passes; type 1: 0 of 1; type 2 has no attack.
    score = torch.tensor([0.9, 0.1, 0.2, 0.7, 0.3])
    target = torch.tensor([0, 0, 0, 1, 1])
    kind = torch.tensor([0, 0, 1, -1, 2])
    expected = {"pooled": 1 / 3, "worst": 0.5, "each": [0.5, 0.0, math.nan]}
    for over, apcer in expected.items():
        for metric, bpcer in ((APCER(types=3, over=over), None), (ACER(types=3, over=over), 0.5)):
            metric.update(score, target, kind)
            wanted = apcer if bpcer is None else (np.asarray(apcer) + bpcer) / 2
            np.testing.assert_allclose(metric.compute().numpy(), wanted, equal_nan=True)
    none = APCER(types=2, over="worst")
    none.update(torch.tensor([0.5]), torch.tensor([1]))
    assert none.compute().isnan()


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: APCER(over="mean"), "pooled, each or worst"),
        (lambda: APCER(types=0), "one type"),
        (lambda: ACER().update(torch.ones(2), torch.ones(3)), "scores and classes"),
        (lambda: ACER().update(torch.tensor([math.nan]), torch.tensor([1])), "finite"),
        (
            lambda: APCER(types=2).update(torch.ones(1), torch.zeros(1).long(), torch.tensor([2])),
            "from 0 to 1",
        ),
        (lambda: threshold_of(torch.ones(1), torch.ones(1).bool(), "best"), "half, eer"),
        (
            lambda: threshold_of(torch.tensor([math.nan]), torch.ones(1).bool(), "eer"),
            "finite scores",
        ),
        (lambda: error_rates(torch.zeros(3, 3)), r"got \(3, 3\)"),
        (lambda: measure_of(Judged("auc")), "got 'auc'"),
    ],
)
def test_invalid_arguments_are_refused(call, words) -> None:
    with pytest.raises(ValueError, match=words):
        call()


def evaluation_of(seed: int, classes: int = 2) -> Evaluation:
    """Return predictions of 60 samples under 7 combinations, some of which lack a modality."""
    draw = torch.Generator().manual_seed(seed)
    combinations = all_combinations(3)
    present = torch.rand(60, 3, generator=draw) < 0.8
    present[~present.any(1)] = True
    probabilities = torch.rand(7, 60, classes, generator=draw).softmax(-1)
    target = torch.randint(classes, (60,), generator=draw)
    scored = (present | ~combinations[:, None]).all(-1)
    found = MaskPredictions(torch.arange(60), target, scored, probabilities)
    zero = torch.zeros(7, 2, 2, dtype=torch.int64)
    return Evaluation(combinations, zero, zero, torch.zeros(7, dtype=torch.float64), found)


@pytest.mark.parametrize("by", ["half", "eer", "min-acer"])
@pytest.mark.parametrize("bona_fide", [0, 1])
def test_counts_at_thresholds_equal_a_loop(by, bona_fide) -> None:
    measure = AttackErrors(bona_fide, by)
    val, test = evaluation_of(0), evaluation_of(1)
    thresholds = measure.thresholds(val.predictions)
    result = measure.at(test, thresholds)
    columns = measure.columns(result.confusion)
    complete = measure.columns(result.complete)
    whole = test.predictions.scored.all(0)
    for k in range(7):
        seen = val.predictions.scored[k]
        score = val.predictions.probabilities[k, seen, bona_fide]
        real = val.predictions.target[seen] == bona_fide
        threshold = threshold_of(score, real, by)
        assert thresholds[k] == threshold
        for found, rows in ((columns, test.predictions.scored[k]), (complete, whole)):
            score = test.predictions.probabilities[k, rows, bona_fide].double().tolist()
            real = (test.predictions.target[rows] == bona_fide).tolist()
            expected = slow(score, real, threshold)
            got = [found[name][0][k].item() for name in ("apcer", "bpcer", "acer")]
            np.testing.assert_allclose(got, expected)
            counts = [found[name][1][k].item() for name in ("apcer", "bpcer", "acer")]
            assert counts == [len(real) - sum(real), sum(real), len(real)]


def test_types_by_combination_equal_the_metric() -> None:
    measure, found = AttackErrors(), evaluation_of(2).predictions
    kind = torch.where(found.target == 0, torch.arange(60) % 4 - 1, -1)
    thresholds = torch.linspace(0.4, 0.6, 7, dtype=torch.float64)
    rates, counts = measure.by_type(found, thresholds, kind, 3)
    for k in range(7):
        rows = found.scored[k] & (kind >= 0)
        metric = APCER(threshold=float(thresholds[k]), types=3, over="each")
        metric.update(found.probabilities[k, rows, 1].double(), found.target[rows], kind[rows])
        np.testing.assert_allclose(rates[k], metric.compute())
        assert counts[k].tolist() == metric.attacks.tolist()


def test_an_undefined_threshold_counts_nothing() -> None:
    measure, test = AttackErrors(threshold="eer"), evaluation_of(1)
    result = measure.at(test, torch.tensor([math.nan] + [0.5] * 6, dtype=torch.float64))
    acer = measure.columns(result.confusion)["acer"][0]
    assert acer[0].isnan()
    assert not acer[1:].isnan().any()
    assert test.predictions is not None
    kind = torch.where(test.predictions.target == 0, torch.arange(60) % 2, -1)
    thresholds = torch.tensor([math.nan] + [0.5] * 6, dtype=torch.float64)
    rates, _ = measure.by_type(test.predictions, thresholds, kind, 2)
    assert rates[0].isnan().all()
    assert not rates[1:].isnan().any()


def test_the_measure_of_a_data_set() -> None:
    faces, others = Judged("acer", 0, "eer"), Judged("accuracy")
    assert measure_of(faces) == AttackErrors(0, "eer")
    assert measure_of(others).name == "accuracy"
    values = torch.tensor([0.1, 0.4])
    assert goodness(measure_of(faces), values).argmax() == 0
    assert goodness(measure_of(others), values).argmax() == 1
