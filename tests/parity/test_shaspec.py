"""ShaSpec against its adaptation for CASIA-SURF, and its fusion against its segmentation code."""

from __future__ import annotations

import torch
from tests.parity import fixtures
from tests.parity.faces import COMBINATIONS, ENCODERS, NETWORK, OURS_ALONE, batch, images, task
from tests.parity.fixtures import TOLERANCE, Rules, difference, gradients_differ, load, normal
from tests.parity.products import digests
from torch import nn

from dmrnet.methods import build_method
from dmrnet.modalities import Batch
from dmrnet.nn.systems.shaspec import SharedSpecificFusion, shared_name
from dmrnet.objectives import Step, TaskLoss
from dmrnet.objectives.systems.shared import Align, TellModality

SHARED: Rules = [
    (pattern.replace(r"^encoders\.0\.", r"^shared\.shared\."), f"share_encoder.{theirs[17:]}")
    for pattern, theirs in ENCODERS
    if theirs.startswith("special_bone_rgb.")
]
RULES: Rules = [
    *SHARED,
    *ENCODERS,
    (r"^fusion\.trunk\.", "fusion_module."),
    *((rf"^fusion\.project\.{v}\.", f"fusion_projector_{v + 1}.") for v in range(3)),
    (r"^predictor\.linear\.", "target_classifier."),
    (r"^objective\.terms\.2\.classifier\.", "modality_classifier."),
    *OURS_ALONE,
]


def encoded_one_by_one(model: nn.Module) -> None:
    """Run the shared encoder by modality, as released: its batch norms then see one at a time."""
    shared = model.shared.shared
    model.shared.forward = lambda x, _: {shared_name(n): shared(x[n]) for n in model.modalities}


def test_the_adaptation_for_every_combination_and_a_training_step() -> None:
    released = fixtures.read("shaspec")
    model = build_method("shaspec", task(), "released", network=NETWORK)
    load(model, released["shapes"], RULES, unused=["^unimodal_target_classifier"])
    # Our projections read shared features first, theirs specific ones.
    for project in model.fusion.project:
        project.weight.data = torch.cat(project.weight.data.chunk(2, 1)[::-1], 1)
    model.eval()
    with torch.no_grad():
        logits = torch.stack([model(images(), row.expand(7, 3)) for row in COMBINATIONS])
    assert difference(logits, released["logits"]) < TOLERANCE
    encoded_one_by_one(model)
    loss = model.train().training_loss(batch()).total
    assert difference(loss, released["step"]["loss"]) < TOLERANCE
    loss.backward()
    assert not gradients_differ(model, released["step"]["gradients"], RULES)


def test_fusion_and_terms_of_the_segmentation_code() -> None:
    """With the first visible modality as replacement, cyclic pairs, and plain 3 x 3 weights."""
    released = fixtures.read("shaspec-seg")
    fusion = SharedSpecificFusion("abcd", 8, (3, 4), nn.Identity(), impute="first", kernel=3)
    tell = TellModality(0.02, "abcd", 8).double()
    kernel = fixtures.parameter("compos_layer.conv.weight", (8, 16, 3, 3, 3))
    fusion.double().project[0].weight.data = kernel[:, :, 1]  # volumes of one slice, zero padding
    for name, value in tell.classifier.named_parameters():
        value.data = fixtures.parameter(f"dom_classifier.{name}", value.shape)
    feats = {n: normal(f"specific {v}", (2, 8, 1, 3, 4))[:, :, 0] for v, n in enumerate("abcd")}
    for v, n in enumerate("abcd"):
        feats[shared_name(n)] = normal(f"shared {v}", (2, 8, 1, 3, 4))[:, :, 0]
    masks = torch.tensor(released["masks"]).bool()
    fused = [fusion(feats, mask.expand(2, 4)).map for mask in masks]
    assert difference(digests(fused), released["fused"]) < TOLERANCE
    align = Align(0.1, [shared_name(n) for n in "abcd"], "cyclic", "l1")
    step = complete_step(feats)
    assert difference(align(step), released["terms"]["align"]) < TOLERANCE
    assert difference(tell(step), released["terms"]["tell_modality"]) < TOLERANCE
    (fused[-2].square().mean() + 0.1 * align(step) + 0.02 * tell(step)).backward()
    norms = released["gradients"]
    ours = fusion.project[0].weight.grad.norm(), tell.classifier.weight.grad.norm()
    theirs = norms["compos_layer.conv.weight"], norms["dom_classifier.weight"]
    assert difference(torch.stack(ours), theirs) < TOLERANCE


def complete_step(feats: dict[str, torch.Tensor]) -> Step:
    """Return a step of two complete samples whose terms read nothing but features."""
    present = torch.ones(2, 4, dtype=torch.bool)
    samples = Batch({}, present, torch.zeros(2, dtype=torch.int64), torch.arange(2))
    loss = TaskLoss(torch.zeros(2, dtype=torch.float64), torch.tensor(2.0), torch.ones(2))
    return Step(present, None, None, None, loss, samples, feats, 0)  # type: ignore[arg-type]
