"""ResNets in pieces - stem and stages - from torchvision's blocks, and the one it lacks.

He et al., CVPR 2016. Every batch norm bears a single value a channel; parameters are named as in
torchvision, so that published weights fit (`load_resnet`).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from timm.models import adapt_input_conv
from torch import Tensor, nn
from torchvision.models import get_model_weights
from torchvision.models.resnet import BasicBlock, Bottleneck

from dmrnet.hints import nearest
from dmrnet.nn.layers.norm import BatchNorm
from dmrnet.nn.networks.parts import LayoutName


class NonBottleneck1D(nn.Module):
    """A residual block of 3x1 and 1x3 convolutions, each pair in place of a 3x3 one.

    Source: ERFNet (Romera et al., T-ITS 2017), as ESANet uses it: convolutions with bias, batch
    norm (eps 1e-3) behind each pair, ReLU between and behind, no dropout.

    Args:
        inplanes: C of the input.
        planes: C of the output.
        stride: Of the first pair.
        downsample: Brings the input to the output's shape for the sum.
        norm_layer: Of C, with an eps.
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


@dataclass(frozen=True)
class Layout:
    """Which blocks a ResNet has, and how many in each of its four stages."""

    block: type[nn.Module]
    blocks: tuple[int, int, int, int]
    expansion: int = 1

    def channels(self, width: int = 64) -> tuple[int, ...]:
        """Return C of the stem's map and of each stage's.

        >>> LAYOUTS["r50"].channels()
        (64, 256, 512, 1024, 2048)
        """
        return (width, *(width * self.expansion << stage for stage in range(4)))


LAYOUTS: dict[str, Layout] = {
    "r18": Layout(BasicBlock, (2, 2, 2, 2)),
    "r34": Layout(BasicBlock, (3, 4, 6, 3)),
    "r50": Layout(Bottleneck, (3, 4, 6, 3), expansion=4),
    "r18-nbt1d": Layout(NonBottleneck1D, (2, 2, 2, 2)),
    "r34-nbt1d": Layout(NonBottleneck1D, (3, 4, 6, 3)),
}


def layout_of(name: str) -> Layout:
    """Return a layout by name.

    Raises:
        ValueError: If there is none of that name.
    """
    if name not in LAYOUTS:
        raise ValueError(f"unknown ResNet layout {name!r}; {nearest(name, LAYOUTS)}")
    return LAYOUTS[name]


def resnet_stem(channels: int, width: int = 64, kernel: int = 7) -> nn.Sequential:
    """Return convolution of stride 2, batch norm, ReLU: ``(B, channels, H, W)`` to a half of it.

    The max pooling that follows it stands in front of the first stage.
    """
    stem = nn.Sequential(
        nn.Conv2d(channels, width, kernel, stride=2, padding=kernel // 2, bias=False),
        BatchNorm(width),
        nn.ReLU(inplace=True),
    )
    initialise(stem)
    return stem


def resnet_stage(
    layout: Layout, stage: int, width: int = 64, channels: int | None = None
) -> nn.Sequential:
    """Return one stage: maps of ``width * expansion * 2^stage`` channels, half the size.

    Args:
        layout: Block and counts.
        stage: 0 to 3 (layer1 to layer4). Stage 0 halves by max pooling, the others by stride.
        width: Channels of the stem.
        channels: C of the input, where it is not what the stage before gives.
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
        # By keyword: the blocks of torchvision know groups and dilation as well.
        parts[str(number)] = layout.block(
            before if number == 0 else after,
            planes,
            stride=stride if number == 0 else 1,
            downsample=shortcut,
            norm_layer=BatchNorm,
        )
    made = nn.Sequential(parts)
    initialise(made)
    return made


def resnet_stages(layout: Layout, number: int = 4, width: int = 64) -> nn.ModuleList:
    """Return the first `number` stages behind a stem."""
    return nn.ModuleList(resnet_stage(layout, stage, width) for stage in range(number))


def initialise(module: nn.Module) -> None:
    """Draw the convolutions from Kaiming's normal distribution (fan out), as ResNets are.

    Batch norms start as 1 and 0 anyway, and biases stay as torch draws them.
    """
    for part in module.modules():
        if isinstance(part, nn.Conv2d):
            nn.init.kaiming_normal_(part.weight, mode="fan_out", nonlinearity="relu")


class ResNetEncoder(nn.Module):
    """A ResNet without pooling and classifier, or the first stages of one.

    Args:
        channels: C of the input.
        layout: A name in `LAYOUTS`.
        kernel: Of the stem: 7, or 3 for small images.
        stages: How many, 0 to 4; each halves the map.
        width: Channels of the stem, 64 in the literature.
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
        """Encode ``(B, C, H, W)``; H and W are halved by the stem and by each stage."""
        if not len(self.stages):
            encoded: Tensor = self.stem(x)
            return encoded
        convolution, norm, relu = self.stem.children()
        first, *others = self.stages.children()
        pool, *blocks = first.children()
        # The largest of what is not negative is the largest, if it is not negative: so the ReLU
        # waits for the pooling, with the same values and gradients, on a quarter of the positions.
        x = relu(pool(norm(convolution(x))))
        for part in (*blocks, *others):
            x = part(x)
        return x


def load_resnet(state: Mapping[str, Tensor], stem: nn.Module, stages: Iterable[nn.Module]) -> None:
    """Load the weights of a whole ResNet, named as in torchvision, into stem and stages.

    Weights of an RGB stem are summed for one channel and repeated, scaled, for other counts
    (timm's rule). The classifier's are left out.

    Args:
        state: ``conv1.weight``, ``layer1.0...`` and so on.
        stem: As `resnet_stem` makes it.
        stages: All four, as `resnet_stage` makes them.

    Raises:
        RuntimeError: If names or shapes do not fit (torch says which).
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


def imagenet_state(layout: LayoutName) -> dict[str, Tensor]:
    """Return torchvision's ImageNet weights for a layout (from its cache, or the network).

    Raises:
        ValueError: If torchvision publishes none.
        FileNotFoundError: If they are not in its cache and cannot be fetched.
    """
    published = {"r18": "resnet18", "r34": "resnet34", "r50": "resnet50"}
    if layout not in published:
        raise ValueError(
            f"torchvision has no weights for layout {layout}; it has some for "
            f"{', '.join(published)}, or load a file of your own with load_resnet"
        )
    weights = get_model_weights(published[layout]).DEFAULT
    try:
        state: dict[str, Tensor] = weights.get_state_dict(progress=False, check_hash=True)
    except (OSError, RuntimeError) as error:  # no network, or not what was published
        raise FileNotFoundError(
            f"torchvision's weights of {published[layout]} are not in its cache and cannot be "
            f"fetched ({error}); fetch them once where there is a network, or leave out "
            "--method.network.pretrained"
        ) from error
    return state
