"""CPU time of a study, estimated before its runs from measured seconds. Imports no torch."""

from __future__ import annotations

from collections.abc import Sequence

from dmrnet.settings.flags import read_flags
from dmrnet.studies.plan import Plan, StudySystem
from dmrnet.studies.search.spaces import space_of, tries
from dmrnet.studies.spec import Change, Study


def cpu_seconds(study: Study, planned: Plan, fixed: Sequence[str] = ()) -> dict[str, float]:
    """Return the estimated CPU seconds by data set, of those whose baseline was measured.

    A run costs the seconds of the baseline (`Change.seconds`), times its method's multiple
    (`Study.costs`), times its ``stretch``. The runs of a search count, too; `fixed` are settings
    that it does not search.
    """
    seconds: dict[str, float] = {}
    for system in planned.systems:
        of_baseline = study.by_data.get(system.data, Change()).seconds
        if of_baseline:
            one = of_baseline * study.costs.get(system.method, 1.0) * _stretch(system)
            runs = len(system.seeds) + _trials(study, system, fixed)
            seconds[system.data] = seconds.get(system.data, 0.0) + one * runs
    return seconds


def _stretch(system: StudySystem) -> float:
    flags = {name: value for name, value in read_flags(system.argv) if value is not None}
    return float(flags.get("stretch", "1"))


def _trials(study: Study, system: StudySystem, fixed: Sequence[str]) -> int:
    """Return the number of a search's runs of a system."""
    search = study.search
    if search is None:
        return 0
    space = space_of(system.method, search, [*fixed, *dict(system.values)])
    return tries(space, search) * len(search.seeds)
