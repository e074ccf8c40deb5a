"""Maps in Python: the class of every pixel or voxel, or its probabilities, by a finished run."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from dmrnet.data.files.arrays.bad_rows import BadRows
from dmrnet.data.files.arrays.numbers import Array
from dmrnet.data.files.arrays.source import Source
from dmrnet.data.volumes.frames import restored, restored_probabilities
from dmrnet.data.volumes.rows import VolumeRows
from dmrnet.engine.predict import read_predictable
from dmrnet.engine.predict_maps import label_maps
from dmrnet.engine.run.finished import FinishedRun


def predicted_maps(
    run: FinishedRun,
    source: str | Path | Source,
    combination: str | None,
    bad_rows: BadRows = "refuse",
    probabilities: bool = False,
) -> Array | list[Array | None]:
    """Return the label of every pixel or voxel, as in training.

    Args:
        run: Run whose every pixel or voxel has a class.
        source: Images or volumes to predict; labels are not needed.
        combination: Names joined by ``+``: use no other modalities.
        bad_rows: ``skip`` leaves out samples that cannot be used.
        probabilities: Whether to return the probability of each class in place of the label.

    Returns:
        Array ``(n, H, W)`` or ``(n, D, H, W)``, uint8, or int64 where a label is above 255; a list
        of arrays of volumes that differ in size, or where samples are skipped: None for those.
        Probabilities are float32 ``(n, M, H, W)`` or ``(n, M, D, H, W)``.

    Raises:
        ValueError: If a sample has none of the modalities.
    """
    samples = read_predictable(run, source, combination, bad_rows)
    dataset = samples.dataset
    if (nothing := len(dataset) - len(samples.rows)) > 0:
        where = source.path if isinstance(source, Source) else str(source)
        raise ValueError(
            f"{where}: {nothing} of {len(dataset)} samples have nothing to predict from; leave "
            "them out"
        )
    images: list[Array | None] = []
    if isinstance(dataset, VolumeRows):
        numbers, frame_of = dataset.numbers, dataset.frame
    else:
        numbers, frame_of = run.settings.data.label_numbers(run.task), None
    predicted = label_maps(run, dataset, samples.rows, samples.visible, probabilities=probabilities)
    for index, maps in predicted:
        for row, one in zip(index.tolist(), maps.numpy(), strict=True):
            frame = None if frame_of is None else frame_of(row)
            if probabilities:
                images.append(restored_probabilities(one, frame))
            else:
                images.append(restored(one, frame, numbers))
    for one in dataset.skipped:
        images.insert(one.row, None)
    every = [one for one in images if one is not None]
    same = len(every) == len(images) and len({one.shape for one in every}) == 1
    return np.stack(every) if same else images
