"""Eq. 9: the KL divergence, against quadrature and draws; its three reductions by loops."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import integrate, stats

from dmrnet.objectives import Distribution, kl_standard_normal

REDUCTIONS = ("sum", "position", "mean")


def kl_by_quadrature(mu: float, log_var: float) -> float:
    """Integral of p log(p / q) over a line, p = N(mu, sigma^2), q = N(0, 1)."""
    sigma = math.exp(log_var / 2)

    def log_density(x: float, m: float, s: float) -> float:
        return -0.5 * ((x - m) / s) ** 2 - math.log(s * math.sqrt(2 * math.pi))

    def integrand(x: float) -> float:
        log_p = log_density(x, mu, sigma)
        return math.exp(log_p) * (log_p - log_density(x, 0.0, 1.0))

    return integrate.quad(integrand, mu - 12 * sigma, mu + 12 * sigma)[0]


def gaussians() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(3)
    shape = (2, 3, 2, 2)
    mu = torch.randn(shape, generator=generator, dtype=torch.float64)
    return mu, 2 * torch.randn(shape, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_kl_is_the_integral(reduction: str) -> None:
    mu, log_var = gaussians()
    got = kl_standard_normal(mu, log_var, reduction)  # type: ignore[arg-type]
    for i in range(2):
        total = 0.0
        for c in range(3):
            for h in range(2):
                for w in range(2):
                    total += kl_by_quadrature(float(mu[i, c, h, w]), float(log_var[i, c, h, w]))
        divisor = {"sum": 1, "position": 2 * 2, "mean": 3 * 2 * 2}[reduction]
        assert float(got[i]) == pytest.approx(total / divisor, rel=1e-6)


def test_kl_is_the_mean_log_ratio_of_draws() -> None:
    mu, log_var = gaussians()
    rng = np.random.default_rng(0)
    sigma = np.exp(log_var.numpy() / 2)
    draws = mu.numpy() + sigma * rng.standard_normal((20_000, *mu.shape))
    ratio = stats.norm(mu.numpy(), sigma).logpdf(draws) - stats.norm(0, 1).logpdf(draws)
    by_sample = ratio.reshape(20_000, 2, -1).sum(2)
    mean, error = by_sample.mean(0), by_sample.std(0) / math.sqrt(20_000)
    got = kl_standard_normal(mu, log_var, "sum").numpy()
    assert (np.abs(got - mean) < 4 * error).all()
    assert (error < 0.01 * got).all()  # tight enough to tell a wrong factor


def test_kl_is_zero_for_the_standard_normal_alone() -> None:
    zero = torch.zeros(1, 2, 1, 1)
    for reduction in REDUCTIONS:
        assert float(kl_standard_normal(zero, zero, reduction)) == 0  # type: ignore[arg-type]
        assert float(kl_standard_normal(zero + 0.1, zero, reduction)) > 0  # type: ignore[arg-type]
        assert float(kl_standard_normal(zero, zero - 0.1, reduction)) > 0  # type: ignore[arg-type]


def test_only_sum_depends_on_the_size_of_the_map() -> None:
    mu, log_var = gaussians()
    large = [x.repeat(1, 1, 4, 4) for x in (mu, log_var)]
    for reduction, factor in (("sum", 16), ("position", 1), ("mean", 1)):
        got = kl_standard_normal(*large, reduction)  # type: ignore[arg-type]
        small = kl_standard_normal(mu, log_var, reduction)  # type: ignore[arg-type]
        torch.testing.assert_close(got, factor * small)


def test_gradient_is_that_of_the_closed_form() -> None:
    mu, log_var = (x.requires_grad_() for x in gaussians())
    kl_standard_normal(mu, log_var, "sum").sum().backward()
    torch.testing.assert_close(mu.grad, mu.detach())
    torch.testing.assert_close(log_var.grad, (log_var.detach().exp() - 1) / 2)


def test_half_precision_is_taken_in_float32() -> None:
    mu, log_var = (x.bfloat16() for x in gaussians())
    assert kl_standard_normal(mu, log_var).dtype == torch.float32


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_the_term_is_the_mean_over_the_batch(make_step, reduction: str) -> None:
    mu, log_var = (x.float() for x in gaussians())
    step = make_step(torch.ones(2, 2).bool(), torch.tensor([0, 1]), mu, log_var)
    term = Distribution(1e-3, reduction)  # type: ignore[arg-type]
    kl = kl_standard_normal(mu, log_var, reduction)  # type: ignore[arg-type]
    assert float(term(step)) == pytest.approx((float(kl[0]) + float(kl[1])) / 2)
    assert term.weight(0) == term.weight(99) == 1e-3


def test_wrong_settings_raise(make_step) -> None:
    with pytest.raises(ValueError, match="sum, position or mean, got 'max'"):
        Distribution(1.0, "max")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="sum, position or mean, got 'max'"):
        kl_standard_normal(*gaussians(), "max")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="weight of distribution of 0 or more, got -1"):
        Distribution(-1.0)
    step = make_step(torch.ones(1, 1).bool(), torch.tensor([0]), torch.zeros(1, 2, 1, 1))
    with pytest.raises(TypeError, match="needs a Gaussian, but the method has a point"):
        Distribution(1.0)(step)
