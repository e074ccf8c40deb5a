"""Search on validation: the same number of settings tried of every system, the best one kept.

Settings are proposed a few at a time, trained, and told in the order in which they were proposed,
from a seeded sampler: so a search that was interrupted proposes the same again, and finds the runs
that it had finished.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dmrnet.storage import json_lines, read_json_lines, write_text
from dmrnet.studies.plan import Plan, System, as_argv
from dmrnet.studies.search.spaces import Space, first_of, size_of, space_of
from dmrnet.studies.spec import Range, Search, as_flag
from dmrnet.studies.workers.job import Job

if TYPE_CHECKING:
    import optuna

Scores = Mapping[Job, float | None]
"""How good each run is on validation, higher is better; None for one that failed."""

AGAIN = 20
"""So often a sampler is asked for another point where it proposes one that was tried."""


@dataclass(frozen=True)
class Trial:
    """A setting that was tried.

    Attributes:
        system: Number of its system in the plan.
        label: Of that system.
        settings: What was tried.
        score: Mean over the search's seeds of the score on validation, higher is better; None where
            a training failed.
    """

    system: int
    label: str
    settings: dict[str, str]
    score: float | None


def tune(
    planned: Plan, search: Search, fixed: Sequence[str], run: Callable[[Sequence[Job]], Scores]
) -> list[Trial]:
    """Try settings of every system of a plan.

    Args:
        planned: The plan.
        search: What is searched, how long, with which seeds.
        fixed: Settings that the command line sets: not searched.
        run: Makes runs and says how good they are.

    Returns:
        Everything that was tried, system by system.

    Raises:
        ModuleNotFoundError: If Optuna is not installed.
    """
    seekers = [
        _Seeker(number, system, search, fixed) for number, system in enumerate(planned.systems)
    ]
    while asking := [seeker for seeker in seekers if seeker.ask(search.at_once)]:
        jobs = [
            job
            for seeker in asking
            for point in seeker.asked
            for job in seeker.jobs(point, search.seeds)
        ]
        scores = run(jobs)
        for seeker in asking:
            for point in seeker.asked:
                found = [scores.get(job) for job in seeker.jobs(point, search.seeds)]
                known = [value for value in found if value is not None]
                whole = len(known) == len(found)
                seeker.tell(point, sum(known) / len(known) if whole and known else None)
    return [trial for seeker in seekers for trial in seeker.trials]


def best(trials: Sequence[Trial]) -> dict[int, dict[str, str]]:
    """Return the best settings of each system; the first tried of equals."""
    found: dict[int, Trial] = {}
    for trial in trials:
        if trial.score is None or not math.isfinite(trial.score):
            continue
        before = found.get(trial.system)
        if before is None or before.score is None or trial.score > before.score:
            found[trial.system] = trial
    return {number: trial.settings for number, trial in found.items()}


def tuned(planned: Plan, chosen: Mapping[int, Mapping[str, str]], seeds: Sequence[int]) -> Plan:
    """Return the plan of the study's own runs, each system with what was chosen for it.

    A system without a finished trial is left out.
    """
    systems: list[System] = []
    left_out, jobs, owners = list(planned.left_out), list[Job](), list[int]()
    numbers: dict[int, int] = {}
    for number, system in enumerate(planned.systems):
        if number not in chosen:
            left_out.append(f"{system.label(True, True)}: no setting of it could be trained")
            continue
        numbers[number] = len(systems)
        argv = (*system.argv, *as_argv(chosen[number]))
        systems.append(replace(system, argv=argv))
    for seed in seeds:
        for number, place in numbers.items():
            label = f"{planned.systems[number].label(True, True)} seed {seed}"
            jobs.append(Job(label, (*systems[place].argv, "--seed", str(seed))))
            owners.append(place)
    return Plan(tuple(systems), tuple(jobs), tuple(owners), tuple(left_out))


def write_trials(path: Path, trials: Sequence[Trial]) -> None:
    """Write what was tried, a JSON object a line."""
    write_text(path, json_lines(map(asdict, trials)))


def read_trials(path: Path) -> list[Trial]:
    """Return what was tried, as `write_trials` wrote it."""
    return [Trial(**record) for _, record in read_json_lines(path)]


class _Seeker:
    """Proposes settings of one system.

    Args:
        number: Of the system.
        system: The system.
        search: Of the study.
        fixed: Settings that are not searched.
    """

    def __init__(self, number: int, system: System, search: Search, fixed: Sequence[str]) -> None:
        self.number, self.system, self.trials = number, system, list[Trial]()
        self.space: Space = space_of(system.method, search, [*fixed, *dict(system.values)])
        self.asked: list[dict[str, str]] = []
        size = size_of(self.space)
        self.left = search.trials if size is None else min(size, search.trials)
        self.every = size is not None and size <= search.trials
        first = first_of(system.method, system.recipe, self.space)
        if self.every:
            points = [dict(zip(self.space, p, strict=True)) for p in product(*_lists(self.space))]
            self.queue = [first, *(point for point in points if point != first)]
        else:
            self.queue = [first]
            self.study = _study(number)
        self.known: dict[str, optuna.trial.Trial] = {}

    def ask(self, most: int) -> bool:
        """Propose up to so many; return whether there are any."""
        self.asked = []
        while self.left and len(self.asked) < most:
            point: dict[str, str] | None
            point = self.queue.pop(0) if self.every else self._proposed()
            self.left -= 1
            if point is not None:
                self.asked.append(point)
        return bool(self.asked)

    def _proposed(self) -> dict[str, str] | None:
        """Return a point that was not tried; None where the sampler knows no other."""
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

    def jobs(self, point: Mapping[str, str], seeds: Sequence[int]) -> list[Job]:
        """Return the runs of a point."""
        told = " ".join(f"{name.rpartition('.')[2]}={value}" for name, value in point.items())
        label = " ".join([self.system.label(True, True), *([told] if told else [])])
        return [
            Job(f"{label} seed {s}", (*self.system.argv, *as_argv(point), "--seed", str(s)), False)
            for s in seeds
        ]

    def tell(self, point: dict[str, str], score: float | None) -> None:
        """Take in how good a point is."""
        label = self.system.label(True, True)
        self.trials.append(Trial(self.number, label, point, score))
        if self.every:
            return
        import optuna

        trial = self.known[json.dumps(point)]
        if score is None or not math.isfinite(score):
            self.study.tell(trial, state=optuna.trial.TrialState.FAIL)
        else:
            self.study.tell(trial, score)


def _lists(space: Space) -> list[tuple[str, ...]]:
    return [values for values in space.values() if not isinstance(values, Range)]


def _study(number: int) -> optuna.Study:
    """Return an Optuna study of its own for a system, seeded."""
    try:
        import optuna
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "a search needs Optuna: pip install 'dmrnet[sweep]'; lists of values with no more "
            "settings than trials need none"
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
