"""Check of the names that a study uses after its runs, before anything is trained."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from dmrnet.data.registry import DATASETS
from dmrnet.engine.analysis.names import check_analysis
from dmrnet.hints import nearest
from dmrnet.studies.printed import find_printed, read_printed
from dmrnet.studies.spec import Entry, Study


def check_names(study: Study) -> None:
    """Refuse a study that would fail, or compare nothing, after its runs.

    Checks the names of analyses, baselines, left-out entries and data sets, and the printed rows.
    """
    where = study.path or "the study"
    for text in study.analyses:
        try:
            check_analysis(text)
        except ValueError as error:
            raise ValueError(f"{where}: analyses: {error}") from error
    for name in study.printed:
        read_printed(find_printed(name, study.path))
    known = dict.fromkeys([*DATASETS, *study.data])
    for entry in study.all_entries:
        for data in entry.leave_out:
            if data not in known:
                raise ValueError(
                    f"{where}: {entry.name}: leave-out: there is no data set {data!r}; "
                    f"{nearest(data, known)}"
                )
    _check_baseline(study.baseline, study.all_entries, f"{where}: baseline")
    for data, change in study.by_data.items():
        entries = change.methods or study.methods
        _check_baseline(change.baseline, entries, f"{where}: by-data: {data}: baseline")
        for name in change.leave_out:
            names = [entry.name for entry in entries]
            _check_known(name, names, f"{where}: by-data: {data}: leave-out")


def _check_baseline(name: str, entries: Iterable[Entry], where: str) -> None:
    known = [word for entry in entries for word in (entry.name, entry.method)]
    # An entry's grid values may follow its name, as in the tables: sf-md lr=0.1.
    if name and not any(name == word or name.startswith(f"{word} ") for word in known):
        _check_known(name, known, where)


def _check_known(name: str, known: Sequence[str], where: str) -> None:
    if name not in known:
        raise ValueError(
            f"{where}: the study has no {name!r}; {nearest(name, dict.fromkeys(known))}"
        )
