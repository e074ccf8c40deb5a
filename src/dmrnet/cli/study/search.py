"""Search of a study: choose settings on validation before its own runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from rich.console import Console

from dmrnet.locking import lock_folder
from dmrnet.studies.plan import Plan
from dmrnet.studies.spec import Study
from dmrnet.studies.workers.events import Job


def check_search(study: Study, share: tuple[int, int] | None) -> None:
    """Refuse a search that is shared, or that has seeds of the study's own runs."""
    assert study.search is not None
    own = {seed for seeds in study.seeds_by_data.values() for seed in seeds}
    both = sorted(set(study.search.seeds) & own)
    if both:
        raise ValueError(
            f"expected other seeds for the study's own runs than for its search, got "
            f"{', '.join(map(str, both))} in both"
        )
    if share is not None:
        raise ValueError(
            "--share cannot be used with a search, whose proposals depend on earlier scores; "
            "search on one machine, then set what it chose"
        )


def search(
    console: Console,
    study: Study,
    planned: Plan,
    fixed: Sequence[str],
    make: Callable[[Sequence[Job], Path], object],
    out: Path,
) -> Plan:
    """Search, write the trials, and return the plan of the study's own runs.

    Settings of the command line are fixed; `make` makes runs into a subfolder of `out`.
    """
    from dmrnet.studies.resolve import scores_of
    from dmrnet.studies.search.trials import write_trials
    from dmrnet.studies.search.tuning import best, tune, tuned

    assert study.search is not None
    folder = out / "search"

    def run(jobs: Sequence[Job]) -> Mapping[Job, float | None]:
        known = scores_of(jobs, folder / "runs")
        todo = [job for job, score in known.items() if score is None]
        if todo:
            make(todo, folder)
            known = scores_of(jobs, folder / "runs")
        return known

    trials = tune(planned, study.search, fixed, run)
    # Parts of a study that run at the same time join their trials in one file.
    with lock_folder(folder):
        write_trials(folder / "trials.jsonl", trials)
    chosen = best(trials)
    for label, settings in chosen.items():
        flags = " ".join(f"--{name} {value}" for name, value in settings.items())
        tried = sum(trial.label == label for trial in trials)
        console.print(f"best of {tried} on validation: {label}: {flags or 'nothing to choose'}")
    return tuned(planned, chosen, study.seeds_by_data)
