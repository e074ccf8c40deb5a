"""Recorded trials of a study's search that still hold for its systems."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from pathlib import Path

from dmrnet.studies.plan import Plan, StudySystem
from dmrnet.studies.search.trials import (
    Scores,
    Trial,
    full_label,
    jobs_of,
    mean_of,
    read_trials,
    search_key,
)
from dmrnet.studies.spec import Search
from dmrnet.studies.workers.events import Job

log = logging.getLogger(__name__)


def trials_of(
    path: Path,
    planned: Plan,
    search: Search,
    fixed: Sequence[str],
    scores_of: Callable[[Sequence[Job]], Scores],
) -> list[Trial]:
    """Return the recorded trials that hold for the systems of a plan; ignore all others.

    A trial holds if its key is that of its system's search. A record without a key holds if the
    folders of its runs have its score.

    Args:
        path: File that `write_trials` wrote.
        planned: Plan of the study, before its search.
        search: Search of the study.
        fixed: Names of settings of the command line.
        scores_of: Returns the scores of finished runs.
    """
    recorded, kept = read_trials(path), list[Trial]()
    for system in planned.systems:
        label = full_label(system)
        own = [trial for trial in recorded if trial.label == label]
        key = search_key(system, search, fixed) if any(trial.key for trial in own) else ""

        def holds(trial: Trial, system: StudySystem = system, key: str = key) -> bool:
            if trial.key:
                return trial.key == key
            jobs = jobs_of(system, trial.settings, search.seeds)
            score = mean_of(jobs, scores_of(jobs))
            if score is None or trial.score is None:
                return score is None and trial.score is None
            return math.isclose(score, trial.score)

        valid = [trial for trial in own if holds(trial)]
        kept += valid
        if ignored := len(own) - len(valid):
            log.warning(
                "%s: %d of %d trials in %s are ignored: they were made with other settings, or "
                "defaults of another version; search again with the same command",
                *(label, ignored, len(own), path),
            )
    return kept
