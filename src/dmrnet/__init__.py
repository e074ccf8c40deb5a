"""Multimodal learning that keeps working when modalities are missing.

Importing this package does not import torch: the names below are looked up where they live on
first use (PEP 562), so that ``dmrnet --help`` answers at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dmrnet.lazy import lazy_names

if TYPE_CHECKING:
    from dmrnet.methods import build_method
    from dmrnet.modalities import Batch, Modality, Task

__version__ = "0.1.0.dev0"

__all__ = ["Batch", "Modality", "Task", "__version__", "build_method"]

# Where each public name lives. A new one has three lines in this file; a test compares them.
_HOME = {
    "Batch": "dmrnet.modalities",
    "Modality": "dmrnet.modalities",
    "Task": "dmrnet.modalities",
    "build_method": "dmrnet.methods",
}

__getattr__, __dir__ = lazy_names(__name__, _HOME)
