"""The same systems on several data sets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dmrnet.report.records.systems import System, labels_of
from dmrnet.report.summary.summary import DataSummary
from dmrnet.report.summary.system_summary import SystemSummary


def match_systems(
    summaries: Sequence[DataSummary], names: Mapping[System, str] | None = None
) -> dict[str, tuple[DataSummary, dict[str, SystemSummary]]]:
    """Return the first summary of each data set, with its systems by names that mean the same.

    Systems are the same if all their settings are, or, if more data sets then share more systems,
    if their labels are: a label leaves out what all systems of a data set share, such as the
    number of epochs chosen for it. Published systems are left out.
    """
    first: dict[str, DataSummary] = {}
    for item in summaries:
        first.setdefault(item.dataset, item)
    own = {name: of.own for name, of in first.items()}
    every = list(dict.fromkeys(one.system for systems in own.values() for one in systems))
    labels = labels_of(every, names)
    by_system = {name: {labels[one.system]: one for one in of} for name, of in own.items()}
    by_label = {name: {one.label: one for one in of} for name, of in own.items()}
    matched = max((by_system, by_label), key=lambda tables: len(_common(tables)))
    return {name: (of, matched[name]) for name, of in first.items()}


def _common(tables: Mapping[str, Mapping[str, SystemSummary]]) -> set[str]:
    return set.intersection(*map(set, tables.values())) if tables else set()
