"""The released code's quirks, each against a slow statement of what that code computes.

From `docs/paper-vs-code.md`. The statements are written out in loops from the description and share
nothing with the package but the tensors.
"""

import math

import pytest
import torch

from dmrnet.methods import METHODS, method
from dmrnet.modalities import Batch, Modality, Task, all_combinations, index_of
from dmrnet.objectives import HardCombinations

TASK = Task(
    (
        Modality("rgb", "image", (3, 16, 16)),
        Modality("depth", "image", (1, 16, 16)),
        Modality("ir", "image", (1, 16, 16)),
    ),
    ("spoof", "real"),
)
B = 14


def batch_and_masks() -> tuple[Batch, torch.Tensor]:
    draw = torch.Generator().manual_seed(3)
    inputs = {m.name: torch.randn(B, *m.shape, generator=draw) for m in TASK.inputs}
    present = torch.ones(B, 3, dtype=torch.bool)
    target = torch.randint(2, (B,), generator=draw)
    masks = all_combinations(3).repeat(2, 1)
    batch = Batch(inputs, present, target, torch.arange(B))
    return batch.masked(masks, present, TASK.modalities), masks


def slow_ce(logits: list[list[float]], target: list[int]) -> list[float]:
    return [
        -row[y] + math.log(sum(math.exp(value) for value in row))
        for row, y in zip(logits, target, strict=True)
    ]


def slow_kl(mu: list[float], log_var: list[float]) -> float:
    return sum(0.5 * (math.exp(lv) + m * m - 1 - lv) for m, lv in zip(mu, log_var, strict=True))


@pytest.mark.parametrize("fixed", [["rgb", "rgb+ir", "ir"], ["depth"]])
def test_released_loss_is_the_slow_statement(fixed: list[str]) -> None:
    torch.manual_seed(0)
    model = method("dmrnet").recipe("released", hard_fixed=fixed).build(TASK).train()
    batch, masks = batch_and_masks()
    loss = model.training_loss(batch, 6, torch.Generator().manual_seed(1))
    step = loss.step
    ce = slow_ce(step.out.logits.tolist(), batch.target.tolist())
    hard = {sum(1 << ["rgb", "depth", "ir"].index(m) for m in f.split("+")) for f in fixed}
    n_hard = sum(int(j) in hard for j in index_of(masks))
    kl = [
        slow_kl(step.rep.mu[i].flatten().tolist(), step.rep.log_var[i].flatten().tolist())
        for i in range(B)
    ]
    mean = sum(ce) / B
    expected = mean + 1e-3 * sum(kl) / B + 0.7 * n_hard * mean
    assert loss.total.item() == pytest.approx(expected, rel=1e-5)
    assert n_hard > 0


def test_released_weighs_every_sample_and_paper_only_hard_ones() -> None:
    for recipe, all_alike in (("released", True), ("paper", False)):
        torch.manual_seed(0)
        model = method("dmrnet").recipe(recipe, hard_fixed=["rgb"], alpha=0.0).build(TASK).train()
        batch, masks = batch_and_masks()
        step = model.training_loss(batch, 6, torch.Generator().manual_seed(1)).step
        term = next(t for t in model.objective.terms if isinstance(t, HardCombinations))
        logits = step.out.logits.detach().requires_grad_()
        ce = torch.nn.functional.cross_entropy(logits, batch.target, reduction="none")
        object.__setattr__(step.task, "per_sample", ce)
        (gradient,) = torch.autograd.grad(term(step), logits)
        moved = gradient.abs().sum(1) > 0
        if all_alike:
            assert moved.all()
        else:
            assert torch.equal(moved, index_of(masks) == 1)


def test_released_hard_combinations_start_behind_epoch_five() -> None:
    term = term_of(method("dmrnet").recipe("released"))
    assert [term.weight(epoch) for epoch in (5, 6)] == [0.0, 0.7]
    assert [term_of(method("dmrnet").recipe("released-seg")).weight(e) for e in (10, 11)] == [
        0,
        0.5,
    ]


def term_of(settings) -> HardCombinations:
    model = settings.build(TASK)
    return next(t for t in model.objective.terms if isinstance(t, HardCombinations))


def test_released_av_mines_one_single_modality_from_epochs_zero_to_five() -> None:
    model = method("dmrnet").recipe("released-av").build(TASK)
    masks = all_combinations(3)
    variances = torch.tensor([1.0, 3.0, 9.0, 2.0, 8.0, 7.0, 1.0])  # rgb+depth is the highest
    for epoch in range(7):
        # The seventh epoch would turn the order round, but the set is frozen by then.
        model.statistics.variance.update(
            masks.repeat(20, 1),
            (variances if epoch < 6 else 1000 * variances[[1, 0, 2, 3, 4, 5, 6]]).repeat(20),
        )
        model.end_epoch()
    assert model.hard_set().nonzero().flatten().tolist() == [2]


def test_released_av_has_its_gaussian_on_the_vector() -> None:
    model = method("dmrnet").recipe("released-av").build(TASK)
    batch, _ = batch_and_masks()
    assert model.step(batch).rep.mu.shape[2:] == (1, 1)
    assert method("dmrnet").recipe("released").build(TASK).step(batch).rep.mu.shape[2:] == (4, 4)


def test_released_seg_distribution_term_has_a_value_and_no_gradient() -> None:
    model = method("dmr").recipe("released-seg").build(TASK).train()
    batch, _ = batch_and_masks()
    loss = model.training_loss(batch, 11, torch.Generator().manual_seed(1))
    task_only = loss.step.task.mean
    assert loss.parts["distribution"] > 0
    ours = torch.autograd.grad(loss.total, model.fusion.parameters(), retain_graph=True)
    plain = torch.autograd.grad(task_only, model.fusion.parameters())
    for a, b in zip(ours, plain, strict=True):
        torch.testing.assert_close(a, b)
    assert "distribution" not in model.training_loss(batch, 10).parts


@pytest.mark.parametrize("alone", [True, False])
def test_released_seg_has_a_second_predictor(alone: bool) -> None:
    torch.manual_seed(0)
    model = method("dmrnet").recipe("released-seg", hard_fixed=["rgb", "ir"]).build(TASK).train()
    batch, masks = batch_and_masks()
    if not alone:
        masks = torch.where(
            (index_of(masks) == 4)[:, None], torch.tensor([True, False, True]), masks
        )
        batch = batch.masked(masks, batch.present, TASK.modalities)
    second = model.hard_term.predictor
    assert second is not None
    assert sum(p.numel() for p in second.parameters()) == sum(
        p.numel() for p in model.predictor.parameters()
    )
    with torch.no_grad():
        second.linear.bias.add_(torch.tensor([0.5, -0.5]))
    loss = model.training_loss(batch, 11, torch.Generator().manual_seed(1))
    reads = second if alone else model.predictor
    ce = slow_ce(reads(loss.step.rep.value).logits.tolist(), batch.target.tolist())
    hard = [int(j) in (1, 4) for j in index_of(masks)]
    wanted = sum(one for one, is_hard in zip(ce, hard, strict=True) if is_hard) / sum(hard)
    assert float(loss.parts["hard_combinations"]) == pytest.approx(wanted, rel=1e-5)
    assert any(hard)
    loss.total.backward()
    moved = [float(p.grad.abs().sum()) for p in second.parameters()]
    assert all(value > 0 for value in moved) if alone else moved == [0, 0]
    # What is evaluated is the task's predictor.
    model.eval()
    logits = model(batch.inputs, masks)
    with torch.no_grad():
        second.linear.bias.add_(100)
    torch.testing.assert_close(model(batch.inputs, masks), logits)


def test_a_second_predictor_is_not_broadcast() -> None:
    with pytest.raises(ValueError, match="set hard_predictor to shared"):
        method("dmrnet").recipe("released", hard_predictor="own").build(TASK)


@pytest.mark.parametrize("name", [name for name in METHODS if "released" in method(name).recipes])
def test_every_method_has_the_released_recipe(name: str) -> None:
    assert method(name).recipe("released").encodes == "present"


def test_unknown_fixed_combination_is_named() -> None:
    with pytest.raises(ValueError, match="unknown modality 'thermal'"):
        method("dmrnet").recipe("best", hard_fixed=["thermal"]).build(TASK)
