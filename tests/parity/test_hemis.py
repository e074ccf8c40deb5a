"""HeMIS against its adaptation for CASIA-SURF."""

from __future__ import annotations

import torch
from tests.parity import fixtures
from tests.parity.faces import COMBINATIONS, ENCODERS, NETWORK, OURS_ALONE, batch, images, task
from tests.parity.fixtures import TOLERANCE, Rules, difference, gradients_differ, load

from dmrnet.methods import build_method

RULES: Rules = [
    *ENCODERS,
    (r"^fusion\.trunk\.", "shared_bone."),
    (r"^predictor\.linear\.", "shared_bone.4."),
    *OURS_ALONE,
]


def test_the_adaptation_for_every_combination_and_a_training_step() -> None:
    released = fixtures.read("hemis")
    model = build_method("hemis", task(), "released", network=NETWORK)
    load(model, released["shapes"], RULES)
    model.eval()
    with torch.no_grad():
        logits = torch.stack([model(images(), row.expand(7, 3)) for row in COMBINATIONS])
    assert difference(logits, released["logits"]) < TOLERANCE
    loss = model.train().training_loss(batch()).total
    assert difference(loss, released["step"]["loss"]) < TOLERANCE
    loss.backward()
    assert not gradients_differ(model, released["step"]["gradients"], RULES)
