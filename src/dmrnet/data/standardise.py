"""Zero mean and unit deviation, as the present training rows have them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor

NUMBERS_AT_ONCE = 2**20
"""About so many numbers are held in float64 at a time (8 MB)."""


class Standardiser:
    """Mean and deviation of each modality.

    A vector has them for each feature; a sequence, image or volume for each channel, since a
    position in it means nothing by itself. Sums run in float64 over two passes. A feature that is
    constant over the training rows keeps deviation 1: it becomes zero there.

    Args:
        mean: float64, ``(features,)`` or ``(channels,)`` a modality.
        std: The same for the deviation (divided by n, not n - 1).
    """

    def __init__(self, mean: Mapping[str, Tensor], std: Mapping[str, Tensor]) -> None:
        self.mean, self.std = dict(mean), dict(std)

    @classmethod
    def fit(
        cls, arrays: Mapping[str, Tensor], present: Tensor, modalities: Sequence[str]
    ) -> Standardiser:
        """Return the standardiser of some training rows.

        Args:
            arrays: float32, ``(n, ...)`` a modality.
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
            rows = present[:, column].nonzero().flatten()
            if not len(rows):
                raise ValueError(f"modality {name} is present in no training row; leave it out")
            mean[name], std[name] = _moments(arrays[name], rows)
        return cls(mean, std)

    def apply(
        self,
        name: str,
        tensor: Tensor,
        present: Tensor | None = None,
        out: Tensor | None = None,
    ) -> Tensor:
        """Return the standardised rows; what is absent is zero.

        Args:
            name: The modality.
            tensor: float32, ``(n, ...)``.
            present: bool, ``(n,)``; None: in every row.
            out: Where to write, `tensor` itself included; None: a new tensor.

        Raises:
            ValueError: If a standardised number is too large for float32.
        """
        out = torch.empty_like(tensor) if out is None else out
        mean, std = (_beside(values[name], tensor) for values in (self.mean, self.std))
        for rows in _chunks(torch.arange(len(tensor)), tensor):
            block = ((tensor[rows].double() - mean) / std).to(tensor.dtype)
            if present is not None:
                block[~present[rows]] = 0.0
            unfit = (~block.isfinite()).flatten(1).any(1).nonzero().flatten()
            if len(unfit):
                raise ValueError(
                    f"modality {name}, row {int(rows[unfit[0]])}: a value is so far from the "
                    "training rows that it cannot be standardised; check the units of this row"
                )
            out[rows] = block
        return out

    def invert(self, name: str, tensor: Tensor, present: Tensor) -> Tensor:
        """Return what `apply` was given, up to rounding; what is absent stays zero."""
        out = torch.zeros_like(tensor)
        mean, std = (_beside(values[name], tensor) for values in (self.mean, self.std))
        for rows in _chunks(present.nonzero().flatten(), tensor):
            out[rows] = (tensor[rows].double() * std + mean).to(tensor.dtype)
        return out

    def state(self) -> dict[str, Tensor]:
        """Return flat tensors, ``NAME.mean`` and ``NAME.std``, to be kept with the weights."""
        return {
            f"{name}.{key}": values[name]
            for name in self.mean
            for key, values in (("mean", self.mean), ("std", self.std))
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Tensor]) -> Standardiser:
        """Return the standardiser that gave a state."""
        halves: dict[str, dict[str, Tensor]] = {"mean": {}, "std": {}}
        for key, values in state.items():
            name, _, half = key.rpartition(".")
            halves[half][name] = values.double()
        return cls(halves["mean"], halves["std"])


def _chunks(rows: Tensor, tensor: Tensor) -> Iterator[Tensor]:
    """Cut rows into parts that are small enough for float64."""
    each = max(1, tensor[:1].numel())
    return iter(torch.split(rows, max(1, NUMBERS_AT_ONCE // each)))


def _beside(values: Tensor, tensor: Tensor) -> Tensor:
    """Shape one number a feature or channel so that it broadcasts over the rows."""
    return values.reshape(1, -1, *[1] * (tensor.dim() - 2))


def _moments(tensor: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and deviation over rows and positions, float64."""
    across = [axis for axis in range(tensor.dim()) if axis != 1]
    number = len(rows) * tensor[0, 0].numel()
    total = torch.zeros(tensor.shape[1], dtype=torch.float64)
    low, high = torch.full_like(total, torch.inf), torch.full_like(total, -torch.inf)
    for part in _chunks(rows, tensor):
        block = tensor[part].double()
        total += block.sum(across)
        low, high = low.minimum(block.amin(across)), high.maximum(block.amax(across))
    mean = total / number
    squares = torch.zeros_like(total)
    for part in _chunks(rows, tensor):
        squares += (tensor[part].double() - _beside(mean, tensor)).square().sum(across)
    constant = low == high
    # Exactly the value itself, so that a constant becomes exactly zero.
    mean = torch.where(constant, low, mean)
    return mean, torch.where(constant, torch.ones_like(mean), (squares / number).sqrt())
