"""Multimodal learning that keeps working when modalities are missing.

Importing this package does not import torch: the names below are looked up where they live on
first use (PEP 562), so that ``dmrnet --help`` answers at once.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

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


def __getattr__(name: str) -> object:
    """Import a public name when it is first asked for, and keep it."""
    if name not in _HOME:
        msg = f"module 'dmrnet' has no attribute {name!r}; it has {', '.join(__all__)}"
        raise AttributeError(msg)
    value: object = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names, those not imported yet included."""
    return sorted({*globals(), *__all__})
