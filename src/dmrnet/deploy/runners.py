"""How exported files run: with torch, or with onnxruntime and without torch."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping

from dmrnet.data.files.arrays.numbers import Array

METADATA = "metadata.json"
"""Name of the extra file in a program of torch.export."""

PRESENT = "present"

Runner = Callable[[Mapping[str, Array], Array | None], tuple[Array, Array]]
"""How a graph runs: from arrays by modality and presence to logits and probabilities."""


def torch_runner(content: bytes) -> Runner:
    """Return how the content of a ``.pt2`` file runs."""
    import torch

    module = torch.export.load(io.BytesIO(content)).module()

    def run(inputs: Mapping[str, Array], present: Array | None) -> tuple[Array, Array]:
        tensors = {name: torch.from_numpy(x) for name, x in inputs.items()}
        more = () if present is None else (torch.from_numpy(present),)
        with torch.inference_mode():
            logits, probabilities = module(tensors, *more)
        return logits.numpy(), probabilities.numpy()

    return run


def onnx_runner(content: bytes, threads: int = 0) -> Runner:
    """Return how the content of an ``.onnx`` file runs.

    Args:
        content: The file.
        threads: Number of threads; 0 for onnxruntime's own choice.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])

    def run(inputs: Mapping[str, Array], present: Array | None) -> tuple[Array, Array]:
        given = dict(inputs) if present is None else {**inputs, PRESENT: present}
        logits, probabilities = session.run(None, given)
        return logits, probabilities

    return run
