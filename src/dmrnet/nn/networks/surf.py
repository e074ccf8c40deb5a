"""The network of the CASIA-SURF tables: shallow encoders of each modality and a shared deep trunk.

Zhang et al., CVPR 2019 ("SURF fusion"), used in the paper with the indicator delta of Eq. 1
between encoders and concatenation (Sec. 4.1). A ResNet-18 with a 3x3 stem, split after layer2.
13,182,554 parameters for three modalities of three channels and two classes.

The released code also builds a dropout before the classifier that it never calls; there is none
here.
"""

from __future__ import annotations

from collections import OrderedDict

from torch import Tensor, nn

from dmrnet.modalities import Task
from dmrnet.nn.encoders.resnet import ResNetEncoder, resnet_stage
from dmrnet.nn.encoders.resnet_layouts import LAYOUTS
from dmrnet.nn.layers.linear_start import BlockTrunk
from dmrnet.nn.layers.memory_format import SmallMaps, small
from dmrnet.nn.layers.squeeze_excite import squeeze_excite
from dmrnet.nn.networks.parts import image_encoders


class SURFEncoder(nn.Module):
    """Stem, layer1 and layer2 of a ResNet-18, then squeeze-and-excite.

    ``B x 3 x 112 x 112`` becomes ``B x 128 x 14 x 14``; any size and number of channels is valid.
    """

    def __init__(self, channels: int, width: int = 64) -> None:
        super().__init__()
        self.resnet = ResNetEncoder(channels, "r18", kernel=3, stages=2, width=width)
        self.excite = squeeze_excite(self.resnet.channels)

    def forward(self, x: Tensor) -> Tensor:
        """Encode ``(B, C, H, W)`` as ``(B, 2 * width, H / 8, W / 8)``, rounded up."""
        encoded: Tensor = self.excite(self.resnet(x))
        return encoded


def surf_trunk(channels: int, width: int = 64, grid: tuple[int, int] | None = None) -> BlockTrunk:
    """Return layer3 and layer4, shared by all combinations: the paper's "conv fusion block".

    ``B x 384 x 14 x 14`` becomes ``B x 512 x 4 x 4``.

    Args:
        channels: Number of channels of all encoders' maps together.
        width: Number of channels of the stem.
        grid: Grid of the encoders' maps; it determines the memory format of layer4.
    """
    layout = LAYOUTS["r18"]
    last = resnet_stage(layout, 3, width)
    # Layer3 and layer4 halve the grid, rounding up.
    if grid is not None and small([-(-side // 4) for side in grid]):
        last = SmallMaps(OrderedDict(last.named_children()))
    return BlockTrunk(resnet_stage(layout, 2, width, channels), last)


def surf_encoders(task: Task, width: int = 64) -> dict[str, nn.Module]:
    """Return an encoder of each image or volume; all channels scale with the stem's `width`."""
    return image_encoders(task, "surf", lambda channels: SURFEncoder(channels, width))
