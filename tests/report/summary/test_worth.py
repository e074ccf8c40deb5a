"""What each modality is worth, by seed, against mean gains over orders; who is left out."""

from __future__ import annotations

import json
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


def add_constant(run, value):
    """Add what the best constant scores with every combination."""
    path = run / "results.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    more = [row | {"metric": "constant_mae", "value": value} for row in rows if row["combination"]]
    path.write_text("".join(json.dumps(row) + "\n" for row in [*rows, *more]))


@pytest.mark.parametrize("metric", ["accuracy", "acer", "mae"])
def test_values_are_mean_gains_by_seed(make_run, metric):
    runs = [make_run("sf-md", s, modalities=("a", "b", "c"), metric=metric) for s in (0, 1, 2)]
    if metric == "mae":
        # What no modality scores is that of the best constant, in the rows or not known.
        assert not worth_of(summary_of(runs))
        for run in runs:
            add_constant(run, 0.75)
    summary = summary_of(runs)
    (worth,) = worth_of(summary)
    scores = summary.systems[0].scores
    for seed in (0, 1, 2):
        table = {frozenset(name.split("+")): v.by_seed[seed] for name, v in scores.items()}
        # Numbers in a unit of their own are written as a hundred times a value.
        table[frozenset()] = {"accuracy": 0.0, "acer": 0.5, "mae": 0.0075}[metric]
        sign = 1 if metric == "accuracy" else -1
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
