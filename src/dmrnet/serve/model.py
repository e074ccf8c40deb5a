"""The exported graph that a service runs, and what it says about itself."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np

from dmrnet.data.files.arrays.numbers import Array
from dmrnet.deploy.runners import FORMAT, Runner, read_onnx, read_torch

if TYPE_CHECKING:
    from dmrnet.engine.run.finished import FinishedRun

GRAPHS = ("model.onnx", "model.pt2")

NO_PIXELS = (
    "expected one answer per sample; label maps of images are made by dmrnet predict, or by the "
    "exported graph (dmrnet export)"
)

NO_VOXELS = "expected one answer per sample; label maps of volumes are made by dmrnet predict"


@dataclass(frozen=True)
class Input:
    """One modality.

    Attributes:
        name: Its name.
        shape: Shape of one sample.
        dtype: ``float32`` or ``float64``.
        gaps: Whether numbers may be missing in it.
        ragged: Whether a sequence may be shorter.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    gaps: bool = False
    ragged: bool = False

    @property
    def is_image(self) -> bool:
        """Whether a sample may be a picture."""
        return len(self.shape) == 3 and self.shape[0] in (1, 3, 4)

    @property
    def size(self) -> int:
        """Number of values of one sample."""
        return math.prod(self.shape)


class ServedModel:
    """A graph, ready to run.

    Args:
        runner: Runs it.
        metadata: What its file says; see `dmrnet.deploy.metadata`.

    Attributes:
        inputs: The modalities, in the order of `present`.
        names: Their names.
        classes: Names of the classes, of the labels, or of the numbers.
        target: What is predicted: ``classes``, ``ordinal``, ``multi-label`` or ``regression``.
        fixed: Whether every modality must be there.
        metadata: See the argument.

    Raises:
        ValueError: If every pixel has a class, which this service does not answer.
    """

    def __init__(self, runner: Runner, metadata: Mapping[str, Any]) -> None:
        if metadata["dense"]:
            raise ValueError(NO_PIXELS)
        self.runner, self.metadata = runner, dict(metadata)
        self.inputs = tuple(
            Input(
                one["name"],
                tuple(one["shape"]),
                one["dtype"],
                bool(one.get("missing_cells")),
                bool(one.get("ragged")),
            )
            for one in metadata["inputs"]
        )
        self.names = tuple(one.name for one in self.inputs)
        self.target = str(metadata.get("target", "classes"))
        self.classes: tuple[str, ...] = tuple(metadata["classes"])
        self.fixed = bool(metadata["fixed"])

    def predict(self, inputs: Mapping[str, Array], present: Array) -> Array:
        """Return probabilities, float32 ``(B, M)``; in regression numbers, float64 ``(B, D)``.

        Args:
            inputs: Arrays ``(B, *shape)``, zeros where absent.
            present: bool ``(B, V)``.
        """
        return self.runner(inputs, None if self.fixed else present)[1]

    def warm_up(self, rows: int) -> None:
        """Predict once, so that the first request does not wait for what is prepared lazily."""
        for number in {1, rows}:
            inputs = {one.name: np.zeros((number, *one.shape), one.dtype) for one in self.inputs}
            self.predict(inputs, np.ones((number, len(self.inputs)), dtype=np.bool_))


def load_model(path: str | Path, threads: int = 0) -> ServedModel:
    """Return the graph of a run, which is exported first, or of an exported file.

    Args:
        path: Folder of a finished run, an exported file, or a folder with one.
        threads: Number of threads of a prediction; 0 for the library's own choice.

    Raises:
        FileNotFoundError: If there is neither a run nor an exported graph.
        ValueError: If the file is of something else.
        ModuleNotFoundError: If an ONNX file is given and onnxruntime is not installed.
    """
    if (file := exported_file(Path(path))) is not None:
        return load_file(file, threads)
    from dmrnet.engine.run.finished import open_run

    return model_of(open_run(path), threads)


def exported_file(path: Path) -> Path | None:
    """Return the exported file that a path names, itself or in its folder; None for a run."""
    if path.is_file():
        return path
    graphs = [path / name for name in GRAPHS if (path / name).is_file()]
    return graphs[0] if graphs and not (path / "run.json").is_file() else None


def model_of(run: FinishedRun, threads: int = 0) -> ServedModel:
    """Return the graph of a run, which is exported and compared with the run.

    Args:
        run: The run.
        threads: See `load_model`.

    Raises:
        ValueError: If it predicts pixels.
    """
    from dmrnet.deploy.export import export_run

    if run.task.dense:
        why = NO_VOXELS if run.task.axes == 3 else NO_PIXELS
        raise ValueError(f"{run.folder.path}: {why}")
    onnx = all(find_spec(name) for name in ("onnx", "onnxruntime", "onnxscript"))
    with TemporaryDirectory(prefix="dmrnet-") as folder:
        exported = export_run(run, Path(folder), "onnx" if onnx else "torch-export")
        return load_file(exported.path, threads)


def load_file(path: Path, threads: int = 0) -> ServedModel:
    """Return the graph in an exported file; see `load_model`."""
    if path.suffix not in (".pt2", ".onnx"):
        raise ValueError(f"{path}: expected a run, or a file model.onnx or model.pt2")
    if path.suffix == ".onnx" and find_spec("onnxruntime") is None:
        raise ModuleNotFoundError(
            f"{path} needs onnxruntime: pip install 'dmrnet[onnx]'", name="onnxruntime"
        )
    content = path.read_bytes()
    kind = "n ONNX file" if path.suffix == ".onnx" else " file"
    try:
        read = read_onnx if path.suffix == ".onnx" else read_torch
        runner, metadata = read(content, threads)
    except Exception as error:
        raise ValueError(f"{path}: expected a{kind} of dmrnet export ({error})") from error
    if metadata.get("format") != FORMAT or "inputs" not in metadata:
        raise ValueError(
            f"{path}: expected a file of dmrnet export in format {FORMAT}, got "
            + (f"format {metadata['format']}" if "format" in metadata else "another one")
        )
    return ServedModel(runner, metadata)
