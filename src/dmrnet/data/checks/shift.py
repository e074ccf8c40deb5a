"""Shift: samples whose values are far from those of the training, such as other units."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from dmrnet.data.dataset import Dataset, Splits
from dmrnet.data.inputs.standardise import Standardiser

FAR_MEAN = 5.0
"""Distance of the means, in training deviations, from which values are far."""

WIDE, NARROW = 20.0, 0.02
"""Ratios of the deviations from which values are far."""

FEW_VALUES, FEW_NARROW = 32, 0.005
"""Below this number of values of a feature or channel, those of a long tail may be narrow by
chance: the ratio for these."""

ONE_FEATURE = 5.0
"""Factor by which these bounds are wider where single features are judged."""

LEAST_ROWS, LEAST_VALUES = 10, 8
"""Least rows for a deviation by feature, and least values for one of a whole modality."""

ROWS_AT_MOST, VALUES_AT_MOST = 512, 2**22
"""Largest number of rows that are compared, and of values of a modality."""

VOLUMES_AT_MOST = 4
"""Largest number of volumes with a class for every voxel that are compared."""

NOTHING = 1e-5
"""Distance from zero, in deviations or means of the training, up to which a value is zero."""

MOST_NAMED = 3
"""Number of features that a sentence names."""


def shift_notes(dataset: Dataset, standardiser: Standardiser | None) -> list[str]:
    """Return sentences on modalities whose values are far from those of the training.

    Means and deviations are those of each feature or channel, over some evenly spaced samples.

    Args:
        dataset: Samples that `standardiser` has standardised.
        standardiser: Standardiser of the training; without one nothing can be said.
    """
    if standardiser is None:
        return []
    largest = max(torch.Size(modality.shape).numel() for modality in dataset.task.inputs)
    number = min(len(dataset), ROWS_AT_MOST, max(LEAST_ROWS, VALUES_AT_MOST // largest))
    if dataset.task.axes == 3:
        number = min(number, VOLUMES_AT_MOST)
    rows = torch.linspace(0, len(dataset) - 1, number).long()
    apart = dataset.task.axes == 3 or dataset.sizes is not None
    batches = [dataset.take(some) for some in (rows.split(1) if apart else [rows])]
    notes = []
    for column, name in enumerate(dataset.task.modalities):
        if name not in standardiser.mean:
            continue
        blocks = [batch.inputs[name][batch.present[:, column]].double() for batch in batches]
        some = [x for x in blocks if len(x)] or blocks[:1]
        values = some[0] if len(some) == 1 else torch.cat([x.flatten(2) for x in some], 2)
        mean, std = standardiser.mean[name], standardiser.std[name]
        if name in standardiser.unscaled:
            shape = (1, -1, *[1] * (values.dim() - 2))
            values = (values[:, : len(mean)] - mean.reshape(shape)) / std.reshape(shape)
        note = _note(values, mean, std)
        if note:
            notes.append(f"{name}{note}")
    return notes


def with_shift_warnings(splits: Splits) -> Splits:
    """Return the splits with warnings of validation and test files that are far from training."""
    if not splits.columns:
        # Splits of one data set are alike.
        return splits
    notes = [
        f"{role}: {note}"
        for role, part in splits.parts().items()
        if role != "train"
        for note in shift_notes(part, splits.standardiser)
    ]
    return replace(splits, warnings=(*splits.warnings, *notes))


def _note(values: Tensor, mean: Tensor, std: Tensor) -> str:
    """Return the end of a sentence on one modality ``(n, C, ...)``; empty if it is not far."""
    # A feature that is constant in training has deviation 1, and its spread says nothing.
    varies = (std != 1.0).nonzero().flatten()
    values = values.flatten(2) if values.dim() > 2 else values[:, :, None]
    if len(std) > 1 or values.shape[1] == 1:
        # Indicators of missing cells follow the features.
        values, mean, std = values[:, varies], mean[varies], std[varies]
    else:
        mean, std = mean.expand(values.shape[1]), std.expand(values.shape[1])
    if not values.numel():
        return ""
    by_channel = values.transpose(0, 1).flatten(1)
    if bool((by_channel == by_channel[:, :1]).all()) and len(values) > 1:
        # Constant in every row; what reads the file says so.
        return ""
    if len(values) < LEAST_ROWS and values.shape[2] < LEAST_VALUES:
        # Too few values of each feature: their distance from the training's means, together.
        size = float(values.square().mean().sqrt())
        if values.numel() < LEAST_VALUES or NARROW < size < 2 * FAR_MEAN:
            return ""
        if size <= NARROW:
            # Zero is zero in any unit: only other numbers show that values are small.
            level = (mean / std).expand(values.shape[1])[:, None]
            others = values[((values + level).abs() > NOTHING * (1 + level.abs()))]
            if len(others) < LEAST_VALUES:
                return ""
        return (
            f": values are on average {size:.2g} training deviations from the training's mean, "
            "expected about 1; are they in other units?"
        )
    offset, spread = by_channel.mean(1), by_channel.std(1, correction=0)
    # A feature that is mostly one number, as of a rare word, may be that number in a few rows.
    middle_value = by_channel.median(1, keepdim=True).values
    varied = (by_channel - middle_value).abs().median(1).values > 0
    # Few rows may well be alike.
    narrow = NARROW if by_channel.shape[1] >= FEW_VALUES else FEW_NARROW
    far = _far(offset, spread, varied, 1.0 if len(values) >= LEAST_ROWS else 2.0, narrow)
    if bool(far.double().mean() >= 0.5):
        middle = int(spread.argsort()[len(spread) // 2])
        now = float(offset[middle] * std[middle] + mean[middle])
        wide = float(spread[middle] * std[middle])
        return (
            f": expected values as in training (mean {float(mean[middle]):.3g}, deviation "
            f"{float(std[middle]):.3g}), got mean {now:.3g}, deviation {wide:.3g}; are they in "
            "other units?"
        )
    far = _far(offset, spread, varied, ONE_FEATURE, narrow) & varied
    if len(values) < 2 * LEAST_ROWS or not bool(far.any()):
        return ""
    wrong = far.nonzero().flatten().tolist()
    named = ", ".join(
        f"{int(varies[k])} (mean {float(mean[k]):.3g} in training, now "
        f"{float(offset[k] * std[k] + mean[k]):.3g})"
        for k in wrong[:MOST_NAMED]
    )
    more = f" and {len(wrong) - MOST_NAMED} more" if len(wrong) > MOST_NAMED else ""
    return f": values of feature {named}{more} are far from training; are they in other units?"


def _far(offset: Tensor, spread: Tensor, varied: Tensor, factor: float, narrow: float) -> Tensor:
    """Return which features are far, bool ``(C,)``.

    In rows as in training, whatever the distribution, a mean beyond `FAR_MEAN` has a probability
    of at most 1 in 25 n, and a deviation beyond `WIDE` of 1 in 400 (Chebyshev, Markov). A small
    deviation has no such bound: a feature that varies little there may be mostly one number.
    """
    wide = spread > WIDE * factor
    return wide | (varied & (spread < narrow / factor)) | (offset.abs() > FAR_MEAN * factor)
