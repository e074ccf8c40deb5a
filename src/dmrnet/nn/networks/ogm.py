"""The audio-visual network of CREMA-D's and Kinetics-Sounds' tables: two ResNet-18, side by side.

Peng et al., CVPR 2022 (OGM-GE), concat fusion, from scratch, as the paper uses it with the
indicator delta behind each encoder ("OGM-MD", Sec. 4.1). 22,352,902 parameters for six classes.
"""

from __future__ import annotations

from torch import nn

from dmrnet.modalities import Task
from dmrnet.nn.encoders.resnet import ResNetEncoder
from dmrnet.nn.encoders.resnet_layouts import LayoutName
from dmrnet.nn.encoders.rows import output_shape
from dmrnet.nn.fusion import ConcatFusion
from dmrnet.nn.grid import Grid
from dmrnet.nn.networks.parts import Form, Parts, check_dense, image_encoders
from dmrnet.nn.predictor import PooledLinear

GRIDS: dict[Form, Grid] = {"map": "auto", "vector": "pooled"}


def ogm(task: Task, form: Form = "map", layout: LayoutName = "r18", width: int = 64) -> Parts:
    """Return the network for any number of images and volumes, each with a ResNet of its own.

    A spectrogram is an image ``(1, F, T)``; a clip is a volume ``(3, T, H, W)`` whose frames are
    folded into the batch and whose maps are averaged over frames. Nothing learnt stands between
    concatenation and representation; the classifier pools and is linear.

    Args:
        task: Its modalities need not be two.
        form: ``map``: the maps are brought to the smallest grid among them, ``(B, 512 V, H, W)``,
            for a Gaussian on the map as the paper describes. ``vector``: each map is pooled first,
            ``(B, 512 V, 1, 1)``: OGM-GE itself, and where the released code puts its Gaussian.
        layout: ``r18`` as the paper says; ``r34`` is what the released code builds under the name
            of ResNet-18 (21.3 million parameters an encoder).
        width: Channels of the stem, 64 as published; everything scales with it.

    Raises:
        ValueError: If a modality is no image or volume, the task is dense, or `form` is unknown.
    """
    if form not in GRIDS:
        raise ValueError(f"expected form as {' or '.join(GRIDS)}, got {form!r}")
    check_dense(task, "ogm", dense=False)
    encoders = image_encoders(
        task, "ogm", lambda channels: ResNetEncoder(channels, layout, width=width)
    )
    shapes = {m.name: output_shape(encoders[m.name], m.shape) for m in task.inputs}
    channels = sum(shape[0] for shape in shapes.values())
    predictor = PooledLinear(channels, len(task.classes))
    nn.init.xavier_normal_(predictor.linear.weight)
    nn.init.zeros_(predictor.linear.bias)
    return Parts(encoders, ConcatFusion(shapes, nn.Identity(), GRIDS[form]), channels, predictor)
