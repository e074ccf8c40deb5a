"""OGM's coefficients and what they do to gradients, against plain statements."""

from __future__ import annotations

import copy
import math

import pytest
import torch

from dmrnet.methods import build_method, method
from dmrnet.modalities import Batch, Modality, Task, all_combinations
from dmrnet.nn import Network
from dmrnet.objectives.systems.modulation import Modulation, coefficients, own_logits, scores

TASK = Task(tuple(Modality(n, "vector", (3,)) for n in "abc"), ("x", "y"))


def batch_of(mask: torch.Tensor, task: Task = TASK) -> Batch:
    draw = torch.Generator().manual_seed(0)
    rows = len(mask)
    inputs = {n: torch.randn(rows, 3, generator=draw) for n in task.modalities}
    batch = Batch(inputs, mask, torch.arange(rows) % 2, torch.arange(rows))
    return batch.masked(mask, mask, task.modalities)


def released(s_audio: float, s_visual: float, alpha: float) -> tuple[float, float]:
    """The two-modality rule of the source."""
    ratio_visual, ratio_audio = s_visual / s_audio, s_audio / s_visual
    if ratio_visual > 1:
        return 1.0, 1 - math.tanh(alpha * max(0.0, ratio_visual))
    return 1 - math.tanh(alpha * max(0.0, ratio_audio)), 1.0


@pytest.mark.parametrize(("audio", "visual"), [(3.0, 5.0), (6.5, 1.0), (2.0, 2.1)])
def test_two_modalities_have_the_rule_of_the_source(audio: float, visual: float) -> None:
    got = coefficients(torch.tensor([audio, visual]).double(), torch.tensor([8.0, 8.0]), 0.8)
    assert got.tolist() == pytest.approx(released(audio, visual, 0.8))


@pytest.mark.parametrize(("audio", "visual"), [(3.0, 5.0), (6.5, 1.0), (2.0, 2.0)])
def test_ties_as_released(audio: float, visual: float) -> None:
    got = coefficients(torch.tensor([audio, visual]).double(), torch.tensor([8.0, 8.0]), 0.8, True)
    assert got.tolist() == pytest.approx(released(audio, visual, 0.8))
    if audio == visual:
        assert got[0] < 1


def test_convolutions_alone_as_released() -> None:
    conv, linear = torch.nn.Conv2d(2, 3, 1), torch.nn.Linear(3, 2)
    for of, changed in (("convolutions", [True, False]), ("weights", [True, True])):
        torch.manual_seed(0)
        modulation = Modulation("ogm", 0.8, None, of=of)  # type: ignore[arg-type]
        for layer in (conv, linear):
            layer.weight.grad, layer.bias.grad = (
                torch.ones_like(layer.weight),
                torch.ones(3)[: len(layer.bias)],
            )
        modulation([conv, linear], torch.tensor([8.0, 7.9]), torch.tensor([9.0, 9.0]), 0)
        k = coefficients(torch.tensor([8.0, 7.9]), torch.tensor([9.0, 9.0]), 0.8)
        assert k[0] < 1
        assert k[1] == 1
        torch.testing.assert_close(conv.weight.grad, torch.full_like(conv.weight, k[0].item()))
        assert torch.equal(conv.bias.grad, torch.ones(3))
        modulation([linear, conv], torch.tensor([8.0, 7.9]), torch.tensor([9.0, 9.0]), 0)
        assert (linear.weight.grad[0, 0] < 1) == changed[1]
    recipe = method("ogm-md").recipe("released")
    assert (recipe.modulated, recipe.first_leads, recipe.modulation) == (
        "convolutions",
        True,
        "none",
    )


def test_more_modalities_are_held_against_the_mean_of_the_others() -> None:
    sums, counts = [6.0, 1.0, 4.5, 0.0], [10, 5, 9, 0]
    got = coefficients(torch.tensor(sums), torch.tensor(counts), 0.3).tolist()
    means = [s / n for s, n in zip(sums[:3], counts[:3], strict=True)]
    for v in range(3):
        ratio = means[v] / (sum(means[u] for u in range(3) if u != v) / 2)
        assert got[v] == pytest.approx(1 - math.tanh(0.3 * ratio) if ratio > 1 else 1.0)
    assert got[3] == 1.0
    assert sum(k < 1 for k in got) == 2
    for alone in ([3.0], [3.0, 0.0]):
        counts = [4.0] + [0.0] * (len(alone) - 1)
        assert coefficients(torch.tensor(alone), torch.tensor(counts), 0.3).tolist() == [1.0] * len(
            alone
        )
    assert coefficients(torch.tensor([2.0, 2.0]), torch.tensor([4.0, 4.0]), 1.0).tolist() == [1, 1]


def test_logits_split_by_modality_and_scores_cover_visible_ones() -> None:
    linear = torch.nn.Linear(7, 3)
    pooled, mask = torch.randn(6, 7), torch.tensor([[1, 0], [0, 1], [1, 1]] * 2).bool()
    parts = own_logits(pooled, linear, (4, 3))
    torch.testing.assert_close(sum(parts), linear(pooled))
    target = torch.tensor([0, 1, 2, 2, 1, 0])
    sums, counts = scores(parts, target, mask)
    assert counts.tolist() == [4, 4]
    for v in range(2):
        expected = 0.0
        for i in range(6):
            if mask[i, v]:
                row = [math.exp(x) for x in parts[v][i].tolist()]
                expected += row[target[i]] / sum(row)
        assert sums[v].item() == pytest.approx(expected, rel=1e-5)


def gradients(modulation: str, epoch: int = 0, **changes) -> tuple[list[list[torch.Tensor]], list]:
    torch.manual_seed(0)
    model = build_method("ogm-md", TASK, network=Network(width=8), modulation=modulation, **changes)
    loss = model.training_loss(batch_of(all_combinations(3).repeat(3, 1)), epoch)
    loss.total.backward()
    model.on_gradients(loss.step)
    sizes = (8, 8, 8)
    logits = own_logits(loss.step.fused.map.mean((2, 3)).detach(), model.predictor.linear, sizes)
    k = coefficients(*scores(logits, loss.step.batch.target, loss.step.mask), 0.8)
    return [[p.grad.clone() for p in e.parameters()] for e in model.encoders], k.tolist()


def test_weights_of_leading_encoders_are_scaled_and_norms_are_not() -> None:
    plain, k = gradients("none")
    scaled, _ = gradients("ogm")
    assert min(k) < 1
    for v in range(3):
        for before, after in zip(plain[v], scaled[v], strict=True):
            by = k[v] if before.dim() > 1 else 1.0
            torch.testing.assert_close(after, before * by)


def test_noise_has_each_gradients_deviation_and_reaches_every_encoder() -> None:
    plain, _ = gradients("none")
    scaled, _ = gradients("ogm")
    noisy, _ = gradients("ogm-ge")
    ratios = []
    for v in range(3):
        for before, mean, after in zip(plain[v], scaled[v], noisy[v], strict=True):
            if before.dim() > 1:
                assert not torch.equal(after, mean)
                ratios.append(((after - mean) / before.std()).flatten())
            else:
                assert torch.equal(after, before)
    noise = torch.cat(ratios)
    assert abs(noise.mean()) < 0.4
    assert 0.7 < noise.std() < 1.3


def test_modulation_ends_and_repeats() -> None:
    for epoch, changed in ((50, True), (51, False)):
        late, _ = gradients("ogm-ge", epoch)
        plain, _ = gradients("none")
        assert torch.equal(late[0][0], plain[0][0]) != changed
    endless, _ = gradients("ogm", 90, modulation_last=None)
    assert not all(torch.equal(e[0], p[0]) for e, p in zip(endless, plain, strict=True))
    # An epoch that is trained again draws the same noise, step by step.
    torch.manual_seed(0)
    modulation = Modulation("ogm-ge", 0.8, None)
    drawn = []
    for epoch in (0, 0, 1, 1, 0):
        layer = torch.nn.Linear(3, 3)
        layer.weight.grad = torch.arange(9.0).view(3, 3)
        modulation([layer], torch.ones(1), torch.ones(1), epoch)
        drawn.append(layer.weight.grad)
    assert torch.equal(drawn[0], drawn[4])
    assert len({tuple(g.flatten().tolist()) for g in drawn[:4]}) == 4
    assert copy.deepcopy(modulation).at == modulation.at


def test_it_is_the_network_of_the_source_and_sf_md_without_a_trunk() -> None:
    torch.manual_seed(0)
    model = build_method("ogm-md", TASK, network=Network(width=8))
    assert model.predictor.linear.in_features == 24
    assert not list(model.fusion.parameters())
    clips = Task(
        (Modality("audio", "image", (1, 65, 80)), Modality("visual", "volume", (3, 2, 64, 64))),
        tuple("abcdef"),
    )
    network = Network(family="ogm")
    sizes = [
        sum(p.numel() for p in build_method(n, clips, network=network).parameters())
        for n in ("ogm-md", "sf-md")
    ]
    assert sizes == [22_352_902] * 2


def test_mistakes_raise() -> None:
    with pytest.raises(ValueError, match="modulation as none, ogm or ogm-ge, got 'ge'"):
        build_method("ogm-md", TASK, modulation="ge")
    with pytest.raises(ValueError, match="modulation_alpha of 0 or more, got -1"):
        build_method("ogm-md", TASK, modulation="ogm", modulation_alpha=-1)
    with pytest.raises(ValueError, match="modulated as weights or convolutions, got 'biases'"):
        build_method("ogm-md", TASK, modulation="ogm", modulated="biases")


@pytest.mark.parametrize("kind", ["ogm", "ogm-ge"])
def test_maps_in_half_precision_are_modulated_too(kind: str) -> None:
    gradients = {}
    for half in (False, True):
        torch.manual_seed(0)
        model = build_method("ogm-md", TASK, network=Network(width=8), modulation=kind)
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            loss = model.training_loss(batch_of(all_combinations(3)))
        loss.total.backward()
        before = [p.grad.clone() for p in model.encoders.parameters()]
        model.on_gradients(loss.step)
        gradients[half] = [p.grad.clone() for p in model.encoders.parameters()]
        changed = [not torch.equal(a, b) for a, b in zip(before, gradients[half], strict=True)]
        assert any(changed)
    for single, double in zip(gradients[True], gradients[False], strict=True):
        assert (single - double).norm() < 0.1 * double.norm() + 1e-6


def test_hidden_modalities_are_not_scored() -> None:
    """The share of a modality is over the samples that show it, whatever else they have."""
    torch.manual_seed(0)
    model = build_method("ogm-md", TASK, network=Network(width=8), modulation="ogm")
    mask = all_combinations(3)
    present = torch.ones_like(mask)
    plain = batch_of(present)
    batch = plain.masked(mask, present if model.encodes == "present" else mask, TASK.modalities)
    seen_counts = []
    model.modulation = lambda encoders, sums, counts, epoch: seen_counts.append(counts.tolist())
    model.on_gradients(model.training_loss(batch).step)
    assert seen_counts == [mask.sum(0).tolist()]
