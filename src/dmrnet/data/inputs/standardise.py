"""Standardising: zero mean and unit deviation over the present training rows."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from dmrnet.data.filling import Cells
from dmrnet.data.inputs.cells import (
    Imputer,
    check_observed,
    fill_values,
    missing_by_channel,
    row_slices,
    split_choice,
)
from dmrnet.data.inputs.steps import steps_there
from dmrnet.hints import nearest
from dmrnet.modalities import Task

ROUNDING = 1e-13
"""Relative difference up to which values count as equal; in effect 0 for float32."""

Values = float | Sequence[float]
Scale = tuple[Values, Values]
"""Mean and deviation of a modality: one number, or one for each channel."""


class Standardiser:
    """Mean and deviation of each modality.

    Vectors have them for each feature; sequences, images and volumes for each channel. They are
    computed in float64, in two passes. A feature that is constant over the training rows has
    deviation 1, so it becomes zero.

    Args:
        mean: float64 tensor of each modality, ``(features,)`` or ``(channels,)``.
        std: Deviation (divided by n, not n - 1), of the same shapes.
        fine: Modalities for which float32 is too coarse before standardising.
        imputer: What fills missing cells; None where there must be none.
        ragged: Modalities whose sequences differ in length, with NaN after the end of each.
        unscaled: Modalities whose numbers stay as they are; mean and deviation describe them.
    """

    def __init__(
        self,
        mean: Mapping[str, Tensor],
        std: Mapping[str, Tensor],
        fine: Collection[str] = (),
        imputer: Imputer | None = None,
        ragged: Collection[str] = (),
        unscaled: Collection[str] = (),
    ) -> None:
        self.mean, self.std, self.fine = dict(mean), dict(std), frozenset(fine)
        self.imputer, self.ragged = imputer, frozenset(ragged)
        self.unscaled = frozenset(unscaled)

    def leave(self, names: Collection[str]) -> Standardiser:
        """Leave the numbers of modalities as they are, and return the standardiser.

        Raises:
            ValueError: If there is no such modality.
        """
        for name in names:
            if name not in self.mean:
                raise ValueError(f"unscaled: no modality {name!r}; {nearest(name, [*self.mean])}")
        self.unscaled = frozenset(names)
        return self

    def scale(self, name: str) -> tuple[Tensor, Tensor]:
        """Return what `apply` subtracts from a modality and divides it by, float64."""
        mean, std = self.mean[name], self.std[name]
        if name in self.unscaled:
            return torch.zeros_like(mean), torch.ones_like(std)
        return mean, std

    @classmethod
    def fit(
        cls,
        arrays: Mapping[str, Tensor],
        present: Tensor,
        modalities: Sequence[str],
        cells: Cells = "refuse",
        ragged: Collection[str] = (),
    ) -> Standardiser:
        """Return the standardiser of training rows.

        Args:
            arrays: Tensor ``(n, ...)`` of each modality, float32; float64 makes it `fine`.
            present: Bool tensor ``(n, V)``, True where a row has the modality; others do not count.
            modalities: Name of each column of `present`.
            cells: What stands for missing cells, which are NaN and do not count; with ``refuse``
                there must be none.
            ragged: Modalities whose sequences end in steps of NaN, which do not count.

        Raises:
            ValueError: If a modality is present in no row, or a feature has no value in any.

        >>> table = {"a": torch.tensor([[1.0], [3.0], [0.0]])}
        >>> present = torch.tensor([[True], [True], [False]])
        >>> standardiser = Standardiser.fit(table, present, ("a",))
        >>> standardiser.apply("a", table["a"], present[:, 0]).flatten().tolist()
        [-1.0, 1.0, 0.0]
        """
        mean, std, missing = {}, {}, {}
        for column, name in enumerate(modalities):
            rows, array = present[:, column], arrays[name]
            if not rows.any():
                raise ValueError(f"modality {name} is present in no training row; leave it out")
            number = torch.full((array.shape[1],), int(rows.sum()) * array[0, 0].numel())
            if cells != "refuse" or name in ragged:
                missing[name] = missing_by_channel(array, rows, name in ragged)
                # What comes after the end of a sequence is NaN, but not missing.
                number -= missing_by_channel(array, rows) if name in ragged else missing[name]
                check_observed(name, number)
            mean[name], std[name] = _moments(array, rows, number)
        fine = [name for name in mean if arrays[name].dtype == torch.float64]
        if cells == "refuse":
            return cls(mean, std, fine, None, ragged)
        fill, indicator = split_choice(cells)
        flagged = {
            name: (count > 0 if indicator else count < 0).nonzero().flatten()
            for name, count in missing.items()
        }
        imputer = Imputer(fill_values(arrays, present, modalities, fill, mean), flagged)
        return cls(mean, std, fine, imputer, ragged)

    @classmethod
    def from_scales(cls, scales: Mapping[str, Scale]) -> Standardiser:
        """Return the standardiser with the mean and deviation of each modality."""
        mean, std = {}, {}
        for name, scale in scales.items():
            pair = (torch.tensor(values, dtype=torch.float64).reshape(-1) for values in scale)
            mean[name], std[name] = pair
        return cls(mean, std)

    def apply(
        self,
        name: str,
        tensor: Tensor,
        present: Tensor | None = None,
        out: Tensor | None = None,
    ) -> Tensor:
        """Return standardised rows as float32; absent rows are zero.

        Indicators of missing cells are appended, if there are any; so is, for ragged sequences, the
        channel that marks their steps. They are zero after their end (see `Modality`).

        Args:
            name: Name of the modality.
            tensor: float32 or float64 tensor ``(n, ...)``.
            present: Bool tensor ``(n,)``, True where the modality is present; None: everywhere.
            out: Tensor to write to, for example a float32 `tensor` itself; None: a new one, as
                there is where something is appended.

        Raises:
            ValueError: If a standardised number is too large for float32.
        """
        more, ragged = self._appended(name), name in self.ragged
        if out is None or more:
            shape = (len(tensor), tensor.shape[1] + more, *tensor.shape[2:])
            out = torch.empty(shape, dtype=torch.float32)
        mean, std = (_broadcast(values, tensor) for values in self.scale(name))
        for rows in row_slices(tensor):
            block = tensor[rows].to(torch.float64, copy=True)
            steps = steps_there(block) if ragged else None
            if self.imputer is None:
                block = block.sub_(mean).div_(std).float()
            else:
                block, indicators = self.imputer.apply(name, block)
                block = torch.cat([block.sub_(mean).div_(std).float(), indicators], 1)
            if steps is not None:
                block = torch.cat([block, torch.ones_like(block[:, :1])], 1)
                block = torch.where(steps, block, 0.0)
            if present is not None and not present[rows].all():
                block[~present[rows]] = 0.0
            # One sum is cheaper than a test of every value, and finite only if all of them are.
            if not block.sum().isfinite():
                _check_finite(name, block, rows.start)
            out[rows] = block
        return out

    def invert(self, name: str, tensor: Tensor, present: Tensor) -> Tensor:
        """Return the values before `apply`, up to rounding; absent rows stay zero.

        Missing cells stay filled, and what was appended is left out.
        """
        steps = tensor[:, -1:] if name in self.ragged else None
        tensor = tensor[:, : tensor.shape[1] - self._appended(name)]
        mean, std = (_broadcast(values, tensor) for values in self.scale(name))
        out = torch.empty_like(tensor)
        for rows in row_slices(tensor):
            out[rows] = tensor[rows].double().mul_(std).add_(mean).to(tensor.dtype)
        if steps is not None:
            out.masked_fill_(steps == 0, torch.nan)
        return out.index_fill_(0, (~present).nonzero().flatten(), 0.0)

    def constants(self) -> dict[str, float]:
        """Return the number that a modality is throughout training, where it is one."""
        return {
            name: float(mean[0])
            for name, mean in self.mean.items()
            if bool((mean == mean[0]).all()) and bool((self.std[name] == 1.0).all())
        }

    def with_flags(self, task: Task) -> Task:
        """Return the task of a method for the task of the data: with what `apply` appends."""
        return self._changed(task, 1)

    def without_flags(self, task: Task) -> Task:
        """Return the task of the data for the task of a method: without what `apply` appends."""
        return self._changed(task, -1)

    def _appended(self, name: str) -> int:
        flags = 0 if self.imputer is None else len(self.imputer.flagged[name])
        return flags + (name in self.ragged)

    def _changed(self, task: Task, sign: int) -> Task:
        inputs = (
            replace(one, shape=(one.shape[0] + sign * self._appended(one.name), *one.shape[1:]))
            for one in task.inputs
        )
        return replace(task, inputs=tuple(inputs))

    def state(self) -> dict[str, Tensor]:
        """Return tensors to save: ``NAME.mean`` and ``NAME.std``.

        Also ``NAME.fine``, ``NAME.ragged`` and ``NAME.unscaled`` where it is; ``NAME.fill`` and
        ``NAME.flagged`` with an imputer.
        """
        state = {
            f"{name}.{key}": values[name]
            for name in self.mean
            for key, values in (("mean", self.mean), ("std", self.std))
        }
        for part in ("fine", "ragged", "unscaled"):
            state |= {f"{name}.{part}": torch.tensor(True) for name in sorted(getattr(self, part))}
        if self.imputer is not None:
            # Means that fill are the same tensors, which files cannot share.
            state |= {f"{name}.fill": values.clone() for name, values in self.imputer.fill.items()}
            state |= {f"{name}.flagged": rows for name, rows in self.imputer.flagged.items()}
        return state

    @classmethod
    def from_state(cls, state: Mapping[str, Tensor]) -> Standardiser:
        """Return the standardiser of a `state`."""
        parts: dict[str, dict[str, Tensor]] = {
            part: {} for part in ("mean", "std", "fine", "fill", "flagged", "ragged", "unscaled")
        }
        for key, values in state.items():
            name, _, part = key.rpartition(".")
            parts[part][name] = values.long() if part == "flagged" else values.double()
        imputer = Imputer(parts["fill"], parts["flagged"]) if parts["fill"] else None
        flags = (parts["fine"], imputer, parts["ragged"], parts["unscaled"])
        return cls(parts["mean"], parts["std"], *flags)


def _broadcast(values: Tensor, tensor: Tensor) -> Tensor:
    """Return one value for each feature or channel in a shape that broadcasts over the rows."""
    return values.reshape(1, -1, *[1] * (tensor.dim() - 2))


def _check_finite(name: str, block: Tensor, start: int) -> None:
    rows = (~block.isfinite()).flatten(1).any(1).nonzero().flatten()
    if len(rows):
        raise ValueError(
            f"modality {name}, row {start + int(rows[0])}: a value is so far from the training "
            "rows that it cannot be standardised; check the units of this row"
        )


def _moments(tensor: Tensor, present: Tensor, number: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and deviation over present rows, at least one, and all positions, float64.

    `number` is that of the values of each feature or channel, ``(C,)``; others are NaN.
    """
    across = [axis for axis in range(tensor.dim()) if axis != 1]
    complete = bool((number == int(present.sum()) * tensor[0, 0].numel()).all())
    add = torch.sum if complete else torch.nansum

    def blocks() -> Iterator[Tensor]:
        for rows in row_slices(tensor):
            chosen = present[rows]
            if chosen.any():
                values = tensor[rows] if chosen.all() else tensor[rows][chosen]
                yield values.to(torch.float64, copy=True)

    mean = torch.zeros(tensor.shape[1], dtype=torch.float64)
    for block in blocks():
        mean += add(block, across) / number
    variance = torch.zeros_like(mean)
    for block in blocks():
        variance += add(block.sub_(_broadcast(mean, tensor)).square_(), across) / number
    std = variance.sqrt()
    # The deviation of a constant is rounding error, and dividing by it would amplify noise. Whether
    # all values are equal is only tested where the deviation is that small.
    for channel in (std <= 1e-9 * mean.abs()).nonzero().flatten().tolist():
        values = tensor[present, channel].flatten()
        values = values if complete else values[~values.isnan()]
        first = values[0]
        if bool(((values - first).abs() <= ROUNDING * first.abs()).all()):
            mean[channel], std[channel] = first.double(), 1.0
    return mean, std
