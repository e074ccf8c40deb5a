"""Label maps of some test images, as runs keep them in ``pictures.npz``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dmrnet.report.records.arrays import load_arrays
from dmrnet.report.records.rows import RowError

PICTURES = "pictures.npz"

NO_CLASS = 255
"""Value of a pixel without a class."""


@dataclass(frozen=True, slots=True)
class SavedLabelMaps:
    """Label maps of ``p`` test images under ``K`` combinations.

    Attributes:
        index: Numbers of the images in the data set.
        combinations: Names of the combinations.
        classes: Names of the classes.
        truth: uint8 ``(p, H, W)``.
        predicted: uint8 ``(K, p, H, W)``.
        inputs: uint8 ``(p, C, H, W)`` by modality; empty if the data may not be shown.
    """

    index: tuple[int, ...]
    combinations: tuple[str, ...]
    classes: tuple[str, ...]
    truth: NDArray[np.uint8]
    predicted: NDArray[np.uint8]
    inputs: dict[str, NDArray[np.uint8]]


def read_label_maps(path: Path) -> SavedLabelMaps:
    """Read ``pictures.npz``.

    Raises:
        RowError: If the file is damaged.
    """
    arrays = load_arrays(
        path, "label maps as dmrnet writes them", "evaluate the run again, or delete the file"
    )
    try:
        maps = SavedLabelMaps(
            tuple(arrays["index"].tolist()),
            tuple(arrays["combination"].tolist()),
            tuple(arrays["classes"].tolist()),
            arrays["truth"],
            arrays["predicted"],
            {k.removeprefix("input/"): v for k, v in arrays.items() if k.startswith("input/")},
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
