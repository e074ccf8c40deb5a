"""Encoders by name: the small one of a modality's kind, or a timm backbone."""

from __future__ import annotations

from torch import nn

from dmrnet.hints import closest
from dmrnet.modalities import Modality
from dmrnet.nn.encoders.basic import ImageEncoder, SequenceEncoder, VectorEncoder, VolumeEncoder
from dmrnet.nn.encoders.multi_level import MultiLevelEncoder
from dmrnet.nn.encoders.own import ENCODERS, own_encoder
from dmrnet.nn.encoders.pixel_stream import PixelStream
from dmrnet.nn.encoders.ragged import RaggedEncoder
from dmrnet.nn.encoders.timm_encoder import TimmEncoder
from dmrnet.nn.encoders.timm_models import PREFIX
from dmrnet.nn.encoders.timm_stream import TimmStream


def build_encoder(
    modality: Modality,
    width: int,
    encoder: str = "auto",
    depth: int = 2,
    dropout: float = 0.0,
    pretrained: bool = False,
) -> nn.Module:
    """Return an encoder of a modality.

    Args:
        modality: The modality that it reads.
        width: Number of channels of its map (timm backbones have their own).
        encoder: ``auto`` for the encoder of the modality's kind, ``timm:NAME`` for images and
            volumes (``timm:NAME@MAP`` for an inner map), or the name of one of `ENCODERS`.
        depth: Number of blocks of a vector's encoder.
        dropout: Dropout rate of a vector's encoder.
        pretrained: Start a timm backbone from published weights.

    Raises:
        ValueError: If the encoder is unknown or does not fit the modality.
        FileNotFoundError: If published weights are not available.
    """
    kind, shape = modality.kind, modality.shape
    if (own := own_encoder(modality, encoder)) is not None:
        return own
    if encoder.startswith(PREFIX) and kind in ("image", "volume"):
        # A volume is (C, T, H, W); its frames are images.
        frame = TimmEncoder(encoder.removeprefix(PREFIX), (shape[0], *shape[-2:]), pretrained)
        return VolumeEncoder(frame) if kind == "volume" else frame
    if encoder != "auto":
        near = closest(encoder, ENCODERS)
        mend = "set one modality's in encoders (--method.network.encoders.NAME)"
        raise ValueError(
            f"modality {modality.name} ({kind} {shape}): expected encoder auto, or timm:NAME for "
            f"an image or a volume, or a registered one, got {encoder!r}; "
            f"{f'did you mean {near!r}?' if near else mend}"
        )
    if kind == "vector":
        return VectorEncoder(shape[0], width, depth, dropout)
    if kind == "sequence":
        if modality.ragged:
            return RaggedEncoder(shape[0] - 1, shape[1], width)
        return SequenceEncoder(shape[0], shape[1], width)
    image = ImageEncoder(shape[0], shape[-2], shape[-1], width)
    return VolumeEncoder(image) if kind == "volume" else image


def build_stream(
    modality: Modality, width: int, encoder: str = "auto", pretrained: bool = False
) -> MultiLevelEncoder:
    """Return an encoder of images or volumes for dense prediction; see `build_encoder`.

    `width` is that of the deepest map.
    """
    volume = modality.kind == "volume"
    if encoder == "auto":
        return PixelStream(modality.shape[0], width, 3 if volume else 2)
    if volume:
        raise ValueError(
            f"modality {modality.name}: expected encoder auto for volumes with a class for every "
            f"voxel, got {encoder!r}, which reads images"
        )
    if encoder.startswith(PREFIX):
        return TimmStream(modality, encoder.removeprefix(PREFIX), width, pretrained)
    raise ValueError(
        f"modality {modality.name}: expected encoder auto or timm:NAME for dense prediction, got "
        f"{encoder!r}"
    )
