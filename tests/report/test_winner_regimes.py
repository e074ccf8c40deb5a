"""Measured regimes of data sets, from made summaries and from rows."""

from __future__ import annotations

import pytest
from winner_regimes import Regime, best_in, regime_of, regimes_by_kind

from dmrnet.report.records.runs import read_runs
from dmrnet.report.statistics.estimates import Estimate
from dmrnet.report.summary.over_data.gains import Gain, GainOnData
from dmrnet.report.summary.summary import summarise

SCORES = {
    # By system and combination, for seeds 0 and 1.
    ("sf-md", "a"): (0.50, 0.70),
    ("sf-md", "b"): (0.62, 0.60),
    ("sf-md", "a+b"): (0.80, 0.84),
    ("unimodal", "a"): (0.60, 0.60),
    ("unimodal", "b"): (0.60, 0.60),
    ("unimodal", "a+b"): (0.75, 0.81),
}


@pytest.fixture
def summary(tmp_path, good_row, lines):
    def of(metric="accuracy"):
        rows = []
        for (method, name), values in SCORES.items():
            for seed, value in enumerate(values):
                facts = {"method": method, "seed": seed, "run": f"{method}{seed}"}
                value = round(1 - value, 4) if metric == "acer" else value
                rows.append(good_row(**facts, combination=name, value=value, metric=metric))
                if name == "a":
                    for key, cost in (
                        *(("train_cpu_seconds", 5.0), ("train_samples", 12_000.0)),
                        ("epochs", 40.0),
                    ):
                        rows.append(good_row(**facts, combination="", metric=key, value=cost))
        (found,) = summarise(
            read_runs([lines(tmp_path / f"{metric}.jsonl", rows)], "test"), "test", "sf-md"
        )
        return found

    return of


@pytest.mark.parametrize("metric", ["accuracy", "acer"])
def test_it_is_measured_from_the_baseline_and_late_fusion(summary, metric):
    regime = regime_of("mine", summary(metric), "unimodal")
    # The best single modality by its mean is b: 0.61 against 0.60.
    assert regime.over_single.values == pytest.approx((0.80 - 0.62, 0.84 - 0.60))
    assert regime.over_late.values == pytest.approx((0.05, 0.03))
    assert (regime.dataset, regime.modalities, regime.rows) == ("mine", 2, 300)
    assert (regime.many, regime.small) == (False, True)


def test_without_late_fusion_interaction_is_unknown(summary):
    regime = regime_of("mine", summary(), "nothing")
    assert regime.over_late is None
    assert regime.interacting is None


def gains(*values):
    return Estimate.of(dict(enumerate(values)))


REGIMES = [
    Regime("u", 6, 1200, None, gains(0.03, 0.031, 0.029)),
    Regime("v", 2, 500, None, gains(0.03, -0.031, 0.0)),
    Regime("w", 4, None, None, None),
]


def test_kinds_of_regimes():
    assert [regime.interacting for regime in REGIMES] == [True, False, None]
    assert regimes_by_kind(REGIMES) == {
        "4 modalities or more": ["u", "w"],
        "fewer than 4 modalities": ["v"],
        "modalities interact": ["u"],
        "modalities do not interact": ["v"],
        "up to 500 training samples": ["v"],
        "more than 500 training samples": ["u"],
    }


def gain_of(label, **means):
    on = {
        key: GainOnData(Estimate.of({0: mean}), None, None, None, "sf-md", 1.0, True)
        for key, mean in means.items()
    }
    return Gain(label, on, None)


def test_the_best_are_among_those_that_were_run_on_all():
    assert best_in([], ["mfeat"]) == []
    found = best_in([gain_of("p", u=1, v=2), gain_of("q", u=3, v=3), gain_of("r", u=9)], ["u", "v"])
    assert found == [("q", 3), ("p", 1.5)]
