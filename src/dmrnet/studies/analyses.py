"""Analyses of a study's finished runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from dmrnet.engine.analysis.analyse import analyse_run
from dmrnet.studies.plan import StudySystem
from dmrnet.studies.resolve import Member

SPLIT = "val"
"""Split of the analyses; the test set is not used."""


def analyse_members(
    members: Sequence[Member],
    systems: Sequence[StudySystem],
    names: Sequence[str],
    report: Callable[[str], None],
) -> tuple[str, ...]:
    """Make the named analyses of finished runs; existing ones are kept.

    `report` is called with each run's label before its analyses. Returns the analyses that failed,
    with the reason, once per system.
    """
    refused: dict[str, None] = {}
    for member in members:
        report(member.job.label)

        def refuse(name: str, error: Exception, member: Member = member) -> None:
            text = " ".join(str(error).replace(str(member.folder), "it").split())
            of = systems[member.system]
            refused[f"{name} of {of.name} on {of.data}: {text}"] = None

        try:
            analyse_run(member.folder, names, SPLIT, refuse=refuse)
        except (ValueError, FileNotFoundError) as error:
            # An error of the run or its data: no analysis is possible.
            refuse(", ".join(names), error)
    return tuple(refused)
