"""What a run predicted for each test sample or image, read from its folder for resampling."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from dmrnet.report.records.combinations import canonical
from dmrnet.report.records.rows import RowError
from dmrnet.report.records.runs import Run

PREDICTIONS = "predictions.npz"
Arrays = dict[str, NDArray[np.generic]]
_ARRAYS = ("combination", "index", "target", "scored")


@dataclass(frozen=True, slots=True)
class Predictions:
    """Right and wrong, for each combination and test sample; or counts of pixels of each image.

    Attributes:
        combinations: Their names, in the order of modalities that was asked for.
        right: Bool, ``(K, n)``.
        scored: Bool, ``(K, n)``: whether the sample has the combination's modalities.
        target: int64, ``(n,)``.
        sources: Text, ``(n,)``: samples of equal text are not independent; or ``(n, V)``, one for
            each of ``modalities``, where samples are put together from files.
        modalities: The run's own order.
        confusion: Where every pixel has a class, whole numbers ``(K, n, M, M)``, true class by
            predicted class; `right` and `target` say nothing then. None otherwise.
    """

    combinations: tuple[str, ...]
    right: NDArray[np.bool_]
    scored: NDArray[np.bool_]
    target: NDArray[np.int64]
    sources: NDArray[np.str_]
    modalities: tuple[str, ...]
    confusion: NDArray[np.int64] | None = None


def read_predictions(run: Run, order: tuple[str, ...]) -> Predictions | None:
    """Read the predictions of a run folder.

    Args:
        run: The run.
        order: The modalities in the order in which combinations are to be named.

    Returns:
        The predictions; None where the run keeps none for single samples.

    Raises:
        RowError: If the file is damaged.
    """
    path = run.path / PREDICTIONS
    if not path.is_file():
        return None
    arrays = _arrays(path)
    if "confusion" in arrays:
        return _images(path, run, order, arrays)
    if "predicted" not in arrays and "probabilities" not in arrays:
        return None
    missing = [name for name in _ARRAYS if name not in arrays]
    if missing:
        raise RowError(
            f"{path}: expected the arrays {', '.join(_ARRAYS)}; {missing[0]} is missing."
        )
    target = arrays["target"].astype(np.int64)
    # Earlier versions kept no decisions: the likeliest class was taken.
    predicted = np.asarray(
        arrays["predicted"] if "predicted" in arrays else arrays["probabilities"].argmax(-1),
        dtype=np.int64,
    )
    shape = (len(arrays["combination"]), len(target))
    if predicted.shape != shape or arrays["scored"].shape != shape:
        raise RowError(
            f"{path}: expected predictions {shape} of combinations and samples, came "
            f"{predicted.shape} and scored {arrays['scored'].shape}."
        )
    sources = _sources(path, run, arrays)
    if len(sources) != shape[1] or (sources.ndim == 2 and sources.shape[1] != len(run.modalities)):
        raise RowError(f"{path}: expected a source for each of {shape[1]} samples, came others.")
    return Predictions(
        combinations=tuple(canonical(str(name), order) for name in arrays["combination"]),
        right=predicted == target,
        scored=arrays["scored"].astype(np.bool_) & (predicted >= 0),
        target=target,
        sources=sources.astype(np.str_),
        modalities=run.modalities,
    )


def _images(path: Path, run: Run, order: tuple[str, ...], arrays: Arrays) -> Predictions:
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
            f"{path}: expected confusion counts of combinations, images and classes twice, with "
            f"index, combination and scored to match, came counts {shape}."
        )
    return Predictions(
        combinations=tuple(canonical(str(name), order) for name in names),
        right=np.zeros(shape[:2], dtype=np.bool_),
        scored=scored.astype(np.bool_),
        target=np.zeros(shape[1], dtype=np.int64),
        sources=_sources(path, run, arrays).astype(np.str_),
        modalities=run.modalities,
        confusion=confusion.astype(np.int64),
    )


def _sources(path: Path, run: Run, arrays: Arrays) -> NDArray[np.generic]:
    sources = arrays.get("source")
    if sources is not None:
        return sources
    # Rows of one split are the same samples for every run on it.
    whose = run.tested_on or str(path)
    return np.array([f"{whose} {row}" for row in arrays["index"].tolist()])


def _arrays(path: Path) -> Arrays:
    try:
        with np.load(path, allow_pickle=False) as saved:
            # The largest array is read only if it is needed.
            names = [
                name
                for name in saved.files
                if name != "probabilities" or "predicted" not in saved.files
            ]
            return {name: saved[name] for name in names}
    except (BadZipFile, ValueError, OSError, EOFError, KeyError) as error:
        raise RowError(
            f"{path}: expected predictions as `dmrnet evaluate` writes them, came a damaged file "
            f"({error}). Evaluate the run again, or delete the file."
        ) from error
