"""Search of a study: choose settings on validation before its own runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console

from dmrnet.studies.plan import Plan
from dmrnet.studies.search.run import check_search as check_seeds
from dmrnet.studies.search.run import run_search
from dmrnet.studies.spec import Study
from dmrnet.studies.workers.events import Job


def check_search(study: Study, share: tuple[int, int] | None) -> None:
    """Refuse a search that is shared, or that has seeds of the study's own runs."""
    check_seeds(study)
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
    """Search, show what is chosen, and return the plan of the study's own runs."""
    own, trials, chosen = run_search(study, planned, fixed, make, out)
    for label, settings in chosen.items():
        flags = " ".join(f"--{name} {value}" for name, value in settings.items())
        tried = sum(trial.label == label for trial in trials)
        console.print(f"best of {tried} on validation: {label}: {flags or 'nothing to choose'}")
    return own
