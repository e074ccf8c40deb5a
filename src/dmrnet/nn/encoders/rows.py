"""Running an encoder on selected rows of a batch, and measuring its output."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from dmrnet.modalities import spread_rows, take_rows
from dmrnet.nn.layers.connected_zero import connected_zero
from dmrnet.nn.layers.norm import synchronises


def encode_rows(encoder: nn.Module, x: Tensor, rows: Tensor | None, shape: Sequence[int]) -> Tensor:
    """Encode selected rows of ``(B, ...)``; the others are zeros in the result ``(B, *shape)``.

    Args:
        encoder: Module from ``(b, ...)`` to ``(b, *shape)``.
        x: Batch; rows that are not selected are never read, so they may hold NaN.
        rows: Distinct int64 row numbers, or None for every row; see `encode_compact`.
        shape: Shape of one encoded sample.
    """
    encoded = encode_compact(encoder, x, rows, shape)
    return encoded if rows is None else spread_rows(encoded, rows, x.shape[0])


def encode_compact(
    encoder: nn.Module, x: Tensor, rows: Tensor | None, shape: Sequence[int]
) -> Tensor:
    """Encode selected rows ``(b,)`` of a batch and return only those, ``(b, *shape)``.

    Without any row the encoder does not run and its parameters get zero gradients instead of None,
    as they would in one of several processes. If its batch norms are synchronised, it runs even
    on no rows, since other processes wait for it.
    """
    if rows is not None and len(rows) == 0 and not synchronises(encoder):
        return encode_no_rows(encoder, x, shape)
    return encode_checked(encoder, take_rows(x, rows), shape)


def encode_no_rows(encoder: nn.Module, x: Tensor, shape: Sequence[int]) -> Tensor:
    """Return ``(0, *shape)`` without running an encoder; its parameters get zero gradients."""
    dtype = next((parameter.dtype for parameter in encoder.parameters()), x.dtype)
    if torch.is_autocast_enabled(x.device.type):
        dtype = torch.get_autocast_dtype(x.device.type)
    empty = x.new_zeros((0, *shape), dtype=dtype)
    if torch.is_grad_enabled():
        # The input is connected to the parameters of earlier levels.
        empty = empty + connected_zero(encoder) + connected_zero(x)
    return empty


def encode_checked(encoder: nn.Module, x: Tensor, shape: Sequence[int]) -> Tensor:
    """Encode every row of ``(b, ...)`` and check the shape of the result.

    Raises:
        ValueError: If an encoded sample does not have the given shape.
    """
    encoded: Tensor = encoder(x)
    if tuple(encoded.shape[1:]) != tuple(shape):
        raise ValueError(
            f"expected an encoder to return {tuple(shape)} as when it was built, got "
            f"{tuple(encoded.shape[1:])} for an input of {tuple(x.shape[1:])}; keep one input size"
        )
    return encoded


def output_shape(encoder: nn.Module, shape: Sequence[int], axes: int = 2) -> tuple[int, int, int]:
    """Return the shape ``(C, H, W)`` of an encoder's map for one sample of a shape.

    Args:
        encoder: Encoder from ``(b, *shape)``.
        shape: Shape of a sample.
        axes: Number of axes of space; with 3 the shape is ``(C, D, H, W)``.

    Raises:
        ValueError: If the output is not a map ``(b, C, H, W)``.
    """
    training = encoder.training
    parameter = next(encoder.parameters(), None)
    like = torch.zeros(()) if parameter is None else parameter
    with torch.no_grad():
        out = encoder.eval()(like.new_zeros((1, *shape)))
    encoder.train(training)
    if not isinstance(out, Tensor) or out.dim() != 2 + axes:
        got = tuple(out.shape) if isinstance(out, Tensor) else type(out).__name__
        raise ValueError(
            "expected an encoder to return maps (batch, channels, height, width), got "
            f"{got}; return a vector as (batch, channels, 1, 1)"
        )
    return tuple(out.shape[1:])  # type: ignore[return-value]
