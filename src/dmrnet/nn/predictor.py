"""Predictors: from a representation to logits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from dmrnet.modalities import spread_rows, take_rows
from dmrnet.nn.encoders.rows import encode_no_rows
from dmrnet.nn.layers.norm import synchronises


@dataclass(frozen=True)
class Output:
    """Output of a predictor.

    Attributes:
        logits: Logits ``(B, M)``, or ``(B, M, H, W)`` in dense tasks.
        side: Logits of side outputs at other scales, in dense tasks.
    """

    logits: Tensor
    side: tuple[Tensor, ...] = ()


class PooledLinear(nn.Module):
    """Global average pooling and one linear layer (Eq. 3 and 8: ``W g(s)``).

    Args:
        channels: Number of channels of the representation.
        classes: Number of classes.
    """

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.linear = nn.Linear(channels, classes)

    def forward(self, value: Tensor, skips: Sequence[Tensor] = ()) -> Output:
        """Predict from ``(B, C, H, W)``."""
        return Output(self.linear(value.mean((2, 3))))


def predict_rows(
    module: nn.Module,
    predict: Callable[[list[Tensor]], Output],
    maps: Sequence[Tensor],
    rows: Tensor | None,
    shape: Sequence[int],
) -> tuple[Tensor, ...]:
    """Predict selected rows of maps ``(B, ...)``; the others are zeros in the result.

    Args:
        module: Module with all parameters that `predict` uses. Without any row it does not run,
            and its parameters get zero gradients; see `encode_compact`.
        predict: Function from maps ``(b, ...)`` to their output.
        maps: Maps; rows that are not selected are never read. The last one depends on all others.
        rows: Distinct int64 row numbers, or None for every row.
        shape: Shape of one sample's logits.

    Returns:
        Logits ``(B, *shape)`` and side logits, of which there are none if there are no rows.
    """
    outputs: tuple[Tensor, ...]
    if rows is not None and len(rows) == 0 and not synchronises(module):
        # Connected to the module, and through the last map to what made it.
        outputs = (encode_no_rows(module, maps[-1], shape),)
    else:
        out = predict([take_rows(map, rows) for map in maps])
        outputs = (out.logits, *out.side)
    if rows is None:
        return outputs
    return tuple(spread_rows(logits, rows, maps[-1].shape[0]) for logits in outputs)
