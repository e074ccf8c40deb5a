"""The search of a study: settings chosen on validation before its own runs."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console

from dmrnet.studies.plan import Plan
from dmrnet.studies.spec import Study
from dmrnet.studies.workers.job import Job


def check_search(study: Study, share: tuple[int, int] | None) -> None:
    """Refuse a search that could not be trusted.

    Raises:
        ValueError: If final runs would have seeds of the search, or it is shared out.
    """
    assert study.search is not None
    both = sorted(set(study.search.seeds) & set(study.seeds))
    if both:
        raise ValueError(
            f"seeds {', '.join(map(str, both))} are of the search and of the study's own runs; the "
            "latter need fresh ones"
        )
    if share is not None:
        raise ValueError(
            "a search proposes settings by what others reached, so it cannot be shared out; search "
            "on one machine, then give what it chose as settings"
        )


def show_search(console: Console, study: Study, planned: Plan) -> None:
    """Say how long the search is."""
    found = study.search
    assert found is not None
    searched, own = len(found.seeds), len(study.seeds)
    console.print(
        f"{study.title}: up to {found.trials} settings of each of {len(planned.systems)} systems, "
        f"with {searched} seed{'s' * (searched > 1)} each, chosen on validation; then {own} other "
        f"seed{'s' * (own > 1)} of the best",
        soft_wrap=True,
    )


def search(
    console: Console,
    args: argparse.Namespace,
    study: Study,
    planned: Plan,
    fixed: Sequence[str],
    out: Path,
) -> Plan:
    """Search, write what was tried, and return the plan of the study's own runs.

    Args:
        console: Where to say what was chosen.
        args: Of the command.
        study: With its search.
        planned: Its plan before.
        fixed: Settings that the command line sets.
        out: Folder of the study; the search has its own in it.
    """
    from dmrnet.cli.study.command import make
    from dmrnet.studies.resolve import scores_of
    from dmrnet.studies.search.tuning import best, tune, tuned, write_trials

    assert study.search is not None
    place = out / "search"

    def run(jobs: Sequence[Job]) -> Mapping[Job, float | None]:
        known = scores_of(jobs, place / "runs")
        todo = [job for job, score in known.items() if score is None]
        if todo:
            make(args, todo, place)
            known = scores_of(jobs, place / "runs")
        return known

    trials = tune(planned, study.search, fixed, run)
    write_trials(place / "trials.jsonl", trials)
    chosen = best(trials)
    for number, settings in chosen.items():
        told = " ".join(f"--{name} {value}" for name, value in settings.items())
        label = planned.systems[number].label(True, True)
        tried = sum(trial.system == number for trial in trials)
        console.print(f"best of {tried} on validation: {label}: {told or 'nothing to choose'}")
    return tuned(planned, chosen, study.seeds)
