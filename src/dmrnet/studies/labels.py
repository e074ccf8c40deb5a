"""Names of a study's systems in its report, and its baseline."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from dmrnet.engine.run.folder import RunFolder
from dmrnet.report.records.systems import System, system
from dmrnet.studies.plan import Plan, StudySystem
from dmrnet.studies.resolve import Member
from dmrnet.studies.spec import Change, Study


def reported_system(member: Member, chosen: Collection[str] = ()) -> System:
    """Return the report's system of a finished run, without its `chosen` settings."""
    row = RunFolder(member.folder).rows()[0]
    settings = {name: value for name, value in row["settings"].items() if name not in chosen}
    return system(row["method"], row["recipe"], settings)


def names_of(
    planned: Plan, members: Sequence[Member], chosen: Collection[str] = (), every: bool = False
) -> dict[System, str]:
    """Return the names of the labelled systems of finished runs.

    Args:
        planned: The plan.
        members: Finished runs.
        chosen: Settings that were searched, which no name has.
        every: Whether the other systems are named too. Next to systems of other libraries, settings
            that all runs of the study share distinguish nothing.
    """
    first: dict[int, Member] = {}
    for member in members:
        first.setdefault(member.system, member)
    systems = [(planned.systems[number], member) for number, member in first.items()]
    return {
        reported_system(member, chosen): full_name(one)
        for one, member in systems
        if every or one.name != one.method
    }


def full_name(of: StudySystem) -> str:
    """Return the name of a labelled system with its recipe and values, as in the report."""
    return of.label(with_data=False, with_recipe=of.recipe != "best")


def baseline_of(
    study: Study, planned: Plan, members: Sequence[Member], chosen: Collection[str] = ()
) -> str:
    """Return the name of the baseline in the report of finished runs."""
    changed = {study.by_data.get(data, Change()).baseline for data in study.data}
    wanted = (changed.pop() if len(changed) == 1 else "") or study.baseline
    labelled = [one for one in planned.systems if one.name != one.method]
    # An entry is named with or without its values.
    named = (one for one in labelled if wanted in (one.name, full_name(one)))
    first = next(named, None) if wanted else planned.systems[0]
    if first is None:
        return wanted
    if first.name != first.method:
        return full_name(first)
    if not first.values:
        return first.method
    # Several systems of this method, all with grid values: take the first.
    mine = [member for member in members if planned.systems[member.system] == first]
    return reported_system(mine[0], chosen).label() if mine else first.method
