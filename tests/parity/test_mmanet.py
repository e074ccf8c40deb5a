"""MMANet: student, teacher, losses and ranking, against the released code's own numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import torch
from tests.parity import fixtures
from tests.parity.faces import COMBINATIONS, NETWORK, batch, encoder_rules, images, task
from tests.parity.fixtures import (
    TOLERANCE,
    Rules,
    difference,
    gradients_differ,
    load,
    numbers,
    released_name,
)
from torch.nn import functional as F

from dmrnet.methods import build_method
from dmrnet.methods.base import Method
from dmrnet.methods.modules.mmanet import MMANet
from dmrnet.objectives.systems.margin_aware import MarginAware, margins, similarities
from dmrnet.objectives.systems.weak_combinations import softmax_divergence

NAMES = ("rgb", "depth", "ir")
TASK = task(names=NAMES)
STUDENT: Rules = [
    *encoder_rules(NAMES, "snet."),
    (r"^fusion\.trunk\.", "snet.shared_bone."),
    (r"^predictor\.linear\.", "snet.shared_bone.4."),
    (r"^objective\.terms\.\d\.fusion\.trunk\.", "snet.auxi_bone."),
    (r"^objective\.terms\.\d\.predictor\.linear\.", "snet.auxi_bone.4."),
    (r"^statistics\.|^objective\.terms\.\d\.weak\.", ""),
]
TEACHER: Rules = [
    *encoder_rules(NAMES, "tnet."),
    (r"^fusion\.trunk\.", "tnet.shared_bone."),
    (r"^predictor\.linear\.", "tnet.shared_bone.4."),
    (r"^statistics\.", ""),
]


@pytest.fixture(scope="module")
def released() -> Mapping[str, Any]:
    return fixtures.read("mmanet")


@pytest.fixture
def nets(released: Mapping[str, Any]) -> tuple[MMANet, Method]:
    student = build_method("mmanet", TASK, "released", network=NETWORK)
    teacher = build_method("full", TASK, "released", network=NETWORK)
    load(student, released["shapes"], STUDENT, [r"^tnet\."])
    load(teacher, released["shapes"], TEACHER, [r"^snet\."])
    student.set_teacher(teacher)
    assert isinstance(student, MMANet)
    return student, teacher.eval()


def ranked(student: MMANet, counts: list[Any]) -> None:
    """Let the student see the released epochs: its first one, without steps, is passed over."""
    weak = student.weak
    for epoch in range(weak.last_epoch + 1):
        if weak.ranks(epoch):
            # The released code compares both but the last, both but the second, and so on.
            seen = torch.tensor(counts[epoch - weak.first_epoch])[[2, 1, 0, 3]]
            weak.on_validation_predictions(seen)
        weak.end_epoch()


def test_every_combination_is_predicted_as_released(
    nets: tuple[MMANet, Method], released: Mapping[str, Any]
) -> None:
    student, teacher = nets
    student.eval()
    with torch.no_grad():
        rows = [student(images(), row.expand(7, 3)) for row in COMBINATIONS]
        everything = teacher(images(), torch.ones(7, 3, dtype=torch.bool))
    assert difference(torch.stack(rows), released["logits"]) < TOLERANCE
    assert difference(everything, released["teacher"]) < TOLERANCE


def test_losses_are_the_released_ones(
    nets: tuple[MMANet, Method], released: Mapping[str, Any]
) -> None:
    """MAD, and the similarity-preserving loss (SP) that it weighs, with everything visible."""
    everything = torch.ones(7, 3, dtype=torch.bool)
    maps = []
    with torch.no_grad():
        for net in nets:
            net.eval()
            feats = net.encode(images(), dict.fromkeys(NAMES))
            maps.append(net.fuse(feats, everything).map)
        weights = margins(nets[1](images(), everything))
    ours, theirs = (similarities(one) for one in maps)
    mad = ((ours - theirs).square() * weights).sum()
    assert difference(mad, released["losses"]["mad"]) < TOLERANCE
    assert difference(F.mse_loss(ours, theirs), released["losses"]["sp"]) < TOLERANCE


def test_combinations_are_ranked_as_released(
    nets: tuple[MMANet, Method], released: Mapping[str, Any]
) -> None:
    student, _ = nets
    ranking = released["ranking"]
    distances = sum(
        softmax_divergence(torch.tensor(c, dtype=torch.float64)) for c in ranking["counts"]
    )
    assert difference(distances, ranking["distances"]) < TOLERANCE
    ranked(student, ranking["counts"])
    # Weak are the pair that predicts most differently, and each of its two modalities alone.
    pair = torch.tensor([name in ranking["weakest"].split("+") for name in NAMES])
    assert int(pair.sum()) == 2
    assert torch.equal(student.weak.is_weak(COMBINATIONS), ~(COMBINATIONS & ~pair).any(1))


def test_the_first_step_with_all_losses_is_the_released_one(
    nets: tuple[MMANet, Method], released: Mapping[str, Any]
) -> None:
    student, _ = nets
    ranked(student, released["ranking"]["counts"])
    loss = student.train().training_loss(batch(NAMES), epoch=5)
    loss.total.backward()
    assert set(loss.parts) == {"task", "margin_aware", "modality_aware"}
    assert difference(loss.total, released["step"]["loss"]) < TOLERANCE
    prefixed = {f"snet.{name}": norm for name, norm in released["step"]["gradients"].items()}
    assert not gradients_differ(student, prefixed, STUDENT)
    assert {released_name(n, STUDENT) for n, _ in student.named_parameters()} == set(prefixed)


def test_pixels_are_distilled_as_released() -> None:
    """Of two equal images, whose halves of a row have the length that the released code divides by.

    Rows of both halves together are brought to unit length here, so that the loss is half of it.
    """
    released = fixtures.read("mmanet-pixels")

    def maps(name: str, channels: int) -> torch.Tensor:
        rows = numbers(name, (12, channels)).repeat(2, 1)
        return rows.unflatten(0, (2, 3, 4)).movedim(3, 1)

    student = maps("student", 8).requires_grad_()
    loss = MarginAware(1.0, 0).over_positions(student, maps("teacher", 6), 3 * maps("logits", 4))
    (gradient,) = torch.autograd.grad(loss, student)
    assert difference(2 * loss, released["loss"]) < TOLERANCE
    assert difference(2 * gradient.norm(), released["gradient"]) < TOLERANCE
