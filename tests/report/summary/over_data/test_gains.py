"""Gains over the baseline at equal cost over data sets, against plain loops over the rows."""

from __future__ import annotations

import math
from dataclasses import astuple

import numpy as np
import pytest
from scipy import stats

from dmrnet.report.records.runs import read_runs
from dmrnet.report.statistics.over_data import pool
from dmrnet.report.summary.over_data.gains import gains_over_data
from dmrnet.report.summary.summary import summarise

SEEDS = range(4)
COMBINATIONS = ("a", "b", "a+b")
COSTS = {"sf-md": 10.0, "longer": 20.0, "cheap": 9.0, "dear": 15.0, "dearest": 50.0}
AGAINST = {"cheap": "sf-md", "dear": "longer", "dearest": "longer"}
"""The shortest training of the baseline that costs as much, or else the longest."""


def draw_scores(sets=("u", "v", "w")):
    """Score of each data set, system, seed and combination; the methods differ in their gain."""
    draw = np.random.default_rng(3)
    rise = {"cheap": 0.02, "dear": 0.0, "dearest": -0.03}
    return {
        (data, system, seed, name): round(
            0.7 + rise.get(system, 0.0) + 0.05 * len(name) + float(draw.normal(0, 0.01)), 4
        )
        for data in sets
        for system in COSTS
        for seed in SEEDS
        for name in COMBINATIONS
    }


@pytest.fixture
def rows_of(tmp_path, good_row, lines):
    def write(scores, metric="accuracy"):
        rows = []
        for (data, system, seed, name), value in scores.items():
            # Every data set has its own number of epochs.
            settings = {"max_epochs": 10 + ord(data)}
            settings |= {"stretch": 2.0} if system == "longer" else {}
            method = "sf-md" if system == "longer" else system
            facts = {"method": method, "dataset": data, "seed": seed, "settings": settings}
            facts["run"] = f"{data}-{system}-{seed}"
            rows.append(good_row(**facts, combination=name, value=value, metric=metric, n=200))
            if name == "a":
                cost = {"combination": "", "metric": "train_cpu_seconds", "value": COSTS[system]}
                rows.append(good_row(**facts, **cost))
        return read_runs([lines(tmp_path / f"{metric}.jsonl", rows)], "test")

    return write


HEADLINES = {
    "average": lambda of: sum(of.values()) / 3,
    "worst": lambda of: min(of.values()),
    "full": lambda of: of["a+b"],
    "single": lambda of: (of["a"] + of["b"]) / 2,
}


def slow(scores, headline):
    """By method and data set: mean gain, standard error, p, p after Holm."""
    result = {}
    for data in sorted({key[0] for key in scores}):
        found = {}
        for method, against in AGAINST.items():
            gains = []
            for seed in SEEDS:
                ours, theirs = (
                    HEADLINES[headline]({c: scores[data, one, seed, c] for c in COMBINATIONS})
                    for one in (method, against)
                )
                gains.append(ours - theirs)
            error = float(np.std(gains, ddof=1)) / math.sqrt(len(gains))
            found[method] = np.mean(gains), error, stats.ttest_1samp(gains, 0).pvalue
        ordered = sorted(found, key=lambda method: found[method][2])
        largest = 0.0
        for rank, method in enumerate(ordered):
            mean, error, p = found[method]
            largest = max(largest, min(1.0, p * (len(found) - rank)))
            result[method, data] = mean, error, p, largest
    return result


@pytest.mark.parametrize("headline", HEADLINES)
def test_gains_against_loops(rows_of, headline):
    scores = draw_scores()
    expected = slow(scores, headline)
    found = gains_over_data(summarise(rows_of(scores), "test", "sf-md"), headline)
    assert {gain.label for gain in found} == set(AGAINST)
    pooled = {}
    for gain in found:
        assert list(gain.by_data) == ["u", "v", "w"]
        for data, one in gain.by_data.items():
            numbers = one.gain.mean, one.error, one.p, one.holm
            assert numbers == pytest.approx(expected[gain.label, data])
            assert one.reached == (gain.label != "dearest")
            longer = AGAINST[gain.label] == "longer"
            assert one.against == ("sf-md stretch=2" if longer else "sf-md")
        mine = [expected[gain.label, data] for data in "uvw"]
        pooled[gain.label] = pool([one[0] for one in mine], [one[1] for one in mine])
        assert astuple(gain.pooled) == pytest.approx(astuple(pooled[gain.label]))
        assert gain.wins == sum(one[0] > 0 for one in mine)
        assert gain.losses == sum(one[0] < 0 for one in mine)
        assert gain.better_on == [
            d for d, one in zip("uvw", mine, strict=True) if one[3] < 0.05 and one[0] > 0
        ]
        assert gain.worse_on == [
            d for d, one in zip("uvw", mine, strict=True) if one[3] < 0.05 and one[0] < 0
        ]
    p = sorted((one.p, label) for label, one in pooled.items())
    assert found[0].holm is not None
    by_label = {gain.label: gain for gain in found}
    assert by_label[p[0][1]].holm == pytest.approx(min(1.0, 3 * p[0][0]))
    means = sorted((one.mean for one in pooled.values()), reverse=True)
    assert [gain.pooled.mean for gain in found] == pytest.approx(means)


def test_a_lower_error_rate_is_a_gain(rows_of):
    scores = {key: round(1 - value, 4) for key, value in draw_scores().items()}
    high = gains_over_data(summarise(rows_of(draw_scores()), "test", "sf-md"))
    low = gains_over_data(summarise(rows_of(scores, "acer"), "test", "sf-md"))
    assert [gain.label for gain in low] == [gain.label for gain in high]
    for ours, theirs in zip(low, high, strict=True):
        assert ours.pooled.mean == pytest.approx(theirs.pooled.mean, abs=1e-4)


def test_corrections_are_over_the_methods_that_are_compared(rows_of):
    summaries = summarise(rows_of(draw_scores()), "test", "sf-md")
    (only,) = gains_over_data(summaries, included="dear".__eq__)
    assert only.label == "dear"
    assert only.holm == only.pooled.p
    assert all(one.holm == one.p for one in only.by_data.values())


def test_one_data_set_and_equal_seeds(rows_of):
    scores = draw_scores("u")
    # One method that gains exactly as much with every seed, which has no p value.
    for seed in SEEDS:
        for name in COMBINATIONS:
            scores["u", "cheap", seed, name] = scores["u", "sf-md", seed, name]
    gains = gains_over_data(summarise(rows_of(scores), "test", "sf-md"))
    gain = next(one for one in gains if one.label == "cheap")
    assert (gain.pooled, gain.holm, gain.wins, gain.losses, gain.sign_p) == (None, None, 0, 0, None)
    # Even so the mean is known only to the rounding of 200 test samples.
    assert gain.by_data["u"].error == pytest.approx(1 / 200 / math.sqrt(12 * 4))
    assert not gain.by_data["u"].beyond_chance
