"""What a study calls its systems in its report, and which of them is the baseline there."""

from __future__ import annotations

from collections.abc import Sequence

from dmrnet.engine.folder import RunFolder
from dmrnet.report.records.systems import System as Reported
from dmrnet.report.records.systems import system
from dmrnet.studies.plan import Plan, System
from dmrnet.studies.resolve import Member
from dmrnet.studies.spec import Change, Study


def reported(member: Member) -> Reported:
    """Return the system that a report makes of a finished run."""
    row = RunFolder(member.folder).rows()[0]
    return system(row["method"], row["recipe"], row["settings"])


def names_of(planned: Plan, members: Sequence[Member]) -> dict[Reported, str]:
    """Return the names of the systems whose lines have a label.

    Args:
        planned: The plan.
        members: Its finished runs.
    """
    found: dict[Reported, str] = {}
    known: dict[int, Reported] = {}
    for member in members:
        of = planned.systems[member.system]
        if of.name != of.method and member.system not in known:
            known[member.system] = reported(member)
            found[known[member.system]] = named(of)
    return found


def named(of: System) -> str:
    """Return the name of a labelled line with its recipe and values, as a report writes them."""
    return of.label(with_data=False, with_recipe=of.recipe != "best")


def baseline_of(study: Study, planned: Plan, members: Sequence[Member]) -> str:
    """Return the name of the baseline, as the report knows it.

    Args:
        study: The study.
        planned: Its plan.
        members: Its finished runs.
    """
    changed = {study.by_data.get(data, Change()).baseline for data in study.data}
    asked = (changed.pop() if len(changed) == 1 else "") or study.baseline
    first = _first(planned.systems, asked) if asked else planned.systems[0]
    if first is None:
        return asked
    if first.name != first.method:
        return named(first)
    if asked or not first.values:
        return first.method
    # One of several of its method, none of them plain: the first one.
    mine = [member for member in members if planned.systems[member.system] == first]
    return reported(mine[0]).label() if mine else first.method


def _first(systems: Sequence[System], asked: str) -> System | None:
    """Return the first labelled line of a name, with its values or without."""
    labelled = [one for one in systems if one.name != one.method]
    return next((one for one in labelled if asked in (one.name, named(one))), None)
