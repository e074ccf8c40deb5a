"""Sequences of different length in tensors: NaN after the end, or a channel that says so."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from dmrnet.modalities import Modality, Task


def steps_there(x: Tensor) -> Tensor:
    """Return which steps come no later than the last that holds a value.

    Args:
        x: Tensor of shape ``(n, C, T)``, NaN after the end of each row, and where a cell is
            missing.

    Returns:
        Bool tensor of shape ``(n, 1, T)``.

    >>> steps_there(torch.tensor([[[1.0, float("nan"), 2.0, float("nan")]]])).tolist()
    [[[True, True, True, False]]]
    """
    alive = (~x.isnan()).any(1, keepdim=True)
    return alive.flip(-1).cumsum(-1).flip(-1) > 0


def ended(x: Tensor, lengths: Tensor) -> Tensor:
    """Return sequences ``(n, C, T)`` with NaN after their lengths, int64 ``(n,)``."""
    after = torch.arange(x.shape[-1]) >= lengths[:, None, None]
    return x.masked_fill(after, torch.nan)


def without_padding(x: Tensor, modality: Modality) -> Tensor:
    """Return rows whose hash does not depend on how far a ragged modality is padded.

    Steps come first, and those after the end are zeros, which add nothing to a hash.
    """
    return x.transpose(1, 2).nan_to_num(0.0) if modality.ragged else x


def numbers_of_steps(inputs: Mapping[str, Tensor], task: Task) -> Tensor | None:
    """Return the number of steps of each sample in all ragged modalities together, int64 ``(n,)``.

    None where there is no such modality.
    """
    counts = [inputs[one.name][:, -1].sum(1) for one in task.inputs if one.ragged]
    return torch.stack(counts).sum(0).long() if counts else None


def trimmed(inputs: Mapping[str, Tensor], task: Task) -> dict[str, Tensor]:
    """Return a batch with ragged modalities cut to their longest sample.

    Modalities with the same channels are cut alike, since one encoder may read them together.

    Args:
        inputs: Tensors ``(b, ...)`` as methods read them.
        task: Task of the methods.
    """
    longest: dict[int, int] = {}
    for one in task.inputs:
        if one.ragged:
            steps = int((inputs[one.name][:, -1] > 0).any(0).sum())
            longest[one.shape[0]] = max(longest.get(one.shape[0], 1), steps)
    return {
        one.name: inputs[one.name][..., : longest[one.shape[0]]] if one.ragged else inputs[one.name]
        for one in task.inputs
    }
