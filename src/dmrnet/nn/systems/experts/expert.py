"""Experts: encoder and predictor of a single modality as one module."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from dmrnet.nn.encoders.multi_level import MultiLevelEncoder
from dmrnet.nn.encoders.rows import encode_rows
from dmrnet.nn.grid import to_grid
from dmrnet.nn.predictor import Output, predict_rows


def logits_name(modality: str, scale: int = 0) -> str:
    """Return the name of an expert's logits among features; names of modalities hold no ``+``.

    Args:
        modality: Name of the modality.
        scale: 0 for the prediction, from 1 for side outputs in dense tasks.
    """
    return f"{modality}+logits.{scale}"


def is_logits(name: str) -> bool:
    """Return whether a feature is an expert's logits, by its name.

    >>> is_logits(logits_name("rgb")), is_logits("rgb")
    (True, False)
    """
    return "+logits." in name


class ExpertHead(nn.Module):
    """Trunk and classifier of a single modality's map: ``u_v = W_v GAP(trunk_v(f_v))``.

    Args:
        trunk: Trunk that reads the map on the grid.
        predictor: Classifier.
        grid: Grid that the map is brought to.
    """

    def __init__(self, trunk: nn.Module, predictor: nn.Module, grid: tuple[int, int]) -> None:
        super().__init__()
        self.trunk = trunk
        self.predictor = predictor
        self.grid = grid

    def forward(self, maps: Sequence[Tensor]) -> Output:
        """Map one map ``(B, C, H, W)`` to logits ``(B, M)``."""
        (feature,) = maps
        out: Output = self.predictor(self.trunk(to_grid(feature, self.grid)), ())
        return out


class ModalityExpert(MultiLevelEncoder):
    """Encoder and head of a single modality as one module.

    Args:
        encoder: Encoder from ``(B, *shape)`` to a map ``(B, C, H, W)``, or with several levels.
        head: Module from the maps that it reads to `Output`.
        classes: Number of classes.
        reads: Shape ``(C, H, W)`` of the encoder's map; of an encoder with several levels, for
            dense prediction, the numbers of those that the head reads.
        share: Share of the head's gradient that reaches the encoder.
    """

    def __init__(
        self,
        encoder: nn.Module,
        head: nn.Module,
        classes: int,
        reads: Sequence[int],
        share: float = 1.0,
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = head
        self.classes = classes
        self.reads = tuple(reads)
        self.share = share

    @property
    def parts(self) -> tuple[nn.Module, ...]:
        """Modules that an input goes through, in order."""
        if isinstance(self.encoder, MultiLevelEncoder):
            return (*self.encoder.parts, self.head)
        return (self.encoder, self.head)

    def forward(self, x: Tensor) -> Tensor:
        """Encode ``(B, *shape)`` as the map ``(B, C, H, W)``, the deepest of several."""
        encoded: Tensor = self.encoder(x)
        return encoded

    def encode(self, modality: str, x: Tensor, rows: Tensor | None = None) -> dict[str, Tensor]:
        """Return the map of every level, and logits ``(B, M, ...)`` by `logits_name`.

        A single map has the modality's name. There are no side logits if there are no rows.
        """
        size: Sequence[int] = ()
        if isinstance(self.encoder, MultiLevelEncoder):
            maps, size = self.encoder.encode(modality, x, rows), x.shape[2:]
            read = [map for number, map in enumerate(maps.values()) if number in self.reads]
        else:
            maps = {modality: encode_rows(self.encoder, x, rows, self.reads)}
            read = list(maps.values())
        if self.training:
            read = [scale_gradient(map, self.share) for map in read]
        outputs = predict_rows(self.head, self.head, read, rows, (self.classes, *size))
        return maps | {logits_name(modality, scale): u for scale, u in enumerate(outputs)}


def scale_gradient(x: Tensor, share: float) -> Tensor:
    """Return a tensor whose gradient is multiplied by a share.

    >>> import torch
    >>> x = torch.ones(2, requires_grad=True)
    >>> scale_gradient(3 * x, 0.5).sum().backward()
    >>> x.grad.tolist()
    [1.5, 1.5]
    """
    if share == 1:
        return x
    constant = x.detach()
    return constant if share == 0 else constant + share * (x - constant)
