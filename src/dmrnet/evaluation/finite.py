"""Refuses logits that are no numbers: an argmax over them would give a class like any other."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

MOST_NAMES = 8
"""Of more samples, so many are named."""


class FiniteLogits:
    """Remembers of which samples no class is the largest, without waiting for the device.

    A class that is ruled out, ``-inf`` beside a finite logit, is none of them.

    Args:
        modalities: Their names in order, for messages; None where a model has none.

    >>> watch = FiniteLogits(("red", "nir"))
    >>> logits = torch.tensor([[0.0, 1.0], [torch.nan, 1.0]])
    >>> masks = torch.tensor([[True, True], [True, False]])
    >>> watch.add(a_class_wins(logits), torch.tensor([4, 7]), masks)
    >>> watch.check()
    Traceback (most recent call last):
    ValueError: expected finite logits, got infinite ones or no numbers for sample 7, whenever ...
    """

    def __init__(self, modalities: Sequence[str] | None = None) -> None:
        self._modalities = modalities
        self._samples: list[Tensor] = []
        self._broken: list[Tensor] = []
        self._common: Tensor | None = None

    def add(
        self, finite: Tensor, samples: Tensor, masks: Tensor, scored: Tensor | None = None
    ) -> None:
        """Take in whether predictions have a class.

        Args:
            finite: bool ``(P,)`` of P predictions, or ``(K, P)`` of P samples under K masks.
            samples: int64 ``(P,)``: the samples' numbers.
            masks: bool ``(P, V)``, or ``(K, V)``: what was shown.
            scored: bool, shaped as ``finite``: predictions that matter; by default all.
        """
        broken = ~finite
        if scored is not None:
            broken = broken & scored
        self._samples.append(samples)
        self._broken.append(broken if broken.ndim == 1 else broken.any(0))
        where = broken if broken.ndim == 1 else broken.any(1)
        common = (masks | ~where[:, None]).all(0)
        self._common = common if self._common is None else self._common & common

    def check(self) -> None:
        """Look at what came together.

        Raises:
            ValueError: If no class is the largest of some sample; it is named, and the modalities
                that all such predictions show.
        """
        if not self._broken:
            return
        broken = torch.cat(self._broken).cpu()
        if not bool(broken.any()):
            return
        found = torch.cat([samples.cpu() for samples in self._samples])[broken].unique().tolist()
        named = ", ".join(str(sample) for sample in found[:MOST_NAMES])
        more = f" and {len(found) - MOST_NAMES} more" if len(found) > MOST_NAMES else ""
        assert self._common is not None
        shown = self._common.nonzero().flatten().tolist()
        names = [self._modalities[v] if self._modalities else f"modality {v}" for v in shown]
        when = f", whenever {' and '.join(names)} {'is' if len(names) == 1 else 'are'} shown"
        raise ValueError(
            f"expected finite logits, got infinite ones or no numbers for sample"
            f"{'s' if len(found) > 1 else ''} {named}{more}{when if names else ''}; look at what "
            "is there of it (values far from all others?), or at the weights"
        )


def a_class_wins(logits: Tensor, dim: int = -1) -> Tensor:
    """Return where the largest logit is a number, bool, without the dimension of classes.

    >>> a_class_wins(torch.tensor([[-torch.inf, 1.0], [torch.nan, 1.0], [0.0, torch.inf]]))
    tensor([ True, False, False])
    """
    return logits.amax(dim).isfinite()


def finite_logits(model: object) -> FiniteLogits:
    """Return a watch that names the modalities as the model does, if it does."""
    return FiniteLogits(getattr(model, "modalities", None))
