"""Eq. 4-7, PE and PCME: heads and sampling, against numpy by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import stats
from torch import nn

from dmrnet.nn.representation import DMR, LIMIT, PCME, PE, MeanHead, Point, sample

EPS = 1e-5


def array(tensor: torch.Tensor) -> np.ndarray:
    return tensor.detach().numpy().astype(np.float64)


def conv_then_batch_norm(branch: nn.Sequential, x: np.ndarray, training: bool) -> np.ndarray:
    """A 1x1 convolution and batch norm of ``(B, C, H, W)``, by hand."""
    conv, norm = branch
    weight, bias = array(conv.weight)[:, :, 0, 0], array(conv.bias)
    y = np.zeros_like(x)
    for c in range(x.shape[1]):
        y[:, c] = bias[c] + sum(weight[c, k] * x[:, k] for k in range(x.shape[1]))
    for c in range(x.shape[1]):
        if training:
            mean, var = y[:, c].mean(), y[:, c].var()
        else:
            mean, var = float(norm.running_mean[c]), float(norm.running_var[c])
        scale, shift = array(norm.weight)[c], array(norm.bias)[c]
        y[:, c] = (y[:, c] - mean) / math.sqrt(var + EPS) * scale + shift
    return y


def shaken(head: nn.Module) -> nn.Module:
    """Give every parameter and statistic a value that is not its default."""
    with torch.no_grad():
        for name, value in head.state_dict().items():
            if value.is_floating_point():
                value.copy_(torch.rand_like(value) + 0.3 if "var" in name else torch.randn(()))
                value.add_(0.3 * torch.rand_like(value))
    return head


@pytest.mark.parametrize("training", [True, False])
def test_dmr_is_two_heads_of_1x1_convolution_and_batch_norm(training: bool) -> None:
    head = shaken(DMR(3)).train(training)
    x = torch.randn(4, 3, 2, 5)
    mu = conv_then_batch_norm(head.mu, array(x), training)
    log_var = conv_then_batch_norm(head.log_var, array(x), training)
    rep = head(x)
    np.testing.assert_allclose(array(rep.mu), mu, atol=1e-5)  # Eq. 5
    np.testing.assert_allclose(array(rep.log_var), np.clip(log_var, -LIMIT, LIMIT), atol=1e-5)
    d = [np.exp(array(rep.log_var)[i]).mean() for i in range(4)]  # the inner sums of Eq. 10
    np.testing.assert_allclose(array(rep.mean_variance), d, rtol=1e-5)


def test_pe_is_the_same_on_the_pooled_vector() -> None:
    head = shaken(PE(3)).eval()
    x = torch.randn(4, 3, 2, 5)
    pooled = array(x).mean((2, 3), keepdims=True)
    rep = head(x)
    assert rep.mu.shape == rep.value.shape == (4, 3, 1, 1)
    np.testing.assert_allclose(
        array(rep.mu), conv_then_batch_norm(head.mu, pooled, False), atol=1e-5
    )
    np.testing.assert_allclose(
        array(rep.log_var), conv_then_batch_norm(head.log_var, pooled, False), atol=1e-5
    )


@pytest.mark.parametrize("normalise", [False, True])
def test_pcme_pools_by_attention(normalise: bool) -> None:
    head = PCME(4, normalise=normalise).eval()
    x = torch.randn(3, 4, 2, 3)
    rep = head(x)

    def affine(layer: nn.Linear, v: np.ndarray) -> np.ndarray:
        return array(layer.weight) @ v + array(layer.bias)

    def attend(pool: nn.Module, tokens: np.ndarray) -> np.ndarray:
        scores = [
            (array(pool.w2.weight) @ np.tanh(array(pool.w1.weight) @ t)).item() for t in tokens
        ]
        weights = np.exp(scores) / np.sum(np.exp(scores))
        return sum(w * t for w, t in zip(weights, tokens, strict=True))

    for i in range(3):
        tokens = array(x)[i].reshape(4, 6).T
        pooled = tokens.mean(0)
        gate = 1 / (1 + np.exp(-affine(head.attended_mu, attend(head.attend_mu, tokens))))
        mu = affine(head.pooled_mu, pooled) + gate
        mu = (mu - mu.mean()) / np.sqrt(mu.var() + head.norm.eps)
        if normalise:
            mu = mu / np.linalg.norm(mu)
        log_var = affine(head.pooled_log_var, pooled) + affine(
            head.attended_log_var, attend(head.attend_log_var, tokens)
        )
        np.testing.assert_allclose(array(rep.mu)[i, :, 0, 0], mu, atol=1e-5)
        np.testing.assert_allclose(array(rep.log_var)[i, :, 0, 0], log_var, atol=1e-5)


def test_heads_start_as_their_sources_do() -> None:
    """Xavier with zero biases: normal in the audio-visual code, uniform in PCME's."""
    torch.manual_seed(0)
    pe, pcme = PE(128), PCME(128)
    for layer in (pe.mu[0], pe.log_var[0]):
        assert layer.weight.std().item() == pytest.approx(1 / math.sqrt(128), rel=0.05)
        assert layer.weight.abs().max() > 3 / math.sqrt(128)  # no uniform distribution
        assert not layer.bias.any()
    for layer in (pcme.attended_mu, pcme.attended_log_var):
        assert layer.weight.abs().max().item() == pytest.approx(math.sqrt(6 / 256), rel=0.01)
        assert layer.weight.std().item() == pytest.approx(math.sqrt(2 / 256), rel=0.05)
        assert not layer.bias.any()


def test_pcme_has_no_dropout() -> None:
    head = PCME(4, sampled=False).train()
    x = torch.randn(3, 4, 2, 3)
    assert torch.equal(head(x).mu, head(x).mu)


def test_attention_matters() -> None:
    """Two maps of one mean but different positions differ, which pooling alone would not see."""
    head = PCME(4).eval()
    x = torch.randn(1, 4, 1, 2)
    flat = x.mean((2, 3), keepdim=True).expand_as(x)
    assert not torch.allclose(head(x).mu, head(flat).mu, atol=1e-4)
    assert not torch.allclose(head(x).log_var, head(flat).log_var, atol=1e-4)


def test_log_sigma_is_half_of_log_var() -> None:
    letter, ours = DMR(3, predicts="log_sigma"), DMR(3)
    letter.load_state_dict(ours.state_dict())
    x = torch.randn(8, 3, 2, 2)
    torch.testing.assert_close(letter(x).log_var, 2 * ours(x).log_var)
    with pytest.raises(ValueError, match="log_var or log_sigma, got 'sigma'"):
        DMR(3, predicts="sigma")  # type: ignore[arg-type]


@pytest.mark.parametrize("predicts", ["log_var", "log_sigma"])
def test_log_var_is_bounded(predicts: str) -> None:
    head = DMR(2, predicts=predicts)  # type: ignore[arg-type]
    with torch.no_grad():
        head.log_var[1].weight.fill_(1e4)
    rep = head(torch.randn(16, 2, 2, 2))
    assert rep.log_var.max().item() == LIMIT
    assert rep.log_var.min().item() == -LIMIT
    assert rep.value.isfinite().all()


def test_samples_have_the_moments_of_the_gaussian() -> None:
    """Eq. 7 by statistics, on 40 000 draws of each of three Gaussians."""
    n = 40_000
    mu, sigma = torch.tensor([-1.0, 0.0, 2.0]), torch.tensor([0.5, 1.0, 3.0])
    log_var = (sigma**2).log()
    drawn = array(sample(mu.expand(n, 3), log_var.expand(n, 3), torch.Generator().manual_seed(1)))
    for k in range(3):
        m, s = float(mu[k]), float(sigma[k])
        # Four standard errors of mean and deviation: 2% and 1.4% of sigma.
        assert abs(drawn[:, k].mean() - m) < 4 * s / math.sqrt(n)
        assert abs(drawn[:, k].std() - s) < 4 * s / math.sqrt(2 * n)
        assert stats.kstest(drawn[:, k], "norm", (m, s)).pvalue > 1e-3
        # The likely slips would show: sigma^2 or e^(log_var) in place of sigma.
        if s != 1:
            assert stats.kstest(drawn[:, k], "norm", (m, s**2)).pvalue < 1e-6
    # Independent over positions and channels.
    correlation = np.corrcoef(drawn.T) - np.eye(3)
    assert np.abs(correlation).max() < 4 / math.sqrt(n)


def test_sampling_is_differentiable_by_reparameterisation() -> None:
    mu = torch.randn(2, 3, 2, 2, dtype=torch.float64, requires_grad=True)
    log_var = torch.randn(2, 3, 2, 2, dtype=torch.float64, requires_grad=True)

    def drawn(m: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        return sample(m, v, torch.Generator().manual_seed(0))

    assert torch.autograd.gradcheck(drawn, (mu, log_var))


def test_a_generator_repeats_the_noise_and_spares_the_global_one() -> None:
    head = DMR(3)
    x = torch.randn(4, 3, 2, 2)
    before = torch.get_rng_state()
    first, again, other = (head(x, torch.Generator().manual_seed(s)).value for s in (5, 5, 6))
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    head(x)
    assert not torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("kind", [DMR, PE, PCME])
def test_sample_in_training_mean_at_inference(kind: type[DMR]) -> None:
    x = torch.randn(4, 3, 2, 2)
    head = kind(3)
    assert not torch.equal(head(x).value, head(x).mu)
    still = kind(3, sampled=False)
    assert torch.equal((rep := still(x)).value, rep.mu)
    head.eval()
    assert torch.equal((rep := head(x)).value, rep.mu)


@pytest.mark.parametrize("kind", [Point, MeanHead])
def test_points_are_never_sampled(kind: type[Point]) -> None:
    head, x = kind(3), torch.randn(4, 3, 2, 2)
    rep = head(x)
    assert rep.value is rep.mu
    assert rep.log_var is None
    assert rep.mean_variance is None
    assert torch.equal(head(x).value, rep.value)


def test_the_control_is_the_mean_head_of_dmr() -> None:
    control, dmr = MeanHead(3), DMR(3)
    control.mu.load_state_dict(dmr.mu.state_dict())
    x = torch.randn(4, 3, 2, 2)
    assert torch.equal(control(x).value, dmr(x).mu)


@pytest.mark.parametrize("kind", [DMR, PE, PCME])
def test_half_precision_is_left_for_the_gaussian(kind: type[DMR]) -> None:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rep = kind(3)(torch.randn(4, 3, 2, 2).bfloat16())
    assert rep.value.dtype == rep.mu.dtype == rep.log_var.dtype == torch.float32
    assert kind(3).double()(torch.randn(4, 3, 2, 2).double()).value.dtype == torch.float64


@pytest.mark.parametrize("kind", [Point, MeanHead, DMR, PE, PCME])
@pytest.mark.parametrize("half", [False, True])
def test_what_is_inferred_is_the_mean_without_the_head_of_sigma(
    kind: type[DMR], half: bool
) -> None:
    head, x = shaken(kind(3)).eval(), torch.randn(4, 3, 2, 2)
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=half):
        wanted = head(x).value
    for name, part in head.named_modules():
        if "log_var" in name:
            part.register_forward_pre_hook(lambda *_: pytest.fail("sigma was computed"))
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=half):
        assert torch.equal(got := head.infer(x), wanted)
    assert got.dtype == wanted.dtype
