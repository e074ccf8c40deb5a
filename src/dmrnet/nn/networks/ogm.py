"""The audio-visual network of the CREMA-D and Kinetics-Sounds tables: concatenated ResNet-18 maps.

Peng et al., CVPR 2022 (OGM-GE), concat fusion, from scratch, used in the paper with the indicator
delta after each encoder ("OGM-MD", Sec. 4.1). 22,352,902 parameters for six classes. There are no
layers between concatenation and representation; the classifier pools and is linear.

With `form` ``map``, maps are brought to the smallest grid among them, ``(B, 512 V, H, W)``, for a
Gaussian on the map as described in the paper. With ``vector``, each map is pooled first,
``(B, 512 V, 1, 1)``, as in OGM-GE and for the Gaussian of the released code.
"""

from __future__ import annotations

from torch import nn

from dmrnet.modalities import Task
from dmrnet.nn.encoders.resnet import ResNetEncoder
from dmrnet.nn.encoders.resnet_layouts import LayoutName
from dmrnet.nn.networks.parts import image_encoders
from dmrnet.nn.predictor import PooledLinear


def ogm_encoders(task: Task, layout: LayoutName = "r18", width: int = 64) -> dict[str, nn.Module]:
    """Return a ResNet of each image or volume.

    A spectrogram is an image ``(1, F, T)``. A clip is a volume ``(3, T, H, W)`` whose frames are
    folded into the batch and whose maps are averaged over frames.

    Args:
        task: Task with any number of modalities.
        layout: ``r18`` as in the paper; ``r34`` is what the released code builds under the name
            ResNet-18 (21.3 million parameters an encoder).
        width: Number of channels of the stem, 64 as published; all others scale with it.

    Raises:
        ValueError: If a modality is neither an image nor a volume.
    """
    return image_encoders(
        task, "ogm", lambda channels: ResNetEncoder(channels, layout, width=width)
    )


def ogm_predictor(channels: int, classes: int) -> PooledLinear:
    """Return a linear classifier with Xavier's normal initialisation."""
    predictor = PooledLinear(channels, classes)
    nn.init.xavier_normal_(predictor.linear.weight)
    nn.init.zeros_(predictor.linear.bias)
    return predictor
