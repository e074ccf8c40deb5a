"""Eq. 3 and 8: cross-entropy by explicit sums of exponentials; the same for every pixel."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dmrnet.nn.predictor import PooledLinear
from dmrnet.nn.representation import Representation
from dmrnet.objectives import VOID, TaskLoss, add_scales, cross_entropy, pixel_cross_entropy


def slow_cross_entropy(logits: list[float], target: int, smoothing: float = 0.0) -> float:
    """-sum_k q_k log p_k, q the smoothed target."""
    total = sum(math.exp(z) for z in logits)
    share = smoothing / len(logits)
    q = [share + (1 - smoothing) * (k == target) for k in range(len(logits))]
    return -sum(q[k] * math.log(math.exp(z) / total) for k, z in enumerate(logits))


@given(st.integers(1, 5), st.integers(2, 6), st.sampled_from([0.0, 0.1]), st.integers(0, 2**31 - 1))
def test_cross_entropy_is_eq_3(batch: int, classes: int, smoothing: float, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(batch, classes, generator=generator, dtype=torch.float64)
    target = torch.randint(classes, (batch,), generator=generator)
    loss = cross_entropy(logits, target, smoothing)
    expected = [
        slow_cross_entropy(z, y, smoothing)
        for z, y in zip(logits.tolist(), target.tolist(), strict=True)
    ]
    np.testing.assert_allclose(loss.per_sample.numpy(), expected, rtol=1e-9)
    assert float(loss.mean) == pytest.approx(sum(expected) / batch)
    assert float(loss.normaliser) == batch
    assert loss.size.tolist() == [1.0] * batch


def test_the_predictor_reads_the_pooled_sample_and_not_the_mean() -> None:
    """Eq. 8: logits are W g(s) + b with g global average pooling and s the sampled map."""
    predictor = PooledLinear(3, 4)
    rep = Representation(value=torch.randn(2, 3, 2, 5), mu=torch.randn(2, 3, 2, 5))
    logits = predictor(rep.value).logits
    weight, bias = predictor.linear.weight.tolist(), predictor.linear.bias.tolist()
    for i in range(2):
        g = [np.mean([rep.value[i, c, h, w] for h in range(2) for w in range(5)]) for c in range(3)]
        for k in range(4):
            by_hand = sum(weight[k][c] * g[c] for c in range(3)) + bias[k]
            assert float(logits[i, k].detach()) == pytest.approx(by_hand, abs=1e-5)


def test_half_precision_logits_are_taken_in_float32() -> None:
    logits = torch.tensor([[100.0, 0.0]], dtype=torch.bfloat16)
    loss = cross_entropy(logits, torch.tensor([1]))
    assert loss.per_sample.dtype == torch.float32
    assert float(loss.mean) == 100.0


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_pixel_cross_entropy_is_a_weighted_mean_over_labelled_pixels(
    weighted: bool, smoothing: float
) -> None:
    logits = torch.randn(3, 4, 2, 3, dtype=torch.float64)
    target = torch.randint(4, (3, 2, 3))
    target[0, 0, 1] = target[2] = VOID
    weight = torch.tensor([0.5, 1.0, 2.0, 3.0]) if weighted else None
    w = [1.0] * 4 if weight is None else weight.tolist()
    per_sample, size = [0.0] * 3, [0.0] * 3
    for i in range(3):
        for h in range(2):
            for x in range(3):
                y = int(target[i, h, x])
                if y == VOID:
                    continue
                z = logits[i, :, h, x].tolist()
                total = sum(math.exp(v) for v in z)
                share = smoothing / 4
                per_sample[i] -= sum(
                    w[k] * (share + (1 - smoothing) * (k == y)) * math.log(math.exp(v) / total)
                    for k, v in enumerate(z)
                )
                size[i] += w[y]
    loss = pixel_cross_entropy(logits, target, weight, smoothing)
    np.testing.assert_allclose(loss.per_sample.numpy(), per_sample, rtol=1e-6)
    np.testing.assert_allclose(loss.size.numpy(), size)
    assert float(loss.mean) == pytest.approx(sum(per_sample) / sum(size), rel=1e-6)


def test_a_batch_without_a_labelled_pixel_has_no_loss_and_zero_gradients() -> None:
    logits = torch.randn(2, 3, 2, 2, requires_grad=True)
    loss = pixel_cross_entropy(logits, torch.full((2, 2, 2), VOID))
    loss.mean.backward()
    assert loss.mean.item() == 0
    assert logits.grad is not None
    assert not logits.grad.any()


def test_side_outputs_are_compared_with_the_nearest_pixels_and_added_by_their_own_normaliser() -> (
    None
):
    target = torch.randint(-1, 3, (2, 4, 6))
    main, side = torch.randn(2, 3, 4, 6), torch.randn(2, 3, 2, 3)
    losses = [pixel_cross_entropy(main, target), pixel_cross_entropy(side, target)]
    small = pixel_cross_entropy(side, target[:, ::2, ::2])
    assert torch.equal(losses[1].per_sample, small.per_sample)
    both = add_scales(losses)
    assert float(both.mean) == pytest.approx(float(losses[0].mean) + float(small.mean), rel=1e-6)
    assert torch.equal(both.size, losses[0].size)
    # Sums over some of the samples keep the normalisers too (the hard-combination term).
    hard = torch.tensor([True, False])
    by_hand = sum(float(each.per_sample[0] / each.normaliser) for each in losses)
    part = (both.per_sample * hard).sum() / both.normaliser
    assert float(part) == pytest.approx(by_hand, rel=1e-6)


def test_one_scale_is_itself() -> None:
    loss = TaskLoss(torch.tensor([1.0, 2.0]), torch.tensor(2.0), torch.ones(2))
    assert torch.equal(add_scales([loss]).per_sample, loss.per_sample)
