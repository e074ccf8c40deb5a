"""Check that both sides compute the same before anything is timed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor

from benchmarks.subjects import Case, Pair
from dmrnet.methods.base import Encodes

TOLERANCE = 1e-9
"""Relative difference of loss and gradients in float64, where only the order of sums differs. In
float32 the gradients of a deep network with batch norm differ by 1e-3 from rounding alone."""

TOLERANCE_FP32 = 1e-4
"""Relative difference of logits in float32."""

TOLERANCE_BF16 = 0.1
"""Relative difference of logits in mixed precision: bfloat16 keeps eight bits."""

CHECKED = 4
"""Number of samples on which steps are compared, since products in float64 are slow. Their masks
show every modality."""


def exact(case: Case, device: str = "cpu") -> Pair:
    """Return both sides of a case in float64, on a few samples."""
    return Pair(replace(case, batch=min(case.batch, CHECKED)), torch.float64, device)


def relative(a: Tensor, b: Tensor) -> float:
    """Return the norm of ``a - b`` over the norm of ``b``.

    >>> relative(torch.tensor([3.0, 4.0]), torch.tensor([3.0, 4.0]))
    0.0
    """
    return float((a.double() - b.double()).norm() / b.double().norm().clamp(min=1e-300))


def gradients(pair: Pair) -> tuple[Tensor, Tensor]:
    """Return all gradients of both sides, each as one vector, 0 where there is none."""
    ours = dict(pair.method.named_parameters())
    theirs = pair.released.weights

    def together(parameters: Mapping[str, Tensor]) -> Tensor:
        every = [parameters[name] for name in theirs]
        return torch.cat(
            [(torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in every]
        )

    return together(ours), together(theirs)


def check_steps(pair: Pair) -> dict[str, float]:
    """Compare loss and gradients of a step in float64 (see `exact`), for both values of `encodes`.

    Encoding visible modalities only changes the batch statistics of the encoders, as it must; it is
    compared with running statistics instead.

    Raises:
        ValueError: If they differ by more than `TOLERANCE`, or no mask shows some modality, so that
            its encoder would not be compared.
    """
    assert pair.batch.mask is not None
    if not bool(pair.batch.mask.any(0).all()):
        raise ValueError(f"{pair.case.name}: a modality is never shown, so it is not compared")
    found: dict[str, float] = {}
    both: tuple[Encodes, ...] = ("present", "mask")
    for what in both:
        pair.method.train(what == "present")
        pair.released.training = what == "present"
        ours, theirs = pair.our_loss(pair.encoding(what), what), pair.their_loss()
        ours.backward()
        theirs.backward()
        apart = relative(ours.detach(), theirs.detach())
        found[what] = max(apart, relative(*gradients(pair)))
        pair.method.end_epoch()
        for parameter in (*pair.method.parameters(), *pair.released.parameters()):
            parameter.grad = None
    return _checked(pair, found, TOLERANCE)


def check_evaluation(pair: Pair, bf16: bool) -> dict[str, float]:
    """Compare logits of all combinations, in mixed precision too, with the released code's.

    Raises:
        ValueError: If they differ by more than the tolerance.
    """
    theirs = pair.released_evaluation()()
    found = _checked(pair, {"fp32": relative(pair.evaluation()(), theirs)}, TOLERANCE_FP32)
    if bf16:
        half = relative(pair.evaluation(bf16=True)(), theirs)
        found |= _checked(pair, {"bf16": half}, TOLERANCE_BF16)
    return found


def _checked(pair: Pair, found: dict[str, float], tolerance: float) -> dict[str, float]:
    for what, difference in found.items():
        if not difference <= tolerance:
            raise ValueError(
                f"{pair.case.name}: dmrnet ({what}) differs from the plain statement by "
                f"{difference:.1e}, more than {tolerance:.0e}; there is nothing to time"
            )
    return found
