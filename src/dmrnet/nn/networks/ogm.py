"""The audio-visual network of the CREMA-D and Kinetics-Sounds tables: concatenated ResNet-18 maps.

Peng et al., CVPR 2022 (OGM-GE), concat fusion, from scratch, used in the paper with the indicator
delta after each encoder ("OGM-MD", Sec. 4.1). 22,352,902 parameters for six classes.
"""

from __future__ import annotations

from typing import Literal

from torch import nn

from dmrnet.modalities import Task
from dmrnet.nn.encoders.resnet import ResNetEncoder
from dmrnet.nn.encoders.resnet_layouts import LayoutName
from dmrnet.nn.encoders.rows import output_shape
from dmrnet.nn.fusion import ConcatFusion
from dmrnet.nn.grid import Grid
from dmrnet.nn.networks.parts import NetworkParts, check_dense, image_encoders
from dmrnet.nn.predictor import PooledLinear

OGMForm = Literal["map", "vector"]
"""Form in which modalities are fused: maps on one grid, or globally pooled vectors."""

GRIDS: dict[OGMForm, Grid] = {"map": "auto", "vector": "pooled"}


def ogm(
    task: Task, form: OGMForm = "map", layout: LayoutName = "r18", width: int = 64
) -> NetworkParts:
    """Return the network for any number of images and volumes, each with its own ResNet.

    A spectrogram is an image ``(1, F, T)``. A clip is a volume ``(3, T, H, W)`` whose frames are
    folded into the batch and whose maps are averaged over frames. There are no layers between
    concatenation and representation; the classifier pools and is linear.

    Args:
        task: Task with any number of modalities.
        form: ``map``: maps are brought to the smallest grid among them, ``(B, 512 V, H, W)``, for a
            Gaussian on the map as described in the paper. ``vector``: each map is pooled first,
            ``(B, 512 V, 1, 1)``, as in OGM-GE and for the Gaussian of the released code.
        layout: ``r18`` as in the paper; ``r34`` is what the released code builds under the name
            ResNet-18 (21.3 million parameters an encoder).
        width: Number of channels of the stem, 64 as published; all others scale with it.

    Raises:
        ValueError: If a modality is neither an image nor a volume, the task is dense, or `form` is
            unknown.
    """
    if form not in GRIDS:
        raise ValueError(f"expected form as {' or '.join(GRIDS)}, got {form!r}")
    check_dense(task, "ogm", dense=False)
    encoders = image_encoders(
        task, "ogm", lambda channels: ResNetEncoder(channels, layout, width=width)
    )
    shapes = {m.name: output_shape(encoders[m.name], m.shape) for m in task.inputs}
    channels = sum(shape[0] for shape in shapes.values())
    fusion = ConcatFusion(shapes, nn.Identity(), GRIDS[form])
    return NetworkParts(encoders, fusion, channels, ogm_predictor(channels, len(task.classes)))


def ogm_predictor(channels: int, classes: int) -> PooledLinear:
    """Return a linear classifier with Xavier's normal initialisation."""
    predictor = PooledLinear(channels, classes)
    nn.init.xavier_normal_(predictor.linear.weight)
    nn.init.zeros_(predictor.linear.bias)
    return predictor
