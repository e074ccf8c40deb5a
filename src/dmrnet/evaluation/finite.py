"""Checks for NaN and infinite logits, over which an argmax would still return a class."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

MOST_NAMES = 8
"""Number of samples that an error names at most."""


class NoClassError(ValueError):
    """The largest logit of a sample, or a number that is predicted, is NaN or infinite.

    Args:
        samples: Numbers of the samples.
        shown: Modalities that such predictions show and others do not; may be empty.
        names: Names of all samples, by number; None to report numbers.
        where: Split or file of the samples; may be empty.
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
        """Return how to rebuild the error in another process."""
        return type(self), (self.samples, self.shown, self.names, self.where)

    def located(self, where: str, names: Sequence[str] | None) -> NoClassError:
        """Return the same error with a split or file and names of samples."""
        return NoClassError(self.samples, self.shown, names, where)


class FiniteLogits:
    """Collects samples with non-finite logits without synchronising the device.

    A class may have a logit of ``-inf`` if another one is finite.

    Args:
        modalities: Names of the modalities in order, for messages.

    >>> watch = FiniteLogits(("red", "nir"))
    >>> logits = torch.tensor([[[0.0, 1.0], [torch.nan, 1.0]], [[2.0, 0.0], [2.0, 1.0]]])
    >>> masks = torch.tensor([[True, True], [False, True]])
    >>> watch.add(has_finite_max(logits), torch.tensor([4, 7]), masks)
    >>> watch.check()
    Traceback (most recent call last):
    dmrnet.evaluation.finite.NoClassError: expected finite logits, got NaN or infinite ones for ...
    """

    def __init__(self, modalities: Sequence[str]) -> None:
        self._modalities = modalities
        self._samples: list[Tensor] = []
        self._broken: list[Tensor] = []
        # Modalities that every broken prediction shows, and that every prediction shows.
        self._common: Tensor | None = None
        self._always: Tensor | None = None

    def add(
        self, finite: Tensor, samples: Tensor, masks: Tensor, scored: Tensor | None = None
    ) -> None:
        """Add predictions.

        Args:
            finite: Result of `has_finite_max`: bool ``(K, P)`` for P samples under K masks, which
                may identify a modality; or ``(P,)``, each prediction under its own mask.
            samples: Int64 tensor of shape ``(P,)``: the samples' numbers. If several calls pass
                the same tensor, it is stored once.
            masks: Masks, bool ``(K, V)`` or ``(P, V)``.
            scored: Bool tensor of the shape of `finite`, False for predictions to ignore; by
                default none.
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
        # With one mask for each sample, no single modality can be found to blame.
        common = _of_all(masks, broken.any(1)) if by_mask else torch.zeros_like(masks[0])
        always = _of_all(masks, scored.any(1)) if by_mask else torch.zeros_like(masks[0])
        self._common = common if self._common is None else self._common & common
        self._always = always if self._always is None else self._always & always

    def check(self) -> None:
        """Raise a NoClassError if the largest logit of a sample is NaN or infinite."""
        if not self._broken:
            return
        broken = torch.cat([part.cpu() for part in self._broken])
        if not bool(broken.any()):
            return
        samples = torch.cat([part.cpu() for part in self._samples])[broken].unique()
        assert self._common is not None
        assert self._always is not None
        shown = (self._common & ~self._always).nonzero().flatten().tolist()
        raise NoClassError(samples.tolist(), " and ".join(self._modalities[v] for v in shown))


def _of_all(masks: Tensor, rows: Tensor) -> Tensor:
    """Return the modalities that all selected masks show, bool ``(V,)``."""
    return (masks | ~rows[:, None]).all(0)


def has_finite_max(logits: Tensor, dim: int = -1) -> Tensor:
    """Return whether the largest logit is finite, bool, without the dimension of classes.

    >>> has_finite_max(torch.tensor([[-torch.inf, 1.0], [torch.nan, 1.0], [0.0, torch.inf]]))
    tensor([ True, False, False])
    """
    return logits.amax(dim).isfinite()


def check_finite(values: Tensor, what: str) -> None:
    """Raise a ValueError for non-finite features: analyses would leave NaN out as undefined."""
    if not bool(values.isfinite().all()):
        raise ValueError(
            f"expected finite {what}, got NaN or infinite values; look at the samples (values far "
            "from all others?), or at the weights"
        )
