"""Analyses of a finished run: what its maps, embeddings and mining say beside its scores.

An analysis is asked for by name, with the combination it is taken at behind an ``@``:
``channel-distance``, ``channel-distance@image+sound``, ``angles``, ``variance``, ``hard-set``. That
whole name stands in the rows, so that two of them never mix.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmrnet.engine.analysis.names import FROM_DATA, Analysis, read_analysis
from dmrnet.engine.analysis.rows import Found, hard_set_rows, variance_rows
from dmrnet.engine.analysis.samples import Refuse, analyse_samples
from dmrnet.engine.finished import check_finished, open_run, task_of
from dmrnet.engine.folder import RunFolder
from dmrnet.engine.rows import result_rows
from dmrnet.locking import lock_folder
from dmrnet.modalities import Task
from dmrnet.settings.config import read_config

VERSION = 2
"""Goes up when an analysis finds more, or other numbers: then what stands there is made again."""


def analyse_run(
    folder: Path,
    names: Sequence[str],
    split: str = "val",
    *,
    test: str | None = None,
    batch_size: int | None = None,
    device: str = "cpu",
    again: bool = False,
    refuse: Refuse | None = None,
) -> list[dict[str, Any]]:
    """Make analyses of a finished run and write them into its folder.

    Rows go into ``analyses.jsonl``: the keys of a result row, and ``analysis``. Histograms and
    tables go into ``analyses.npz``, under ``SPLIT/ANALYSIS/...``. What stands there is not made
    again, unless it was made of other samples, or by a version that found less. The encoders run
    once for all that are named. Another process that writes into the folder is waited for.

    Args:
        folder: Of the run.
        names: ``NAME`` or ``NAME@COMBINATION`` each; see `dmrnet.engine.analysis.names`.
        split: Of whose samples: ``val`` or ``test``.
        test: A file to take test samples from in place of the run's own.
        batch_size: Samples encoded together; by default by their size.
        device: Where the method goes.
        again: Make them anew.
        refuse: Called with an analysis that cannot be made, and why; the others are made. None:
            that is an error.

    Returns:
        The rows of the analyses named, in that order.

    Raises:
        FileNotFoundError: If the folder holds no run, or its data are gone.
        ValueError: If the run has not finished, a name is unknown, or an analysis cannot be made.
    """
    if split not in ("val", "test"):
        raise ValueError(f"expected the split val or test, got {split!r}")
    place = RunFolder(folder)
    facts = place.read_facts()
    check_finished(place, facts)
    task = task_of(place, facts)
    wanted = [read_analysis(text, task.modalities) for text in dict.fromkeys(names)]
    run, dataset, content = None, None, facts.get("content", {}).get(split)
    if test is not None:
        run = open_run(folder, device)
        dataset = run.samples(split, test)
        content = dataset.fingerprint()
    mark = f"{content}, version {VERSION}"
    with lock_folder(folder):
        made = {} if again else _standing(place, split, mark)
        found = _recorded(place, task, wanted, split, refuse)
        todo = [a for a in wanted if a.name in FROM_DATA and a.text not in made]
        if todo:
            run = run or open_run(folder, device)
            dataset = dataset or run.samples(split)
            found |= analyse_samples(run, dataset, todo, batch_size, refuse)
        settings = read_config(place.config)
        rows = {
            analysis.text: [
                row | {"analysis": analysis.text}
                for row in result_rows(place.name, settings, split, found[analysis.text].lines)
            ]
            for analysis in wanted
            if analysis.text in found
        }
        new = {text: lines for text, lines in rows.items() if lines != made.get(text)}
        if new:
            _write(place, split, new, {text: found[text] for text in new}, mark)
    return [row for analysis in wanted for row in (made | new).get(analysis.text, [])]


def _recorded(
    place: RunFolder,
    task: Task,
    wanted: Sequence[Analysis],
    split: str,
    refuse: Refuse | None,
) -> dict[str, Found]:
    """Return what the run's records say; to read them again, as scores may be others, is quick."""
    found: dict[str, Found] = {}
    for analysis in wanted:
        try:
            if analysis.name == "variance":
                found[analysis.text] = variance_rows(place)
            elif analysis.name == "hard-set":
                settings = read_config(place.config)
                found[analysis.text] = hard_set_rows(place, settings, task, split)
        except ValueError as error:
            if refuse is None:
                raise
            refuse(analysis.text, error)
    return found


def _standing(folder: RunFolder, split: str, mark: str) -> dict[str, list[dict[str, Any]]]:
    """Return the analyses of a split that were made of what `mark` says, with their rows."""
    of = folder.read_facts().get("analysed", {})
    rows: dict[str, list[dict[str, Any]]] = {}
    for row in folder.analysis_rows():
        if row["split"] == split and of.get(f"{split}/{row['analysis']}") == mark:
            rows.setdefault(row["analysis"], []).append(row)
    return rows


def _write(
    folder: RunFolder,
    split: str,
    rows: Mapping[str, Sequence[Mapping[str, Any]]],
    found: Mapping[str, Found],
    mark: str,
) -> None:
    """Write arrays, rows and what they were made of, those of other analyses kept."""
    ours = tuple(f"{split}/{text}/" for text in found)
    new = {
        f"{split}/{text}/{key}": value
        for text, one in found.items()
        for key, value in one.arrays.items()
    }
    arrays: bytes | None = None
    if new:
        kept: dict[str, NDArray[Any]] = {}
        if folder.analysis_arrays.is_file():
            with np.load(folder.analysis_arrays) as saved:
                kept = {key: saved[key] for key in saved.files if not key.startswith(ours)}
        buffer = BytesIO()
        np.savez_compressed(buffer, **(kept | new))  # type: ignore[arg-type]
        arrays = buffer.getvalue()
    lines = [
        row
        for row in folder.analysis_rows()
        if not (row["split"] == split and row["analysis"] in found)
    ]
    lines += [dict(row) for of in rows.values() for row in of]
    before = folder.read_facts().get("analysed", {})
    folder.put_analyses(
        lines, arrays, analysed={**before, **{f"{split}/{text}": mark for text in found}}
    )
