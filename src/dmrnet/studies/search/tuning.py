"""Search on validation: try the same number of settings of every system, keep the best.

A seeded sampler proposes a few settings at a time, and their scores are reported in the order of
the proposals. An interrupted search therefore proposes the same again and finds its finished runs.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import product
from typing import TYPE_CHECKING, Any

from dmrnet.studies.plan import Plan, StudySystem, as_argv, with_jobs
from dmrnet.studies.search.spaces import Space, first_of, size_of, space_of, tries
from dmrnet.studies.search.trials import Scores, Trial, full_label, jobs_of, mean_of, search_key
from dmrnet.studies.spec import Range, Search, as_flag
from dmrnet.studies.workers.events import Job

if TYPE_CHECKING:
    import optuna

AGAIN = 20
"""Largest number of proposals to find a point that was not tried before."""


def tune(
    planned: Plan, search: Search, fixed: Sequence[str], run: Callable[[Sequence[Job]], Scores]
) -> list[Trial]:
    """Try settings of every system of a plan, and return all trials, system by system.

    Settings of the command line are fixed: they are not searched. `run` makes runs and returns
    their scores.

    Raises:
        ModuleNotFoundError: If Optuna is not installed.
    """
    searchers = [
        _Searcher(number, system, search, fixed) for number, system in enumerate(planned.systems)
    ]
    while active := [searcher for searcher in searchers if searcher.ask(search.at_once)]:
        jobs = [
            job
            for searcher in active
            for point in searcher.proposed
            for job in searcher.jobs(point)
        ]
        scores = run(jobs)
        for searcher in active:
            for point in searcher.proposed:
                searcher.record(point, mean_of(searcher.jobs(point), scores))
    return [trial for searcher in searchers for trial in searcher.trials]


def best(trials: Sequence[Trial]) -> dict[str, dict[str, str]]:
    """Return the best settings of each system by its label; the first of equals."""
    best: dict[str, tuple[float, dict[str, str]]] = {}
    for trial in trials:
        score = trial.score if trial.score is not None else math.nan
        if math.isfinite(score) and score > best.get(trial.label, (-math.inf,))[0]:
            best[trial.label] = (score, trial.settings)
    return {label: settings for label, (_, settings) in best.items()}


def tuned(planned: Plan, chosen: Mapping[str, Mapping[str, str]]) -> Plan:
    """Return the plan of the study's own runs, with the chosen settings of each system.

    A system without a finished trial is left out.
    """
    systems, left_out = list[StudySystem](), list(planned.left_out)
    for system in planned.systems:
        label = full_label(system)
        if label in chosen:
            systems.append(replace(system, argv=(*system.argv, *as_argv(chosen[label]))))
        else:
            left_out.append(f"{label}: no setting of it could be trained")
    return with_jobs(systems, left_out, with_data=True, with_recipe=True)


class _Searcher:
    """Proposals of settings for a system; `number` seeds the sampler."""

    def __init__(
        self, number: int, system: StudySystem, search: Search, fixed: Sequence[str]
    ) -> None:
        self.system, self.label, self.trials = system, full_label(system), list[Trial]()
        self.key, self.seeds = search_key(system, search, fixed), search.seeds
        self.space: Space = space_of(system.method, search, [*fixed, *dict(system.values)])
        self.proposed: list[dict[str, str]] = []
        size = size_of(self.space)
        self.left = tries(self.space, search)
        self.every = size is not None and size <= search.trials
        first = first_of(system.method, system.recipe, self.space)
        if self.every:
            lists = [values for values in self.space.values() if not isinstance(values, Range)]
            points = [dict(zip(self.space, point, strict=True)) for point in product(*lists)]
            self.queue = [first, *(point for point in points if point != first)]
        else:
            self.queue = [first]
            self.study = _study(number)
        self.known: dict[str, optuna.trial.Trial] = {}

    def ask(self, most: int) -> bool:
        """Propose at most `most` points; return whether there are any."""
        self.proposed = []
        while self.left and len(self.proposed) < most:
            point: dict[str, str] | None
            point = self.queue.pop(0) if self.every else self._new_point()
            self.left -= 1
            if point is not None:
                self.proposed.append(point)
        return bool(self.proposed)

    def _new_point(self) -> dict[str, str] | None:
        """Return a point that was not tried; None if the sampler finds no other."""
        import optuna

        if self.queue:
            first = self.queue.pop().items()
            self.study.enqueue_trial({name: _value(self.space[name], text) for name, text in first})
        for _ in range(AGAIN):
            trial = self.study.ask()
            point = {name: _suggested(trial, name, of) for name, of in self.space.items()}
            key = json.dumps(point)
            if key not in self.known:
                self.known[key] = trial
                return point
            self.study.tell(trial, state=optuna.trial.TrialState.PRUNED)
        return None

    def jobs(self, point: Mapping[str, str]) -> list[Job]:
        """Return the jobs of a point."""
        return jobs_of(self.system, point, self.seeds)

    def record(self, point: dict[str, str], score: float | None) -> None:
        """Record the score of a point."""
        self.trials.append(Trial(self.label, point, score, self.key))
        if self.every:
            return
        import optuna

        trial = self.known[json.dumps(point)]
        if score is None or not math.isfinite(score):
            self.study.tell(trial, state=optuna.trial.TrialState.FAIL)
        else:
            self.study.tell(trial, score)


def _study(number: int) -> optuna.Study:
    """Return a seeded Optuna study for a system."""
    try:
        import optuna
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "a search needs Optuna: pip install 'dmrnet[sweep]'; it is not needed if every setting "
            "has a list of values and there are no more choices than trials"
        ) from error
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    sampler = optuna.samplers.TPESampler(seed=number, n_startup_trials=5)
    return optuna.create_study(direction="maximize", sampler=sampler)


def _value(of: tuple[str, ...] | Range, text: str) -> Any:  # noqa: ANN401
    return (int(text) if of.whole else float(text)) if isinstance(of, Range) else text


def _suggested(trial: optuna.trial.Trial, name: str, of: tuple[str, ...] | Range) -> str:
    if not isinstance(of, Range):
        return str(trial.suggest_categorical(name, of))
    if of.whole:
        return as_flag(trial.suggest_int(name, int(of.low), int(of.high), log=of.log))
    return as_flag(trial.suggest_float(name, of.low, of.high, log=of.log))
