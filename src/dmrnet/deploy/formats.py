"""The files of an exported graph: programs of torch.export, and ONNX."""

from __future__ import annotations

import io
import json
import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

import torch
from torch.export import Dim, ExportedProgram

from dmrnet.deploy.graph import Graph
from dmrnet.deploy.runners import METADATA, PRESENT

OPSET = 20
"""Operator set of ONNX; onnxruntime reads it from version 1.17 on."""


def trace(graph: Graph) -> ExportedProgram:
    """Return the program of a graph, for any batch size."""
    inputs = {
        m.name: torch.zeros((2, *m.shape), dtype=torch.float64 if m.name in graph.fine else None)
        for m in graph.inputs
    }
    batch = Dim("batch", min=1)
    shapes: tuple[Any, ...] = ({name: {0: batch} for name in inputs},)
    arguments: tuple[Any, ...] = (inputs,)
    if not graph.fixed:
        arguments += (torch.ones(2, len(inputs), dtype=torch.bool),)
        shapes += ({0: batch},)
    with quiet():
        return torch.export.export(graph, arguments, dynamic_shapes=shapes)


def torch_bytes(program: ExportedProgram, metadata: Mapping[str, Any]) -> bytes:
    """Return a program as the content of a ``.pt2`` file."""
    buffer = io.BytesIO()
    with quiet():
        torch.export.save(program, buffer, extra_files={METADATA: json.dumps(metadata, indent=2)})
    return buffer.getvalue()


def onnx_bytes(program: ExportedProgram, graph: Graph, metadata: Mapping[str, Any]) -> bytes:
    """Return a program as the content of an ``.onnx`` file, its metadata inside.

    Raises:
        ModuleNotFoundError: If the extra is not installed.
        ValueError: If a modality has the name of another input or an output.
    """
    names = [m.name for m in graph.inputs]
    for name in names:
        if name in (PRESENT, *graph.outputs):
            raise ValueError(
                f"modality {name}: ONNX files need this name; rename it, or export to torch-export"
            )
    need_onnx()
    with quiet():
        exported = torch.onnx.export(
            program,
            input_names=names if graph.fixed else [*names, PRESENT],
            output_names=list(graph.outputs),
            opset_version=OPSET,
            dynamo=True,
            verbose=False,
        )
    assert exported is not None
    _rename_inner(exported.model.graph)
    model = exported.model_proto
    add_metadata(model, metadata)
    content: bytes = model.SerializeToString()
    return content


def _rename_inner(graph: Any) -> None:  # noqa: ANN401
    """Rename what nodes compute where a modality has its name, such as ``mean``."""
    ends = [*graph.inputs, *graph.outputs]
    taken = {value.name for value in ends}
    inner = [value for node in graph for value in node.outputs if value not in ends]
    known = taken | {value.name for value in inner}
    for value in inner:
        if value.name in taken:
            name = value.name
            while name in known:
                name += "_"
            known.add(name)
            value.name = name


def add_metadata(model: Any, metadata: Mapping[str, Any]) -> None:  # noqa: ANN401
    """Set the metadata of an ONNX model; each value is JSON."""
    del model.metadata_props[:]
    for key, value in metadata.items():
        entry = model.metadata_props.add()
        entry.key, entry.value = key, json.dumps(value)


def need_onnx() -> None:
    """Raise an error if the extra ``onnx`` is not installed."""
    for package in ("onnx", "onnxruntime", "onnxscript"):
        if find_spec(package) is None:
            raise ModuleNotFoundError(
                f"ONNX needs the package {package}: pip install 'dmrnet[onnx]'; the format "
                "torch-export needs none",
                name=package,
            )


@contextmanager
def quiet() -> Iterator[None]:
    """Hide the exporters' own warnings and log messages: the file is checked afterwards."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    # Without a handler, a message to the root logger would set one up for good.
    silent = logging.NullHandler()
    logging.root.addHandler(silent)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.root.removeHandler(silent)
        logging.disable(before)
