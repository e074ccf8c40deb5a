"""Records of a search: the settings that were tried, and for which systems they hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

from dmrnet.settings.config import parse_run
from dmrnet.settings.paths import absolute
from dmrnet.storage import json_lines, read_json_lines, write_text
from dmrnet.studies.plan import StudySystem, as_argv
from dmrnet.studies.search.spaces import space_of, tries
from dmrnet.studies.spec import Search
from dmrnet.studies.workers.events import Job
from dmrnet.studies.workers.run import identity, key_of

Scores = Mapping[Job, float | None]
"""Validation score of each run, higher is better; None for a failed run."""


@dataclass(frozen=True)
class Trial:
    """Settings that were tried for the system of a label.

    The score is the mean validation score over the search's seeds, higher is better; None if a
    training failed. The key is that of the search (see `search_key`); empty in older records.
    """

    label: str
    settings: dict[str, str]
    score: float | None
    key: str = ""


def full_label(system: StudySystem) -> str:
    """Return the label that no other system of a study has."""
    return system.label(with_data=True, with_recipe=True)


def search_key(system: StudySystem, search: Search, fixed: Sequence[str]) -> str:
    """Return the digest of all that a system's search depends on.

    It covers every setting of the system's runs, as their folders do, and the seeds, the number of
    trials and the space of the search; so trials are not taken for those of another version whose
    defaults differ, nor of a study that has been edited.
    """
    run = parse_run((*system.argv, "--seed", str(search.seeds[0])), shown_as=str)
    run = replace(run, data=absolute(run.data))
    space = space_of(system.method, search, [*fixed, *dict(system.values)])
    values = {name: repr(of) for name, of in space.items()}
    return key_of(
        {**identity(run), "seeds": search.seeds, "trials": tries(space, search), "space": values}
    )


def jobs_of(system: StudySystem, point: Mapping[str, str], seeds: Sequence[int]) -> list[Job]:
    """Return the runs of one trial, one for each seed."""
    values = " ".join(f"{name.rpartition('.')[2]}={value}" for name, value in point.items())
    label = " ".join([full_label(system), *([values] if values else [])])
    return [
        Job(f"{label} seed {s}", (*system.argv, *as_argv(point), "--seed", str(s)), False)
        for s in seeds
    ]


def mean_of(jobs: Sequence[Job], scores: Scores) -> float | None:
    """Return the mean score of a trial's runs; None if one of them has none."""
    known = [score for job in jobs if (score := scores.get(job)) is not None]
    return sum(known) / len(known) if known and len(known) == len(jobs) else None


def write_trials(path: Path, trials: Sequence[Trial]) -> None:
    """Write trials, one JSON object per line; earlier ones of other systems are kept."""
    searched = {trial.label for trial in trials}
    earlier = read_trials(path) if path.is_file() else []
    kept = [trial for trial in earlier if trial.label not in searched]
    write_text(path, json_lines(map(asdict, [*kept, *trials])))


def read_trials(path: Path) -> list[Trial]:
    """Return the trials that `write_trials` wrote, now or in an earlier version."""
    names = [field.name for field in fields(Trial)]
    return [
        Trial(**{name: record[name] for name in names if name in record})
        for _, record in read_json_lines(path)
    ]
