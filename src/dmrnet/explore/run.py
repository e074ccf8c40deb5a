"""What a page explores: a graph, the samples of its run, and what validation says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dmrnet.data.files.arrays.numbers import Array
from dmrnet.serve.model import ServedModel, exported_file, load_file, model_of

if TYPE_CHECKING:
    from dmrnet.confidence import Confidence
    from dmrnet.engine.run.finished import FinishedRun
    from dmrnet.explore.samples import Samples

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
    """

    model: ServedModel
    samples: Samples | None = None
    without: str = ""
    confidence: Confidence | None = None

    def scale(self, name: str) -> tuple[Array, Array]:
        """Return mean and deviation over training of each feature or channel, ``(C,)``.

        0 and 1 where the run was not standardised.
        """
        (about,) = (one for one in self.model.metadata["inputs"] if one["name"] == name)
        channels = about["shape"][0]
        return (
            np.broadcast_to(np.asarray(about.get("mean", 0.0), np.float64), (channels,)),
            np.broadcast_to(np.asarray(about.get("std", 1.0), np.float64), (channels,)),
        )

    def score(self, combination: str) -> tuple[float, int] | None:
        """Return the run's score on a combination and its number of samples, if it has one."""
        scores: Mapping[str, Any] = self.model.metadata.get("scores", {})
        found = scores.get("combinations", {}).get(combination)
        return None if found is None else (float(found[0]), int(found[1]))


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
    return ExploredRun(model, samples, without, read_confidence(run.folder))


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
