"""Zero mean and unit deviation, as the present training rows have them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

import torch
from torch import Tensor

NUMBERS_AT_ONCE = 2**20
"""About so many numbers are held in float64 at a time (8 MB)."""

ROUNDING = 1e-13
"""Numbers that differ by no more than so much of themselves are one; 0 for float32, in effect."""


class Standardiser:
    """Mean and deviation of each modality.

    A vector has them for each feature; a sequence, image or volume for each channel, since a
    position in it means nothing by itself. Sums run in float64 over two passes. A feature that is
    constant over the training rows keeps deviation 1: it becomes zero there.

    Args:
        mean: float64, ``(features,)`` or ``(channels,)`` a modality.
        std: The same for the deviation (divided by n, not n - 1).
        fine: Modalities whose numbers float32 is too coarse for before they are standardised.
    """

    def __init__(
        self,
        mean: Mapping[str, Tensor],
        std: Mapping[str, Tensor],
        fine: Collection[str] = (),
    ) -> None:
        self.mean, self.std, self.fine = dict(mean), dict(std), frozenset(fine)

    @classmethod
    def fit(
        cls, arrays: Mapping[str, Tensor], present: Tensor, modalities: Sequence[str]
    ) -> Standardiser:
        """Return the standardiser of some training rows.

        Args:
            arrays: float32, or float64 for those that are `fine`, ``(n, ...)`` a modality.
            present: bool, ``(n, V)``; rows that lack a modality do not count for it.
            modalities: V names, one a column of `present`.

        Raises:
            ValueError: If a modality is present in no row.

        >>> table = {"a": torch.tensor([[1.0], [3.0], [0.0]])}
        >>> here = torch.tensor([[True], [True], [False]])
        >>> fitted = Standardiser.fit(table, here, ("a",))
        >>> fitted.apply("a", table["a"], here[:, 0]).flatten().tolist()
        [-1.0, 1.0, 0.0]
        """
        mean, std = {}, {}
        for column, name in enumerate(modalities):
            here = present[:, column]
            if not here.any():
                raise ValueError(f"modality {name} is present in no training row; leave it out")
            mean[name], std[name] = _moments(arrays[name], here)
        return cls(mean, std, [name for name in mean if arrays[name].dtype == torch.float64])

    def apply(
        self,
        name: str,
        tensor: Tensor,
        present: Tensor | None = None,
        out: Tensor | None = None,
    ) -> Tensor:
        """Return the standardised rows, float32; what is absent is zero.

        Args:
            name: The modality.
            tensor: float32 or float64, ``(n, ...)``.
            present: bool, ``(n,)``; None: in every row.
            out: Where to write, a float32 `tensor` itself included; None: a new tensor.

        Raises:
            ValueError: If a standardised number is too large for float32.
        """
        out = torch.empty_like(tensor, dtype=torch.float32) if out is None else out
        mean, std = (_beside(values[name], tensor) for values in (self.mean, self.std))
        for rows in _slices(tensor):
            block = tensor[rows].to(torch.float64, copy=True).sub_(mean).div_(std).float()
            if present is not None and not present[rows].all():
                block[~present[rows]] = 0.0
            # One sum instead of a look at every number: it is finite unless something is not.
            if not block.sum().isfinite():
                _check_finite(name, block, rows.start)
            out[rows] = block
        return out

    def invert(self, name: str, tensor: Tensor, present: Tensor) -> Tensor:
        """Return what `apply` was given, up to rounding; what is absent stays zero."""
        mean, std = (_beside(values[name], tensor) for values in (self.mean, self.std))
        out = torch.empty_like(tensor)
        for rows in _slices(tensor):
            out[rows] = tensor[rows].double().mul_(std).add_(mean).to(tensor.dtype)
        return out.index_fill_(0, (~present).nonzero().flatten(), 0.0)

    def state(self) -> dict[str, Tensor]:
        """Return flat tensors to be kept with the weights.

        They are ``NAME.mean``, ``NAME.std``, and ``NAME.fine`` of those that are.
        """
        state = {
            f"{name}.{key}": values[name]
            for name in self.mean
            for key, values in (("mean", self.mean), ("std", self.std))
        }
        return state | {f"{name}.fine": torch.tensor(True) for name in sorted(self.fine)}

    @classmethod
    def from_state(cls, state: Mapping[str, Tensor]) -> Standardiser:
        """Return the standardiser that gave a state."""
        kept: dict[str, dict[str, Tensor]] = {"mean": {}, "std": {}, "fine": {}}
        for key, values in state.items():
            name, _, half = key.rpartition(".")
            kept[half][name] = values.double()
        return cls(kept["mean"], kept["std"], kept["fine"])


def by_modality(
    names: Sequence[str], values: Iterable[float | Sequence[float]]
) -> dict[str, Tensor]:
    """Return a number, or one a channel, of each modality as a `Standardiser` has them."""
    return {
        name: torch.tensor(some, dtype=torch.float64).reshape(-1)
        for name, some in zip(names, values, strict=True)
    }


def _slices(tensor: Tensor) -> Iterator[slice]:
    """Cut the rows into parts that are small enough for float64."""
    step = max(1, NUMBERS_AT_ONCE // max(1, tensor[:1].numel()))
    return (slice(start, start + step) for start in range(0, len(tensor), step))


def _beside(values: Tensor, tensor: Tensor) -> Tensor:
    """Shape one number a feature or channel so that it broadcasts over the rows."""
    return values.reshape(1, -1, *[1] * (tensor.dim() - 2))


def _check_finite(name: str, block: Tensor, start: int) -> None:
    unfit = (~block.isfinite()).flatten(1).any(1).nonzero().flatten()
    if len(unfit):
        raise ValueError(
            f"modality {name}, row {start + int(unfit[0])}: a value is so far from the training "
            "rows that it cannot be standardised; check the units of this row"
        )


def _moments(tensor: Tensor, present: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and deviation over the present rows and all positions, float64.

    Args:
        tensor: float32 or float64, ``(n, ...)``.
        present: bool, ``(n,)``, somewhere True.
    """
    across = [axis for axis in range(tensor.dim()) if axis != 1]
    number = int(present.sum()) * tensor[0, 0].numel()

    def blocks() -> Iterator[Tensor]:
        for rows in _slices(tensor):
            here = present[rows]
            if here.any():
                numbers = tensor[rows] if here.all() else tensor[rows][here]
                yield numbers.to(torch.float64, copy=True)

    mean = torch.zeros(tensor.shape[1], dtype=torch.float64)
    for block in blocks():
        mean += block.sum(across) / number
    variance = torch.zeros_like(mean)
    for block in blocks():
        variance += block.sub_(_beside(mean, tensor)).square_().sum(across) / number
    std = variance.sqrt()
    # Where all numbers are one, the sums above miss it by their rounding (and so may the numbers
    # themselves, computed in float64), and dividing by that would blow noise up; only where the
    # deviation is that small need every number be looked at.
    for channel in (std <= 1e-9 * mean.abs()).nonzero().flatten().tolist():
        numbers = tensor[present, channel]
        first = numbers.flatten()[0]
        if bool(((numbers - first).abs() <= ROUNDING * first.abs()).all()):
            mean[channel], std[channel] = first.double(), 1.0
    return mean, std
