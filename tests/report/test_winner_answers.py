"""The sentences say what the numbers are."""

from __future__ import annotations

import doctest
from dataclasses import replace

import pytest
import winner_answers as answers

from dmrnet.report.records.runs import read_runs
from dmrnet.report.statistics.estimates import Estimate
from dmrnet.report.statistics.over_data import Pooled
from dmrnet.report.summary.over_data.gains import Gain, GainOnData
from dmrnet.report.summary.summary import summarise


def on_data(mean, holm, width=0.001):
    gain = Estimate.of({0: mean - width, 1: mean, 2: mean + width})
    return GainOnData(gain, holm, holm, 0.001, "sf-md", 1.0, True)


def gain_of(label, mean, holm, **by_data):
    pooled = Pooled(mean, mean - 0.01, mean + 0.01, holm / 2, 0.0)
    return Gain(label, {key: on_data(*value) for key, value in by_data.items()}, pooled, holm)


EXPERTS = gain_of("experts", 0.02, 0.01, u=(0.03, 0.001), v=(0.01, 0.2), w=(-0.004, 0.02))
WORST = gain_of("experts", 0.05, 0.2, u=(0.09, 0.01), v=(0.02, 0.6), w=(0.04, 0.6))
LARGER = gain_of("dgl", 0.03, 0.3, u=(0.03, 0.3), v=(0.03, 0.3), w=(0.03, 0.3))


def test_its_examples_hold():
    tried = doctest.testmod(answers)
    assert (tried.failed, tried.attempted) == (0, 1)


def test_of_sure_gains_the_largest_is_chosen():
    choice = answers.choose({"average": [LARGER, EXPERTS], "worst": [WORST]})
    assert (choice.label, choice.sure, choice.methods) == ("experts", True, 2)
    assert answers.which(choice, "sf-md") == (
        "**Take `experts`**: over 3 data sets it gains +2.00 [+1.00, +3.00] points in the average "
        "over combinations (p 0.010; better on 2, sign test p 1.00) and +5.00 [+4.00, +6.00] in "
        "the worst combination (p 0.20; better on 3, sign test p 0.25) over `sf-md` trained as "
        "long. The first p of each bracket is after Holm's correction over 2 methods."
    )


def test_without_a_sure_gain_it_says_so():
    # The closest has the smallest p value, not the largest mean.
    unsure = replace(EXPERTS, holm=0.07)
    choice = answers.choose({"average": [LARGER, unsure]})
    assert (choice.label, choice.sure) == ("experts", False)
    text = answers.which(choice, "sf-md")
    assert text.startswith("**No method gains more than chance over `sf-md` trained as long**")
    assert "the closest is `experts` with +2.00 [+1.00, +3.00] points" in text


def test_a_sure_loss_is_no_gain():
    loss = gain_of("lcr", -0.01, 0.001, u=(-0.01, 0.001), v=(-0.01, 0.001))
    choice = answers.choose({"average": [loss, LARGER]})
    assert (choice.label, choice.sure) == ("dgl", False)
    assert answers.behind([EXPERTS, loss, replace(loss, holm=0.07)], "sf-md") == (
        " Behind `sf-md` beyond chance in the average: `lcr` (−1.00 [−2.00, 0.00], p 0.001)."
    )
    assert answers.behind([EXPERTS, LARGER], "sf-md") == ""


def test_a_method_of_few_sets_is_not_chosen():
    of_few = gain_of("separate", 0.09, 0.001, u=(0.09, 0.001))
    assert answers.choose({"average": [of_few, LARGER]}).label == "dgl"


def test_nothing_to_choose_from_on_one_data_set():
    assert answers.choose({"average": [replace(EXPERTS, pooled=None)]}) is None
    assert answers.choose({}) is None


def test_sets_are_named_with_the_counts():
    text = answers.where({"average": EXPERTS, "worst": WORST})
    assert text == (
        "**Set by set**: the average of `experts` is better beyond chance on 1 of 3 sets (u) and "
        "worse on w; the worst combination is better beyond chance on 1 of 3 sets (u)."
    )


def test_with_all_modalities_sets_below_by_more_than_the_interval_are_named():
    # The half-width of the interval is 4.3 times .001 / sqrt(3), a quarter of a point.
    below = gain_of("experts", 0.001, 0.9, u=(-0.003, 0.9), v=(-0.002, 0.9), w=(0.01, 0.9))
    text = answers.with_all(EXPERTS, below, "sf-md")
    assert text.endswith("is +2.00 [+1.00, +3.00]; below by more than its interval on u.")
    fine = gain_of("experts", 0.001, 0.9, u=(-0.002, 0.9))
    assert answers.with_all(EXPERTS, fine, "sf-md").endswith(
        "and on no set is it below by more than its interval."
    )


@pytest.fixture
def summary(tmp_path, good_row, lines):
    def of(metric="accuracy"):
        """The method gains 2 points over the forest and 10 over boosting, at 4 times the cost."""
        rows = []
        for method, score, cost in (("m", 0.9, 8.0), ("forest", 0.88, 2.0), ("boosting", 0.8, 4.0)):
            for seed in range(3):
                facts = {"method": method, "seed": seed, "run": f"{method}{seed}"}
                for name in ("a", "b"):
                    value = score + 0.001 * seed * (method == "m") - 0.1 * (name == "b")
                    value = round(1 - value if metric == "acer" else value, 4)
                    rows.append(good_row(**facts, combination=name, value=value, metric=metric))
                key = {"combination": "", "metric": "train_cpu_seconds", "value": cost}
                rows.append(good_row(**facts, **key))
        runs = read_runs([lines(tmp_path / f"{metric}.jsonl", rows)], "test")
        (found,) = summarise(runs, "test", "m")
        return found

    return of


@pytest.mark.parametrize("metric", ["accuracy", "acer"])
def test_the_best_cheap_baseline_is_compared_in_pairs(summary, metric):
    one = answers.cheap_next_to(summary(metric), "m", ["boosting", "forest", "absent"])
    assert one.label == "forest"
    assert one.cost == 0.25
    assert one.gains["average"].values == pytest.approx((0.02, 0.021, 0.022))
    assert one.gains["worst"].values == pytest.approx((0.02, 0.021, 0.022))
    assert not one.does_as_well
    assert answers.cheap_next_to(summary(), "m", ["absent"]) is None
    assert answers.cheap_next_to(summary(), "absent", ["forest"]) is None


def cheap(label, cost, *gains):
    of = Estimate.of(dict(enumerate(gains)))
    return answers.Cheap(label, {"average": of, "worst": of}, cost)


def test_where_a_cheap_baseline_is_level_it_is_said_at_which_cost():
    text = answers.when_not(
        "m",
        {
            "u": cheap("forest", 0.5, 0.01, -0.02, 0.0),
            "v": cheap("logistic", 0.02, -0.01, -0.011, -0.012),
            "w": cheap("forest", 0.5, 0.03, 0.031, 0.032),
        },
    )
    assert text == (
        "**When it does not pay**: on u and v a cheap baseline (`forest` and `logistic`) is level "
        "or better in the average (by up to 1.1 points), at 2 to 50 % of the CPU time; elsewhere "
        "`m` gains 3.1 points, and 3.1 in the worst combination."
    )
    text = answers.when_not("m", {"w": cheap("forest", None, 0.03, 0.031, 0.032)})
    assert "on none of 1 sets is a cheap baseline level" in text
    assert answers.when_not("m", {}).endswith("have no rows yet.")


def test_longer_training_is_told_with_its_gain():
    pooled = {"average": Pooled(0.01, 0.005, 0.015, 0.01, 0.0)}
    assert answers.instead("sf-md stretch=4", pooled, "sf-md") == (
        "**Longer training helps by itself**: `sf-md stretch=4` gains +1.00 [+0.50, +1.50] over "
        "`sf-md` of default length in the average, so compare at equal cost."
    )
