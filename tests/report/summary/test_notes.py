"""Notes name what limits the numbers, with the systems, seeds and combinations concerned."""

from __future__ import annotations

import pytest

from dmrnet.report.records.runs import read_runs
from dmrnet.report.summary.notes import facts_on, warnings_on
from dmrnet.report.summary.summary import summarise


@pytest.fixture
def notes(make_run):
    def notes_of(*runs, baseline="sf-md"):
        made = [make_run(*args, **kwargs) for args, kwargs in runs]
        (summary,) = summarise(read_runs(made, "test"), "test", baseline)
        return " ".join([*warnings_on(summary), *facts_on(summary)])

    return notes_of


def run(*args, **kwargs):
    return args, {"modalities": ("a", "b", "c"), **kwargs}


def test_five_equal_seeds_need_no_note(notes):
    assert notes(*(run(m, s) for m in ("sf-md", "dmr") for s in range(5))) == ""


def test_what_the_data_set_says_whatever_the_seed(notes):
    paired = "paired by class only: nothing was recorded together"
    text = notes(
        *(
            run(
                m,
                s,
                notes=[paired, f"split: seed {s}", *(["skipped when prepared: 1 x"] * (s > 3))],
            )
            for m in ("sf-md", "dmr")
            for s in range(5)
        )
    )
    assert text == f"Data: {paired}. Data: skipped when prepared: 1 x."
    one = notes(run("dmr", 0, notes=[paired]))
    assert f"Data: {paired}." in one


def test_what_is_probably_wrong_with_any_run_comes_first(notes):
    shared = "val: 12 of 40 rows are in train too, number for number"
    runs = [
        run("dmr", s, notes=["paired"], warnings=[shared.replace("12", str(9 + s))] * (s < 3))
        for s in range(5)
    ]
    text = notes(*runs, baseline="dmr")
    assert text.startswith(f"{shared.replace('12', '9')}. Data: paired.")
    assert text.count("number for number") == 1


def test_a_run_that_diverged(notes):
    text = notes(
        *(run(m, s) for m in ("sf-md", "dmr") for s in range(5)), run("dmrnet", 0, rise=215.2)
    )
    assert "Training of dmrnet diverged (seed 0): the loss rose to 215 times" in text


def test_one_seed(notes):
    assert "Every system has one seed" in notes(run("sf-md"), run("dmr"))
    text = notes(*(run("sf-md", s) for s in range(5)), run("dmr", 0))
    assert "dmr has one seed" in text
    assert "dmr has seed 0; sf-md has seeds 0, 1, 2, 3, 4" in text
    assert "differences are over the one seed that both have" in text


@pytest.mark.parametrize(("seeds", "times"), [(2, "12.7"), (3, "4.3"), (4, "3.2")])
def test_few_seeds(notes, seeds, times):
    text = notes(*(run(m, seed) for m in ("sf-md", "dmr") for seed in range(seeds)))
    assert f"{seeds} seeds are few" in text
    assert f"interval reaches {times} standard errors" in text
    assert f"reaches a p below {2 * 0.5**seeds:g}; 6 seeds" in text


def test_nothing_speaks_of_differences_of_one_system(notes):
    text = notes(*(run("sf-md", seed) for seed in range(2)))
    assert "2 seeds are few" in text
    assert "differ" not in text
    assert notes(run("sf-md", name="one", dataset="x")) == (
        "There is one seed, so there is no standard error: another seed may give other numbers."
    )


def test_a_kept_epoch_that_few_samples_chose(notes):
    text = notes(*(run(m, s, n=12) for m in ("sf-md", "dmr") for s in range(5)))
    assert "selected on 12 validation samples. One of them is 8.3 points" in text
    assert "selected on" not in notes(run("sf-md", n=100, splits=("val", "test")))
    assert "selected on" not in notes(run("dmr", n=12, splits=("test",), name="tested"))


def test_no_baseline_as_costly(notes):
    fast = [run("sf-md", s, seconds=10.0) for s in range(5)]
    slow = [run("dmr", s, gain=0.2, seconds=15.0) for s in range(5)]
    # Longer training explains no loss.
    worse = [run("pe", s, gain=-0.5, seconds=15.0) for s in range(5)]
    assert "longest" not in notes(*fast, *worse)
    text = notes(*fast, *slow)
    assert "longer than the longest sf-md: dmr (1.5 times as long)" in text
    longer = [
        run("sf-md", s, name=f"l{s}", seconds=16.0, settings={"max_epochs": 60}) for s in range(5)
    ]
    assert "longest sf-md" in notes(*fast, *slow)
    assert "longest sf-md" not in notes(*fast, *slow, *longer)


def test_seeds_that_do_not_meet(notes):
    text = notes(run("sf-md", 0), run("dmr", 1))
    assert "dmr has seed 1; sf-md has seed 0: they share none" in text


def test_no_baseline(notes):
    assert "No system is called sf-md" in notes(run("dmr"), run("dmrnet"))
    assert "No system is called" not in notes(run("dmr"))


def test_missing_combinations(notes):
    text = notes(run("sf-md"), run("dmr", without=("a", "b+c")))
    assert "over the 5 combinations" in text
    assert "Left out: a and b+c (missing in dmr)" in text
    text = notes(run("sf-md", undefined=("a",)))
    assert "6 of the 7 possible combinations have a value" in text


def test_many_missing_combinations_are_counted(notes):
    names = ("a", "b", "c", "a+b", "a+c", "b+c")
    assert "a, b, c, a+b, a+c and 1 more" in notes(run("sf-md"), run("dmr", without=names))


def test_different_test_sets(notes):
    text = notes(run("sf-md", n=400), run("dmr", n=390))
    assert "different numbers of samples (a: 390 to 400)" in text


def test_different_commits(make_run):
    runs = [make_run(seed=seed) for seed in range(2)]
    facts = runs[0] / "run.json"
    facts.write_text(facts.read_text().replace("0123", "9999"))
    (summary,) = summarise(read_runs(runs, "test"), "test", "sf-md")
    assert any("2 different commits" in note for note in facts_on(summary))
