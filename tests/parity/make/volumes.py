"""Fusion in the segmentation code that ShaSpec, mmFormer and RFNet released themselves.

``PYTHONPATH=. python tests/parity/make/volumes.py NAME CLONE`` with a clone of the repository in
`SYSTEMS` writes ``NAME.json``. The code runs without dropout and with smaller sizes. Only fusion is
compared: encoders and decoders, which are networks of volumes, are replaced by given maps and by a
recorder. Fused maps are stored as products with four fixed directions (`digests`).
"""

from __future__ import annotations

import itertools
import sys
import types
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from tests.parity.fixtures import fill, gradient_norms, normal, write
from tests.parity.make.adaptations import Content, module_of
from tests.parity.make.common import on_the_cpu
from tests.parity.products import digests
from torch import Tensor, nn
from torch.nn import functional as F

MASKS = [mask for mask in itertools.product((0, 1), repeat=4) if any(mask)]


class Given(nn.Module):
    """Stands for an encoder: returns given maps."""

    def __init__(self, maps: Any) -> None:
        super().__init__()
        self.maps = maps
        self.backbone = types.SimpleNamespace(get_layers=list)

    def forward(self, *args: Tensor) -> Any:
        """Return the maps, whatever is read."""
        return self.maps


class Recorder(nn.Module):
    """Stands for a decoder: keeps the map at one position of its arguments."""

    def __init__(self, position: int) -> None:
        super().__init__()
        self.position = position
        self.read: list[Tensor] = []

    def forward(self, *args: Any) -> tuple[None, None]:
        """Keep the map."""
        self.read.append(args[self.position])
        return None, None


def maps_of(name: str, shape: Sequence[int]) -> list[Tensor]:
    """Return the maps of four modalities, two samples each."""
    return [normal(f"{name} {k}", (2, *shape)) for k in range(4)]


def rows(mask: Sequence[int]) -> Tensor:
    """Return a mask for both samples."""
    return torch.tensor(mask, dtype=torch.bool).expand(2, 4)


def shaspec(clone: Path) -> Content:
    """DualNet_SS on maps of one slice, 8 channels, and the two terms of its trainer."""
    sys.path.insert(0, str(clone))
    module = module_of(clone / "DualNet_SS.py", {r"256 \* 2, 256": "8 * 2, 8"})
    net = module.DualNet_SS.__new__(module.DualNet_SS)
    nn.Module.__init__(net)
    net.self_att = net.cross_att = False
    net.compos_layer = module.CompositionalLayer()
    net.dom_classifier = nn.Linear(8, 4)
    shapes = fill(net)

    def encoded(x: Tensor) -> Given:
        return Given((x, x.mean((2, 3, 4), keepdim=True)))

    shared = torch.stack(maps_of("shared", (8, 1, 3, 4)), 1).flatten(0, 1)
    net.shared_enc = encoded(shared)
    for name, own in zip(
        ("flair", "t1", "t1ce", "t2"), maps_of("specific", (8, 1, 3, 4)), strict=True
    ):
        setattr(net, f"{name}_enc", encoded(own))
    net.shared_dec = Recorder(0)
    for mask in MASKS:
        mode = ",".join(str(k) for k, shown in enumerate(mask) if shown)
        _, all_shared, modality, _ = net(torch.zeros(2, 4, 1, 3, 4), mode=mode)
    pairs = ((0, 1), (1, 2), (2, 3), (3, 0))
    align = torch.stack([F.l1_loss(all_shared[i::4], all_shared[j::4]) for i, j in pairs]).sum()
    tell = F.cross_entropy(modality, torch.arange(8) % 4)
    read = net.shared_dec.read
    (read[-2].square().mean() + 0.1 * align + 0.02 * tell).backward()
    return {
        "shapes": shapes,
        "masks": MASKS,
        "fused": digests(read),
        "terms": {"align": align, "tell_modality": tell},
        "gradients": gradient_norms(net),
    }


def mmformer(clone: Path) -> Content:
    """Both transformers, on maps of 2 x 2 x 2 positions and 16 channels."""
    sys.path.insert(0, str(clone / "mmformer"))
    import mmformer as module

    module.basic_dims, module.transformer_basic_dims = 1, 16
    module.mlp_dim, module.patch_size = 64, 2
    net = module.Model(num_cls=3)
    for part in net.modules():
        if isinstance(part, nn.Dropout):
            part.p = 0.0
    for name in list(net._modules):
        if "encoder" in name or "decoder" in name:
            delattr(net, name)
    shapes = fill(net)
    rest = [torch.zeros(2, 1, 1, 1, 1)] * 4
    for name, own in zip(
        ("flair", "t1ce", "t1", "t2"), maps_of("deepest", (16, 2, 2, 2)), strict=True
    ):
        setattr(net, f"{name}_encoder", Given((*rest, own)))
    net.decoder_fuse = Recorder(-1)
    for mask in MASKS:
        net(torch.zeros(2, 4, 1, 1, 1), rows(mask))
    read = net.decoder_fuse.read
    read[-2].square().mean().backward()
    return {
        "shapes": shapes,
        "masks": MASKS,
        "fused": digests(read),
        "gradients": gradient_norms(net),
    }


def rfnet(clone: Path) -> Content:
    """Regions, fusion and Dice loss at the deepest level, on volumes that are constant in depth."""
    sys.path.insert(0, str(clone))
    import layers
    from utils import criterions

    net = nn.ModuleDict(
        {
            "prm": layers.prm_generator_laststage(in_channel=8, num_cls=3),
            "rfm": layers.region_aware_modal_fusion(in_channel=8, num_cls=3),
        }
    )
    shapes = fill(net)
    x = torch.stack(maps_of("maps", (8, 3, 4)), 1)[..., None].expand(-1, -1, -1, -1, -1, 2)
    regions, fused = [], []
    for mask in MASKS:
        regions.append(net["prm"](x, rows(mask)))
        fused.append(net["rfm"](x, regions[-1].detach(), rows(mask)))
    label = F.one_hot(torch.arange(24).view(2, 3, 4) % 3, 3).movedim(3, 1)
    label = label[..., None].expand(-1, -1, -1, -1, 2)
    dice = criterions.dice_loss(regions[-2], label, num_cls=3)
    (dice + fused[-2].square().mean()).backward()
    return {
        "shapes": shapes,
        "masks": MASKS,
        "regions": digests(p[..., 0] for p in regions),
        "fused": digests(f[..., 0] for f in fused),
        "terms": {"dice": dice},
        "gradients": gradient_norms(net),
    }


SYSTEMS: dict[str, tuple[str, Callable[[Path], Content]]] = {
    "shaspec-seg": ("billhhh/ShaSpec@081fe7a", shaspec),
    "mmformer-seg": ("YaoZhang93/mmFormer@b18663a", mmformer),
    "rfnet": ("dyh127/RFNet@1e475fa", rfnet),
}

if __name__ == "__main__":
    on_the_cpu()
    source, run = SYSTEMS[sys.argv[1]]
    write(sys.argv[1], source, **run(Path(sys.argv[2])))
