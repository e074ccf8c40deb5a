"""Uncertainty of predictions, by several measures: from the probabilities and from the Gaussian.

DMR, PE and PCME learn a variance (Eq. 6). At inference only the mean is read; here the variance,
and how far predictions from samples of the Gaussian (Eq. 7) differ, are returned next to what the
probabilities say.
"""

from __future__ import annotations

import torch
from torch import Tensor

from dmrnet.engine.predict import Predictable
from dmrnet.engine.run.finished import FinishedRun
from dmrnet.engine.scores.scoring import samples_at_once
from dmrnet.methods.base import Method
from dmrnet.nn.representation import sample


def check_uncertainty(run: FinishedRun) -> None:
    """Raise `ValueError` if a run predicts something else than one class per sample, unordered."""
    task = run.task
    if task.dense or task.target != "classes":
        what = "a class for every pixel" if task.dense else task.target
        raise ValueError(
            f"{run.folder.path}: uncertainty is known for one class per sample, got a run of {what}"
        )


@torch.inference_mode()
def uncertainty_rows(samples: Predictable, draws: int = 16, seed: int = 0) -> dict[str, Tensor]:
    """Return the uncertainty of samples, each predicted from the visible modalities that it has.

    Args:
        samples: Samples of a run that predicts one class per sample.
        draws: Number of samples of the Gaussian.
        seed: Seed of these.

    Returns:
        Float32 ``(m,)`` by name, higher is less sure: ``softmax``, 1 less the probability of the
        predicted class, and ``entropy`` of the probabilities in nats. For methods with a Gaussian
        also ``variance``, the mean sigma^2 of the representation (Eq. 10), and ``spread``, the
        variance over draws of the probability of each class, summed over classes.

    Raises:
        ValueError: If the run predicts something else than one class per sample, without an order.
    """
    run = samples.run
    check_uncertainty(run)
    generator = torch.Generator(run.device).manual_seed(seed)
    parts: list[dict[str, Tensor]] = []
    for batch in samples.batches(samples_at_once(run.task)):
        assert batch.mask is not None
        assert batch.where is not None
        feats = run.method.cached(batch.inputs, batch.where)
        every = torch.arange(len(batch), device=batch.mask.device)
        parts.append(
            _of_batch(run.method, feats.select(every, batch.mask), batch.mask, draws, generator)
        )
    return {name: torch.cat([part[name] for part in parts]).cpu() for name in parts[0]}


def _of_batch(
    method: Method, feats: object, mask: Tensor, draws: int, generator: torch.Generator
) -> dict[str, Tensor]:
    fused = method.fuse(feats, mask)
    p = method.logits(feats, mask).float().softmax(-1)
    values = {"softmax": 1 - p.max(-1).values, "entropy": torch.special.entr(p).sum(-1)}
    rep = method.represent(fused.map)
    if rep.log_var is None:
        return values
    variance = rep.mean_variance
    assert variance is not None
    total, square = torch.zeros_like(p), torch.zeros_like(p)
    for _ in range(draws):
        drawn = method.predict(sample(rep.mu, rep.log_var, generator), fused).logits
        one = drawn.float().softmax(-1)
        total += one
        square += one.square()
    spread = (square / draws - (total / draws).square()).clamp_min(0).sum(-1)
    return values | {"variance": variance.float(), "spread": spread}
