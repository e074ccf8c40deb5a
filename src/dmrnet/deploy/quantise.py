"""ONNX with weights in 8 bits, and what that costs on each combination."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from dmrnet.data.loader import evaluation_batches
from dmrnet.deploy.formats import add_metadata, quiet
from dmrnet.deploy.graph import Graph
from dmrnet.deploy.raw import raw_inputs
from dmrnet.deploy.runners import Runner
from dmrnet.engine.run.finished import FinishedRun
from dmrnet.engine.scores.scoring import combinations_of, samples_at_once
from dmrnet.evaluation.combinations import check_labels
from dmrnet.modalities import name_of


@dataclass(frozen=True)
class CombinationCost:
    """Accuracy of two graphs on one combination, over the samples that have its modalities.

    Attributes:
        combination: Its name.
        n: Number of samples.
        float32: Accuracy of the graph in float32; a fraction.
        int8: Accuracy of the graph with 8-bit weights.
        changed: Share of samples whose predicted class differs.
    """

    combination: str
    n: int
    float32: float
    int8: float
    changed: float


def quantised(content: bytes, metadata: Mapping[str, Any]) -> bytes:
    """Return an ONNX file with weights of matrix products and convolutions in 8 bits.

    Activations are quantised while the graph runs ("dynamic"), so no samples are needed.

    Args:
        content: The file in float32.
        metadata: Metadata of the result.
    """
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    model = onnx.load_from_string(content)
    with TemporaryDirectory(prefix="dmrnet-") as folder:
        path = Path(folder) / "model.onnx"
        with quiet():
            # Signed weights of convolutions have no kernel on the CPU.
            quantize_dynamic(model, path, weight_type=QuantType.QUInt8)
        small = onnx.load(path)
    add_metadata(small, metadata)
    result: bytes = small.SerializeToString()
    return result


def cost_of(
    run: FinishedRun, graph: Graph, plain: Runner, small: Runner, split: str
) -> list[CombinationCost]:
    """Return the accuracy of two graphs on every combination that they serve.

    Args:
        run: The run.
        graph: Its graph.
        plain: Runs it in float32.
        small: Runs it with 8-bit weights.
        split: ``test`` or ``val``: the run's own samples.

    Raises:
        FileNotFoundError: If the samples are gone.
        ValueError: If there is no such split, its samples are others, or one has no class.
    """
    names = [m.name for m in graph.inputs]
    columns = [run.task.modalities.index(name) for name in names]
    masks = np.ones((1, len(names)), dtype=np.bool_)
    if not graph.fixed:
        masks = combinations_of(len(names)).numpy()
    counts = np.zeros((len(masks), 4), dtype=np.int64)
    for batch in evaluation_batches(run.samples(split), samples_at_once(run.task)):
        check_labels(batch)
        raw, target = raw_inputs(run, batch, names), batch.target.numpy()
        has = batch.present.numpy()[:, columns]
        for k, mask in enumerate(masks):
            rows = np.flatnonzero((has | ~mask).all(1))
            if not len(rows):
                continue
            given = {name: x[rows] for name, x in raw.items()}
            seen = None if graph.fixed else np.repeat(mask[None], len(rows), 0)
            first, second = (run_(given, seen)[1].argmax(1) for run_ in (plain, small))
            true = target[rows]
            sums = (first == true, second == true, first != second)
            counts[k] += [len(rows), *(int(x.sum()) for x in sums)]
    return [
        CombinationCost(
            name_of(mask.tolist(), names), int(n), float(a / n), float(b / n), float(c / n)
        )
        for mask, (n, a, b, c) in zip(masks, counts, strict=True)
        if n
    ]


def as_table(costs: Sequence[CombinationCost]) -> str:
    """Return costs as CSV, a line per combination.

    >>> print(as_table([CombinationCost("rgb", 4, 0.75, 0.5, 0.25)]), end="")
    combination,n,float32,int8,changed
    rgb,4,0.750000,0.500000,0.250000
    """
    lines = ["combination,n,float32,int8,changed"]
    lines += [f"{c.combination},{c.n},{c.float32:.6f},{c.int8:.6f},{c.changed:.6f}" for c in costs]
    return "\n".join(lines) + "\n"
