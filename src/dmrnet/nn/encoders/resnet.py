"""ResNets in pieces (stem and stages) from torchvision's blocks and ESANet's own.

He et al., CVPR 2016. Every batch norm accepts a single value per channel. Parameters are named as
in torchvision, so that published weights fit (`load_resnet`).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping

from timm.models import adapt_input_conv
from torch import Tensor, nn
from torchvision.models import get_model_weights
from torchvision.models.resnet import BasicBlock, Bottleneck

from dmrnet.nn.encoders.resnet_layouts import LayoutName, ResNetLayout, layout_of
from dmrnet.nn.layers.conv_block import conv_block
from dmrnet.nn.layers.norm import BatchNorm


class NonBottleneck1D(nn.Module):
    """A residual block of two pairs of 3x1 and 1x3 convolutions, each replacing a 3x3 one.

    Source: ERFNet (Romera et al., T-ITS 2017), as used by ESANet: convolutions with bias, batch
    norm (eps 1e-3) after each pair, ReLU between and after them, no dropout. Arguments are those of
    torchvision's ``BasicBlock``.
    """

    expansion = 1

    def __init__(
        self,
        inplanes: int,
        planes: int,
        stride: int = 1,
        downsample: nn.Module | None = None,
        norm_layer: type[BatchNorm] = BatchNorm,
    ) -> None:
        super().__init__()
        self.conv3x1_1 = nn.Conv2d(inplanes, planes, (3, 1), (stride, 1), (1, 0))
        self.conv1x3_1 = nn.Conv2d(planes, planes, (1, 3), (1, stride), (0, 1))
        self.bn1 = norm_layer(planes, eps=1e-3)
        self.conv3x1_2 = nn.Conv2d(planes, planes, (3, 1), padding=(1, 0))
        self.conv1x3_2 = nn.Conv2d(planes, planes, (1, 3), padding=(0, 1))
        self.bn2 = norm_layer(planes, eps=1e-3)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = downsample

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(B, inplanes, H, W)`` to ``(B, planes, H / stride, W / stride)``, rounded up."""
        out = self.relu(self.conv3x1_1(x))
        out = self.relu(self.bn1(self.conv1x3_1(out)))
        out = self.relu(self.conv3x1_2(out))
        out = self.bn2(self.conv1x3_2(out))
        shortcut = x if self.downsample is None else self.downsample(x)
        result: Tensor = self.relu(out + shortcut)
        return result


BLOCKS: dict[str, type[nn.Module]] = {
    "basic": BasicBlock,
    "bottleneck": Bottleneck,
    "nbt1d": NonBottleneck1D,
}


def resnet_stem(channels: int, width: int = 64, kernel: int = 7) -> nn.Sequential:
    """Return convolution of stride 2, batch norm and ReLU: half the size, `width` channels.

    The max pooling that follows it is part of the first stage.
    """
    stem = conv_block(channels, width, kernel, stride=2)
    initialise(stem)
    return stem


def resnet_stage(
    layout: ResNetLayout, stage: int, width: int = 64, channels: int | None = None
) -> nn.Sequential:
    """Return one stage: half the size, ``width * expansion * 2^stage`` channels.

    Args:
        layout: Layout of the ResNet.
        stage: Number of the stage, 0 to 3 (layer1 to layer4). Stage 0 halves by max pooling, the
            others by stride.
        width: Number of channels of the stem.
        channels: Number of input channels, if not that of the stage before.
    """
    before = layout.channels(width)[stage] if channels is None else channels
    planes = width << stage
    after = planes * layout.expansion
    stride = 1 if stage == 0 else 2
    parts: OrderedDict[str, nn.Module] = OrderedDict()
    if stage == 0:
        parts["pool"] = nn.MaxPool2d(3, stride=2, padding=1)
    for number in range(layout.blocks[stage]):
        shortcut = None
        if number == 0 and (stride != 1 or before != after):
            shortcut = nn.Sequential(
                nn.Conv2d(before, after, 1, stride=stride, bias=False), BatchNorm(after)
            )
        # By keyword: torchvision's blocks have groups and dilation as well.
        parts[str(number)] = BLOCKS[layout.block](
            before if number == 0 else after,
            planes,
            stride=stride if number == 0 else 1,
            downsample=shortcut,
            norm_layer=BatchNorm,
        )
    modules = nn.Sequential(parts)
    initialise(modules)
    return modules


def resnet_stages(layout: ResNetLayout, number: int = 4, width: int = 64) -> nn.ModuleList:
    """Return the first `number` stages after the stem."""
    return nn.ModuleList(resnet_stage(layout, stage, width) for stage in range(number))


def initialise(module: nn.Module) -> None:
    """Initialise the convolutions from Kaiming's normal distribution (fan out), as ResNets are.

    Batch norms and biases keep torch's initialisation.
    """
    for part in module.modules():
        if isinstance(part, nn.Conv2d):
            nn.init.kaiming_normal_(part.weight, mode="fan_out", nonlinearity="relu")


class ResNetEncoder(nn.Module):
    """A ResNet without pooling and classifier, or its first stages.

    Args:
        channels: Number of channels of the images.
        layout: Name of the layout.
        kernel: Kernel size of the stem: 7, or 3 for small images.
        stages: Number of stages, 0 to 4; each halves the map.
        width: Number of channels of the stem, 64 in the literature.
    """

    def __init__(
        self,
        channels: int,
        layout: LayoutName = "r18",
        kernel: int = 7,
        stages: int = 4,
        width: int = 64,
    ) -> None:
        super().__init__()
        shape = layout_of(layout)
        self.channels = shape.channels(width)[stages]
        self.stem = resnet_stem(channels, width, kernel)
        self.stages = resnet_stages(shape, stages, width)

    def forward(self, x: Tensor) -> Tensor:
        """Encode ``(B, C, H, W)``; the stem and each stage halve H and W."""
        if not len(self.stages):
            encoded: Tensor = self.stem(x)
            return encoded
        convolution, norm, relu = self.stem.children()
        first, *others = self.stages.children()
        pool, *blocks = first.children()
        # ReLU and max pooling commute: pooling first gives the same values and gradients and leaves
        # a quarter of the positions to the ReLU.
        x = relu(pool(norm(convolution(x))))
        for part in (*blocks, *others):
            x = part(x)
        return x


def load_resnet(state: Mapping[str, Tensor], stem: nn.Module, stages: Iterable[nn.Module]) -> None:
    """Load the weights of a whole ResNet, named as in torchvision, into stem and stages.

    Weights of an RGB stem are summed for one channel, and repeated and scaled for other numbers of
    channels (timm's rule). The classifier is ignored.

    Raises:
        RuntimeError: If names or shapes do not fit (torch's message lists them).
    """
    whole = nn.Module()
    convolution, whole.bn1, _ = stem.children()
    assert isinstance(convolution, nn.Conv2d)
    whole.conv1 = convolution
    for number, stage in enumerate(stages, start=1):
        whole.add_module(f"layer{number}", stage)
    weights = {name: value for name, value in state.items() if not name.startswith("fc.")}
    weights["conv1.weight"] = adapt_input_conv(convolution.in_channels, weights["conv1.weight"])
    whole.load_state_dict(weights)


def imagenet_state(layout: LayoutName, width: int = 64) -> dict[str, Tensor]:
    """Return torchvision's ImageNet weights for a layout and width of the stem.

    Raises:
        ValueError: If torchvision publishes none, or the width is not 64.
        FileNotFoundError: If they are neither cached nor can be fetched.
    """
    if width != 64:
        raise ValueError(f"expected a stem of width 64 for published weights, got width {width}")
    published = {"r18": "resnet18", "r34": "resnet34", "r50": "resnet50"}
    if layout not in published:
        raise ValueError(
            f"expected a layout with torchvision weights ({', '.join(published)}), got {layout}; "
            "load your own file with load_resnet"
        )
    weights = get_model_weights(published[layout]).DEFAULT
    try:
        state: dict[str, Tensor] = weights.get_state_dict(progress=False, check_hash=True)
    except (OSError, RuntimeError) as error:  # no network, or a wrong checksum
        raise FileNotFoundError(
            f"torchvision's weights of {published[layout]} are neither cached nor can be fetched "
            f"({error}); fetch them once with a network connection, or leave out "
            "pretrained (--method.network.pretrained)"
        ) from error
    return state
