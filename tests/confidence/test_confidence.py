"""Calibration, conformal sets, selective prediction and advice, against plain loops."""

from __future__ import annotations

import math
from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from torchmetrics.functional.classification import multiclass_auroc, multiclass_calibration_error

from dmrnet.confidence import (
    Confidence,
    calibration_error,
    conformal_scores,
    conformal_sets,
    conformal_threshold,
    cross_fitted,
    error_detection,
    fit_temperatures,
    reliability,
    temper,
    worth_tempering,
)
from dmrnet.confidence.advice import FEWEST as FEWEST_GAIN
from dmrnet.confidence.temperature import FEWEST
from dmrnet.modalities import all_combinations


def predictions(n=260, m=4, v=3, seed=0, sharp=3.0):
    """Overconfident predictions: logits of the truth, sharpened; some samples lack modality 0."""
    generator = torch.Generator().manual_seed(seed)
    combinations = all_combinations(v)
    logits = torch.randn(len(combinations), n, m, generator=generator)
    size = combinations.sum(1)
    target = torch.multinomial((logits[-1]).softmax(-1), 1, generator=generator).flatten()
    logits += 0.6 * size[:, None, None] * torch.nn.functional.one_hot(target, m)
    present = torch.ones(n, v, dtype=torch.bool)
    present[: n // 3, 0] = False
    scored = (present | ~combinations[:, None]).all(-1)
    return (sharp * logits).softmax(-1), target, scored, combinations


def loss_of(p, target, log_temperature):
    log_p = np.log(np.maximum(p.double().numpy(), 1e-30)) / math.exp(log_temperature)
    log_p -= np.log(np.exp(log_p).sum(-1, keepdims=True))
    of_target = log_p[np.arange(len(target)), target.numpy()]
    of_others = (log_p.sum(-1) - of_target) / (log_p.shape[-1] - 1)
    share = 1 / (len(target) + 2)
    return -((1 - share) * of_target + share * of_others).mean()


def test_temperatures_are_the_minimum_of_the_log_loss():
    p, target, scored, combinations = predictions()
    found = fit_temperatures(p, target, scored, combinations)
    sizes = combinations.sum(1)
    for row, mask in enumerate(combinations):
        own = scored[row].sum() >= FEWEST
        group = [row] if own else [k for k in range(len(sizes)) if sizes[k] == sizes[row]]
        parts = [(p[k][scored[k]], target[scored[k]]) for k in group]
        every, truth = (torch.cat([part[i] for part in parts]) for i in (0, 1))
        slow = minimize_scalar(partial(loss_of, every, truth), bounds=(-3, 3), method="bounded")
        assert found[row].item() == pytest.approx(math.exp(slow.x), rel=1e-3), mask


def test_a_combination_without_samples_keeps_its_probabilities():
    p, target, scored, combinations = predictions()
    scored[-1] = False
    found = fit_temperatures(p, target, scored, combinations)
    assert found[-1] == 1


def test_a_combination_without_errors_does_not_become_certain():
    p = torch.tensor([0.9, 0.1]).expand(1, 300, 2)
    target, scored = torch.zeros(300, dtype=torch.int64), torch.ones(1, 300, dtype=torch.bool)
    found = fit_temperatures(p, target, scored, torch.tensor([[True]]))
    assert temper(p, found[:, None])[0, 0, 0].item() == pytest.approx(301 / 302, rel=1e-4)


def test_cross_fitted_probabilities_do_not_see_their_own_label():
    p, target, scored, combinations = predictions(n=60)
    first = cross_fitted(p, target, scored, combinations)
    changed = target.clone()
    changed[7] = (changed[7] + 1) % 4
    second = cross_fitted(p, changed, scored, combinations)
    same_fold = torch.arange(60) % 5 == 7 % 5
    # Up to where the search stops: it starts from all samples.
    assert torch.allclose(first[:, same_fold], second[:, same_fold], atol=1e-5)
    assert not torch.allclose(first[:, ~same_fold], second[:, ~same_fold], atol=1e-4)


def test_tempering_is_kept_where_it_helps_samples_it_was_not_fitted_on():
    decisions = []
    for seed, sharp in ((0, 3.0), (1, 1.0), (2, 1.0), (3, 1.0)):
        p, target, scored, combinations = predictions(seed=seed, sharp=sharp)
        held_out = cross_fitted(p, target, scored, combinations)
        found = worth_tempering(p, held_out, target, scored, combinations)
        sizes, own = combinations.sum(1).tolist(), (scored.sum(1) >= FEWEST).tolist()
        for row, size in enumerate(sizes):
            group = [row] if own[row] else [k for k in range(len(sizes)) if sizes[k] == size]
            gain = sum(
                math.log(held_out[k, i, target[i]]) - math.log(p[k, i, target[i]])
                for k in group
                for i in scored[k].nonzero().flatten().tolist()
            )
            assert found[row].item() == (gain > 0)
        fitted = Confidence.fit(p, target, scored, combinations)
        plain = fit_temperatures(p, target, scored, combinations)
        assert torch.equal(fitted.temperature, torch.where(found, plain, 1.0))
        kept = p.gather(2, target.expand(len(p), -1)[..., None])[..., 0]
        unchanged = scored & ~found[:, None]
        assert torch.allclose(fitted.scores[unchanged], 1 - kept[unchanged], atol=1e-6)
        decisions += found.tolist()
    assert True in decisions
    assert False in decisions


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.3, 5))
def test_tempering_keeps_the_order_of_classes(seed, temperature):
    p = torch.rand(5, 4, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) + 0.01
    p /= p.sum(-1, keepdim=True)
    tempered = temper(p, torch.tensor(temperature))
    assert torch.equal(tempered.argsort(-1), p.argsort(-1))
    assert torch.allclose(tempered.sum(-1), torch.ones(5, dtype=torch.float64))


def test_calibration_error_is_that_of_torchmetrics():
    p, target, scored, _ = predictions()
    found = calibration_error(*reliability(p, target, scored))
    for row in range(len(p)):
        keep = scored[row]
        expected = multiclass_calibration_error(p[row][keep], target[keep], 4, n_bins=15)
        assert found[row].item() == pytest.approx(expected.item(), abs=1e-6)


def test_sets_hold_the_true_class_at_their_level():
    p, target, scored, combinations = predictions(n=3000)
    known = torch.arange(3000) < 1500
    fitted = Confidence.fit(p[:, known], target[known], scored[:, known], combinations)
    for row in range(len(combinations)):
        keep = scored[row] & ~known
        seen = combinations[row].expand(int(keep.sum()), -1)
        calibrated = fitted.calibrate(p[row][keep], seen)
        sets = fitted.sets(calibrated, seen, 0.9)
        held = sets.gather(1, target[keep][:, None]).double().mean().item()
        # The predicted class always belongs, so sets hold no less than it does alone.
        alone = (calibrated.argmax(-1) == target[keep]).double().mean().item()
        slack = 4 * math.sqrt(0.09 * (1 / 1000 + 1 / len(seen)))
        assert 0.9 - slack < held < max(0.9, alone) + slack
        assert bool(sets.any(1).all())


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=30), st.floats(0.05, 0.99))
def test_the_threshold_is_the_rank_that_split_conformal_prediction_asks_for(scores, level):
    found = conformal_threshold(torch.tensor([scores], dtype=torch.float64), level).item()
    rank = math.ceil((len(scores) + 1) * level - 1e-9)
    assert found == (math.inf if rank > len(scores) else sorted(scores)[rank - 1])


@pytest.mark.parametrize("p", [0.1, 0.3, 0.7])
def test_equal_samples_have_equal_sets(p):
    # Inputs that repeat: every score is the same, up to how it is stored.
    same = torch.tensor([p, 1 - p]).expand(1, 100, 2)
    target, scored = torch.zeros(100, dtype=torch.int64), torch.ones(1, 100, dtype=torch.bool)
    scores = conformal_scores(same, target, scored).float()
    sets = conformal_sets(same[0], conformal_threshold(scores, 0.9).expand(100))
    assert bool(sets[:, 0].all())


def test_levels_outside_0_and_1_are_refused():
    with pytest.raises(ValueError, match="between 0 and 1"):
        conformal_threshold(torch.zeros(1, 3), 90)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=2, max_size=40))
def test_error_detection_is_the_auroc_of_torchmetrics(pairs):
    uncertainty = torch.tensor([float(value) for value, _ in pairs])
    wrong = torch.tensor([flag for _, flag in pairs])
    found = error_detection(uncertainty, wrong)
    if wrong.all() or not wrong.any():
        assert math.isnan(found)
        return
    two = torch.stack([1 - uncertainty / 6, uncertainty / 6], 1)
    expected = multiclass_auroc(two, wrong.long(), 2, average=None)[1]
    assert found == pytest.approx(expected.item(), abs=1e-6)


def test_advice_names_the_modality_that_lowers_the_error_most():
    p, target, scored, combinations = predictions(n=400)
    fitted = Confidence.fit(p, target, scored, combinations)
    alone = torch.tensor([[False, True, False]])
    which, gain, error = fitted.advise(torch.tensor([[0.1, 0.7, 0.1, 0.1]]), alone)
    falls = {}
    for other in (0, 2):
        row, wider = fitted.rows(alone), alone.clone()
        wider[0, other] = True
        both = (scored[row] & scored[fitted.rows(wider)])[0]
        ours, theirs = (p[fitted.rows(mask)][0].argmax(-1) for mask in (alone, wider))
        fall = ((theirs == target).double() - (ours == target).double())[both]
        of_class = fall[ours[both] == 1]
        total = of_class.sum() + FEWEST_GAIN * fall.mean()
        falls[other] = (total / (len(of_class) + FEWEST_GAIN)).item()
    best = max(falls, key=falls.__getitem__)
    assert which.item() == best
    assert gain.item() == pytest.approx(falls[best])
    assert 0 < error.item() < 0.1
    everything = torch.ones(1, 3, dtype=torch.bool)
    assert fitted.advise(torch.tensor([[0.1, 0.7, 0.1, 0.1]]), everything)[0].item() == -1


def test_what_was_not_scored_is_not_invented():
    p, target, scored, combinations = predictions()
    some = torch.tensor([0, 1, 3])
    fitted = Confidence.fit(p[some], target, scored[some], combinations[some])
    seen = torch.tensor([[False, True, True]])
    assert fitted.rows(seen).item() == -1
    probabilities = torch.tensor([[0.1, 0.7, 0.1, 0.1]])
    assert bool(fitted.sets(probabilities, seen, 0.9).all())
    assert fitted.advise(probabilities, seen)[0].item() == -1


def test_it_can_be_stored_and_damage_is_named():
    p, target, scored, combinations = predictions()
    fitted = Confidence.fit(p, target, scored, combinations)
    again = Confidence.from_arrays(fitted.arrays(), "here")
    for name, array in fitted.arrays().items():
        np.testing.assert_array_equal(array, again.arrays()[name])
    arrays = fitted.arrays()
    with pytest.raises(ValueError, match="here: expected temperature of shape"):
        Confidence.from_arrays(arrays | {"temperature": np.ones(2)}, "here")
    del arrays["gain"]
    with pytest.raises(ValueError, match="here: expected gain"):
        Confidence.from_arrays(arrays, "here")
