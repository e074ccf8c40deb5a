"""The settings of a run that names no method, once its task is known."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from dmrnet.data.dataset import Splits
from dmrnet.engine.guard import holds_run
from dmrnet.engine.run.folder import RunFolder
from dmrnet.engine.training.checkpoints import Checkpoints
from dmrnet.methods.default import AHEAD, PAPERS, Default, DefaultSettings
from dmrnet.settings.config import RunSettings, read_config
from dmrnet.settings.paths import absolute


class WithMethod(NamedTuple):
    """Settings of a run with a method.

    Attributes:
        settings: The settings.
        splits: Data of the run, where they are read; reading them once more takes as long.
        default: Why it is this method; None if the settings named it.
    """

    settings: RunSettings
    splits: Splits | None
    default: Default | None


def with_method(
    settings: RunSettings, out: str | Path | None, splits: Splits | None = None
) -> WithMethod:
    """Return the settings of a run with the method that its task decides, if they name none.

    Args:
        settings: Settings of the run.
        out: Folder of the run, if it is known. If it holds a run of a default method, of this
            version or of an earlier one, that method is kept, so that the same command goes on.
        splits: Data of the run, if they have been read already.

    Raises:
        ValueError: If data and settings do not fit together.
        FileNotFoundError: If data are missing.
        FileExistsError: If the folder holds files that are of no run.
    """
    method = settings.method
    if not isinstance(method, DefaultSettings):
        return WithMethod(settings, splits, None)
    before = None if out is None else _method_in(RunFolder(out))
    if before in (AHEAD, PAPERS):
        chosen, default = method.of(before), Default(before, f"as the run in {out}")
    else:
        splits = absolute(settings.data).load(settings.seed) if splits is None else splits
        chosen, default = method.for_task(splits.train.task)
    return WithMethod(replace(settings, method=chosen), splits, default)


def _method_in(folder: RunFolder) -> str | None:
    """Return the name of the method of the run in a folder; None if it holds none."""
    folder.check_own()
    if not holds_run(Checkpoints(folder)):
        return None
    return read_config(folder.config).method.name
