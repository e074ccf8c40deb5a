"""Search: equal budgets, the same proposals again, the best kept, and no test set looked at."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from kept_trials import trials_of
from tests.studies.here import run_here

from dmrnet import methods
from dmrnet.cli import main
from dmrnet.engine.run.folder import RunFolder
from dmrnet.methods.search import SEARCH, search_settings
from dmrnet.studies import Job
from dmrnet.studies.form import read_study
from dmrnet.studies.plan import Plan, StudySystem, plan
from dmrnet.studies.search.spaces import first_of, size_of, space_of
from dmrnet.studies.search.trials import Trial, jobs_of, read_trials, write_trials
from dmrnet.studies.search.tuning import best, tune, tuned
from dmrnet.studies.spec import Entry, Range, Search, Study

RATE = {"lr": Range(0.01, 1.0, log=True)}


def value(job: Job, name: str) -> float:
    return float([job.argv[at + 1] for at, word in enumerate(job.argv) if word == f"--{name}"][-1])


def peak(jobs: Sequence[Job]) -> dict[Job, float | None]:
    """As good as the learning rate is near .1, a little worse for odd seeds."""
    return {
        job: -abs(math.log10(value(job, "lr")) + 1) - (value(job, "seed") % 2) / 1000
        for job in jobs
    }


def test_every_system_has_the_same_budget_and_seeds_of_its_own() -> None:
    pytest.importorskip("optuna")
    asked: list[Job] = []

    def run(jobs: Sequence[Job]) -> dict[Job, float | None]:
        asked.extend(jobs)
        return peak(jobs)

    made = plan(Study("", (Entry("sf-md"), Entry("dmr")), seeds=(0, 1)))
    search = Search(trials=10, seeds=(1000, 1001), settings=RATE, at_once=3)
    trials = tune(made, search, (), run)
    assert Counter(trial.label for trial in trials) == {
        "mfeat sf-md (best)": 10,
        "mfeat dmr (best)": 10,
    }
    assert {value(job, "seed") for job in asked} == {1000, 1001}
    assert len(asked) == len(set(asked)) == 2 * 10 * 2
    assert not any(job.test for job in asked)
    # Both seeds count: the mean of the two.
    first = trials[0]
    rate = float(first.settings["lr"])
    assert first.score == pytest.approx(-abs(math.log10(rate) + 1) - 0.0005)
    assert rate == pytest.approx(0.1)  # the middle, by magnitude
    assert set(trials[-1].settings) == {"lr", "method.alpha"}


def test_it_proposes_the_same_again_and_comes_near_the_best() -> None:
    pytest.importorskip("optuna")
    made = plan(Study("", (Entry("sf-md"),), seeds=(0,)))
    search = Search(trials=20, settings={"lr": Range(0.001, 3.0, log=True)})
    first, again = (tune(made, search, (), peak) for _ in range(2))
    assert first == again
    (chosen,) = best(first).values()
    assert 0.05 < float(chosen["lr"]) < 0.2


def test_a_list_that_is_short_is_tried_whole_without_optuna(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "optuna", None)
    made = plan(Study("", (Entry("dmr"), Entry("sf-md"))))
    search = Search(trials=9, settings={"lr": ("0.05", "0.1", "0.3")}, at_once=2)
    trials = tune(made, search, (), peak)
    assert Counter(trial.label for trial in trials) == {
        "mfeat dmr (best)": 9,
        "mfeat sf-md (best)": 3,
    }
    assert len({str(trial.settings) for trial in trials}) == 9 + 3
    assert trials[0].settings == {"method.alpha": "0.001", "lr": "0.1"}
    assert [found["lr"] for found in best(trials).values()] == ["0.1", "0.1"]
    with pytest.raises(ModuleNotFoundError, match=r"dmrnet\[sweep\]"):
        tune(made, Search(trials=2, settings=RATE), (), peak)


def test_what_somebody_set_is_not_searched() -> None:
    search = Search(settings={"lr": ("0.1", "0.2")})
    assert set(space_of("dmrnet", search)) == {"method.alpha", "method.beta", "lr"}
    assert set(space_of("dmrnet", search, ["method.beta", "lr"])) == {"method.alpha"}
    assert set(space_of("dmrnet", Search(own=False))) == set()


@pytest.mark.parametrize("name", SEARCH)
def test_the_ranges_are_those_that_the_methods_declare(name: str) -> None:
    space = space_of(name, Search())
    assert size_of(space) == len(search_settings(name))
    assert set(first_of(name, "best", space)) == set(space)


def test_what_failed_is_never_chosen() -> None:
    trials = [
        Trial("mfeat sf-md (best)", {"lr": "1"}, None),
        Trial("mfeat sf-md (best)", {"lr": "2"}, math.nan),
        Trial("mfeat sf-md (best)", {"lr": "3"}, 0.1),
        Trial("mfeat sf-md (best)", {"lr": "4"}, 0.1),
        Trial("mfeat dmr (best)", {"lr": "1"}, None),
    ]
    chosen = best(trials)
    assert chosen == {"mfeat sf-md (best)": {"lr": "3"}}
    made = plan(Study("", (Entry("sf-md"), Entry("dmr")), seeds=(5, 6)))
    final = tuned(made, chosen)
    assert [(value(job, "lr"), value(job, "seed")) for job in final.jobs] == [(3, 5), (3, 6)]
    assert final.left_out == ("mfeat dmr (best): no setting of it could be trained",)


def test_trials_are_written(tmp_path: Path) -> None:
    trials = [Trial("a", {"lr": "1"}, 0.5)]
    write_trials(tmp_path / "trials.jsonl", trials)
    assert read_trials(tmp_path / "trials.jsonl") == trials
    assert (tmp_path / "trials.jsonl").read_text() == (
        '{"label": "a", "settings": {"lr": "1"}, "score": 0.5, "key": ""}\n'
    )


def test_parts_of_a_search_are_joined(tmp_path: Path) -> None:
    path = tmp_path / "trials.jsonl"
    # As written before labels identified systems.
    path.write_text('{"system": 0, "label": "a", "settings": {"lr": "1"}, "score": 0.5}\n')
    write_trials(path, [Trial("b", {"lr": "2"}, 0.1), Trial("b", {"lr": "3"}, 0.2)])
    write_trials(path, [Trial("b", {"lr": "4"}, 0.3)])
    assert read_trials(path) == [Trial("a", {"lr": "1"}, 0.5), Trial("b", {"lr": "4"}, 0.3)]
    assert best(read_trials(path)) == {"a": {"lr": "1"}, "b": {"lr": "4"}}


def test_trials_of_other_settings_are_ignored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    path, scores = tmp_path / "trials.jsonl", dict[Job, float | None]()
    search = Search(trials=2, seeds=(7, 8), settings={"lr": ("0.1", "0.3")}, own=False)
    made = plan(Study("", (Entry("sf-md"), Entry("dmr"))))

    def held(changed: Search = search, planned: Plan = made) -> list[str]:
        trials = trials_of(path, planned, changed, (), lambda jobs: scores)
        return sorted(f"{trial.label.split()[1]} {trial.settings['lr']}" for trial in trials)

    tried = tune(made, search, (), peak)
    write_trials(path, tried)
    every = ["dmr 0.1", "dmr 0.3", "sf-md 0.1", "sf-md 0.3"]
    assert held() == every
    assert not caplog.records
    # Another space, number of trials, seed, setting of an entry, or flag: other searches.
    assert not held(replace(search, settings={"lr": ("0.1", "0.2")}))
    assert not held(replace(search, settings={"lr": ("0.1", "0.2", "0.3")}, trials=3))
    assert not held(replace(search, seeds=(7, 9)))
    entry = Entry("dmr", settings={"method.alpha": "0.5"})
    assert held(planned=plan(Study("", (Entry("sf-md"), entry)))) == every[2:]
    assert not held(planned=plan(Study("", (Entry("sf-md"), Entry("dmr"))), ("--ema", "0.5")))
    # How fast a run is made is not what it is.
    quiet = ("--threads", "1")
    assert held(planned=plan(Study("", (Entry("sf-md"), Entry("dmr"))), quiet)) == every
    with monkeypatch.context() as newer:
        newer.setitem(methods.method("dmr").recipes["best"], "alpha", 0.125)
        assert held() == every[2:]
    assert "search again" in caplog.text
    # Records without a key are those of the runs that are there.
    write_trials(path, [replace(trial, key="") for trial in tried])
    assert held() == []
    jobs = [job for s in made.systems for rate in ("0.1", "0.3") for job in _runs(s, rate)]
    scores |= peak(jobs)
    assert held() == every
    scores[jobs[0]] = 0.25
    assert held() == [*every[:2], "sf-md 0.3"]


def _runs(system: StudySystem, rate: str) -> list[Job]:
    return jobs_of(system, {"lr": rate}, (7, 8))


SEARCHED = """
methods: [sf-md, dmr]
seeds: [0, 1]
search: {trials: 2, seeds: [7], settings: {lr: [0.1, 0.3]}, own: false}
settings: {max-epochs: 1, method.network.width: 8}
"""


@pytest.mark.slow
@pytest.mark.usefixtures("no_pictures")
def test_the_command_searches_then_compares_on_other_seeds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("dmrnet.studies.run_jobs", run_here)
    path, out = tmp_path / "mine.yaml", tmp_path / "out"
    path.write_text(SEARCHED)
    few = ["--data.train", "0.06", "--data.val", "0.06", "--data.modalities", "fou,pix,mor"]
    assert main(["study", str(path), "--out", str(out), *few]) == 0
    said = capsys.readouterr().out
    assert said.count("best of 2 on validation") == 2
    tried = [RunFolder(run) for run in (out / "search" / "runs").iterdir()]
    assert len(tried) == 4
    assert all("-seed7-" in run.name for run in tried)
    # Nothing is chosen by the test set: it was not even looked at.
    assert {row["split"] for run in tried for row in run.rows()} == {"val"}
    final = [RunFolder(run) for run in (out / "runs").iterdir()]
    assert sorted(run.name.split("-seed")[1][0] for run in final) == ["0", "0", "1", "1"]
    # Of each method the rate that did best on validation.
    for method in ("sf-md", "dmr"):
        scores: Mapping[float, float] = {
            run.rows()[0]["settings"]["lr"]: sum(
                row["value"] for row in run.rows() if row["metric"] == "accuracy"
            )
            for run in tried
            if f"-{method}-" in run.name
        }
        rates = {run.rows()[0]["settings"]["lr"] for run in final if f"-{method}-" in run.name}
        assert rates == {max(scores, key=scores.__getitem__)}
    # The report compares the methods, each with its choice.
    report = (out / "report" / "report.md").read_text()
    assert "Chosen on validation for each system: lr" in report
    assert "\n| dmr | 2 |" in report


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--seeds", "8"], "got 7 in both"),
        (["--share", "1/2"], "--share cannot be used with a search"),
    ],
)
def test_what_could_not_be_trusted_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], more: list[str], said: str
) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(SEARCHED)
    assert main(["study", str(path), "--out", str(tmp_path / "out"), *more]) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("trials: 0", "trials: expected a whole number above 0"),
        ("trails: 3", "did you mean 'trials'?"),
        ("settings: {lr: 0.1}", "expected a list of values, or low and high, got 0.1"),
        ("settings: {lr: {low: 1, high: 0.1}}", "expected low below high"),
        ("settings: {lr: {low: 0, high: 1, log: true}}", "got low 0 and high 1"),
        ("settings: {lr: {lo: 0, high: 1}}", "did you mean 'low'?"),
        ("settings: {seed: [1]}", "seed cannot be set here; use seeds"),
    ],
)
def test_a_search_that_cannot_be_is_said(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(f"methods: [dmr]\nsearch:\n  {text}\n")
    with pytest.raises(ValueError, match="search") as error:
        read_study(path)
    assert said in str(error.value)
