"""Standardising inside a graph, as `dmrnet.data.inputs.standardise` does it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from dmrnet.data.inputs.standardise import Standardiser
from dmrnet.data.inputs.steps import steps_there


class Scaling(nn.Module):
    """Standardises one modality; fills missing cells and ends sequences, where training did.

    Args:
        standardiser: Standardiser of the training.
        name: Name of the modality.
        rank: Number of axes of one sample.
        hole: Whether 0 is a hole that stays 0.
    """

    mean: Tensor
    std: Tensor
    fill: Tensor | None
    flagged: Tensor | None

    def __init__(self, standardiser: Standardiser, name: str, rank: int, hole: bool) -> None:
        super().__init__()
        self.hole, self.ragged = hole, name in standardiser.ragged
        shape = (1, -1, *[1] * (rank - 1))
        # Copies: saved programs warn of buffers that are views.
        mean, std = standardiser.scale(name)
        self.register_buffer("mean", mean.double().reshape(shape).clone())
        self.register_buffer("std", std.double().reshape(shape).clone())
        imputer, fill, flagged = standardiser.imputer, None, None
        if imputer is not None:
            fill = imputer.fill[name].double().reshape(shape).clone()
            flagged = imputer.flagged[name] if len(imputer.flagged[name]) else None
        self.register_buffer("fill", fill)
        self.register_buffer("flagged", flagged)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return what the method reads, float32 ``(B, ...)``, and which rows are usable, ``(B,)``.

        A row is not if it holds infinity or nothing but NaN, or NaN where there must be none, or
        is so large that float32 cannot hold it.
        """
        missing = x.isnan()
        # In float64, as in training: a mean far from 0 would otherwise cost digits.
        block = x.double()
        if self.fill is not None:
            block = torch.where(missing, self.fill, block)
        scaled = block.sub(self.mean).div(self.std).float()
        if self.hole:
            scaled = torch.where(x == 0, 0.0, scaled)
        if self.flagged is not None:
            scaled = torch.cat([scaled, missing.index_select(1, self.flagged).float()], 1)
        if self.ragged:
            scaled = torch.cat([scaled, torch.ones_like(scaled[:, :1])], 1)
            scaled = torch.where(steps_there(x), scaled, 0.0)
        usable = scaled.isfinite().flatten(1).all(1)
        if self.fill is not None or self.ragged:
            usable = usable & ~missing.flatten(1).all(1)
        return scaled, usable
