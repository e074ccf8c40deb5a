"""ESANet-MD and DMRNet on ESANet, against the released segmentation code's own numbers."""

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
    (Modality("rgb", "image", (3, 64, 96)), Modality("depth", "image", (1, 64, 96))),
    tuple("abc"),
    dense=True,
    class_weights=(0.5, 2.0, 1.25),
)
COMBINATIONS = torch.tensor([[1, 0], [0, 1], [1, 1]]).bool()
CASES: dict[str, tuple[str, str, str, dict[str, Any]]] = {
    "esanet-md": ("esanet-md", "released", "r34-nbt1d", {}),
    "dmrnet-seg": ("dmrnet", "released-seg", "r50", {"hard_fixed": ["rgb", "depth"]}),
}
"""Method, recipe and layout; the released trainer names its hard combinations."""


def decoder_rules(ours: str, theirs: str) -> Rules:
    """Names of a decoder."""
    return [
        *(
            (rf"^{ours}\.stages\.{k}\.{part}", f"{theirs}.decoder_module_{k + 1}.{released}")
            for k in range(3)
            for part, released in {
                r"conv\.0\.": "conv3x3.conv.",
                r"conv\.1\.": "conv3x3.bn.",
                r"blocks\.": "decoder_blocks.",
                r"side\.": "side_output.",
                r"up\.": "upsample.",
            }.items()
        ),
        (rf"^{ours}\.logits\.0\.", f"{theirs}.conv_out."),
        (rf"^{ours}\.logits\.(\d)\.", rf"{theirs}.upsample\1."),
    ]


NAMES: Rules = [
    *(
        (rf"^encoders\.{v}\.stem\.{k}\.", f"encoder_{name}.{layer}.")
        for v, name in enumerate(("rgb", "depth"))
        for k, layer in enumerate(("conv1", "bn1"))
    ),
    *(
        (rf"^{ours}\.stages\.{k}\.", f"encoder_{name}.layer{k + 1}.")
        for ours, name in ((r"encoders\.1", "depth"), ("fusion", "rgb"))
        for k in range(4)
    ),
    *(
        (rf"^fusion\.excite\.(\d)\.{v}\.fc{fc}\.", rf"se_layer\1.se_{name}.fc.{2 * fc - 2}.")
        for v, name in enumerate(("rgb", "depth"))
        for fc in (1, 2)
    ),
    *(
        (rf"^fusion\.{ours}\.{k}\.", rf"{theirs}.{part}.")
        for ours, theirs in {
            r"skips\.0": "skip_layer1.0",
            r"skips\.1": "skip_layer2.0",
            r"skips\.2": "skip_layer3.0",
            r"context\.branches\.(\d)": r"context_module.features.\1.1",
            r"context\.mix": "context_module.final_conv",
        }.items()
        for k, part in enumerate(("conv", "bn"))
    ),
    (r"^representation\.mu\.", "context_tranfer.mu_dul_backbone."),
    (r"^representation\.log_var\.", "context_tranfer.logvar_dul_backbone."),
    *decoder_rules("predictor", "decoder"),
    *decoder_rules(r"objective\.terms\.\d\.predictor", "auxi_decoder"),
    (r"^statistics\.|\.miner\.", ""),
]


def built(name: str) -> tuple[Method, Mapping[str, Any]]:
    released = fixtures.read(name)
    method, recipe, layout, changes = CASES[name]
    network = Network(family="esanet", stem=8, layout=layout)  # type: ignore[arg-type]
    model = build_method(method, TASK, recipe, network=network, **changes)
    # Three more heads are built there, and never called.
    load(model, released["shapes"], NAMES, [r"^fuse\d_tranfer"])
    return model, released


def batch() -> Batch:
    inputs = {"rgb": numbers("rgb", (3, 3, 64, 96)), "depth": numbers("depth", (3, 1, 64, 96))}
    present = torch.ones_like(COMBINATIONS)
    target = classes("target", (3, 64, 96), 4) - 1
    plain = Batch(inputs, present, target, torch.arange(3))
    return plain.masked(COMBINATIONS, present, TASK.modalities)


@pytest.mark.parametrize("name", sorted(CASES))
def test_every_pixel_is_predicted_and_learnt_as_released(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, released = built(name)
    model.eval()
    with torch.no_grad():
        logits = [model(batch().inputs, row.expand(3, 2)) for row in COMBINATIONS]
    assert difference(torch.stack(logits)[..., ::16, ::16], released["logits"]) < TOLERANCE

    noise = normal("noise", (3, 64, 2, 3))
    monkeypatch.setattr(representation.torch, "randn", lambda *_, **__: noise)
    loss = model.train().training_loss(batch(), epoch=11)
    loss.total.backward()
    assert difference(loss.total, released["step"]["loss"]) < TOLERANCE
    assert not gradients_differ(model, released["step"]["gradients"], NAMES)
