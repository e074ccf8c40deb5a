r"""Temperature scaling for each combination: one number that makes probabilities honest.

`Guo et al., On calibration of modern neural networks, ICML 2017
<https://arxiv.org/abs/1706.04599>`_. A combination with few modalities is overconfident by another
amount than all of them, so each has its own temperature where validation has enough samples; others
share that of their number of modalities. Where temperatures do not lower the log loss of samples
that they were not fitted on, probabilities stay as they are.
"""

from __future__ import annotations

import torch
from torch import Tensor

FEWEST = 200
"""Fewest samples of a combination from which its own temperature is fitted."""

COLDEST, HOTTEST = 0.05, 20.0
"""Range of temperatures."""

_STEPS = 60
_PRECISION = 1e-5
_SMALL = 1e-30


def temper(probabilities: Tensor, temperature: Tensor) -> Tensor:
    r"""Return :math:`\mathrm{softmax}(\log p / T)`.

    Args:
        probabilities: float ``(..., M)``.
        temperature: float, broadcast against ``(...)``.

    >>> temper(torch.tensor([0.8, 0.2]), torch.tensor(2.0))
    tensor([0.6667, 0.3333])
    """
    log_p = probabilities.clamp_min(_SMALL).log()
    return (log_p / temperature[..., None].to(log_p.dtype)).softmax(-1)


def fit_temperatures(
    probabilities: Tensor,
    target: Tensor,
    scored: Tensor,
    combinations: Tensor,
    start: Tensor | None = None,
) -> Tensor:
    """Fit the temperature of each combination by maximum likelihood.

    Args:
        probabilities: float ``(K, n, M)``.
        target: int64 ``(n,)``.
        scored: bool ``(K, n)``, True where the sample has the combination's modalities.
        combinations: bool ``(K, V)``.
        start: float64 ``(K,)``, temperatures to begin from; 1 by default.

    Returns:
        float64 ``(K,)``: of the combination where it has `FEWEST` samples; of all combinations of
        as many modalities otherwise; 1 where no such combination has a sample.
    """
    own = _alone(scored)
    sizes = combinations.sum(1)
    result = torch.ones(len(combinations), dtype=torch.float64) if start is None else start.clone()
    if bool(own.any()):
        alone = torch.arange(int(own.sum()))
        result[own] = _fit(probabilities[own], target, scored[own], alone, result[own])
    if not bool(own.all()):
        # Any temperature of its size, or of none, will do to begin from.
        begin = torch.ones(int(sizes.max()) + 1, dtype=torch.float64)
        begin[sizes[~own]] = result[~own]
        result[~own] = _fit(probabilities, target, scored, sizes, begin)[sizes[~own]]
    return result


def _fit(
    probabilities: Tensor, target: Tensor, scored: Tensor, group: Tensor, start: Tensor
) -> Tensor:
    """Return the temperature of each group of combinations, float64 ``(G,)``.

    The true class of n samples has the probability (n + 1) / (n + 2), as in Platt's scaling: where
    a combination makes no error on validation, its predictions do not become certain. The loss is
    convex in 1 / T: Newton's method, all groups at once. The derivative by 1 / T is E_q[log p]
    less the mean of log p under the labels, the second the variance of log p under q, where q is
    the softmax of log p / T.
    """
    log_p = probabilities.double().clamp_min(_SMALL).log()
    of_target = log_p.gather(2, target.expand(len(log_p), -1)[..., None])[..., 0]
    empty = torch.zeros_like(start)
    samples = empty.index_add(0, group, scored.sum(1).double())
    share = (1 / (samples + 2))[group][:, None]
    of_others = (log_p.sum(-1) - of_target) / max(1, log_p.shape[-1] - 1)
    of_target = (1 - share) * of_target + share * of_others
    inverse = 1 / start
    for _ in range(_STEPS):
        q = (log_p * inverse[group][:, None, None]).softmax(-1)
        mean = (q * log_p).sum(-1)
        variance = (q * (log_p - mean[..., None]).square()).sum(-1)
        sums = (torch.where(scored, of, 0).sum(1) for of in (mean - of_target, variance))
        slope, curve = (empty.index_add(0, group, of) for of in sums)
        # A step no longer than half or twice the value keeps it in range where the loss is flat.
        wanted = (inverse - slope / curve.clamp_min(_SMALL)).clamp(inverse / 2, inverse * 2)
        wanted = wanted.clamp(1 / HOTTEST, 1 / COLDEST)
        done = bool(((wanted - inverse).abs() <= _PRECISION * inverse).all())
        inverse = wanted
        if done:
            break
    return torch.where(samples > 0, 1 / inverse, 1.0)


def cross_fitted(
    probabilities: Tensor, target: Tensor, scored: Tensor, combinations: Tensor, folds: int = 5
) -> Tensor:
    """Return probabilities at temperatures fitted on other samples, float64 ``(K, n, M)``.

    What is measured on the result is not measured on samples that set the temperature. Fold i has
    samples i, i + `folds` and so on.
    """
    result = probabilities.double().clone()
    fold = torch.arange(len(target)) % folds
    every = fit_temperatures(probabilities, target, scored, combinations)
    for number in range(min(folds, len(target))):
        held_out, others = fold == number, fold != number
        fitted = fit_temperatures(
            probabilities[:, others], target[others], scored[:, others], combinations, every
        )
        result[:, held_out] = temper(result[:, held_out], fitted[:, None])
    return result


def worth_tempering(
    probabilities: Tensor,
    held_out: Tensor,
    target: Tensor,
    scored: Tensor,
    combinations: Tensor,
) -> Tensor:
    """Return where temperatures lower the log loss of samples that they were not fitted on.

    Args:
        probabilities: float ``(K, n, M)``.
        held_out: The same from `cross_fitted`.
        target: int64 ``(n,)``.
        scored: bool ``(K, n)``.
        combinations: bool ``(K, V)``.

    Returns:
        bool ``(K,)``; combinations that share a temperature share the answer.
    """
    before, after = (_log_likelihood(p, target, scored) for p in (probabilities, held_out))
    gain, sizes = after - before, combinations.sum(1)
    of_size = torch.zeros(int(sizes.max()) + 1, dtype=gain.dtype).index_add(0, sizes, gain)
    return torch.where(_alone(scored), gain, of_size[sizes]) > 0


def _alone(scored: Tensor) -> Tensor:
    """Return which combinations have samples enough for a temperature of their own."""
    return scored.sum(1) >= FEWEST


def _log_likelihood(probabilities: Tensor, target: Tensor, scored: Tensor) -> Tensor:
    """Return the sum over samples of log p of the true class, float64 ``(K,)``."""
    index = target.expand(len(probabilities), -1)[..., None]
    log_p = probabilities.double().gather(2, index)[..., 0].clamp_min(_SMALL).log()
    return torch.where(scored, log_p, 0).sum(1)
