"""Export of a trained run to files that run without this package, and to the Hugging Face Hub.

`export_run` writes one graph that reads raw numbers and the presence of each modality and returns
probabilities, as a program of torch.export or as ONNX, or weights as safetensors. `hub` reads and
writes the layout of the Hub. Names below are imported on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dmrnet.lazy import lazy_names

if TYPE_CHECKING:
    from dmrnet.deploy.export import Exported, export_run
    from dmrnet.deploy.graph import Graph
    from dmrnet.deploy.quantise import CombinationCost

__all__ = ["CombinationCost", "Exported", "Graph", "export_run"]

_HOME = {
    "CombinationCost": "dmrnet.deploy.quantise",
    "Exported": "dmrnet.deploy.export",
    "Graph": "dmrnet.deploy.graph",
    "export_run": "dmrnet.deploy.export",
}

__getattr__, __dir__ = lazy_names(__name__, _HOME)
