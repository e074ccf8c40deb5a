"""The baseline at equal training cost is found among its longer trainings, and paired."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from dmrnet.report.pages.tables.differences import difference_table
from dmrnet.report.records.runs import read_runs, without_settings
from dmrnet.report.statistics.estimates import Estimate
from dmrnet.report.statistics.inference import holm
from dmrnet.report.summary.equal_cost import choose
from dmrnet.report.summary.summary import summarise


@pytest.fixture
def summary(make_run):
    def of(*runs):
        made = [make_run(*args, modalities=("a", "b", "c"), **kwargs) for args, kwargs in runs]
        (found,) = summarise(read_runs(made, "test"), "test", "sf-md")
        return found

    return of


def several(method, seconds, seeds=range(4), **kwargs):
    name = f"{method}-{seconds}-{kwargs}"
    return [
        ((method, seed), {"name": f"{name}-{seed}", "seconds": float(seconds), **kwargs})
        for seed in seeds
    ]


def longer(epochs):
    return {"settings": {"max_epochs": epochs}}


def book(**costs):
    return {name: Estimate.of({0: value}) for name, value in costs.items()}


def test_lengths_with_learning_rates_of_their_own_are_trainings_of_the_baseline(make_run):
    made = [
        make_run(*args, modalities=("a", "b"), **kwargs)
        for args, kwargs in (
            *several("sf-md", 10, settings={"lr": 0.1}),
            *several("sf-md", 20, settings={"lr": 0.4, "stretch": 2}),
            *several("dmr", 19, settings={"lr": 0.2}),
        )
    ]
    runs = read_runs(made, "test")
    (found,) = summarise(without_settings(runs, ["lr"]), "test", "sf-md")
    (dmr,) = (item for item in found.systems if item.label == "dmr")
    assert dmr.equal.label == "sf-md stretch=2"
    # With its learning rate it is another system, not a training of the baseline.
    (found,) = summarise(runs, "test", "sf-md lr=0.1")
    (dmr,) = (item for item in found.systems if item.label == "dmr lr=0.2")
    assert dmr.equal.label == "sf-md lr=0.1"


def test_the_cheapest_that_cost_as_much():
    ours = book(train_seconds=10.0)
    theirs = [book(train_seconds=value) for value in (9.0, 30.0, 9.6, 12.0)]
    assert choose(ours, theirs) == (2, 0.96, "train_seconds")
    assert choose(ours, theirs[:1]) == (0, 0.9, "train_seconds")


def test_samples_where_no_time_is_known():
    theirs = [book(train_samples=5.0), book(train_samples=20.0)]
    assert choose(book(train_samples=10.0), theirs) == (1, 2.0, "train_samples")
    assert choose(book(train_seconds=1.0, train_samples=10.0), theirs)[2] == "train_samples"
    assert choose(book(train_seconds=1.0), theirs) is None
    assert choose(book(train_seconds=0.0), [book(train_seconds=1.0)]) is None


def test_differences_are_to_the_one_that_cost_as_much(summary):
    found = summary(
        *several("sf-md", 10),
        *several("sf-md", 21, gain=0.1, **longer(60)),
        *several("sf-md", 40, gain=0.2, **longer(120)),
        *several("dmr", 20, gain=0.3),
    )
    by_label = {item.label: item for item in found.systems}
    equal = by_label["dmr"].equal
    assert (equal.label, equal.is_baseline, equal.reached) == ("sf-md max_epochs=60", False, True)
    assert equal.ratio == pytest.approx(1.05)
    ours, theirs = (
        by_label[name].headlines["average"].by_seed for name in ("dmr", "sf-md max_epochs=60")
    )
    assert equal.differences["average"].by_seed == {s: ours[s] - theirs[s] for s in range(4)}
    # A longer baseline is compared to the baseline, not to itself.
    assert by_label["sf-md max_epochs=60"].equal is None
    assert by_label["sf-md"].equal is None


def test_a_baseline_with_another_setting_is_none_at_equal_cost(summary):
    found = summary(
        *several("sf-md", 10), *several("sf-md", 30, settings={"lr": 0.1}), *several("dmr", 20)
    )
    equal = next(item.equal for item in found.systems if item.label == "dmr")
    assert (equal.label, equal.is_baseline, equal.reached) == ("sf-md", True, False)


def test_the_table_says_interval_test_and_cost(summary):
    found = summary(
        *several("sf-md", 10),
        *several("sf-md", 21, **longer(60)),
        *several("dmr", 20, gain=0.3),
        *several("dmrnet", 9, gain=0.2),
    )
    table = difference_table(found)
    rows = {(row[0].text, row[1].text): [cell.text for cell in row] for row in table.rows}
    assert set(rows) == {
        ("sf-md max_epochs=60", "sf-md"),
        ("dmr", "sf-md"),
        ("dmr", "sf-md max_epochs=60"),
        ("dmrnet", "sf-md"),
    }
    assert table.header == (
        *("System", "Against", "Average", "95% over seeds", "p", "p, Holm", "Worst"),
        "Baseline's cost",
    )
    assert rows["dmr", "sf-md max_epochs=60"][7] == "1.05 ×"
    assert rows["dmrnet", "sf-md"][7] == "1.11 ×"
    scores = {item.label: item.headlines["average"] for item in found.systems}
    tests, base = {}, np.array(scores["sf-md"].values)
    for label in ("sf-md max_epochs=60", "dmr", "dmrnet"):
        ours = np.array(scores[label].values)
        done = stats.ttest_rel(ours, base)
        low, high = done.confidence_interval(0.95)
        said = rows[label, "sf-md"]
        assert said[2] == f"{100 * (ours - base).mean():+.2f}".replace("-", "\N{MINUS SIGN}")
        assert said[3] == f"[{100 * low:+.2f}, {100 * high:+.2f}]".replace("-", "\N{MINUS SIGN}")
        tests[label] = done.pvalue
        assert said[4] == shown(done.pvalue)
    for label, p in holm(tests).items():
        assert rows[label, "sf-md"][5] == shown(p)


def shown(p):
    return "<0.001" if p < 0.001 else f"{p:.3f}" if p < 0.1 else f"{p:.2f}"


def test_one_seed_has_no_interval(summary):
    found = summary(*several("sf-md", 10, seeds=(0,)), *several("dmr", 10, seeds=(0,)))
    table = difference_table(found)
    # Columns that would hold nothing but dashes are not there.
    assert table.header == ("System", "Against", "Average", "Worst", "Baseline's cost")
    assert len(table.rows) == 1
    assert all(len(row) == 5 for row in table.rows)
