"""Run folders, read through their files alone."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from pathlib import Path

from dmrnet.report.records.published import PublishedRow, parse_published
from dmrnet.report.records.rows import (
    Row,
    RowError,
    integer,
    number,
    parse_row,
    read_records,
    read_rows,
    text,
)
from dmrnet.storage import read_json

RESULTS = "results.jsonl"
VARIANCE = "variance.jsonl"
FACTS = "run.json"
CONFIG = "config.yaml"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Variance:
    """What mining saw of one combination in the epoch whose weights were kept.

    Attributes:
        combination: Modalities joined by ``+``.
        mean_variance: Mean σ² (Eq. 10); None for a method without a distribution.
        mean_loss: Mean task loss; None where it is undefined.
        hard: Whether the combination was in the hard set.
    """

    combination: str
    mean_variance: float | None
    mean_loss: float | None
    hard: bool


@dataclass(frozen=True, slots=True)
class Run:
    """One source of rows: a run folder, or a file of rows.

    Attributes:
        path: The folder or file, as the user named it.
        rows: Its rows; none in a file of published rows alone.
        variance: The mining statistics of the epoch whose weights were kept, or of the last one
            where none is named; empty for a file.
        epoch: That epoch, counted from 1; None without statistics.
        modalities: The modalities in the model's order; empty where unknown.
        commit: The git commit of the code that made it; empty where unknown.
        version: The version of this package that made it; empty where unknown.
        files: Fingerprints of the user's own files behind it, by split; empty for other data.
        published: Rows that name a source; only in a file.
        tested_on: What follows from the test samples' content; empty where unknown.
        notes: What the data set says of its samples; none for a file.
    """

    path: Path
    rows: tuple[Row, ...]
    variance: tuple[Variance, ...] = ()
    epoch: int | None = None
    modalities: tuple[str, ...] = ()
    commit: str = ""
    version: str = ""
    files: tuple[tuple[str, str], ...] = ()
    published: tuple[PublishedRow, ...] = ()
    tested_on: str = ""
    notes: tuple[str, ...] = ()

    @property
    def is_folder(self) -> bool:
        """Whether this is a run folder, which can be evaluated and repeated."""
        return self.path.suffix != ".jsonl"


def read_runs(paths: Sequence[Path], split: str) -> list[Run]:
    """Read runs.

    Args:
        paths: Run folders, folders of run folders, folders of studies, ``.jsonl`` files of rows,
            or folders of such files.
        split: The split whose rows every run must have.

    Raises:
        ValueError: If no path is given, a row is corrupt, or a run lacks rows of the split.
        FileNotFoundError: If a path holds no rows.
    """
    if not paths:
        raise ValueError("Expected at least one run folder, came none.")
    places: dict[Path, Path] = {}
    for path in paths:
        for place in _places(path):
            places.setdefault(place.resolve(), place)
    runs = [_read_run(place) for place in places.values()]
    lacking = [run for run in runs if not _has_rows_of(run, split)]
    if lacking:
        names = " ".join(str(run.path) for run in lacking)
        mend = (
            f"run `dmrnet evaluate {names}`, or report the validation rows with split 'val'"
            if split == "test"
            else "train it again with `dmrnet fit`, which writes them"
        )
        raise ValueError(f"Expected {split} rows in every run, found none in {names}: {mend}.")
    return separate_by_content(runs, split)


def _has_rows_of(run: Run, split: str) -> bool:
    return any(row.split == split and row.combination for row in run.rows) or any(
        row.split == split for row in run.published
    )


def separate_by_content(runs: Sequence[Run], split: str) -> list[Run]:
    """Name data sets apart that have one name and other content: never averaged, never compared.

    What counts is what a run was trained and chosen on, and for test rows what it was tested on.
    """
    parts = ("train", "val", *(("test",) if split == "test" else ()))
    content = [tuple((k, v) for k, v in run.files if k in parts) for run in runs]
    known: dict[str, set[tuple[tuple[str, str], ...]]] = {}
    for run, files in zip(runs, content, strict=True):
        if files:
            known.setdefault(run.rows[0].dataset, set()).add(files)
    return [
        _marked(run, files) if files and len(known[run.rows[0].dataset]) > 1 else run
        for run, files in zip(runs, content, strict=True)
    ]


def _marked(run: Run, files: object) -> Run:
    """Return a run whose data set's name ends in letters that follow from its files."""
    short = blake2b(repr(files).encode(), digest_size=3).hexdigest()
    rows = tuple(replace(row, dataset=f"{row.dataset} #{short}") for row in run.rows)
    return replace(run, rows=rows)


def _places(path: Path) -> list[Path]:
    if path.is_file() or (path / RESULTS).is_file():
        return [path]
    if (path / CONFIG).is_file():
        raise FileNotFoundError(
            f"Expected {RESULTS} in the run {path}, found none: its training has not finished. "
            f"`dmrnet fit --config {path / CONFIG} --out {path}` finishes it."
        )
    inside = sorted(child for child in path.glob("*") if (child / RESULTS).is_file())
    unfinished = sorted(child for child in path.glob("*") if (child / CONFIG).is_file())
    unfinished = [child for child in unfinished if child not in inside]
    if unfinished:
        _log.warning("left out, not finished: %s", ", ".join(map(str, unfinished)))
    if not inside and not unfinished and (path / "runs").is_dir():
        # What a study or the quickstart wrote.
        return _places(path / "runs")
    if not inside and not unfinished:
        inside = sorted(child for child in path.glob("*.jsonl") if child.is_file())
    if not inside:
        raise FileNotFoundError(
            f"Expected {path} to be a run folder with {RESULTS}, a folder of run folders, or a "
            ".jsonl file of rows or a folder of such files; it is none of them."
        )
    return inside


def _read_run(path: Path) -> Run:
    if path.is_file():
        return _read_file(path)
    rows = read_rows(path / RESULTS)
    trainings = {(row.method, row.recipe, row.dataset, row.seed) for row in rows}
    if len(trainings) != 1:
        raise RowError(
            f"{path / RESULTS}: expected the rows of one training, came {len(trainings)}; put "
            "rows of several into one .jsonl file and name that."
        )
    facts = _facts(path / FACTS)
    names = facts.get("modalities")
    versions = facts.get("versions")
    notes = facts.get("notes")
    epoch, variance = _kept_epoch(path / VARIANCE, facts.get("best_epoch"))
    return Run(
        path=path,
        rows=tuple(rows),
        variance=variance,
        epoch=epoch,
        modalities=tuple(map(str, names)) if isinstance(names, list) else (),
        commit=str(facts.get("git_commit") or facts.get("commit") or ""),
        version=str(versions.get("dmrnet", "")) if isinstance(versions, dict) else "",
        files=_files(facts.get("files")),
        tested_on=" ".join(
            content
            for key in ("content", "files")
            for split, content in _files(facts.get(key))
            if split == "test"
        ),
        notes=tuple(map(str, notes)) if isinstance(notes, list) else (),
    )


def _read_file(path: Path) -> Run:
    rows: list[Row] = []
    published: list[PublishedRow] = []
    for where, record in read_records(path):
        if "source" in record:
            published.append(parse_published(record, where))
        else:
            rows.append(parse_row(record, where))
    if not rows and not published:
        raise RowError(f"{path}: expected at least one row, came an empty file.")
    return Run(path, tuple(rows), published=tuple(published))


def _files(facts: object) -> tuple[tuple[str, str], ...]:
    if not isinstance(facts, dict):
        return ()
    return tuple((str(split), str(content)) for split, content in sorted(facts.items()))


def _facts(path: Path) -> dict[str, object]:
    if not path.is_file():
        return {}
    try:
        return read_json(path)
    except ValueError as error:
        raise RowError(str(error)) from error


def _kept_epoch(path: Path, kept: object) -> tuple[int | None, tuple[Variance, ...]]:
    """Return the kept epoch, counted from 1, and its statistics; the last where none is named."""
    if not path.is_file():
        return None, ()
    by_epoch: dict[int, dict[str, Variance]] = {}
    for where, record in read_records(path):
        hard = record.get("hard")
        if not isinstance(hard, bool):
            raise RowError(f"{where}: expected 'hard' to be true or false, came {hard!r}.")
        item = Variance(
            combination=text(record, "combination", where),
            mean_variance=number(record, "mean_variance", where),
            mean_loss=number(record, "mean_loss", where),
            hard=hard,
        )
        by_epoch.setdefault(integer(record, "epoch", where), {})[item.combination] = item
    if not by_epoch:
        return None, ()
    epoch = kept if isinstance(kept, int) and kept in by_epoch else max(by_epoch)
    return epoch + 1, tuple(by_epoch[epoch].values())
