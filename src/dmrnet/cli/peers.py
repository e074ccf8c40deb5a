"""``dmrnet report --baselines``: what one would use instead, on the data of some runs."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import torch

from dmrnet.cli.screen import screen
from dmrnet.engine.run.finished import settings_of
from dmrnet.engine.run.folder import RunFolder
from dmrnet.peers import PEERS
from dmrnet.report import read_runs
from dmrnet.studies.peers import fit_peers


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
    if find_spec("sklearn") is None:
        raise ModuleNotFoundError("--baselines needs scikit-learn: pip install 'dmrnet[sklearn]'")
    torch.set_num_threads(1)
    console = screen(error=True)
    folders = (RunFolder(record.path) for record in read_runs(list(runs), split))
    settings = [settings_of(one, one.read_facts()) for one in folders if one.config.is_file()]
    if not settings:
        raise ValueError("expected run folders with --baselines, got rows only")
    return fit_peers(PEERS, settings, out, lambda line: console.print(line, style="dim"))
