"""What each modality is worth, by seed, against mean gains over orders; who is left out."""

from __future__ import annotations

from itertools import permutations, product

import numpy as np
import pytest

from dmrnet.report.records.runs import read_runs
from dmrnet.report.statistics.failures import expected_of_sizes, expected_score, mean_by_size
from dmrnet.report.summary.summary import summarise
from dmrnet.report.summary.worth import FAILURES, worth_of


def summary_of(runs):
    (summary,) = summarise(read_runs(runs, "test"), "test", "sf-md")
    return summary


@pytest.mark.parametrize("metric", ["accuracy", "acer"])
def test_values_are_mean_gains_by_seed(make_run, metric):
    runs = [make_run("sf-md", s, modalities=("a", "b", "c"), metric=metric) for s in (0, 1, 2)]
    summary = summary_of(runs)
    (worth,) = worth_of(summary)
    scores = summary.systems[0].scores
    for seed in (0, 1, 2):
        table = {frozenset(name.split("+")): v.by_seed[seed] for name, v in scores.items()}
        table[frozenset()] = 0.5 if metric == "acer" else 0.0
        sign = -1 if metric == "acer" else 1
        for name, estimate in worth.values.items():
            gains = [
                sign * (table[before | {name}] - table[before])
                for order in permutations("abc")
                for before in [frozenset(order[: order.index(name)])]
            ]
            assert estimate.by_seed[seed] == pytest.approx(np.mean(gains))
    assert worth.expected[0].values == pytest.approx(scores["a+b+c"].values)
    assert len(worth.expected) == len(FAILURES)


@pytest.mark.parametrize("fails", [0.0, 0.3, 0.9])
def test_equal_failures_are_the_mean_over_all_failures(fails):
    shown = [
        frozenset(n for n, on in zip("abcd", s, strict=True) if on)
        for s in product((0, 1), repeat=4)
    ]
    table = dict(zip(shown, np.random.default_rng(0).random(16).tolist(), strict=True))
    expected = expected_score(table.__getitem__, dict.fromkeys("abcd", 1 - fails))
    by_size = mean_by_size(table.__getitem__, "abcd")
    assert expected_of_sizes(by_size, fails) == pytest.approx(expected)


def test_a_system_without_every_combination_is_left_out(make_run):
    runs = [
        make_run("sf-md", modalities=("a", "b", "c")),
        make_run("dmr", modalities=("a", "b", "c"), without=("b+c",)),
    ]
    assert [one.label for one in worth_of(summary_of(runs))] == ["sf-md"]
    assert not worth_of(summary_of([make_run("dmr", dataset="one", modalities=("a",))]))
