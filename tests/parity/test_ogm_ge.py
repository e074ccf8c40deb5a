"""OGM-GE's modulation of gradients, against the released trainer's own numbers."""

from __future__ import annotations

import pytest
import torch
from tests.parity import fixtures
from tests.parity.fixtures import (
    TOLERANCE,
    classes,
    difference,
    gradients_differ,
    load,
    normal,
    numbers,
)
from tests.parity.test_audio_visual import NAMES, TASK

from dmrnet.methods import build_method
from dmrnet.modalities import Batch
from dmrnet.nn import Network
from dmrnet.objectives.systems import modulation

NETWORK = Network(family="ogm", stem=8, form="vector")


@pytest.mark.parametrize("kind", ["none", "ogm", "ogm-ge"])
def test_a_step_is_modulated_as_released(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    released = fixtures.read("ogm-ge")
    model = build_method("ogm-md", TASK, "released", network=NETWORK, modulation=kind)
    load(model, released["shapes"], NAMES)
    inputs = {
        "audio": numbers("sound", (6, 65, 48))[:, None],
        "visual": numbers("clip", (6, 3, 2, 64, 64)),
    }
    both = torch.ones(6, 2, dtype=torch.bool)
    batch = Batch(inputs, both, classes("target", (6,), 6), torch.arange(6))
    batch = batch.masked(both, both, TASK.modalities)
    with torch.no_grad():
        logits = model.eval()(inputs, both)
    assert difference(logits, released["logits"]) < TOLERANCE

    monkeypatch.setattr(modulation.torch, "randn", lambda shape, **_: normal("noise", shape))
    loss = model.train().training_loss(batch, epoch=0)
    loss.total.backward()
    model.on_gradients(loss.step)
    step = released["steps"][{"none": "Normal", "ogm": "OGM", "ogm-ge": "OGM_GE"}[kind]]
    assert difference(loss.total, step["loss"]) < TOLERANCE
    assert not gradients_differ(model, step["gradients"], NAMES)
