"""A trained run in Python: its scores, its predictions, its method."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from dmrnet.api.deployable import Deployable
from dmrnet.api.maps import predicted_maps
from dmrnet.api.outputs import Predicted, TemporaryFolder, decided_as_given, values_of_all
from dmrnet.api.samples import check_test, samples_of
from dmrnet.api.scores import Scores
from dmrnet.api.state import torch_as_before
from dmrnet.confidence import Confidence
from dmrnet.data.files.arrays.bad_rows import BadRows
from dmrnet.data.files.arrays.numbers import Array
from dmrnet.data.python.given import MultimodalDataset
from dmrnet.data.python.items import LazyDataset
from dmrnet.engine.evaluate import evaluate_run
from dmrnet.engine.fit import fit_run
from dmrnet.engine.predict import predict_rows, read_predictable
from dmrnet.engine.run.devices import device_of
from dmrnet.engine.run.finished import FinishedRun
from dmrnet.engine.run.finished import open_run as open_finished
from dmrnet.engine.run.folder import RunFolder
from dmrnet.engine.scores.confidence import confidence_of, read_confidence
from dmrnet.engine.scores.own_metrics import MetricFunction
from dmrnet.engine.scores.thresholds import decided
from dmrnet.engine.scores.uncertainty import check_uncertainty, uncertainty_rows
from dmrnet.engine.training.trainee import Progress
from dmrnet.methods.base import Method
from dmrnet.modalities import MaskSampler
from dmrnet.nn.encoders.own import Factory, give_encoder, named_encoders


class Run(Deployable):
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
        """Names of the classes or labels, in the order of probabilities; or of the numbers."""
        return self._finished.task.classes

    @property
    def best_epoch(self) -> int:
        """Epoch whose weights were kept, counted from 0."""
        return int(self._finished.folder.fact("best_epoch"))

    @property
    def warnings(self) -> tuple[str, ...]:
        """Sentences about what is probably wrong with the data, such as rows in two splits."""
        return tuple(self._finished.folder.read_facts().get("warnings", ()))

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

    @torch_as_before()
    def continue_training(
        self,
        max_epochs: int,
        report: Callable[[Progress], None] | None = None,
        masks: MaskSampler | None = None,
    ) -> Run:
        """Train for more epochs, as `fit` with the same arguments and a larger `max_epochs` does.

        The result is that of one training with the schedule and the selections of the first part.
        Scores on test samples are removed, since they are of other weights.

        Args:
            max_epochs: Number of epochs of the whole training.
            report: Called after every epoch.
            masks: Sampler that `fit` was given, if any.

        Returns:
            The run, trained on.

        Raises:
            ValueError: If the schedule is as long as the training (``cosine``, ``one-cycle``,
                ``nyuv2``), or the run cannot go on for another reason.
            FileNotFoundError: If its training samples are gone.
        """
        settings = self._finished.settings
        training = replace(settings.training, max_epochs=max_epochs)
        fit_run(replace(settings, training=training), self.path, report, masks=masks)
        return Run(open_finished(self.path), self._keep)

    @torch_as_before()
    def evaluate(
        self,
        test: MultimodalDataset | LazyDataset | str | Path | None = None,
        batch_size: int | None = None,
        metrics: Mapping[str, MetricFunction] | None = None,
        bad_rows: BadRows = "refuse",
    ) -> Scores:
        """Score every combination of modalities on test samples.

        The rows also go into the run's folder, for reports, in place of an earlier evaluation's.

        Args:
            test: Test samples, or an ``.npz`` file; by default those that the run was given.
            batch_size: Number of samples encoded together; by default by their size.
            metrics: Further metrics by name: functions from probabilities ``(n, M)`` and classes,
                int64 ``(n,)``, to a number, or metric objects of torchmetrics.
            bad_rows: ``skip`` leaves out test samples that cannot be used, such as NaN in part of a
                modality, and warns of each; by default they are an error.

        Raises:
            ValueError: If there are no test samples, or they do not fit the run.
        """
        check_test(test)
        test = str(test) if isinstance(test, Path) else test
        evaluate_run(self._finished, test, batch_size, metrics=metrics, bad_rows=bad_rows)
        return self._scores("test")

    @torch_as_before()
    def predict_proba(
        self,
        inputs: MultimodalDataset | LazyDataset | Mapping[str, Any] | str | Path,
        present: Any = None,  # noqa: ANN401
        combination: str | None = None,
        calibrated: bool = True,
        bad_rows: BadRows = "refuse",
    ) -> Any:  # noqa: ANN401
        """Return the probability of each class or label, from the modalities a sample has.

        Args:
            inputs: Array ``(n, ...)`` of each modality by name, as `MultimodalDataset` takes them;
                some may be left out; a list of such mappings, one per sample; or an ``.npz`` file.
            present: Bool array ``(n, V)``, a column for each of `inputs`, True where a sample has
                the modality.
            combination: Names joined by ``+``: use no other modalities.
            calibrated: Whether probabilities are calibrated on the run's validation samples, by
                combination; `False` for those that the network gives.
            bad_rows: ``skip`` leaves out samples that cannot be used, such as NaN in part of a
                modality, and warns of each; by default they are an error.

        Returns:
            float32 array ``(n, M)``; NaN for samples that have none of the modalities, or are
            skipped. Where every pixel or voxel has a class, ``(n, M, H, W)`` or
            ``(n, M, D, H, W)``, as the network gives them; see `predicted_maps`.

        Raises:
            ValueError: If the inputs do not fit the run, or no sample has anything to predict from;
                for pixels and voxels, if any sample has nothing.
        """
        if (task := self._finished.task).dense:
            source = samples_of(inputs, present, self._finished)
            return predicted_maps(self._finished, source, combination, bad_rows, probabilities=True)
        if task.target == "regression":
            raise ValueError("the run predicts numbers, which have no probability; use predict")
        confidence = read_confidence(self._finished.folder) if calibrated else None
        predicted = self._predicted(inputs, present, combination, confidence, bad_rows)
        return values_of_all(predicted, predicted.probabilities.numpy(), np.float32(np.nan))

    @torch_as_before()
    def predict_sets(
        self,
        inputs: MultimodalDataset | LazyDataset | Mapping[str, Any] | str | Path,
        present: Any = None,  # noqa: ANN401
        combination: str | None = None,
        level: float = 0.9,
    ) -> Array:
        """Return conformal sets: classes that hold the true one at a level, in each combination.

        Args:
            inputs: See `predict_proba`.
            present: See `predict_proba`.
            combination: See `predict_proba`.
            level: Rate at which sets are to hold the true class, between 0 and 1.

        Returns:
            bool array ``(n, M)``; all True, so that nothing is ruled out, for samples that have
            none of the modalities, and where too few validation samples have the combination.

        Raises:
            ValueError: Also if the run has too few validation samples.
        """
        confidence = confidence_of(self._finished)
        predicted = self._predicted(inputs, present, combination, confidence)
        sets = confidence.sets(predicted.probabilities, predicted.source.seen, level)
        return values_of_all(predicted, sets.numpy(), np.bool_(True))

    @torch_as_before()
    def advise(
        self,
        inputs: MultimodalDataset | LazyDataset | Mapping[str, Any] | str | Path,
        present: Any = None,  # noqa: ANN401
        combination: str | None = None,
    ) -> list[dict[str, Any]]:
        """Return for each sample the missing modality that would lower its expected error most.

        Measured on the run's validation samples that were predicted from the same modalities as the
        same class.

        Args:
            inputs: See `predict_proba`.
            present: See `predict_proba`.
            combination: See `predict_proba`.

        Returns:
            For each sample ``modality``, None without enough validation samples; ``gain``, by how
            much the error rate falls; and ``error``, the standard error of the gain.

        Raises:
            ValueError: Also if the run has too few validation samples.
        """
        confidence = confidence_of(self._finished)
        predicted = self._predicted(inputs, present, combination, confidence)
        which, gain, error = confidence.advise(predicted.probabilities, predicted.source.seen)
        advice: list[dict[str, Any]] = [
            {"modality": None, "gain": float("nan"), "error": float("nan")}
            for _ in range(predicted.samples)
        ]
        columns = (predicted.rows.tolist(), which.tolist(), gain.tolist(), error.tolist())
        for row, modality, fall, spread in zip(*columns, strict=True):
            name = None if modality < 0 else self.modalities[modality]
            advice[row] = {"modality": name, "gain": fall, "error": spread}
        return advice

    def _predicted(
        self,
        inputs: MultimodalDataset | LazyDataset | Mapping[str, Any] | str | Path,
        present: Any,  # noqa: ANN401
        combination: str | None,
        confidence: Confidence | None,
        bad_rows: BadRows = "refuse",
    ) -> Predicted:
        """Predict the samples that have something to predict from."""
        inputs = samples_of(inputs, present, self._finished)
        if isinstance(inputs, MultimodalDataset):
            inputs = inputs.where_absent(self._finished.settings.data.absent_values)
            some, samples = np.flatnonzero(inputs.present.any(1)), len(inputs)
            if not len(some):
                raise ValueError(f"{inputs.path}: no sample has any modality")
            source: MultimodalDataset | LazyDataset | str = inputs.subset(some)
        else:
            some, samples, source = None, 0, inputs
        found = read_predictable(self._finished, source, combination, bad_rows)
        dataset, rows = found.dataset, found.rows
        given = (rows if dataset.file_rows is None else dataset.file_rows[rows]).numpy()
        if some is None:
            samples = dataset.rows_in_file or len(dataset)
        else:
            given = some[given]
        return Predicted(samples, given, found, predict_rows(found, confidence=confidence))

    @torch_as_before()
    def uncertainty(
        self,
        inputs: MultimodalDataset | LazyDataset | Mapping[str, Any] | str | Path,
        present: Any = None,  # noqa: ANN401
        combination: str | None = None,
        draws: int = 16,
        seed: int = 0,
    ) -> dict[str, Array]:
        """Return the uncertainty of each prediction by several measures, higher is less sure.

        Args:
            inputs: See `predict_proba`.
            present: See `predict_proba`.
            combination: See `predict_proba`.
            draws: Number of samples of a Gaussian representation.
            seed: Seed of these.

        Returns:
            float32 ``(n,)`` by name, NaN for samples that have none of the modalities: ``softmax``,
            ``entropy``, and for methods with a Gaussian (DMR, PE, PCME) ``variance`` and
            ``spread``; see `dmrnet.engine.scores.uncertainty`.

        Raises:
            ValueError: If the run predicts something else than one class per sample, unordered.
        """
        check_uncertainty(self._finished)
        predicted = self._predicted(inputs, present, combination, None)
        values = uncertainty_rows(predicted.source, draws, seed)
        return {
            name: values_of_all(predicted, of_rows.numpy()[:, None], np.float32(np.nan))[:, 0]
            for name, of_rows in values.items()
        }

    @torch_as_before()
    def predict(
        self,
        inputs: MultimodalDataset | LazyDataset | Mapping[str, Any] | str | Path,
        present: Any = None,  # noqa: ANN401
        combination: str | None = None,
        bad_rows: BadRows = "refuse",
    ) -> Any:  # noqa: ANN401
        """Return what is predicted for each sample; see `predict_proba` for the arguments.

        Returns:
            The most probable label, as in the training samples, ``(n,)``: numbers, bool or
            text; of ordered classes the median. int64 ``(n, M)`` of 0 and 1 for several labels.
            Numbers in their unit, float64 ``(n,)``, or ``(n, D)`` for several; NaN for samples that
            are skipped. Where every pixel or voxel has a class, see `predicted_maps`.

        Raises:
            ValueError: If the inputs do not fit the run, or a sample has none of the modalities.
        """
        task = self._finished.task
        if task.dense:
            source = samples_of(inputs, present, self._finished)
            return predicted_maps(self._finished, source, combination, bad_rows)
        confidence = read_confidence(self._finished.folder)
        predicted = self._predicted(inputs, present, combination, confidence, bad_rows)
        probabilities = values_of_all(
            predicted, predicted.probabilities.numpy(), np.float64(np.nan)
        )
        nothing = np.flatnonzero(np.isnan(probabilities).any(1))
        if len(nothing) and not (bad_rows == "skip" and task.target == "regression"):
            raise ValueError(
                f"row {nothing[0]} has nothing to predict from ({len(nothing)} such rows); leave "
                "such rows out, or use predict_proba, which returns NaN for them"
            )
        own = decided(self._finished, predicted.probabilities, predicted.source.seen, confidence)
        return decided_as_given(predicted, own.numpy())

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


@torch_as_before()
def open_run(
    path: str | Path,
    device: str = "cpu",
    encoders: Mapping[str, nn.Module | Factory] | None = None,
    fusion: nn.Module | Callable[..., nn.Module] | None = None,
) -> Run:
    """Open a finished run.

    Args:
        path: Folder of the run.
        device: Device for its method: cpu, cuda, for example ``cuda:1``, or auto.
        encoders: Encoders that `fit` was given, by modality; they get the run's weights.
        fusion: Fusion that `fit` was given.

    Raises:
        FileNotFoundError: If the folder holds no run, or its weights are gone.
        ValueError: If the run has not finished, or its files do not fit together.
    """
    names = named_encoders(encoders or {})
    fused = None if fusion is None else give_encoder(fusion)
    return Run(open_finished(Path(path), device_of(device), names, fused))
