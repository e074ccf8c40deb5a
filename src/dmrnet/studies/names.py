"""Names that a study gives of what comes after its runs, looked up before anything is trained."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from dmrnet.data.registry import DATASETS
from dmrnet.engine.analysis.names import check_analysis
from dmrnet.hints import nearest
from dmrnet.studies.printed import find_printed, read_printed
from dmrnet.studies.spec import Entry, Study


def check_names(study: Study) -> None:
    """Refuse a study that would fail, or compare nothing, once its runs are made.

    Raises:
        ValueError: If an analysis is unknown, a printed row is none, a baseline is none of the
            study's lines, or something is left out that is not there.
        FileNotFoundError: If there is no file of printed rows.
    """
    where = study.path or "the study"
    for text in study.analyses:
        try:
            check_analysis(text)
        except ValueError as error:
            raise ValueError(f"{where}, analyses: {error}") from error
    for name in study.printed:
        read_printed(find_printed(name, study.path))
    for entry in _every(study):
        for data in entry.leave_out:
            _is_data(data, f"{where}, {entry.name} leave-out")
    _check_baseline(study.baseline, _every(study), f"{where}, baseline")
    for data, change in study.by_data.items():
        entries = change.methods or study.methods
        _check_baseline(change.baseline, entries, f"{where}, by-data {data} baseline")
        for name in change.leave_out:
            _known(name, [entry.name for entry in entries], f"{where}, by-data {data} leave-out")


def _every(study: Study) -> Sequence[Entry]:
    changed = [entry for change in study.by_data.values() for entry in change.methods]
    return [*study.methods, *changed]


def _check_baseline(name: str, entries: Iterable[Entry], where: str) -> None:
    known = [word for entry in entries for word in (entry.name, entry.method)]
    # A line's values may stand behind its name, as they do in the tables: sf-md lr=0.1.
    if name and not any(name == word or name.startswith(f"{word} ") for word in known):
        _known(name, known, where)


def _is_data(name: str, where: str) -> None:
    if name not in DATASETS:
        raise ValueError(f"{where}: there is no data set {name!r}; {nearest(name, DATASETS)}")


def _known(name: str, known: Sequence[str], where: str) -> None:
    if name not in known:
        raise ValueError(
            f"{where}: the study has no {name!r}; {nearest(name, dict.fromkeys(known))}"
        )
