"""ResNet pieces against torchvision's whole networks, and with torchvision's weights."""

from __future__ import annotations

import copy
from functools import cache
from urllib.error import URLError

import pytest
import torch
import torchvision

from dmrnet.nn.encoders import resnet
from dmrnet.nn.encoders.resnet import (
    NonBottleneck1D,
    ResNetEncoder,
    imagenet_state,
    load_resnet,
    resnet_stage,
)
from dmrnet.nn.encoders.resnet_layouts import layout_of


@cache
def published(name: str) -> torch.nn.Module:
    """Return torchvision's network, untrained; to start one takes longest. Not to be changed."""
    return torchvision.models.get_model(name).eval()


def features(whole: torch.nn.Module, x: torch.Tensor) -> torch.Tensor:
    """Run torchvision's network up to its pooling."""
    x = whole.maxpool(whole.relu(whole.bn1(whole.conv1(x))))
    return whole.layer4(whole.layer3(whole.layer2(whole.layer1(x))))


@pytest.mark.parametrize(
    ("layout", "name"), [("r18", "resnet18"), ("r34", "resnet34"), ("r50", "resnet50")]
)
def test_with_torchvisions_weights_it_equals_torchvisions_network(layout: str, name: str) -> None:
    whole = published(name)
    encoder = ResNetEncoder(3, layout).eval()
    load_resnet(whole.state_dict(), encoder.stem, encoder.stages)
    x = torch.randn(1, 3, 41, 70)
    with torch.no_grad():
        wanted, got = features(whole, x), encoder(x)
    torch.testing.assert_close(got, wanted, rtol=0, atol=0)
    assert got.shape[1] == encoder.channels


def test_one_channel_gets_the_sum_of_three() -> None:
    whole = published("resnet18")
    encoder = ResNetEncoder(1).eval()
    load_resnet(whole.state_dict(), encoder.stem, encoder.stages)
    x = torch.randn(1, 1, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(encoder(x), features(whole, x.expand(-1, 3, -1, -1)))


def test_weights_that_do_not_fit_are_refused() -> None:
    encoder = ResNetEncoder(3, "r18")
    with pytest.raises(RuntimeError, match=r"layer1\.2\.conv1"):
        load_resnet(published("resnet34").state_dict(), encoder.stem, encoder.stages)


def test_published_weights_are_selected_by_layout(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    class Weights:
        def get_state_dict(self, progress: bool, check_hash: bool) -> dict[str, torch.Tensor]:
            assert not progress
            assert check_hash
            return {"fc.bias": torch.zeros(1)}

    class Choice:
        DEFAULT = Weights()

    monkeypatch.setattr(resnet, "get_model_weights", lambda name: asked.append(name) or Choice)
    assert list(imagenet_state("r50")) == ["fc.bias"]
    assert asked == ["resnet50"]
    with pytest.raises(ValueError, match=r"got r34-nbt1d; .*load_resnet"):
        imagenet_state("r34-nbt1d")


def test_weights_that_cannot_be_fetched_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*args: object, **options: object) -> None:
        raise URLError("no route to host")

    monkeypatch.setattr(torch.hub, "download_url_to_file", unreachable)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: "/nowhere")
    monkeypatch.setattr("os.makedirs", lambda *args, **options: None)
    with pytest.raises(FileNotFoundError, match=r"resnet34 .*no route to host"):
        imagenet_state("r34")


def test_a_stage_may_read_any_number_of_channels() -> None:
    stage = resnet_stage(layout_of("r18"), 2, width=4, channels=10)
    assert stage(torch.randn(2, 10, 9, 7)).shape == (2, 16, 5, 4)


def test_factorised_block_shrinks_like_a_square_one() -> None:
    shortcut = torch.nn.Conv2d(2, 4, 1, stride=2)
    block = NonBottleneck1D(2, 4, stride=2, downsample=shortcut)
    assert block(torch.randn(2, 2, 9, 14)).shape == (2, 4, 5, 7)
    assert block.bn1.eps == block.bn2.eps == 1e-3


def test_an_unknown_layout_gets_the_nearest_name() -> None:
    with pytest.raises(ValueError, match=r"unknown ResNet layout 'r43'; .*r34"):
        ResNetEncoder(3, "r43")


def test_relu_after_pooling_has_the_same_gradients() -> None:
    whole = copy.deepcopy(published("resnet18")).train()
    encoder = ResNetEncoder(3)
    load_resnet(whole.state_dict(), encoder.stem, encoder.stages)
    # Scales of both signs, so that pooling also meets the smallest normalised values.
    for norm in (whole.bn1, encoder.stem[1]):
        with torch.no_grad():
            norm.weight[::2] = -1
    x = torch.randn(2, 3, 64, 64)
    wanted = x.clone().requires_grad_()
    got = x.clone().requires_grad_()
    features(whole, wanted).square().sum().backward()
    encoder(got).square().sum().backward()
    torch.testing.assert_close(got.grad, wanted.grad, rtol=0, atol=0)
    torch.testing.assert_close(encoder.stem[0].weight.grad, whole.conv1.weight.grad, rtol=0, atol=0)
