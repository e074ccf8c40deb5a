"""Experts: encoder and predictor of a single modality as one module."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from dmrnet.modalities import spread_rows, take_rows
from dmrnet.nn.encoders.multi_level import MultiLevelEncoder
from dmrnet.nn.encoders.rows import encode_no_rows, encode_rows
from dmrnet.nn.grid import to_grid
from dmrnet.nn.layers.norm import synchronises
from dmrnet.nn.networks.level_fusion import ModalityDecoder


def logits_name(modality: str, scale: int = 0) -> str:
    """Return the key of an expert's logits; names of modalities hold no ``+``.

    Args:
        modality: Name of the modality.
        scale: 0 for the prediction, from 1 for side outputs in dense tasks.
    """
    return f"{modality}+logits.{scale}"


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

    def forward(self, feature: Tensor) -> Tensor:
        """Map ``(B, C, H, W)`` to logits ``(B, M)``."""
        logits: Tensor = self.predictor(self.trunk(to_grid(feature, self.grid)), ()).logits
        return logits


class ModalityExpert(MultiLevelEncoder):
    """Encoder and head of a single modality as one module.

    Args:
        encoder: Encoder from ``(B, *shape)`` to a map ``(B, C, H, W)``.
        head: Module from this map to logits ``(B, M)``.
        shape: ``(C, H, W)``.
        classes: Number of classes.
        share: Share of the head's gradient that reaches the encoder.
    """

    def __init__(
        self,
        encoder: nn.Module,
        head: nn.Module,
        shape: tuple[int, int, int],
        classes: int,
        share: float = 1.0,
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = head
        self.shape = shape
        self.classes = classes
        self.share = share

    @property
    def parts(self) -> tuple[nn.Module, ...]:
        """The encoder and the head."""
        return (self.encoder, self.head)

    def forward(self, x: Tensor) -> Tensor:
        """Encode ``(B, *shape)`` as the map ``(B, C, H, W)``."""
        encoded: Tensor = self.encoder(x)
        return encoded

    def encode(self, modality: str, x: Tensor, rows: Tensor | None = None) -> dict[str, Tensor]:
        """Return the map by the modality's name, and logits ``(B, M)`` by `logits_name`."""
        feature = encode_rows(self.encoder, x, rows, self.shape)
        read = scale_gradient(feature, self.share) if self.training else feature
        logits = encode_rows(self.head, read, rows, (self.classes,))
        return {modality: feature, logits_name(modality): logits}


class PixelModalityExpert(MultiLevelEncoder):
    """Encoder and decoder of a single modality as one module, for dense prediction.

    Args:
        encoder: Encoder with several levels.
        head: Decoder of these levels.
        levels: Numbers of the levels that the decoder reads.
        classes: Number of classes.
        share: Share of the head's gradient that reaches the encoder.
    """

    def __init__(
        self,
        encoder: MultiLevelEncoder,
        head: ModalityDecoder,
        levels: Sequence[int],
        classes: int,
        share: float = 1.0,
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = head
        self.levels = tuple(levels)
        self.classes = classes
        self.share = share
        self.widths = encoder.widths

    @property
    def parts(self) -> tuple[nn.Module, ...]:
        """Modules that an image goes through, in order."""
        return (*self.encoder.parts, self.head)

    def forward(self, x: Tensor) -> Tensor:
        """Encode ``(B, C, H, W)`` as the deepest map."""
        deepest: Tensor = self.encoder(x)
        return deepest

    def encode(self, modality: str, x: Tensor, rows: Tensor | None = None) -> dict[str, Tensor]:
        """Return the map of every level, and logits ``(B, M, H, W)`` by `logits_name`.

        There are no side logits if there are no rows.
        """
        maps = self.encoder.encode(modality, x, rows)
        read = [map for number, map in enumerate(maps.values()) if number in self.levels]
        if self.training:
            read = [scale_gradient(map, self.share) for map in read]
        outputs: tuple[Tensor, ...]
        if rows is not None and len(rows) == 0 and not synchronises(self.head):
            shape = (self.classes, *x.shape[2:])
            # Connected to the decoder, and through the deepest map to the encoder.
            outputs = (encode_no_rows(self.head, read[-1], shape),)
        else:
            out = self.head([take_rows(map, rows) for map in read])
            outputs = (out.logits, *out.side)
        if rows is not None:
            outputs = tuple(spread_rows(logits, rows, x.shape[0]) for logits in outputs)
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
