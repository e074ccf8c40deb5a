"""What the runs of a plan are: their settings read, their folders named, equal ones joined."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from dmrnet.engine.folder import RunFolder
from dmrnet.evaluation import measure_of
from dmrnet.settings.config import RunSettings, parse_run
from dmrnet.studies.plan import Plan
from dmrnet.studies.workers.job import Job
from dmrnet.studies.workers.run import average, folder_of, is_finished


@dataclass(frozen=True)
class Member:
    """One run of a study.

    Attributes:
        job: How it is made.
        system: Number of its system in the plan.
        settings: What decides it.
        folder: Where it stands or will stand.
    """

    job: Job
    system: int
    settings: RunSettings
    folder: Path

    @property
    def finished(self) -> bool:
        """Whether it is trained and tested; a run whose records are damaged is not."""
        try:
            return is_finished(RunFolder(self.folder))
        except (ValueError, KeyError):
            return False

    @property
    def tested(self) -> bool:
        """Whether the data of a finished run have a test set."""
        return "test" in RunFolder(self.folder).read_facts()["samples"]


def resolve(plan: Plan, runs: Path) -> list[Member]:
    """Return the runs of a plan, each once.

    Args:
        plan: The plan.
        runs: The folder of the study's runs.

    Raises:
        ValueError: If the settings of a run cannot be read; it says of which.
        FileNotFoundError: If they name a file that is not there.
    """
    members: dict[Path, Member] = {}
    read: dict[int, RunSettings] = {}
    for job, system in zip(plan.jobs, plan.owners, strict=True):
        # Reading flags is what takes time, and the runs of a system differ in their seed alone.
        if system not in read:
            read[system] = _read(job)
        *_, flag, seed = job.argv
        assert flag == "--seed"
        settings = replace(read[system], seed=int(seed))
        folder = folder_of(settings, runs)
        members.setdefault(folder, Member(job, system, settings, folder))
    return list(members.values())


def _read(job: Job) -> RunSettings:
    try:
        return parse_run(job.argv)
    except (ValueError, TypeError) as error:
        raise ValueError(f"{job.label}: {error}") from error


def share_of(members: Sequence[Member], share: tuple[int, int]) -> list[Member]:
    """Return one of n equal shares of the runs, every n-th of them.

    Args:
        members: All runs.
        share: ``(i, n)``, i from 1.
    """
    part, parts = share
    return list(members[part - 1 :: parts])


def scores_of(jobs: Sequence[Job], runs: Path) -> dict[Job, float | None]:
    """Return how good the runs of some jobs are on validation: higher is better.

    Args:
        jobs: Of runs that need no test.
        runs: Their folder.

    Returns:
        None where a run is not finished, or its score is undefined.

    Raises:
        ValueError: If the settings of a run cannot be read; it says of which.
    """
    found: dict[Job, float | None] = {}
    for job in jobs:
        settings = _read(job)
        folder, measure = RunFolder(folder_of(settings, runs)), measure_of(settings.data)
        finished = folder.facts.is_file() and folder.read_facts().get("finished")
        score = average(folder, measure.name) if finished else None
        found[job] = None if score is None else -score if measure.lower_is_better else score
    return found
