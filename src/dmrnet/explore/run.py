"""The run of a page: its graph, its samples and its validation scores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dmrnet.data.files.arrays.numbers import Array
from dmrnet.data.files.decoders import Decoder
from dmrnet.serve.model import ServedModel, exported_file, load_file, model_of

if TYPE_CHECKING:
    from dmrnet.confidence import Confidence
    from dmrnet.engine.run.finished import FinishedRun
    from dmrnet.explore.samples import Samples

OF_TRAINING, OF_SAMPLES = "training deviations", "deviations of these samples"

LEVEL = 0.9
"""Level of conformal sets."""


@dataclass(frozen=True)
class ExploredRun:
    """A graph with what is known of its run.

    Attributes:
        model: The graph.
        samples: Samples of the run; None where they are not at hand.
        without: Why there are none; empty where there are.
        confidence: What validation says; None where the run does not keep it.
        decoders: How files of modalities are read, where training read such.
        scales: Mean and deviation ``(C,)`` of modalities, and what the deviation is of.
    """

    model: ServedModel
    samples: Samples | None = None
    without: str = ""
    confidence: Confidence | None = None
    decoders: Mapping[str, Decoder] = field(default_factory=dict)
    scales: Mapping[str, tuple[Array, Array, str]] = field(default_factory=dict)

    def reads(self, name: str) -> list[str]:
        """Return the ends of the names of files of a modality that can be uploaded."""
        (one,) = (one for one in self.model.inputs if one.name == name)
        suffixes = [".npy", *(self.decoders[name].suffixes if name in self.decoders else ())]
        if one.is_image:
            suffixes.append(".png")
        if len(one.shape) <= 2:
            suffixes.append(".csv")
        return list(dict.fromkeys(suffixes))

    def scale(self, name: str) -> tuple[Array, Array, str]:
        """Return mean and deviation of each feature or channel, ``(C,)``, and what that is of.

        Over the training rows where the run keeps them, else over some of its samples; 0 and 1
        where neither is at hand.
        """
        if name in self.scales:
            return self.scales[name]
        (about,) = (one for one in self.model.metadata["inputs"] if one["name"] == name)
        mean, deviation = (
            np.broadcast_to(np.asarray(about.get(key, plain), np.float64), about["shape"][:1])
            for key, plain in (("mean", 0.0), ("std", 1.0))
        )
        as_they_are = not mean.any() and bool((deviation == 1).all())
        return mean, deviation, "units of the data" if as_they_are else OF_TRAINING

    def score(self, combination: str) -> tuple[float, int] | None:
        """Return the run's score on a combination and its number of samples, if it has one."""
        scores: Mapping[str, Any] = self.model.metadata.get("scores", {})
        score = scores.get("combinations", {}).get(combination)
        return None if score is None else (float(score[0]), int(score[1]))


def open_explored(
    path: str | Path, threads: int = 0, test: str | Path | None = None
) -> ExploredRun:
    """Open a run, or an exported file, to explore it.

    Args:
        path: Folder of a finished run, an exported file, or a folder with one.
        threads: Number of threads of a prediction; 0 for the library's own choice.
        test: File of samples to take in place of the run's own.

    Raises:
        FileNotFoundError: If there is neither a run nor an exported graph, or no such test file.
        ValueError: If it cannot be explored, or the test file does not fit.
    """
    path = Path(path)
    if (file := exported_file(path)) is not None:
        if test is not None:
            raise ValueError(f"{path}: samples of a file are read by a run; name its folder")
        return ExploredRun(load_file(file, threads), None, "an exported file has no samples")
    from dmrnet.engine.run.finished import open_run
    from dmrnet.engine.scores.confidence import read_confidence

    run = open_run(path)
    model = model_of(run, threads)
    samples, without = _samples(run, test)
    confidence = read_confidence(run.folder)
    decoders = run.settings.data.decoders()
    return ExploredRun(model, samples, without, confidence, decoders, _scales(run, samples))


def _scales(run: FinishedRun, samples: Samples | None) -> dict[str, tuple[Array, Array, str]]:
    """Return mean and deviation of each modality; see `ExploredRun`."""
    kept = run.standardiser
    if kept is not None:
        inputs = kept.without_flags(run.task).inputs
        return {
            one.name: (
                np.broadcast_to(kept.mean[one.name].numpy(), one.shape[:1]),
                np.broadcast_to(kept.std[one.name].numpy(), one.shape[:1]),
                OF_TRAINING,
            )
            for one in inputs
        }
    if samples is None:
        return {}
    return {name: (*samples.scale(name), OF_SAMPLES) for name in run.task.modalities}


def _samples(run: FinishedRun, test: str | Path | None) -> tuple[Samples | None, str]:
    """Return test samples, or those of validation; or None and why."""
    from dmrnet.explore.samples import Samples

    if test is not None:
        return Samples(run, run.samples("test", test), "test"), ""
    reasons = []
    for split in ("test", "val"):
        try:
            return Samples(run, run.samples(split), split), ""
        except (OSError, ValueError, ModuleNotFoundError) as error:
            reasons.append(" ".join(str(error).split()))
    return None, reasons[0]
