"""``dmrnet report --baselines``: what one would use instead, on the data of some runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from dmrnet.cli.screen import screen
from dmrnet.engine.run.finished import settings_of as settings_of_run
from dmrnet.engine.run.folder import RunFolder
from dmrnet.report import read_runs
from dmrnet.settings.config import RunSettings


def peers_of(runs: Sequence[Path], split: str, out: Path) -> list[Path]:
    """Fit the classifiers on each data set and seed of some runs; return their run folders.

    Args:
        runs: Run folders, folders of these, or files of rows, which are left out.
        split: Split that is reported.
        out: Folder for the run folders of the classifiers.

    Raises:
        ValueError: If no run folder is among the runs.
        ModuleNotFoundError: If scikit-learn is not installed.
    """
    try:
        from dmrnet.peers.runs import make_peers
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "--baselines needs scikit-learn: pip install 'dmrnet[sklearn]'"
        ) from error
    torch.set_num_threads(1)
    console, folders = screen(error=True), []
    for settings in settings_of(runs, split):
        folders += make_peers(settings, out, say=lambda line: console.print(line, style="dim"))
    return folders


def settings_of(runs: Sequence[Path], split: str) -> list[RunSettings]:
    """Return the settings of one run for each data set and seed."""
    distinct: dict[tuple[str, int], RunSettings] = {}
    for record in read_runs(list(runs), split):
        folder = RunFolder(record.path)
        if not folder.config.is_file():
            continue
        settings = settings_of_run(folder, folder.read_facts())
        distinct.setdefault((settings.data_label, settings.seed), settings)
    if not distinct:
        raise ValueError("expected run folders with --baselines, got rows only")
    return [*distinct.values()]
