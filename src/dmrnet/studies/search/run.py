"""Search of a study: settings chosen on validation before its own runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from dmrnet.locking import lock_folder
from dmrnet.studies.plan import Plan
from dmrnet.studies.resolve import scores_of
from dmrnet.studies.search.trials import Trial, write_trials
from dmrnet.studies.search.tuning import best, tune, tuned
from dmrnet.studies.spec import Study
from dmrnet.studies.workers.events import Job


def check_search(study: Study, planned: Plan) -> None:
    """Refuse a search that has seeds of the study's own runs.

    Raises:
        ValueError: If a seed is in both.
    """
    assert study.search is not None
    own = {seed for system in planned.systems for seed in system.seeds}
    both = sorted(set(study.search.seeds) & own)
    if both:
        raise ValueError(
            f"expected other seeds for the study's own runs than for its search, got "
            f"{', '.join(map(str, both))} in both"
        )


def run_search(
    study: Study,
    planned: Plan,
    fixed: Sequence[str],
    make: Callable[[Sequence[Job], Path], object],
    out: Path,
) -> tuple[Plan, list[Trial], dict[str, dict[str, str]]]:
    """Search, write the trials, and plan the study's own runs.

    Args:
        study: Study with a search.
        planned: Its systems.
        fixed: Settings of the command line, which are not searched.
        make: Makes runs into a folder.
        out: Folder of the study; the search's runs go into ``search``.

    Returns:
        Plan of the study's own runs, the trials, and the chosen settings of each system by label.
    """
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
    return tuned(planned, chosen), trials, chosen
