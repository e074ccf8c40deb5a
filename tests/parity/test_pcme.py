"""PCME's head and its divergence, against the released image encoder's own numbers."""

from __future__ import annotations

from tests.parity import fixtures
from tests.parity.fixtures import TOLERANCE, Rules, difference, gradients_differ, load, numbers

from dmrnet.nn.representation import PCME
from dmrnet.objectives.distribution import kl_standard_normal

NAMES: Rules = [
    (r"^attend_mu\.w(\d)\.", r"pie_net.attention.w_\1."),
    (r"^attend_log_var\.w(\d)\.", r"uncertain_net.attention.w_\1."),
    (r"^pooled_mu\.", "fc."),
    (r"^attended_mu\.", "pie_net.fc."),
    (r"^pooled_log_var\.", "uncertain_net.fc2."),
    (r"^attended_log_var\.", "uncertain_net.fc."),
    (r"^norm\.", "pie_net.layer_norm."),
]


def test_the_head_is_the_released_one_in_training() -> None:
    """Its log sigma is read as log sigma^2, as in the released divergence."""
    released = fixtures.read("pcme")
    head = PCME(16, sampled=False, normalise=True)
    load(head, released["shapes"], NAMES)
    rep = head.train()(numbers("maps", (5, 16, 7, 7)))
    assert rep.log_var is not None
    assert difference(rep.mu[:, :, 0, 0], released["mu"]) < TOLERANCE
    assert difference(rep.log_var[:, :, 0, 0], released["log_sigma"]) < TOLERANCE
    divergence = kl_standard_normal(rep.mu, rep.log_var, "sum").sum()
    divergence.backward()
    assert difference(divergence, released["divergence"]) < TOLERANCE
    assert not gradients_differ(head, released["gradients"], NAMES)
