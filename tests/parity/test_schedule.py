"""The schedule `casia-released` against the released code's own learning rates."""

from __future__ import annotations

from tests.parity import fixtures
from tests.parity.fixtures import TOLERANCE, difference

from dmrnet.engine.training.optim import by_epoch


def test_every_epoch_has_the_released_learning_rate() -> None:
    released = fixtures.read("schedule")["shares"]
    ours = [by_epoch("casia-released", epoch, len(released)) for epoch in range(len(released))]
    assert difference(ours, released) < TOLERANCE
