"""Multimodal learning that keeps working when modalities are missing.

Train with `fit`, open a trained run with `open_run`; `Run` scores and predicts. Importing this
package does not import torch: the names below are looked up where they live on first use (PEP 562),
so that ``dmrnet --help`` answers at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dmrnet.lazy import lazy_names

if TYPE_CHECKING:
    from dmrnet.api.fit import fit
    from dmrnet.api.pretrained import from_pretrained
    from dmrnet.api.register import (
        register_dataset,
        register_encoder,
        register_method,
        register_metric,
    )
    from dmrnet.api.run import Run, open_run
    from dmrnet.api.scores import Scores
    from dmrnet.api.studies import build_report, run_study
    from dmrnet.data.ampute import ampute
    from dmrnet.data.python.given import MultimodalDataset
    from dmrnet.data.python.items import LazyDataset
    from dmrnet.methods import build_method, method
    from dmrnet.modalities import Batch, Modality, Task

__version__ = "0.2.0"

__all__ = [
    "Batch",
    "LazyDataset",
    "Modality",
    "MultimodalDataset",
    "Run",
    "Scores",
    "Task",
    "__version__",
    "ampute",
    "build_method",
    "build_report",
    "fit",
    "from_pretrained",
    "method",
    "open_run",
    "register_dataset",
    "register_encoder",
    "register_method",
    "register_metric",
    "run_study",
]

# Where each public name lives. A new one has three lines in this file; a test compares them.
_HOME = {
    "Batch": "dmrnet.modalities",
    "LazyDataset": "dmrnet.data.python.items",
    "Modality": "dmrnet.modalities",
    "MultimodalDataset": "dmrnet.data.python.given",
    "Run": "dmrnet.api.run",
    "Scores": "dmrnet.api.scores",
    "Task": "dmrnet.modalities",
    "ampute": "dmrnet.data.ampute",
    "build_method": "dmrnet.methods",
    "build_report": "dmrnet.api.studies",
    "fit": "dmrnet.api.fit",
    "from_pretrained": "dmrnet.api.pretrained",
    "method": "dmrnet.methods",
    "open_run": "dmrnet.api.run",
    "register_dataset": "dmrnet.api.register",
    "register_encoder": "dmrnet.api.register",
    "register_method": "dmrnet.api.register",
    "register_metric": "dmrnet.api.register",
    "run_study": "dmrnet.api.studies",
}

__getattr__, __dir__ = lazy_names(__name__, _HOME)
