"""Running an encoder on the samples that have its modality, and on no others."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from dmrnet.modalities import spread_rows, take_rows
from dmrnet.nn.layers.norm import waits


class ManyMaps(nn.Module):
    """An encoder that hands out several maps of its modality, under names of its own."""

    @property
    def parts(self) -> tuple[nn.Module, ...]:
        """What makes each map of the one before, where that is how it works."""
        raise TypeError(f"{type(self).__name__} does not say what it is made of")

    def encode(self, modality: str, x: Tensor, rows: Tensor | None = None) -> dict[str, Tensor]:
        """Return maps ``(B, C, H, W)`` by name; rows that are not named come out as zeros."""
        raise TypeError(f"{type(self).__name__} does not say how it encodes")


def feature_name(modality: str, level: int) -> str:
    """Return the name of a map: ``depth.0`` of the first level, ``depth.4`` of the fifth."""
    return f"{modality}.{level}"


def check_divides(modality: str, x: Tensor, stride: int) -> None:
    """Refuse images that cannot be halved down to a stride without a rest.

    Args:
        modality: For the message.
        x: ``(B, C, H, W)``.
        stride: What must divide H and W.

    Raises:
        ValueError: If it does not.
    """
    height, width = x.shape[-2:]
    if height % stride or width % stride:
        up = [-(-size // stride) * stride for size in (height, width)]
        raise ValueError(
            f"{f'modality {modality}' if modality else 'training'}: expected images, or tiles of "
            f"them, whose height and width {stride} divides, got {height} x {width}; pad or resize "
            f"all modalities and the labels to {up[0]} x {up[1]}, or train on tiles of such a size"
        )


def encode_rows(
    encoder: nn.Module,
    x: Tensor,
    rows: Tensor | None,
    shape: Sequence[int],
) -> Tensor:
    """Encode some rows of a batch; the others come out as zeros.

    Args:
        encoder: Maps ``(b, ...)`` to ``(b, *shape)``.
        x: ``(B, ...)``; rows that are not named are never read, so they may hold NaN.
        rows: int64, distinct row numbers, or None for every row.
        shape: Of one encoded sample.

    Returns:
        ``(B, *shape)``; see `encode_some`.
    """
    some = encode_some(encoder, x, rows, shape)
    return some if rows is None else spread_rows(some, rows, x.shape[0])


def encode_some(encoder: nn.Module, x: Tensor, rows: Tensor | None, shape: Sequence[int]) -> Tensor:
    """Encode some rows ``(b,)`` of a batch, and return those alone, ``(b, *shape)``.

    With no row at all the encoder does not run, and its parameters get zero gradients rather than
    none, so that many processes and one behave alike. Where its batch norms are synchronised it
    runs all the same, on no rows: other processes wait for it.
    """
    if rows is not None and len(rows) == 0 and not waits(encoder):
        return of_no_rows(encoder, x, shape)
    return encoded(encoder, x if rows is None else take_rows(x, rows), shape)


def of_no_rows(encoder: nn.Module, x: Tensor, shape: Sequence[int]) -> Tensor:
    """Return ``(0, *shape)`` without running an encoder, whose gradients are zeros then."""
    some = x.new_zeros((0, *shape), dtype=_floating(encoder, x))
    if torch.is_grad_enabled():
        # What came before depends on parameters too, where levels follow one another.
        some = some + untouched(encoder) + nothing(x)
    return some


def encoded(encoder: nn.Module, x: Tensor, shape: Sequence[int]) -> Tensor:
    """Run an encoder on every row of ``(b, ...)`` and hold it to the shape it declared."""
    result: Tensor = encoder(x)
    if tuple(result.shape[1:]) != tuple(shape):
        raise ValueError(
            f"an encoder gave {tuple(result.shape[1:])} for an input of {tuple(x.shape[1:])}, "
            f"but {tuple(shape)} when it was built; inputs must keep one size"
        )
    return result


def nothing(x: Tensor) -> Tensor:
    """Return a zero that depends on a tensor, whatever stands in it."""
    return x.flatten()[:0].sum()


def untouched(module: nn.Module) -> Tensor:
    """Return a zero that depends on every parameter of a module, at no cost.

    >>> layer = nn.Linear(2, 1)
    >>> untouched(layer).backward()
    >>> layer.weight.grad.tolist()
    [[0.0, 0.0]]
    """
    return sum(
        (p.flatten()[:0].sum() for p in module.parameters() if p.requires_grad),
        start=torch.zeros((), device=next((p.device for p in module.parameters()), None)),
    )


def _floating(encoder: nn.Module, x: Tensor) -> torch.dtype:
    if torch.is_autocast_enabled(x.device.type):
        return torch.get_autocast_dtype(x.device.type)
    parameter = next(encoder.parameters(), None)
    return x.dtype if parameter is None else parameter.dtype


def output_shape(encoder: nn.Module, shape: Sequence[int]) -> tuple[int, int, int]:
    """Measure what an encoder gives for one sample, as ``(C, H, W)``.

    Args:
        encoder: Any module from ``(b, *shape)`` to ``(b, C, H, W)``.
        shape: Of one input sample.

    Raises:
        ValueError: If the output is no map ``(C, H, W)``.
    """
    training = encoder.training
    parameter = next(encoder.parameters(), None)
    like = torch.zeros(()) if parameter is None else parameter
    with torch.no_grad():
        out = encoder.eval()(like.new_zeros((1, *shape)))
    encoder.train(training)
    if not isinstance(out, Tensor) or out.dim() != 4:
        what = tuple(out.shape) if isinstance(out, Tensor) else type(out).__name__
        raise ValueError(
            f"expected an encoder to give maps (batch, channels, height, width), got {what}; "
            "a vector is (batch, channels, 1, 1)"
        )
    return tuple(out.shape[1:])  # type: ignore[return-value]
