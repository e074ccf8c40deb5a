"""The ``.npz`` files of a run: predictions of each test sample, and label maps of some images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmrnet.report.records.combinations import canonical
from dmrnet.report.records.rows import RowError
from dmrnet.report.records.runs import RunRecord
from dmrnet.text import escaped
from dmrnet.untrusted import check_inflation

PREDICTIONS = "predictions.npz"
PICTURES = "pictures.npz"

NO_CLASS = 255
"""Value of a pixel without a class."""

_REQUIRED = ("combination", "index", "target", "scored")
MEND = "evaluate the run again, or delete the file"
"""Advice on a damaged file."""

_Saved = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Predictions:
    """Correct predictions of each combination and test sample, or pixel counts of each image.

    Attributes:
        combinations: Names of the K combinations, in the requested order of modalities.
        right: bool ``(K, n)``, True where the predicted class is correct.
        scored: bool ``(K, n)``, True where the sample has the combination's modalities.
        target: int64 ``(n,)``, true classes.
        sources: str ``(n,)``, source of each sample: samples of one source are not independent. Or
            ``(n, V)``, a source for each of `modalities`, if samples combine files.
        modalities: Modalities in the run's own order.
        confusion: int64 ``(K, n, M, M)``, true by predicted class, for segmentation (`right` and
            `target` are zeros then); None otherwise.
        predicted: int64 ``(K, n)``, predicted classes; None where no class is.
        values: float64 ``(K, n, M)``, predicted numbers, or probabilities of labels if they were
            asked for (`right` and `target` are zeros then); None otherwise.
        truth: float64 ``(n, M)``, true numbers, or 1 for the labels of a sample.
        scores: float64 ``(K, n)``, the Dice score of each volume; None for other data.
    """

    combinations: tuple[str, ...]
    right: NDArray[np.bool_]
    scored: NDArray[np.bool_]
    target: NDArray[np.int64]
    sources: NDArray[np.str_]
    modalities: tuple[str, ...]
    confusion: NDArray[np.int64] | None = None
    predicted: NDArray[np.int64] | None = None
    values: NDArray[np.float64] | None = None
    truth: NDArray[np.float64] | None = None
    scores: NDArray[np.float64] | None = None


def load_arrays(
    path: Path, content: str, mend: str, *, every: bool = False
) -> dict[str, NDArray[Any]]:
    """Load the arrays of a file, unless `every` without ``probabilities`` next to ``predicted``.

    Raises:
        RowError: If the file is damaged; the message says what was expected and how to mend it.
    """
    try:
        # Opened here: given a path, numpy leaves a file open whose end is damaged.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as saved:
            check_inflation(saved.zip, path.stat().st_size)
            # The largest array is read only if it is needed.
            unused = {"probabilities"} if "predicted" in saved.files and not every else set()
            return {name: saved[name] for name in saved.files if name not in unused}
    # Numpy, zlib and zipfile raise a dozen kinds of error on a damaged file.
    except Exception as error:
        raise RowError(
            f"{path}: expected {content}, got a damaged file ({error}); {mend}"
        ) from error


def read_predictions(
    run: RunRecord, order: tuple[str, ...], *, probabilities: bool = False
) -> Predictions | None:
    """Read the predictions of a run folder, combinations named in the given order of modalities.

    Args:
        run: The run.
        order: Modalities.
        probabilities: Read those of labels too.

    Returns:
        The predictions; None if the run keeps none of single samples, or of labels no
        probabilities were asked for.

    Raises:
        RowError: If the file is damaged.
    """
    path = run.path / PREDICTIONS
    if not path.is_file():
        return None
    content = "predictions as `dmrnet evaluate` writes them"
    arrays = load_arrays(path, content, MEND, every=probabilities)
    if "confusion" in arrays:
        return _confusion(path, run, order, arrays)
    if "predicted" not in arrays and "probabilities" not in arrays:
        return None
    missing = [name for name in _REQUIRED if name not in arrays]
    if missing:
        raise RowError(f"{path}: expected the arrays {', '.join(_REQUIRED)}; got no {missing[0]}")
    if arrays.get("predicted", arrays["target"]).ndim == 3:
        return _several(path, run, order, arrays)
    target = arrays["target"].astype(np.int64)
    if "predicted" in arrays:
        predicted = arrays["predicted"].astype(np.int64)
    else:  # A file of an earlier version, in which the most probable class was predicted.
        predicted = arrays["probabilities"].argmax(-1)
    shape = (len(arrays["combination"]), len(target))
    if predicted.shape != shape or arrays["scored"].shape != shape:
        raise RowError(
            f"{path}: expected predictions and scored of shape {shape} (combinations, samples), "
            f"got {predicted.shape} and {arrays['scored'].shape}"
        )
    sources = _sources(path, run, arrays)
    if len(sources) != shape[1] or (sources.ndim == 2 and sources.shape[1] != len(run.modalities)):
        raise RowError(
            f"{path}: expected a source for each of {shape[1]} samples, got shape {sources.shape}"
        )
    return Predictions(
        combinations=tuple(canonical(str(name), order) for name in arrays["combination"]),
        right=predicted == target,
        scored=arrays["scored"].astype(np.bool_) & (predicted >= 0),
        target=target,
        sources=sources.astype(np.str_),
        modalities=run.modalities,
        predicted=predicted,
    )


def _several(
    path: Path, run: RunRecord, order: tuple[str, ...], arrays: _Saved
) -> Predictions | None:
    """Return numbers, or probabilities of labels: nothing is right or wrong as a whole."""
    values, scored = arrays["predicted"], arrays["scored"].astype(np.bool_)
    if values.dtype.kind != "f":
        if "probabilities" not in arrays:
            return None
        values = arrays["probabilities"]
    truth, names = arrays["target"].astype(np.float64), arrays["combination"]
    sources = _sources(path, run, arrays)
    if (
        values.shape != (len(names), *truth.shape)
        or scored.shape != values.shape[:2]
        or len(sources) != len(truth)
    ):
        raise RowError(
            f"{path}: expected predictions of shape {(len(names), *truth.shape)} (combinations, "
            f"samples, targets), with scored and sources to match, got {values.shape}"
        )
    return Predictions(
        combinations=tuple(canonical(str(name), order) for name in names),
        right=np.zeros(scored.shape, dtype=np.bool_),
        scored=scored,
        target=np.zeros(len(truth), dtype=np.int64),
        sources=sources.astype(np.str_),
        modalities=run.modalities,
        values=np.where(scored[..., None], values, 0).astype(np.float64),
        truth=truth,
    )


def _confusion(path: Path, run: RunRecord, order: tuple[str, ...], arrays: _Saved) -> Predictions:
    confusion, scored = arrays["confusion"], arrays.get("scored")
    names = arrays.get("combination", np.array([]))
    shape = confusion.shape
    if (
        confusion.ndim != 4
        or shape[2] != shape[3]
        or shape[0] != len(names)
        or scored is None
        or scored.shape != shape[:2]
        or len(arrays.get("index", ())) != shape[1]
    ):
        raise RowError(
            f"{path}: expected confusion counts of shape (combinations, images, classes, classes) "
            f"with index, combination and scored to match, got counts of shape {shape}"
        )
    dice = arrays.get("dice")
    if dice is not None and dice.shape != shape[:2]:
        raise RowError(
            f"{path}: expected dice of shape {shape[:2]}, one for each combination and volume, got "
            f"{dice.shape}"
        )
    return Predictions(
        combinations=tuple(canonical(str(name), order) for name in names),
        right=np.zeros(shape[:2], dtype=np.bool_),
        scored=scored.astype(np.bool_),
        target=np.zeros(shape[1], dtype=np.int64),
        sources=_sources(path, run, arrays).astype(np.str_),
        modalities=run.modalities,
        confusion=confusion.astype(np.int64),
        scores=None if dice is None else dice.astype(np.float64),
    )


def _sources(path: Path, run: RunRecord, arrays: _Saved) -> NDArray[Any]:
    if "source" in arrays:
        return arrays["source"]
    # Rows of one split are the same samples in every run on it.
    content = run.tested_on or str(path)
    return np.array([f"{content} {row}" for row in arrays["index"].tolist()])


@dataclass(frozen=True, slots=True)
class SavedLabelMaps:
    """Label maps of ``p`` test images under ``K`` combinations.

    Attributes:
        index: Numbers of the images in the data set.
        truth: uint8 ``(p, H, W)``.
        predicted: uint8 ``(K, p, H, W)``.
        inputs: uint8 ``(p, C, H, W)`` by modality; empty if the data may not be shown.
        samples: Names of the volumes of which these are slices; empty for images.
        slices: Number of each such slice along depth, from 0.
    """

    index: tuple[int, ...]
    combinations: tuple[str, ...]
    classes: tuple[str, ...]
    truth: NDArray[np.uint8]
    predicted: NDArray[np.uint8]
    inputs: dict[str, NDArray[np.uint8]]
    samples: tuple[str, ...] = ()
    slices: tuple[int, ...] = ()

    def title(self, image: int) -> str:
        """Return what the maps of an image, by its number, are of."""
        if not self.slices or len(self.samples) != len(self.index):
            return f"test image {image}"
        row = self.index.index(image)
        return f"slice {self.slices[row]} of {self.samples[row]}"


def read_label_maps(path: Path) -> SavedLabelMaps:
    """Read ``pictures.npz``.

    Raises:
        RowError: If the file is damaged.
    """
    arrays = load_arrays(path, "label maps as dmrnet writes them", MEND)
    try:
        maps = SavedLabelMaps(
            tuple(arrays["index"].tolist()),
            tuple(arrays["combination"].tolist()),
            tuple(arrays["classes"].tolist()),
            arrays["truth"],
            arrays["predicted"],
            {k.removeprefix("input/"): v for k, v in arrays.items() if k.startswith("input/")},
            tuple(escaped(str(name)) for name in arrays.get("sample", [])),
            tuple(arrays["slice"].tolist()) if "slice" in arrays else (),
        )
    except KeyError as error:
        raise RowError(f"{path}: expected label maps with an array {error}, got none") from error
    shape = (len(maps.combinations), len(maps.index), *maps.truth.shape[1:])
    if maps.truth.ndim != 3 or maps.predicted.shape != shape:
        raise RowError(
            f"{path}: expected predicted maps {shape} for a truth of {maps.truth.shape}, got "
            f"{maps.predicted.shape}"
        )
    return maps
