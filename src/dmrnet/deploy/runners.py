"""Running exported files: with torch, or with onnxruntime and without torch."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping
from typing import Any

from dmrnet.data.files.arrays.numbers import Array

METADATA = "metadata.json"
"""Name of the extra file in a program of torch.export."""

FORMAT = 1
"""Version of the layout of the metadata."""

PRESENT = "present"

Runner = Callable[[Mapping[str, Array], Array | None], tuple[Array, Array]]
"""Function of a graph from arrays by modality, and presence, to logits and probabilities."""


def read_torch(content: bytes, threads: int = 0) -> tuple[Runner, dict[str, Any]]:
    """Return how the content of a ``.pt2`` file runs, and its metadata.

    Args:
        content: The file.
        threads: Number of threads of this process; 0 leaves it.
    """
    import torch

    extra = {METADATA: ""}
    module = torch.export.load(io.BytesIO(content), extra_files=extra).module()
    if threads:
        torch.set_num_threads(threads)

    def run(inputs: Mapping[str, Array], present: Array | None) -> tuple[Array, Array]:
        tensors = {name: torch.from_numpy(x) for name, x in inputs.items()}
        more = () if present is None else (torch.from_numpy(present),)
        with torch.inference_mode():
            logits, probabilities = module(tensors, *more)
        return logits.numpy(), probabilities.numpy()

    return run, json.loads(extra[METADATA])


def read_onnx(content: bytes, threads: int = 0) -> tuple[Runner, dict[str, Any]]:
    """Return how the content of an ``.onnx`` file runs, and its metadata.

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

    metadata = session.get_modelmeta().custom_metadata_map
    return run, {key: json.loads(value) for key, value in metadata.items()}
