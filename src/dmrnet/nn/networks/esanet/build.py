"""Building ESANet for a task."""

from __future__ import annotations

from dmrnet.modalities import Task
from dmrnet.nn.encoders.resnet import imagenet_state, load_resnet
from dmrnet.nn.encoders.resnet_layouts import LayoutName
from dmrnet.nn.networks.esanet.decoder import ESANetDecoder
from dmrnet.nn.networks.esanet.fusion import ESANetFusion
from dmrnet.nn.networks.esanet.streams import ESANetStream
from dmrnet.nn.networks.parts import NetworkParts, check_dense, check_kinds


def esanet(
    task: Task,
    layout: LayoutName = "r34-nbt1d",
    main: str | None = None,
    width: int = 64,
    pretrained: bool = False,
) -> NetworkParts:
    """Return the network for any number of images of one size, which 32 must divide.

    With RGB, a depth map and 40 classes it has 46.96 million parameters (r34-nbt1d, ESANet's own),
    71.73 (r50, as trained by the released DMRNet code) or 39.73 (r18). The representation follows
    the context module; skips bypass it. See `Network` for the settings.

    Raises:
        ValueError: If the task is not dense, a modality is not an image, or there are no published
            weights of the layout and width.
        FileNotFoundError: If published weights are not available.
    """
    check_dense(task, "esanet", dense=True)
    check_kinds(task, "esanet", ("image",))
    main = task.modalities[0] if main is None else main
    fusion = ESANetFusion(task.modalities, main, layout, width)
    streams = {
        m.name: ESANetStream(m.shape[0], layout, 0 if m.name == main else 4, width)
        for m in task.inputs
    }
    if pretrained:
        state = imagenet_state(layout, width)
        for name, stream in streams.items():
            load_resnet(state, stream.stem, fusion.stages if name == main else stream.stages)
    channels = 8 * width
    return NetworkParts(streams, fusion, channels, ESANetDecoder(channels, len(task.classes)))
