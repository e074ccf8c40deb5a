"""Analyses of a study's runs, once these are finished."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from dmrnet.engine.analysis.analyse import analyse_run
from dmrnet.studies.plan import System
from dmrnet.studies.resolve import Member

SPLIT = "val"
"""Whose samples: nothing is looked for in the test set."""


def look(
    members: Sequence[Member],
    systems: Sequence[System],
    names: Sequence[str],
    tell: Callable[[str], None],
) -> tuple[str, ...]:
    """Make analyses of finished runs; what stands there is not made again.

    Args:
        members: Finished runs.
        systems: Of the plan.
        names: Of the analyses.
        tell: Called with each run's label before it is looked at.

    Returns:
        What could not be made, and why, said once for each system.
    """
    refused: dict[str, None] = {}
    for member in members:
        tell(member.job.label)

        def refuse(name: str, error: Exception, member: Member = member) -> None:
            text = " ".join(str(error).replace(str(member.folder), "it").split())
            of = systems[member.system]
            refused[f"{name} of {of.name} on {of.data}: {text}"] = None

        try:
            analyse_run(member.folder, names, SPLIT, refuse=refuse)
        except (ValueError, FileNotFoundError) as error:
            # Of the run or its data: no analysis can be made.
            refuse(", ".join(names), error)
    return tuple(refused)
