"""Find run folders and read their files."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from pathlib import Path

from dmrnet.report.records.mining import VARIANCE, MiningRecord, read_kept_epoch
from dmrnet.report.records.published import PublishedRow, parse_published
from dmrnet.report.records.rows import Row, RowError, parse_row, read_records, read_rows
from dmrnet.storage import read_json
from dmrnet.text import shell

RESULTS = "results.jsonl"
FACTS = "run.json"
CONFIG = "config.yaml"

_log = logging.getLogger(__name__)

_Fingerprints = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class RunRecord:
    """One source of rows: a run folder, or a file of rows.

    Attributes:
        path: The folder or file, as the user named it.
        rows: Measured rows; none in a file of published rows alone.
        mining: Mining statistics of the epoch whose weights were kept, or of the last epoch if none
            is named; empty for a file.
        epoch: Epoch of the statistics, counted from 1; None without statistics.
        modalities: Modalities in the model's order; empty if unknown.
        commit: Git commit of the code that made the run; empty if unknown.
        files: ``(split, fingerprint)`` of the user's own files; empty for other data.
        published: Rows that name a source; only in a file.
        tested_on: Fingerprint of the test samples; empty if unknown.
        notes: Notes of the data set on its samples; none for a file.
        warnings: What is probably wrong with the samples; none for a file.
        score: Metric that the run is selected by; empty if unknown.
        presence: Number of training samples by combination that they have, of each class.
        classes: Names of the classes; empty if unknown.
        kinds: Kinds of the modalities, such as ``image``; empty if unknown.
    """

    path: Path
    rows: tuple[Row, ...]
    mining: tuple[MiningRecord, ...] = ()
    epoch: int | None = None
    modalities: tuple[str, ...] = ()
    commit: str = ""
    files: _Fingerprints = ()
    published: tuple[PublishedRow, ...] = ()
    tested_on: str = ""
    notes: tuple[str, ...] = ()
    presence: tuple[tuple[str, tuple[int, ...]], ...] = ()
    classes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    score: str = ""
    kinds: tuple[str, ...] = ()

    @property
    def is_folder(self) -> bool:
        """Whether this is a run folder, which can be evaluated and repeated."""
        return self.path.suffix != ".jsonl"


def read_runs(paths: Sequence[str | Path], split: str) -> list[RunRecord]:
    """Read runs.

    Args:
        paths: Run folders, folders of run folders, folders of studies, ``.jsonl`` files of rows,
            or folders of such files.
        split: Split of which every run must have rows.

    Raises:
        ValueError: If no path is given, a row is wrong, or a run lacks rows of the split.
        FileNotFoundError: If a path holds no rows.
    """
    if not paths:
        raise ValueError("expected at least one run folder, got none")
    unique: dict[Path, Path] = {}
    for run_path in (child for path in paths for child in _run_paths(Path(path))):
        unique.setdefault(run_path.resolve(), run_path)
    runs = [_read_run(run_path) for run_path in unique.values()]
    lacking = [run for run in runs if not _has_rows_of(run, split)]
    if lacking:
        names = shell(*(run.path for run in lacking))
        mend = (
            f"run `dmrnet evaluate {names}`, or evaluate in Python, or report the validation rows "
            "with split 'val'"
            if split == "test"
            else "train it again, which writes them"
        )
        raise ValueError(f"expected {split} rows in every run, got none in {names}; {mend}")
    return _separate_by_content(runs, split)


def without_settings(runs: Sequence[RunRecord], names: Iterable[str]) -> list[RunRecord]:
    """Drop settings from rows, so that runs that differ only in these are of one system.

    For settings that were chosen for each system and data set, such as a learning rate: the
    system is then the method with its choice, whatever it was.

    Args:
        runs: Runs.
        names: Names of settings as in rows, such as ``lr``.
    """
    dropped = frozenset(names)

    def kept(row: Row) -> Row:
        settings = {name: value for name, value in row.settings.items() if name not in dropped}
        return replace(row, settings=settings)

    return [replace(run, rows=tuple(map(kept, run.rows))) for run in runs]


def _has_rows_of(run: RunRecord, split: str) -> bool:
    measured = [row.split for row in run.rows if row.combination]
    return split in measured or any(row.split == split for row in run.published)


def _separate_by_content(runs: Sequence[RunRecord], split: str) -> list[RunRecord]:
    """Rename data sets of one name and different content, so that they are never compared.

    Content means the files that a run was trained and selected on and, for test rows, tested on.
    The new name ends in a hash of their fingerprints.
    """
    parts = ("train", "val", "test") if split == "test" else ("train", "val")
    contents = [tuple(pair for pair in run.files if pair[0] in parts) for run in runs]
    known: dict[str, set[_Fingerprints]] = {}
    for run, content in zip(runs, contents, strict=True):
        if content:
            known.setdefault(run.rows[0].dataset, set()).add(content)
    separate = []
    for run, content in zip(runs, contents, strict=True):
        if content and len(known[run.rows[0].dataset]) > 1:
            short = blake2b(repr(content).encode(), digest_size=3).hexdigest()
            rows = (replace(row, dataset=f"{row.dataset} #{short}") for row in run.rows)
            run = replace(run, rows=tuple(rows))
        separate.append(run)
    return separate


def _run_paths(path: Path) -> list[Path]:
    if path.is_file() or (path / RESULTS).is_file():
        return [path]
    if (path / CONFIG).is_file():
        raise FileNotFoundError(
            f"expected {RESULTS} in the run {path}, got none: its training has not finished; "
            "the same call of fit finishes it, or "
            f"`{shell('dmrnet', 'fit', '--config', path / CONFIG, '--out', path)}`"
        )
    children = sorted(path.glob("*"))
    finished = [child for child in children if (child / RESULTS).is_file()]
    unfinished = [c for c in children if (c / CONFIG).is_file() and c not in finished]
    if unfinished:
        _log.warning("left out, not finished: %s", ", ".join(map(str, unfinished)))
    if finished:
        return finished
    if not unfinished:
        if (path / "runs").is_dir():  # The folder of a study or of the quickstart.
            return _run_paths(path / "runs")
        if files := sorted(child for child in path.glob("*.jsonl") if child.is_file()):
            return files
    raise FileNotFoundError(
        f"expected {path} to be a run folder with {RESULTS}, a folder of run folders, or a "
        ".jsonl file of rows or a folder of such files; it is none of them"
    )


def _read_run(path: Path) -> RunRecord:
    if path.is_file():
        return _read_file(path)
    rows = read_rows(path / RESULTS)
    trainings = {(row.method, row.recipe, row.dataset, row.seed) for row in rows}
    if len(trainings) != 1:
        raise RowError(
            f"{path / RESULTS}: expected the rows of one training, got {len(trainings)}; put "
            "rows of several into one .jsonl file and report that"
        )
    try:
        facts = read_json(path / FACTS) if (path / FACTS).is_file() else {}
    except ValueError as error:
        raise RowError(str(error)) from error
    epoch, mining = read_kept_epoch(path / VARIANCE, facts.get("best_epoch"))
    files = _fingerprints(facts.get("files"))
    content = [*_fingerprints(facts.get("content")), *files]
    return RunRecord(
        path=path,
        rows=tuple(rows),
        mining=mining,
        epoch=epoch,
        modalities=_texts(facts.get("modalities")),
        commit=str(facts.get("git_commit") or facts.get("commit") or ""),
        files=files,
        tested_on=" ".join(value for split, value in content if split == "test"),
        notes=_texts(facts.get("notes")),
        presence=_counts(facts.get("presence")),
        classes=_texts(facts.get("classes")),
        warnings=_texts(facts.get("warnings")),
        score=str(facts.get("score", "")),
        kinds=_kinds(facts.get("inputs")),
    )


def _read_file(path: Path) -> RunRecord:
    rows = [
        parse_published(record, where) if "source" in record else parse_row(record, where)
        for where, record in read_records(path)
    ]
    if not rows:
        raise RowError(f"{path}: expected at least one row, got an empty file")
    published = tuple(row for row in rows if isinstance(row, PublishedRow))
    return RunRecord(path, tuple(row for row in rows if isinstance(row, Row)), published=published)


def _texts(value: object) -> tuple[str, ...]:
    return tuple(map(str, value)) if isinstance(value, list) else ()


def _kinds(value: object) -> tuple[str, ...]:
    inputs = value.values() if isinstance(value, dict) else ()
    return tuple(str(one["kind"]) for one in inputs if isinstance(one, dict) and "kind" in one)


def _counts(value: object) -> tuple[tuple[str, tuple[int, ...]], ...]:
    if not isinstance(value, dict):
        return ()
    lists = ((str(name), of) for name, of in value.items() if isinstance(of, list))
    return tuple((name, tuple(int(n) for n in of if isinstance(n, int))) for name, of in lists)


def _fingerprints(value: object) -> _Fingerprints:
    if not isinstance(value, dict):
        return ()
    return tuple((str(split), str(content)) for split, content in sorted(value.items()))
