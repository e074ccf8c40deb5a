"""Expand a study into its runs: every entry, recipe, grid value, data set and seed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from dmrnet.studies.shipped import protocol
from dmrnet.studies.spec import Change, Choices, Entry, Settings, Study
from dmrnet.studies.workers.events import Job


@dataclass(frozen=True)
class StudySystem:
    """One row of a study's table on one data set: runs that differ only in their seed.

    Attributes:
        data: Name of the data set.
        name: Name of its entry.
        method: Name of its method.
        printed_as: Method that represents it in a printed table.
        recipe: Name of its recipe.
        values: Its values of the grid.
        argv: Flags of ``dmrnet fit`` without the seed.
        seeds: Seeds of its runs.
    """

    data: str
    name: str
    method: str
    printed_as: str
    recipe: str
    values: tuple[tuple[str, str], ...]
    argv: tuple[str, ...]
    seeds: tuple[int, ...]

    def label(self, with_data: bool, with_recipe: bool) -> str:
        """Return the name shown to users."""
        words = [self.data] if with_data else []
        words += [self.name, *([f"({self.recipe})"] if with_recipe else [])]
        return " ".join([*words, *(f"{k.rpartition('.')[2]}={v}" for k, v in self.values)])


@dataclass(frozen=True)
class Plan:
    """Systems and runs of a study.

    Attributes:
        systems: Systems, data set by data set.
        jobs: Runs, seed by seed, so that early results can be compared.
        owners: Index of each run's system.
        left_out: Systems that are left out, with the reasons.
    """

    systems: tuple[StudySystem, ...]
    jobs: tuple[Job, ...]
    owners: tuple[int, ...]
    left_out: tuple[str, ...]


def plan(study: Study, flags: Sequence[str] = ()) -> Plan:
    """Return the runs of a study.

    Later sources override earlier ones: protocol of the paper, study, data set, entry, grid,
    command line (`flags`).
    """
    systems: list[StudySystem] = []
    left_out: list[str] = []
    for data in study.data:
        change = study.by_data.get(data, Change())
        for entry in change.methods or study.methods:
            reason = _reason_to_leave_out(entry, data, change)
            if reason is not None:
                left_out.append(f"{entry.name} on {data}: {reason}")
                continue
            systems += _systems(study, entry, data, change, flags)
    with_data, with_recipe = len(study.data) > 1, len({s.recipe for s in systems}) > 1
    return with_jobs(systems, left_out, with_data, with_recipe)


def with_jobs(
    systems: Sequence[StudySystem], left_out: Iterable[str], with_data: bool, with_recipe: bool
) -> Plan:
    """Return the plan of systems, each trained with its seeds."""
    runs = [
        (number, seed)
        for seed in dict.fromkeys(seed for one in systems for seed in one.seeds)
        for number, one in enumerate(systems)
        if seed in one.seeds
    ]
    jobs = [
        Job(
            f"{systems[number].label(with_data, with_recipe)} seed {seed}",
            (*systems[number].argv, "--seed", str(seed)),
        )
        for number, seed in runs
    ]
    owners = tuple(number for number, _ in runs)
    return Plan(tuple(systems), tuple(jobs), owners, tuple(left_out))


def _reason_to_leave_out(entry: Entry, data: str, change: Change) -> str | None:
    if entry.only and data not in entry.only:
        return f"only on {', '.join(entry.only)}"
    if data in entry.leave_out:
        return entry.leave_out[data]
    return change.leave_out.get(entry.name)


def _systems(
    study: Study, entry: Entry, data: str, change: Change, flags: Sequence[str]
) -> list[StudySystem]:
    grid = {**study.grid, **change.grid, **entry.grid}
    seeds = entry.seeds or change.seeds or study.seeds
    systems = []
    for recipe in entry.recipes or change.recipes or study.recipes:
        base: dict[str, str] = {}
        if study.protocol:
            recipe, printed = protocol(study.dataset(data), entry.method, recipe)
            base |= printed
        base |= {**study.settings, **study.data[data], **change.settings, **entry.settings}
        for values in grid_points(grid):
            settings = {**base, **values}
            names = {"data": data, "method": entry.method, "recipe": recipe}
            argv = (*as_argv({**names, **settings}), *flags)
            as_printed = entry.printed_as or entry.method
            pairs = tuple(values.items())
            systems.append(
                StudySystem(data, entry.name, entry.method, as_printed, recipe, pairs, argv, seeds)
            )
    return systems


def grid_points(grid: Choices) -> Iterable[dict[str, str]]:
    """Yield every choice of one value per setting.

    >>> list(grid_points({"lr": ("1", "2")}))
    [{'lr': '1'}, {'lr': '2'}]
    """
    for values in product(*grid.values()):
        yield dict(zip(grid, values, strict=True))


def as_argv(settings: Settings | Mapping[str, str]) -> list[str]:
    """Return settings as flags.

    >>> as_argv({"lr": "1"})
    ['--lr', '1']
    """
    return [word for name, value in settings.items() for word in (f"--{name}", value)]
