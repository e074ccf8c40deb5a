"""Export of a run: one file that predicts without this package."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from dmrnet.deploy.check import check_graph
from dmrnet.deploy.graph import graph_of
from dmrnet.deploy.metadata import metadata_of
from dmrnet.deploy.quantise import CombinationCost, as_table, cost_of, quantised
from dmrnet.engine.run.finished import FinishedRun
from dmrnet.engine.scores.confidence import read_confidence
from dmrnet.storage import write_together

Format = Literal["torch-export", "onnx", "safetensors"]
FORMATS: tuple[str, ...] = get_args(Format)


@dataclass(frozen=True)
class Exported:
    """Files of an export.

    Attributes:
        path: The exported file.
        metadata: What it says about itself; see `dmrnet.deploy.metadata`.
        combinations: Number of combinations on which it was compared with the run.
        difference: Largest difference of a probability in this comparison.
        quantised: The file with 8-bit weights, if there is one.
        costs: Accuracy of both files on each combination; empty without a quantised file.
    """

    path: Path
    metadata: dict[str, Any]
    combinations: int
    difference: float
    quantised: Path | None = None
    costs: tuple[CombinationCost, ...] = ()


def export_run(
    run: FinishedRun,
    to: str | Path,
    form: Format = "torch-export",
    combination: str | None = None,
    quantise: Literal["int8"] | None = None,
    size: tuple[int, int] | None = None,
) -> Exported:
    """Write a run as one file that predicts from any combination, without this package.

    The file is read back and compared with the run on every combination before it is kept.

    Args:
        run: Run to export.
        to: Folder for the file; made if it does not exist.
        form: ``torch-export``, ``onnx`` or ``safetensors``; this and the others as in
            `dmrnet.Run.export`.
        combination: Names joined by ``+``.
        quantise: ``int8`` or None.
        size: Height and width.

    Raises:
        ModuleNotFoundError: If the extra ``onnx`` is not installed.
        FileExistsError: If the file exists.
        ValueError: If the file would predict differently, or the arguments do not go together.
    """
    _check_arguments(run, form, combination, quantise, size)
    to = Path(to)
    if form == "safetensors":
        from dmrnet.deploy.hub import write_weights

        return write_weights(run, to)
    from dmrnet.deploy import formats
    from dmrnet.deploy.runners import read_onnx, read_torch

    name = "model.pt2" if form == "torch-export" else "model.onnx"
    files: dict[Path, bytes] = {to / name: b""}
    if quantise:
        files |= {to / "model.int8.onnx": b"", to / "combinations.csv": b""}
    refuse_existing(files)
    if form == "onnx":
        formats.need_onnx()
    confidence = read_confidence(run.folder)
    holes = run.settings.data.holes
    graph = graph_of(run.method, run.standardiser, combination, holes, size, confidence)
    metadata = metadata_of(run, graph)
    program = formats.trace(graph)
    if form == "torch-export":
        content = formats.torch_bytes(program, metadata)
        runner, _ = read_torch(content)
    else:
        content = formats.onnx_bytes(program, graph, metadata)
        runner, _ = read_onnx(content)
    check = check_graph(run, graph, runner, confidence)
    files[to / name] = content
    costs: list[CombinationCost] = []
    if quantise:
        split = "test" if metadata["scores"]["split"] == "test" else "val"
        small = quantised(content, {**metadata, "quantised": quantise})
        costs = cost_of(run, graph, runner, read_onnx(small)[0], split)
        files[to / "model.int8.onnx"] = small
        files[to / "combinations.csv"] = as_table(costs).encode()
    write_together(files)
    return Exported(
        to / name,
        metadata,
        check.combinations,
        check.difference,
        to / "model.int8.onnx" if quantise else None,
        tuple(costs),
    )


def refuse_existing(files: Any) -> None:  # noqa: ANN401
    """Raise `FileExistsError` if one of some paths exists."""
    for path in files:
        if path.exists():
            raise FileExistsError(f"{path} exists; remove it, or export to another folder")


def _check_arguments(
    run: FinishedRun,
    form: str,
    combination: str | None,
    quantise: str | None,
    size: tuple[int, int] | None,
) -> None:
    if form not in FORMATS:
        raise ValueError(f"expected a format of {', '.join(FORMATS)}, got {form!r}")
    if run.task.axes == 3 and form != "safetensors":
        raise ValueError(
            f"{run.folder.path}: graphs of runs on volumes are not supported, since they are "
            "predicted in sliding windows; use dmrnet predict, run.predict in Python, or the "
            "format safetensors, which this package reads"
        )
    if quantise not in (None, "int8"):
        raise ValueError(f"expected quantise as int8, got {quantise!r}")
    if quantise and form != "onnx":
        raise ValueError(f"int8 is for the format onnx, got {form}")
    if quantise and (run.task.dense or run.task.target != "classes"):
        what = "a class for every pixel" if run.task.dense else run.task.target
        raise ValueError(f"int8 is for one class per sample, got a run of {what}")
    if form == "safetensors" and combination is not None:
        raise ValueError(
            "weights are those of the whole run: leave the combination out, and name "
            "it when predicting"
        )
    if size is not None and not run.task.dense:
        raise ValueError("the size of images can be set only where every pixel has a class")
