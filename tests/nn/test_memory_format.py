"""Maps keep their channels last from the first convolution to the last: nothing is reordered."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from dmrnet.evaluation.combinations import predict_masks
from dmrnet.methods.dmrnet import DMRNetSettings
from dmrnet.methods.shaspec import ShaSpecSettings
from dmrnet.modalities import Batch, Modality, Task, all_combinations, rows_of
from dmrnet.modalities.rows import channels_last
from dmrnet.nn.network import Network

SIDE = 32


def watched(module: nn.Module) -> list[str]:
    """Return a list that fills with the convolutions whose input comes channels first."""
    found: list[str] = []

    def look(name: str):
        def hook(layer: nn.Module, args: tuple[torch.Tensor, ...]) -> None:
            # The images themselves come as the data have them.
            if args[0].shape[1] > 3 and args[0].shape[2:] != (1, 1) and not channels_last(args[0]):
                found.append(name)

        return hook

    for name, layer in module.named_modules():
        if isinstance(layer, nn.Conv2d):
            layer.register_forward_pre_hook(look(name))
    return found


@pytest.mark.parametrize("settings", [DMRNetSettings, ShaSpecSettings])
@pytest.mark.parametrize("family", ["surf", "generic"])
def test_nothing_is_reordered(settings: type, family: str) -> None:
    task = Task(
        tuple(Modality(f"m{v}", "image", (3, SIDE, SIDE)) for v in range(3)), ("one", "two")
    )
    network = Network(family=family, stem=8, width=32)
    method = settings(network=network).build(task).to(memory_format=torch.channels_last)
    wrong = watched(method)
    present = torch.ones(4, 3, dtype=torch.bool)
    inputs = {name: torch.randn(4, 3, SIDE, SIDE) for name in task.modalities}
    mask = torch.tensor([[1, 1, 0], [0, 1, 1], [1, 0, 1], [1, 1, 1]], dtype=torch.bool)
    batch = Batch(inputs, present, torch.zeros(4, dtype=torch.int64), torch.arange(4))
    encode = mask if method.encodes == "mask" else mask & present
    method.training_loss(batch.masked(mask, encode, task.modalities)).total.backward()
    assert wrong == []
    method.eval()
    feats = method.cached(inputs, rows_of(mask, task.modalities))
    predict_masks(method, feats, all_combinations(3)[:, None, :].expand(-1, 4, -1))
    assert wrong == []
