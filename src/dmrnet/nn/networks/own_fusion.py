"""Fusions of the user's own in the generic network: a module from features and mask to a map."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn

from dmrnet.nn.encoders.own import built, given_part
from dmrnet.nn.fusion import Fused, Fusion, masked_all
from dmrnet.nn.networks.network import Shapes

WANTED = "expected a vector (b, C) or a map (b, C, H, W)"


class OwnFusion(Fusion):
    """A user's module as a fusion: it reads zeros in hidden rows.

    Args:
        module: Module from features ``(B, C, H, W)`` by name and a mask, bool ``(B, V)``, to a
            vector ``(B, C)`` or a map ``(B, C, H, W)``.
        modalities: Names in the order of mask columns.
    """

    def __init__(self, module: nn.Module, modalities: tuple[str, ...]) -> None:
        super().__init__()
        self.module = module
        self.modalities = modalities

    def forward(self, feats: Any, mask: Tensor) -> Fused:  # noqa: ANN401
        """Fuse the visible modalities."""
        seen = masked_all(feats, self.modalities, mask)
        out = self.module(dict(zip(self.modalities, seen, strict=True)), mask)
        if isinstance(out, Fused):
            return out
        return Fused(out[..., None, None] if out.dim() == 2 else out)


def own_fusion(name: str, shapes: Shapes) -> tuple[Fusion, int]:
    """Return a fusion that was given in Python, and its number of channels, after a dry run.

    Args:
        name: Name by which settings refer to it.
        shapes: Shape ``(C, H, W)`` of each modality's features, in order.

    Raises:
        TypeError: If it is no module.
        ValueError: If it is not of this process, fails, returns something else, or its output
            depends on features that the mask hides.
    """
    module = built(given_part(name, "fusion=..."), dict(shapes))
    where = f"the fusion {type(module).__name__}"
    if not isinstance(module, nn.Module):
        raise TypeError(f"{where}: expected a torch module, or a function that returns one")
    fusion = module if isinstance(module, Fusion) else OwnFusion(module, tuple(shapes))
    trial = deepcopy(fusion).eval()
    generator = torch.Generator().manual_seed(0)
    maps = []
    for hidden in (torch.zeros(()), torch.ones(())):
        mask = torch.eye(len(shapes), dtype=torch.bool)
        feats = {}
        for column, (one, shape) in enumerate(shapes.items()):
            visible = torch.rand(len(shapes), *shape, generator=generator.manual_seed(column))
            feats[one] = torch.where(mask[:, column].view(-1, 1, 1, 1), visible, hidden)
        try:
            with torch.no_grad():
                out = trial(trial.prepare(feats).select(torch.arange(len(mask)), mask), mask)
        except Exception as error:
            sizes = ", ".join(f"{one} {(len(mask), *shape)}" for one, shape in shapes.items())
            raise ValueError(f"{where} cannot fuse {sizes}: {error}") from error
        got: Any = out.map if isinstance(out, Fused) else out
        if not isinstance(out, Fused) or not isinstance(got, Tensor) or got.dim() != 4:
            seen = tuple(got.shape) if isinstance(got, Tensor) else type(got).__name__
            raise ValueError(f"{where}: {WANTED}, got {seen}")
        if len(got) != len(mask):
            raise ValueError(f"{where}: {WANTED} of a batch of {len(mask)}, got {tuple(got.shape)}")
        maps.append(got)
    if not torch.equal(*maps):
        raise ValueError(
            f"{where}: its output changes with features that the mask hides; zero their rows with "
            "dmrnet.nn.masked_all"
        )
    # Methods with a fusion of their own would drop it unseen.
    fusion.given = True
    return fusion, maps[0].shape[1]
