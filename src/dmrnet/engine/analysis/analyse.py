"""Analyses of a finished run, and their rows in its folder.

An analysis is asked for by name, with the combination that it is made at after an ``@``:
``channel-distance``, ``channel-distance@image+sound``, ``angles``, ``variance``, ``hard-set``. The
rows hold that whole name, so that two analyses never mix.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmrnet.engine.analysis.base import AnalysisResult, Refuse
from dmrnet.engine.analysis.names import FROM_DATA, Analysis, read_analysis
from dmrnet.engine.analysis.records import hard_sets, variance
from dmrnet.engine.analysis.samples import analyse_samples
from dmrnet.engine.run.finished import check_finished, open_run, task_of
from dmrnet.engine.run.folder import RunFolder
from dmrnet.engine.run.seal import check_config
from dmrnet.engine.scores.rows import result_rows
from dmrnet.locking import lock_folder
from dmrnet.modalities import Task
from dmrnet.settings.config import RunSettings, read_config
from dmrnet.storage import npz_bytes

VERSION = 2
"""Raised when an analysis returns more, or other numbers: then stored ones are made again."""

AnalysisRow = dict[str, Any]


def analyse_run(
    folder: str | Path,
    names: Sequence[str],
    split: str = "val",
    *,
    test: str | Path | None = None,
    batch_size: int | None = None,
    device: str = "cpu",
    again: bool = False,
    refuse: Refuse | None = None,
) -> list[AnalysisRow]:
    """Analyse a finished run and write the results into its folder.

    Rows go into ``analyses.jsonl``: the keys of a result row, and ``analysis``. Histograms and
    tables go into ``analyses.npz``, under ``SPLIT/ANALYSIS/...``. A stored analysis is not made
    again, unless it was made of other samples, or by a version that returned less. Samples are
    encoded once for all analyses. Another process that writes into the folder is waited for.

    Args:
        folder: Folder of the run.
        names: Names of analyses, ``NAME`` or ``NAME@COMBINATION``; see
            `dmrnet.engine.analysis.names`.
        split: Split to analyse: ``val`` or ``test``.
        test: File to take test samples from in place of the run's own.
        batch_size: Samples encoded together; by default by their size.
        device: Device for the method.
        again: Make stored analyses again.
        refuse: Called with the name of an analysis that cannot be made, and why; the others are
            made. None: that is an error.

    Returns:
        The rows of the analyses, in the order of `names`.

    Raises:
        FileNotFoundError: If the folder holds no run, or its data are gone.
        ValueError: If the run has not finished, a name is unknown, or an analysis cannot be made.
    """
    if split not in ("val", "test"):
        raise ValueError(f"expected the split val or test, got {split!r}")
    refuse = refuse or _raise
    run_folder = RunFolder(folder)
    folder = run_folder.path
    facts = run_folder.read_facts()
    check_finished(run_folder, facts)
    task = task_of(run_folder, facts)
    settings = read_config(run_folder.config)
    check_config(run_folder, facts, settings)
    wanted = [read_analysis(text, task.modalities) for text in dict.fromkeys(names)]
    run, dataset, content = None, None, facts.get("content", {}).get(split)
    if test is not None:
        run = open_run(folder, device)
        dataset = run.samples(split, test)
        content = dataset.fingerprint()
    origin = f"{content}, version {VERSION}"
    with lock_folder(folder):
        stored = {} if again else _stored(run_folder, split, origin)
        results = _from_records(run_folder, settings, task, wanted, split, refuse)
        missing = [a for a in wanted if a.name in FROM_DATA and a.text not in stored]
        if missing:
            run = run or open_run(folder, device)
            dataset = dataset or run.samples(split)
            results |= analyse_samples(run, dataset, missing, batch_size, refuse)
        rows = {
            a.text: [
                row | {"analysis": a.text}
                for row in result_rows(run_folder.name, settings, split, results[a.text].lines)
            ]
            for a in wanted
            if a.text in results
        }
        new = {name: rows[name] for name in rows if rows[name] != stored.get(name)}
        if new:
            _store(run_folder, split, new, {name: results[name] for name in new}, origin)
    return [row for analysis in wanted for row in (stored | new).get(analysis.text, [])]


def _raise(name: str, error: ValueError) -> None:
    raise error


def _from_records(
    folder: RunFolder,
    settings: RunSettings,
    task: Task,
    wanted: Sequence[Analysis],
    split: str,
    refuse: Refuse,
) -> dict[str, AnalysisResult]:
    """Return the results of analyses of the run's records; always anew, since that is quick."""
    results: dict[str, AnalysisResult] = {}
    for analysis in wanted:
        try:
            if analysis.name == "variance":
                results[analysis.text] = variance(folder)
            elif analysis.name == "hard-set":
                results[analysis.text] = hard_sets(folder, settings, task, split)
        except ValueError as error:
            refuse(analysis.text, error)
    return results


def _stored(folder: RunFolder, split: str, origin: str) -> dict[str, list[AnalysisRow]]:
    """Return the rows of stored analyses of a split by name, if they have this origin."""
    origins = folder.read_facts().get("analysed", {})
    rows: dict[str, list[AnalysisRow]] = {}
    for row in folder.analysis_rows():
        if row["split"] == split and origins.get(f"{split}/{row['analysis']}") == origin:
            rows.setdefault(row["analysis"], []).append(row)
    return rows


def _store(
    folder: RunFolder,
    split: str,
    rows: Mapping[str, Sequence[AnalysisRow]],
    results: Mapping[str, AnalysisResult],
    origin: str,
) -> None:
    """Write arrays, rows and their origin; those of other analyses stay."""
    replaced = tuple(f"{split}/{name}/" for name in results)
    arrays: dict[str, NDArray[Any]] = {
        f"{split}/{name}/{key}": array
        for name, result in results.items()
        for key, array in result.arrays.items()
    }
    packed: bytes | None = None
    if arrays:
        others: dict[str, NDArray[Any]] = {}
        if folder.analysis_arrays.is_file():
            with np.load(folder.analysis_arrays) as saved:
                others = {key: saved[key] for key in saved.files if not key.startswith(replaced)}
        packed = npz_bytes(others | arrays)
    other_rows = [
        row
        for row in folder.analysis_rows()
        if not (row["split"] == split and row["analysis"] in results)
    ]
    origins = folder.read_facts().get("analysed", {})
    folder.put_analyses(
        [*other_rows, *(row for some in rows.values() for row in some)],
        packed,
        analysed={**origins, **{f"{split}/{name}": origin for name in results}},
    )
