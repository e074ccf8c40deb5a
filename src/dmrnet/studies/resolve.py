"""Settings and folders of the runs of a plan; equal runs are joined."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from dmrnet.engine.run.folder import RunFolder
from dmrnet.report.records.metrics import lower_is_better
from dmrnet.settings.config import RunSettings, parse_run
from dmrnet.studies.plan import Plan
from dmrnet.studies.workers.events import Job
from dmrnet.studies.workers.run import folder_of, is_finished, mean_score, score_of


@dataclass(frozen=True)
class Member:
    """One run of a study: its job, the index of its system in the plan, and its settings.

    Its folder may not exist yet.
    """

    job: Job
    system: int
    settings: RunSettings
    folder: Path

    @property
    def finished(self) -> bool:
        """Whether it is trained and tested; False if its records are damaged."""
        try:
            return is_finished(RunFolder(self.folder))
        except (ValueError, KeyError):
            return False

    @property
    def tested(self) -> bool:
        """Whether a finished run's data have a test set."""
        return "test" in RunFolder(self.folder).fact("samples")


def resolve(plan: Plan, runs: Path) -> list[Member]:
    """Return the runs of a plan, each once, with their folders in `runs`.

    Raises:
        ValueError: If the settings of a run cannot be read; the error names the run.
        FileNotFoundError: If the settings name a missing file.
    """
    members: dict[Path, Member] = {}
    read: dict[int, RunSettings] = {}
    for job, system in zip(plan.jobs, plan.owners, strict=True):
        # Reading flags takes time, and the runs of a system differ only in their seed.
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
        return parse_run(job.argv, shown_as=str)
    except (ValueError, TypeError) as error:
        raise ValueError(f"{job.label}: {error}") from error


def share_of(members: Sequence[Member], share: tuple[int, int]) -> list[Member]:
    """Return every n-th run, starting with the i-th; share is ``(i, n)``, i counted from 1."""
    part, parts = share
    return list(members[part - 1 :: parts])


def scores_of(jobs: Sequence[Job], runs: Path) -> dict[Job, float | None]:
    """Return the validation score of each job's run in the folder `runs`; higher is better.

    None if a run is unfinished, or its score undefined.
    """
    scores: dict[Job, float | None] = {}
    for job in jobs:
        settings = _read(job)
        folder = RunFolder(folder_of(settings, runs))
        finished = folder.facts.is_file() and folder.read_facts().get("finished")
        if not finished:
            scores[job] = None
            continue
        metric = score_of(folder, settings)
        score = mean_score(folder, metric)
        scores[job] = None if score is None else -score if lower_is_better(metric) else score
    return scores
