"""Training, evaluation, prediction and analysis of runs. The only room that imports Lightning.

A run lives in a folder (`RunFolder`). `fit_run` trains it there; `open_run` opens a finished one,
for `evaluate_run`, `predict_run` and `label_maps`; `analyse_run` analyses it. `training` has what
happens while a run is trained, `scores` how it is scored, `run` what its folder holds, `analysis`
the single analyses. Names below are imported on first
use, so that importing this package loads neither torch nor Lightning.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dmrnet.lazy import lazy_names

if TYPE_CHECKING:
    from dmrnet.engine.analysis.analyse import analyse_run
    from dmrnet.engine.evaluate import evaluate_run
    from dmrnet.engine.fit import UnfitError, fit_run
    from dmrnet.engine.predict import predict_run
    from dmrnet.engine.predict_maps import label_maps
    from dmrnet.engine.run.finished import FinishedRun, open_run
    from dmrnet.engine.run.folder import RunFolder
    from dmrnet.engine.training.steps import NotFiniteError
    from dmrnet.engine.training.trainee import Progress

__all__ = [
    "FinishedRun",
    "NotFiniteError",
    "Progress",
    "RunFolder",
    "UnfitError",
    "analyse_run",
    "evaluate_run",
    "fit_run",
    "label_maps",
    "open_run",
    "predict_run",
]

_HOME = {
    "FinishedRun": "dmrnet.engine.run.finished",
    "NotFiniteError": "dmrnet.engine.training.steps",
    "Progress": "dmrnet.engine.training.trainee",
    "RunFolder": "dmrnet.engine.run.folder",
    "UnfitError": "dmrnet.engine.fit",
    "analyse_run": "dmrnet.engine.analysis.analyse",
    "evaluate_run": "dmrnet.engine.evaluate",
    "fit_run": "dmrnet.engine.fit",
    "label_maps": "dmrnet.engine.predict_maps",
    "open_run": "dmrnet.engine.run.finished",
    "predict_run": "dmrnet.engine.predict",
}

__getattr__, __dir__ = lazy_names(__name__, _HOME)
