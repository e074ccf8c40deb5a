"""Maps have the memory format of the kernels that read them: nothing is reordered."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from dmrnet.evaluation.combinations import predict_masks
from dmrnet.methods.dmrnet import DMRNetSettings
from dmrnet.methods.shaspec import ShaSpecSettings
from dmrnet.modalities import Batch, Modality, Task, all_combinations, rows_of
from dmrnet.modalities.rows import channels_last
from dmrnet.nn.layers.memory_format import SmallMaps, arrange
from dmrnet.nn.networks.network import Network
from dmrnet.nn.networks.surf import surf_trunk

SIDE = 32


def watched(module: nn.Module) -> list[str]:
    """Return a list of convolutions whose input and kernel differ in format, filled in calls."""
    found: list[str] = []

    def look(name: str):
        def hook(layer: nn.Module, args: tuple[torch.Tensor, ...]) -> None:
            (x,) = args
            # Images have the format of the data; 1x1 kernels have both formats.
            if x.shape[1] == 3 or layer.kernel_size == (1, 1) or x.shape[2:] == (1, 1):
                return
            if channels_last(x) is not channels_last(layer.weight):
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
    method = arrange(settings(network=network).build(task))
    wrong = watched(method)
    present = torch.ones(4, 3, dtype=torch.bool)
    inputs = {name: torch.randn(4, 3, SIDE, SIDE) for name in task.modalities}
    mask = torch.tensor([[1, 1, 0], [0, 1, 1], [1, 0, 1], [1, 1, 1]], dtype=torch.bool)
    batch = Batch(inputs, present, torch.zeros(4, dtype=torch.int64), torch.arange(4))
    encode = mask if method.encodes == "mask" else present
    method.training_loss(batch.masked(mask, encode, task.modalities)).total.backward()
    assert wrong == []
    method.eval()
    feats = method.cached(inputs, rows_of(mask, task.modalities))
    predict_masks(method, feats, all_combinations(3)[:, None, :].expand(-1, 4, -1))
    assert wrong == []


def test_small_maps_are_channels_first_on_a_cpu_with_the_same_values() -> None:
    torch.manual_seed(0)
    plain = surf_trunk(12, 4)
    made = surf_trunk(12, 4, (14, 14))
    made.load_state_dict(plain.state_dict())
    kernels = {n: m.weight for n, m in arrange(made).named_modules() if isinstance(m, nn.Conv2d)}
    last = {name for name, weight in kernels.items() if channels_last(weight)}
    assert last == {name for name in kernels if name.startswith("0.") and "downsample" not in name}
    x = torch.randn(2, 12, 14, 14)
    out = made(x.contiguous(memory_format=torch.channels_last))
    torch.testing.assert_close(out, plain(x))
    assert out.is_contiguous()
    # A GPU is faster channels last; so are larger maps on either device.
    assert all(
        channels_last(m.weight)
        for m in arrange(made, "cuda").modules()
        if isinstance(m, nn.Conv2d) and m.kernel_size != (1, 1)
    )
    assert not any(isinstance(part, SmallMaps) for part in surf_trunk(12, 4, (28, 28)).modules())
