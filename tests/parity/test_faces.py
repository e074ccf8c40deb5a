"""SF-MD, DMRNet and LCR on CASIA-SURF's network, against the released code's own numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import torch
from tests.parity import fixtures
from tests.parity.faces import COMBINATIONS, ENCODERS, NETWORK, OURS_ALONE, batch, images, task
from tests.parity.fixtures import TOLERANCE, Rules, difference, gradients_differ, load, normal

from dmrnet.methods import build_method
from dmrnet.methods.base import Method, StepLoss
from dmrnet.nn import representation

TRUNK: Rules = [(r"^fusion\.trunk\.", "shared_bone."), *ENCODERS, *OURS_ALONE]
NAMES: dict[str, Rules] = {
    "sf-md": [(r"^predictor\.linear\.", "shared_bone.4."), *TRUNK],
    "dmrnet": [
        (r"^representation\.mu\.", "mu_dul_backbone."),
        (r"^representation\.log_var\.", "logvar_dul_backbone."),
        (r"^predictor\.linear\.", "head.0."),
        *TRUNK,
    ],
    "lcr": [
        *((rf"^fusion\.mix\.estimate\.{v}\.", f"corr_repr.mpe{v + 1}.") for v in range(3)),
        (r"^predictor\.linear\.", "shared_bone.4."),
        *TRUNK,
    ],
}
CHANGES: dict[str, dict[str, Any]] = {"dmrnet": {"hard_fixed": ["rgb", "rgb+depth", "depth"]}}
"""The released trainer names its hard combinations; a recipe cannot."""


def built(name: str, side: int = 32) -> tuple[Method, Mapping[str, Any]]:
    released = fixtures.read(name)
    model = build_method(name, task(side), "released", network=NETWORK, **CHANGES.get(name, {}))
    load(model, released["shapes"], NAMES[name])
    return model, released


def step(model: Method, monkeypatch: pytest.MonkeyPatch) -> StepLoss:
    noise = normal("noise", (7, 64, 1, 1))
    monkeypatch.setattr(representation.torch, "randn", lambda *_, **__: noise)
    loss = model.train().training_loss(batch(), epoch=6)
    loss.total.backward()
    return loss


@pytest.mark.parametrize(("name", "side"), [("sf-md", 32), ("dmrnet", 32), ("lcr", 112)])
def test_every_combination_is_predicted_as_released(name: str, side: int) -> None:
    model, released = built(name, side)
    model.eval()
    with torch.no_grad():
        logits = torch.stack([model(images(side), row.expand(7, 3)) for row in COMBINATIONS])
    assert difference(logits, released["logits"]) < TOLERANCE


@pytest.mark.parametrize("name", sorted(NAMES))
def test_a_training_step_is_the_released_one(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model, released = built(name)
    loss = step(model, monkeypatch)
    assert difference(loss.total, released["step"]["loss"]) < TOLERANCE
    assert not gradients_differ(model, released["step"]["gradients"], NAMES[name])


def test_variances_of_combinations_are_the_released_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the released trainer prints, and Eq. 10 ranks."""
    model, released = built("dmrnet")
    variance = step(model, monkeypatch).step.rep.mean_variance
    assert variance is not None
    assert difference(variance, released["step"]["variance"]) < TOLERANCE
