"""OGM-MD, and DMRNet with its mining, on the audio-visual network, against the released numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import torch
from tests.parity import fixtures
from tests.parity.fixtures import (
    TOLERANCE,
    Rules,
    classes,
    difference,
    gradients_differ,
    load,
    normal,
    numbers,
)

from dmrnet.methods import build_method
from dmrnet.methods.base import Method
from dmrnet.modalities import Batch, Modality, Task
from dmrnet.nn import Network, representation

TASK = Task(
    (Modality("audio", "image", (1, 65, 48)), Modality("visual", "volume", (3, 2, 64, 64))),
    tuple("abcdef"),
)
NETWORK = Network(family="ogm", stem=8, form="vector", layout="r34")
COMBINATIONS = torch.tensor([[1, 0], [0, 1], [1, 1]]).bool()
RECIPES = {"ogm-md": ("ogm-md", "released"), "dmrnet-av": ("dmrnet", "released-av")}

ENCODERS: Rules = [
    (rf"^encoders\.{v}\.{ours}", f"{net}.{theirs}")
    for v, net in enumerate(("audio_net", "visual_net"))
    for ours, theirs in {
        r"(?:frame\.)?stem\.0\.": "conv1.",
        r"(?:frame\.)?stem\.1\.": "bn1.",
        **{rf"(?:frame\.)?stages\.{k}\.": f"layer{k + 1}." for k in range(4)},
    }.items()
]
NAMES: Rules = [
    *ENCODERS,
    (r"^representation\.mu\.", "fusion_module.mu_dul_backbone."),
    (r"^representation\.log_var\.", "fusion_module.logvar_dul_backbone."),
    (r"^predictor\.linear\.", "fusion_module.fc_out."),
    (r"^statistics\.|\.miner\.", ""),
]
UNUSED = {"ogm-md": ("auxi_fc", "dul_backbone"), "dmrnet-av": ("auxi_fc",)}


def built(name: str, method: str = "") -> tuple[Method, Mapping[str, Any]]:
    released = fixtures.read(name)
    known, recipe = RECIPES[name]
    model = build_method(method or known, TASK, "released" if method else recipe, network=NETWORK)
    load(model, released["shapes"], NAMES, UNUSED[name])
    return model, released


def inputs(number: int) -> dict[str, torch.Tensor]:
    return {
        "audio": numbers(f"sound {number}", (6, 65, 48))[:, None],
        "visual": numbers(f"clip {number}", (6, 3, 2, 64, 64)),
    }


def batch(number: int) -> Batch:
    mask = COMBINATIONS.repeat(2, 1)
    present = torch.ones_like(mask)
    target = classes(f"target {number}", (6,), 6)
    plain = Batch(inputs(number), present, target, torch.arange(6))
    return plain.masked(mask, present, TASK.modalities)


@pytest.mark.parametrize(
    ("name", "method"), [("ogm-md", ""), ("dmrnet-av", ""), ("dmrnet-av", "pe")]
)
def test_every_combination_is_predicted_as_released(name: str, method: str) -> None:
    """The head of ``pe`` is that of the audio-visual code."""
    model, released = built(name, method)
    model.eval()
    with torch.no_grad():
        logits = torch.stack([model(inputs(0), row.expand(6, 2)) for row in COMBINATIONS])
    assert difference(logits, released["logits"]) < TOLERANCE


@pytest.mark.parametrize("name", sorted(RECIPES))
def test_training_is_the_released_one(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model, released = built(name)
    step = released["step"]
    noise = normal("noise", (6, 128))[..., None, None]
    monkeypatch.setattr(representation.torch, "randn", lambda *_, **__: noise)
    model.train()
    if name == "dmrnet-av":
        for epoch in range(6):
            with torch.no_grad():
                for number in range(2):
                    model.training_loss(batch(number), epoch)
            statistics = model.end_epoch()
        # The released code adds the means of both steps and divides by the number of the last.
        variance = 2 * statistics.variance.means[[1, 2]]
        assert difference(variance, step["variance"]) < TOLERANCE
        hard = model.hard_set()
        assert hard is not None
        assert hard.nonzero().flatten().tolist() == [{"audio": 1, "visual": 2}[step["weak"]]]
    loss = model.training_loss(batch(1), 6)
    loss.total.backward()
    assert difference(loss.total, step["loss"]) < TOLERANCE
    assert not gradients_differ(model, step["gradients"], NAMES)
