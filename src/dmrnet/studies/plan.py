"""From a study to its runs: every entry with every recipe, value, data set and seed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from dmrnet.studies.protocols import protocol
from dmrnet.studies.spec import Change, Choices, Entry, Settings, Study
from dmrnet.studies.workers.job import Job


@dataclass(frozen=True)
class System:
    """One line of a study's table on one data set: what its runs have in common but the seed.

    Attributes:
        data: Name of the data set.
        name: Of its entry, for a reader.
        method: Name of its method.
        printed_as: The method that it is in a printed table.
        recipe: Its recipe.
        values: Its values of the grid.
        argv: Flags of ``dmrnet fit``, the seed's left out.
    """

    data: str
    name: str
    method: str
    printed_as: str
    recipe: str
    values: tuple[tuple[str, str], ...]
    argv: tuple[str, ...]

    def label(self, with_data: bool, with_recipe: bool) -> str:
        """Name it for whoever watches."""
        words = [self.data] if with_data else []
        words += [self.name, *([f"({self.recipe})"] if with_recipe else [])]
        return " ".join([*words, *(f"{k.rpartition('.')[2]}={v}" for k, v in self.values)])


@dataclass(frozen=True)
class Plan:
    """What a study is made of.

    Attributes:
        systems: Its lines, data set by data set.
        jobs: Its runs, seed by seed, so that what is finished early can be compared.
        owners: Of each run, the number of its system.
        left_out: Lines that are not run, and why not.
    """

    systems: tuple[System, ...]
    jobs: tuple[Job, ...]
    owners: tuple[int, ...]
    left_out: tuple[str, ...]


def plan(study: Study, flags: Sequence[str] = ()) -> Plan:
    """Return the runs of a study.

    What is set in several places is what the last of these says: protocol of the paper, study, data
    set, entry, grid, command line.

    Args:
        study: The study; its data sets are run one and all.
        flags: More flags for every run.
    """
    systems: list[System] = []
    left_out: list[str] = []
    for data in study.data:
        change = study.by_data.get(data, Change())
        for entry in change.methods or study.methods:
            why = _why_not(entry, data, change)
            if why is not None:
                left_out.append(f"{entry.name} on {data}: {why}")
                continue
            systems += _systems(study, entry, data, change, flags)
    with_data, with_recipe = len(study.data) > 1, len({s.recipe for s in systems}) > 1
    jobs, owners = [], []
    for seed in study.seeds:
        for number, system in enumerate(systems):
            label = f"{system.label(with_data, with_recipe)} seed {seed}"
            jobs.append(Job(label, (*system.argv, "--seed", str(seed))))
            owners.append(number)
    return Plan(tuple(systems), tuple(jobs), tuple(owners), tuple(left_out))


def _why_not(entry: Entry, data: str, change: Change) -> str | None:
    if entry.only and data not in entry.only:
        return f"only on {', '.join(entry.only)}"
    if data in entry.leave_out:
        return entry.leave_out[data]
    return change.leave_out.get(entry.name)


def _systems(
    study: Study, entry: Entry, data: str, change: Change, flags: Sequence[str]
) -> list[System]:
    grid = {**study.grid, **change.grid, **entry.grid}
    found = []
    for recipe in entry.recipes or change.recipes or study.recipes:
        base: dict[str, str] = {}
        if study.protocol:
            recipe, printed = protocol(data, entry.method, recipe)
            base |= printed
        base |= {**study.settings, **study.data[data], **change.settings, **entry.settings}
        for values in every(grid):
            settings = {**base, **values}
            first = {"data": data, "method": entry.method, "recipe": recipe}
            argv = (*as_argv({**first, **settings}), *flags)
            as_printed = entry.printed_as or entry.method
            pairs = tuple(values.items())
            found.append(System(data, entry.name, entry.method, as_printed, recipe, pairs, argv))
    return found


def every(grid: Choices) -> Iterable[dict[str, str]]:
    """Give every choice of one value of each setting.

    >>> list(every({"lr": ("1", "2")}))
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
