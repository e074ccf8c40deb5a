"""Refuses logits that are no numbers: an argmax over them would give a class like any other."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

MOST_NAMES = 8
"""Of more samples, so many are named."""


class NoClassError(ValueError):
    """No class is the largest: logits of a sample are NaN or infinite.

    Args:
        samples: Their numbers.
        shown: What all such predictions show and others do not, in words; may be empty.
        names: Of all samples, by number; None: the numbers are told.
        where: They are from, in words; may be empty.
    """

    def __init__(
        self,
        samples: Sequence[int],
        shown: str = "",
        names: Sequence[str] | None = None,
        where: str = "",
    ) -> None:
        self.samples, self.shown, self.names, self.where = samples, shown, names, where
        named = ", ".join(names[i] if names else str(i) for i in samples[:MOST_NAMES])
        more = f" and {len(samples) - MOST_NAMES} more" if len(samples) > MOST_NAMES else ""
        super().__init__(
            f"{where}{': ' if where else ''}expected finite logits, got NaN or infinite ones for "
            f"sample{'s' if len(samples) > 1 else ''} {named}{more}"
            f"{f', only with {shown} shown' if shown else ''}; look at those samples (values far "
            "from all others?), or at the weights"
        )

    def __reduce__(self) -> tuple[type[NoClassError], tuple[object, ...]]:
        """Return how to make it again where another process hears of it."""
        return type(self), (self.samples, self.shown, self.names, self.where)

    def of(self, where: str, names: Sequence[str] | None) -> NoClassError:
        """Return the same error, said of a split or a file and of samples by name."""
        return NoClassError(self.samples, self.shown, names, where)


class FiniteLogits:
    """Remembers of which samples no class is the largest, without waiting for the device.

    A class that is ruled out, ``-inf`` beside a finite logit, is no fault.

    Args:
        modalities: Their names in order, for messages; None where a model has none.

    >>> watch = FiniteLogits(("red", "nir"))
    >>> logits = torch.tensor([[[0.0, 1.0], [torch.nan, 1.0]], [[2.0, 0.0], [2.0, 1.0]]])
    >>> masks = torch.tensor([[True, True], [False, True]])
    >>> watch.add(a_class_wins(logits), torch.tensor([4, 7]), masks)
    >>> watch.check()
    Traceback (most recent call last):
    dmrnet.evaluation.finite.NoClassError: expected finite logits, got NaN or infinite ones for ...
    """

    def __init__(self, modalities: Sequence[str] | None = None) -> None:
        self._modalities = modalities
        self._samples: list[Tensor] = []
        self._broken: list[Tensor] = []
        # Modalities that every broken prediction shows, and those that every one shows.
        self._common: Tensor | None = None
        self._always: Tensor | None = None

    def add(
        self, finite: Tensor, samples: Tensor, masks: Tensor, scored: Tensor | None = None
    ) -> None:
        """Take in whether predictions have a class.

        Args:
            finite: bool ``(K, P)`` of P samples under K masks, which tell what modality it is; or
                ``(P,)``, each prediction under a mask of its own.
            samples: int64 ``(P,)``: the samples' numbers. One tensor taken in again and again, as
                with a batch's next masks, is kept once.
            masks: bool ``(K, V)``, or ``(P, V)``: what was shown.
            scored: bool, shaped as ``finite``: predictions that matter; by default all.
        """
        scored = torch.ones_like(finite) if scored is None else scored
        broken = scored & ~finite
        by_mask = finite.ndim == 2
        of_samples = broken.any(0) if by_mask else broken
        if self._samples and self._samples[-1] is samples:
            self._broken[-1] |= of_samples
        else:
            self._samples.append(samples)
            self._broken.append(of_samples)
        # Of one mask a sample nobody can say which of its modalities it was.
        common = _of_all(masks, broken.any(1)) if by_mask else torch.zeros_like(masks[0])
        always = _of_all(masks, scored.any(1)) if by_mask else torch.zeros_like(masks[0])
        self._common = common if self._common is None else self._common & common
        self._always = always if self._always is None else self._always & always

    def check(self) -> None:
        """Look at what came together.

        Raises:
            NoClassError: If no class is the largest of some sample.
        """
        if not self._broken:
            return
        broken = torch.cat([some.cpu() for some in self._broken])
        if not bool(broken.any()):
            return
        samples = torch.cat([some.cpu() for some in self._samples])[broken].unique()
        assert self._common is not None
        assert self._always is not None
        shown = (self._common & ~self._always).nonzero().flatten().tolist()
        names = self._modalities
        raise NoClassError(
            samples.tolist(), " and ".join(names[v] if names else f"modality {v}" for v in shown)
        )


def _of_all(masks: Tensor, rows: Tensor) -> Tensor:
    """Return what all of some masks show, bool ``(V,)``."""
    return (masks | ~rows[:, None]).all(0)


def a_class_wins(logits: Tensor, dim: int = -1) -> Tensor:
    """Return where the largest logit is a number, bool, without the dimension of classes.

    >>> a_class_wins(torch.tensor([[-torch.inf, 1.0], [torch.nan, 1.0], [0.0, torch.inf]]))
    tensor([ True, False, False])
    """
    return logits.amax(dim).isfinite()


def check_finite(values: Tensor, what: str) -> None:
    """Refuse features that are no numbers, which an analysis would pass over as pointing nowhere.

    Args:
        values: Anything.
        what: In a word, for the message.

    Raises:
        ValueError: If one is NaN or infinite.
    """
    if not bool(values.isfinite().all()):
        raise ValueError(
            f"expected finite {what}, got NaN or infinite values; look at the samples (values far "
            "from all others?), or at the weights"
        )


def finite_logits(model: object) -> FiniteLogits:
    """Return a watch that names the modalities as the model does, if it does."""
    return FiniteLogits(getattr(model, "modalities", None))
