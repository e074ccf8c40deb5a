"""A trained run in Python: its scores, its predictions, its method."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from tempfile import mkdtemp
from typing import Any
from weakref import finalize

import numpy as np
from torch import nn

from dmrnet.api.scores import Scores
from dmrnet.data.files.numbers import Array
from dmrnet.data.given import MultimodalDataset
from dmrnet.data.items import LazyDataset
from dmrnet.engine.evaluate import evaluate_run
from dmrnet.engine.finished import FinishedRun
from dmrnet.engine.finished import open_run as open_finished
from dmrnet.engine.folder import RunFolder
from dmrnet.engine.own_metrics import MetricFunction
from dmrnet.engine.predict import predict_run
from dmrnet.methods.base import Method
from dmrnet.nn.encoders.own import Factory, give_encoder


class Run:
    """A trained run that scores and predicts; `fit` and `open_run` return it.

    Args:
        finished: The run, opened.
        keep: What lives as long as the run: its temporary folder, data given in Python.
    """

    def __init__(self, finished: FinishedRun, keep: tuple[object, ...] = ()) -> None:
        self._finished = finished
        self._keep = keep

    @property
    def path(self) -> Path:
        """Folder of the run; a temporary one where `fit` was called without `out`."""
        return self._finished.folder.path

    @property
    def method(self) -> Method:
        """Trained method, a torch module in evaluation mode; see `Method.forward`."""
        return self._finished.method

    @property
    def modalities(self) -> tuple[str, ...]:
        """Names of the modalities, in the model's order."""
        return self._finished.task.modalities

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, in the order of probabilities."""
        return self._finished.task.classes

    @property
    def best_epoch(self) -> int:
        """Epoch whose weights were kept, counted from 0."""
        return int(self._finished.folder.read_facts()["best_epoch"])

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences about how the data were read, split and understood."""
        return tuple(self._finished.folder.read_facts().get("notes", ()))

    @property
    def validation(self) -> Scores:
        """Scores on validation of the weights that were kept."""
        return self._scores("val")

    @property
    def history(self) -> list[dict[str, float]]:
        """Figures of each epoch, from 0: ``epoch``, ``loss``, its terms, scores when measured."""
        epochs: dict[int, dict[str, float]] = {}
        with self._finished.folder.metrics.open(newline="") as stream:
            for row in csv.DictReader(stream):
                epoch = epochs.setdefault(int(row["epoch"]), {"epoch": int(row["epoch"])})
                epoch[row["metric"]] = float(row["value"])
        return list(epochs.values())

    def evaluate(
        self,
        test: MultimodalDataset | LazyDataset | str | Path | None = None,
        batch_size: int | None = None,
        metrics: Mapping[str, MetricFunction] | None = None,
    ) -> Scores:
        """Score every combination of modalities on test samples.

        The rows also go into the run's folder, for reports, in place of an earlier evaluation's.

        Args:
            test: Test samples, or an ``.npz`` file; by default those that the run was given.
            batch_size: Number of samples encoded together; by default by their size.
            metrics: Further metrics by name: functions from probabilities ``(n, M)`` and classes,
                int64 ``(n,)``, to a number, or metric objects of torchmetrics.

        Raises:
            ValueError: If there are no test samples, or they do not fit the run.
        """
        test = str(test) if isinstance(test, Path) else test
        evaluate_run(self._finished, test, batch_size, metrics=metrics)
        return self._scores("test")

    def predict_proba(
        self,
        inputs: MultimodalDataset | LazyDataset | Mapping[str, Any] | str | Path,
        present: Any = None,  # noqa: ANN401
        combination: str | None = None,
    ) -> Array:
        """Return the probability of each class from the modalities that each sample has.

        Args:
            inputs: Array ``(n, ...)`` of each modality by name, as `MultimodalDataset` takes them;
                some may be left out; or an ``.npz`` file.
            present: Bool array ``(n, V)``, a column for each of `inputs`, True where a sample has
                the modality.
            combination: Names joined by ``+``: use no other modalities.

        Returns:
            float32 array ``(n, M)``; NaN for samples that have none of the modalities.

        Raises:
            ValueError: If the inputs do not fit the run, or no sample has anything to predict from.
        """
        if isinstance(inputs, Mapping):
            inputs = MultimodalDataset(inputs, present=present, name="inputs")
        elif present is not None:
            raise TypeError("expected present with a mapping of arrays only")
        if not isinstance(inputs, MultimodalDataset):
            source = inputs if isinstance(inputs, LazyDataset) else str(inputs)
            dataset, rows, probabilities = predict_run(self._finished, source, combination)
            return self._spread(len(dataset), rows.numpy(), probabilities.numpy())
        some = np.flatnonzero(inputs.present.any(1))
        if not len(some):
            raise ValueError(f"{inputs.path}: no sample has any modality")
        _, rows, probabilities = predict_run(self._finished, inputs.subset(some), combination)
        return self._spread(len(inputs), some[rows.numpy()], probabilities.numpy())

    def _spread(self, samples: int, rows: Array, probabilities: Array) -> Array:
        out = np.full((samples, len(self.classes)), np.nan, dtype=np.float32)
        out[rows] = probabilities
        return out

    def predict(
        self,
        inputs: MultimodalDataset | LazyDataset | Mapping[str, Any] | str | Path,
        present: Any = None,  # noqa: ANN401
        combination: str | None = None,
    ) -> Array:
        """Return the most probable class of each sample; see `predict_proba`.

        Returns:
            Labels as in the training samples, ``(n,)``: whole numbers, or text.

        Raises:
            ValueError: Also if a sample has none of the modalities.
        """
        probabilities = self.predict_proba(inputs, present, combination)
        nothing = np.flatnonzero(np.isnan(probabilities).any(1))
        if len(nothing):
            raise ValueError(
                f"row {nothing[0]} has nothing to predict from ({len(nothing)} such rows); leave "
                "such rows out, or use predict_proba, which returns NaN for them"
            )
        whole = self._finished.folder.read_facts().get("whole_labels", False)
        names = np.asarray([int(name) for name in self.classes] if whole else self.classes)
        return np.asarray(names[probabilities.argmax(1)])

    def __repr__(self) -> str:
        """Return method, data, folder and scores on validation."""
        settings = self._finished.settings
        return (
            f"Run({settings.method.name} on {settings.data_label}, seed {settings.seed}, in "
            f"{self.path})\n{self.validation!r}"
        )

    def __getstate__(self) -> dict[str, Any]:
        """Return the files of the run, so that a copy needs no folder of this one."""
        files = {
            str(path.relative_to(self.path)): path.read_bytes()
            for path in self.path.rglob("*")
            if path.is_file()
        }
        return {"files": files, "finished": self._finished, "keep": self._given()}

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        """Write the files into a temporary folder that lasts as long as this object."""
        folder = TemporaryFolder()
        for name, content in state["files"].items():
            path = folder.path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        self._finished = replace(state["finished"], folder=RunFolder(folder.path))
        self._keep = (folder, *state["keep"])

    def _given(self) -> tuple[object, ...]:
        return tuple(one for one in self._keep if not isinstance(one, TemporaryFolder))

    def _scores(self, split: str) -> Scores:
        folder = self._finished.folder
        metric = str(folder.read_facts().get("score", "accuracy"))
        return Scores.from_rows(folder.rows(), self.modalities, split, metric)


def open_run(
    path: str | Path,
    device: str = "cpu",
    encoders: Mapping[str, nn.Module | Factory] | None = None,
) -> Run:
    """Open a finished run.

    Args:
        path: Folder of the run.
        device: Device for its method.
        encoders: Encoders that `fit` was given, by modality; they get the run's weights.

    Raises:
        FileNotFoundError: If the folder holds no run, or its weights are gone.
        ValueError: If the run has not finished, or its files do not fit together.
    """
    names = {name: give_encoder(encoder) for name, encoder in (encoders or {}).items()}
    return Run(open_finished(Path(path), device, names))


class TemporaryFolder:
    """A folder that is removed with this object, or when the process ends."""

    def __init__(self) -> None:
        self.path = Path(mkdtemp(prefix="dmrnet-"))
        finalize(self, shutil.rmtree, self.path, ignore_errors=True)
