"""Label maps in Python: the class of every pixel or voxel, predicted by a finished run."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from dmrnet.data.files.arrays.numbers import Array
from dmrnet.data.files.arrays.source import Source
from dmrnet.data.volumes.frames import restored
from dmrnet.data.volumes.rows import VolumeRows
from dmrnet.engine.predict import predictable_rows
from dmrnet.engine.predict_maps import label_maps
from dmrnet.engine.run.finished import FinishedRun


def predicted_maps(
    run: FinishedRun, source: str | Path | Source, combination: str | None
) -> Array | list[Array]:
    """Return the label of every pixel or voxel, as in training.

    Args:
        run: Run whose every pixel or voxel has a class.
        source: Images or volumes to predict; labels are not needed.
        combination: Names joined by ``+``: use no other modalities.

    Returns:
        Array ``(n, H, W)`` or ``(n, D, H, W)``, uint8, or int64 where a label is above 255; a list
        of arrays of volumes that differ in size.

    Raises:
        ValueError: If a sample has none of the modalities.
    """
    dataset = run.read(source, need_target=False)
    where = source.path if isinstance(source, Source) else str(source)
    rows, visible = predictable_rows(run, dataset, combination, where)
    if len(rows) < len(dataset):
        raise ValueError(
            f"{where}: {len(dataset) - len(rows)} of {len(dataset)} samples have nothing to "
            "predict from; leave them out"
        )
    found: list[Array] = []
    if isinstance(dataset, VolumeRows):
        numbers, frame_of = dataset.numbers, dataset.frame
    else:
        numbers, frame_of = run.settings.data.label_numbers(run.task), None
    for index, maps in label_maps(run, dataset, rows, visible):
        for row, one in zip(index.tolist(), maps.numpy(), strict=True):
            frame = None if frame_of is None else frame_of(row)
            found.append(restored(one, frame, numbers))
    return np.stack(found) if len({one.shape for one in found}) == 1 else found
