"""Test samples that runs keep for pictures, from ``shown.npz``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmrnet.report.records.predictions import MEND, load_arrays
from dmrnet.report.records.rows import RowError
from dmrnet.report.summary.summary import DataSummary
from dmrnet.text import shell

SHOWN = "shown.npz"


@dataclass(frozen=True, slots=True)
class ShownSamples:
    """Some test samples of one run.

    Attributes:
        index: Numbers of the s samples in the data set.
        target: True classes ``(s,)``; labels or numbers ``(s, M)``.
        present: bool ``(s, V)``.
        combinations: All modalities, and the run's worst combination if it is another.
        predicted: What is predicted with each: ``(2, s)`` or ``(2, s, M)``.
        classes: Names of classes, labels or targets.
        inputs: Uint8 images ``(s, C, H, W)`` or curves ``(s, C, T)``, by modality.
    """

    index: tuple[int, ...]
    target: NDArray[Any]
    present: NDArray[np.bool_]
    combinations: tuple[str, ...]
    predicted: NDArray[Any]
    classes: tuple[str, ...]
    inputs: dict[str, NDArray[np.uint8]]


def shown_samples(summary: DataSummary) -> tuple[str, ShownSamples] | str:
    """Return the best system that keeps samples, and those of its lowest seed; or why none does.

    Raises:
        RowError: If a file is damaged.
    """
    if summary.split != "test":
        return "samples are kept of the test only; this page is of validation samples."
    lines = [line for line in summary.runs if line.repeatable]
    for label in summary.ranked:
        for line in sorted(lines, key=lambda one: one.seed):
            if line.label == label and (line.path / SHOWN).is_file():
                return label, read_shown(line.path / SHOWN)
    if not lines:
        return "samples are kept in run folders; this page was made from rows alone."
    if summary.kinds and set(summary.kinds) == {"vector"}:
        return "no modality is an image, a spectrogram or a sequence."
    return (
        f"these runs keep no samples; `dmrnet evaluate {shell(lines[0].path)}` writes some, unless "
        "the licence of the data set forbids it."
    )


def read_shown(path: Path) -> ShownSamples:
    """Read the samples of a run.

    Raises:
        RowError: If the file is damaged.
    """
    arrays = load_arrays(path, "samples as `dmrnet evaluate` writes them", MEND)
    try:
        shown = ShownSamples(
            tuple(arrays["index"].tolist()),
            arrays["target"],
            arrays["present"],
            tuple(arrays["combination"].tolist()),
            arrays["predicted"],
            tuple(arrays["classes"].tolist()),
            {k.removeprefix("input/"): v for k, v in arrays.items() if k.startswith("input/")},
        )
    except KeyError as error:
        raise RowError(f"{path}: expected samples with an array {error}, got none") from error
    shape = (len(shown.combinations), len(shown.index))
    sizes = {len(values) for values in (shown.target, shown.present, *shown.inputs.values())}
    if shown.predicted.shape[:2] != shape or sizes != {shape[1]}:
        raise RowError(
            f"{path}: expected predictions {shape} and inputs of {shape[1]} samples, got "
            f"{shown.predicted.shape} and inputs of {sorted(sizes)}; {MEND}"
        )
    return shown
