"""MMPareto's integrated gradients, against the released trainer's own numbers."""

from __future__ import annotations

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
    numbers,
)
from tests.parity.test_audio_visual import ENCODERS, TASK

from dmrnet.methods import build_method
from dmrnet.modalities import Batch
from dmrnet.nn import Network

NETWORK = Network(family="ogm", stem=8, form="vector")
NAMES: Rules = [
    *ENCODERS,
    (r"^predictor\.linear\.", "head."),
    (r"^objective\.terms\.1\.heads\.0\.", "head_audio."),
    (r"^objective\.terms\.1\.heads\.1\.", "head_video."),
    (r"^statistics\.", ""),
]


@pytest.mark.parametrize(
    ("target", "conflicts"), [("target 0", 1), ("target 3", 0), ("target 7", 2)]
)
def test_gradients_are_integrated_as_released(target: str, conflicts: int) -> None:
    """0, 1 or both encoders have gradients that oppose each other."""
    released = fixtures.read("mmpareto")
    model = build_method("mmpareto-md", TASK, "released", network=NETWORK)
    load(model, released["shapes"], NAMES)
    inputs = {
        "audio": numbers("sound", (6, 1, 65, 48)),
        "visual": numbers("clip", (6, 3, 2, 64, 64)),
    }
    both = torch.ones(6, 2, dtype=torch.bool)
    batch = Batch(inputs, both, classes(target, (6,), 6), torch.arange(6))
    batch = batch.masked(both, both, TASK.modalities)
    with torch.no_grad():
        logits = model.eval()(inputs, both)
    assert difference(logits, released["logits"]) < TOLERANCE

    loss = model.train().training_loss(batch)
    loss.total.backward()
    model.on_gradients(loss.step)
    step = released["steps"][target]
    assert len(step["shares"]) == conflicts
    assert difference(loss.total, step["loss"]) < TOLERANCE
    assert not gradients_differ(model, step["gradients"], NAMES)
