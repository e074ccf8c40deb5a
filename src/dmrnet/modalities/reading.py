"""Inputs as people bring them: tensors, numpy arrays and lists, of any number type, with gaps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dmrnet.modalities.task import Modality, Task


def is_traced() -> bool:
    """Whether the call is recorded for export or compilation, where values cannot be read."""
    return torch.compiler.is_compiling() or torch._C._get_tracing_state() is not None


def tensor_of(what: str, value: Any, device: torch.device | None = None) -> Tensor:  # noqa: ANN401
    """Return a tensor, numpy array, number or list as a tensor.

    Raises:
        TypeError: If it holds no numbers.
    """
    if isinstance(value, Tensor):
        return value
    try:
        return torch.as_tensor(np.asarray(value), device=device)
    except (TypeError, ValueError, RuntimeError) as error:
        raise TypeError(
            f"{what}: expected a tensor, a numpy array or a list of numbers of one shape, got "
            f"{type(value).__name__} ({error})"
        ) from error


def read_input(
    modality: Modality,
    value: Any,  # noqa: ANN401
    rows: int,
    dtype: torch.dtype = torch.float32,
    device: torch.device | None = None,
    any_size: bool = False,
) -> tuple[Tensor, Tensor | None]:
    """Return the input of a modality as a tensor of a floating type.

    Args:
        modality: The modality.
        value: Tensor, array or list ``(B, *shape)``, a list with None for absent samples, or None
            if no sample has it. Whole numbers and float64 become `dtype`.
        rows: Number of samples, B.
        dtype: Type of whole numbers and of float64.
        device: Device of what is no tensor.
        any_size: Whether sizes other than the number of channels may differ, as those of steps do.

    Returns:
        The tensor, zeros for absent samples, and bool ``(B,)``, False for those that are None;
        None if none of them is.

    Raises:
        TypeError: If it holds no numbers.
        ValueError: If it has another shape; the message says what was expected and got.

    >>> x, given = read_input(Modality("a", "vector", (2,)), [[1, 2], None], 2)
    >>> x, given
    (tensor([[1., 2.],
            [0., 0.]]), tensor([ True, False]))
    """
    what, given = f"modality {modality.name}", None
    if value is None:
        blank = torch.zeros((rows, *modality.shape), dtype=dtype, device=device)
        return blank, torch.zeros(rows, dtype=torch.bool, device=device)
    if isinstance(value, np.ndarray) and value.dtype == object:
        value = list(value)
    if isinstance(value, Sequence) and any(row is None for row in value):
        given = torch.tensor([row is not None for row in value], device=device)
        present = [tensor_of(what, row, device) for row in value if row is not None]
        if not present:
            return read_input(modality, None, len(value), dtype, device)
        if len({row.shape for row in present}) > 1:
            raise ValueError(f"{what}: expected rows of one shape, got several; resize or pad them")
        x = present[0].new_zeros((len(value), *present[0].shape))
        x[given] = torch.stack(present)
    elif isinstance(value, Sequence) and value and isinstance(value[0], Tensor):
        x = torch.stack(list(value))
    else:
        x = tensor_of(what, value, device)
    if x.dtype == torch.bool or x.is_complex():
        raise TypeError(f"{what}: expected numbers, got {x.dtype}")
    if not x.is_floating_point() or x.dtype == torch.float64:
        x = x.to(dtype)
    check_shape(modality, x, rows, any_size)
    return x, given


def read_masked(
    task: Task,
    inputs: Mapping[str, Any],
    mask: Any,  # noqa: ANN401
    dtype: torch.dtype = torch.float32,
) -> tuple[dict[str, Tensor], Tensor]:
    """Return the inputs of all modalities as tensors, and their mask, checked against each other.

    Args:
        task: Task of the modalities.
        inputs: What `read_input` reads, one for each modality.
        mask: Bool tensor, array or list of shape ``(B, V)``, True where a modality is visible.
        dtype: Type of whole numbers and of float64.

    Raises:
        TypeError: If an input holds no numbers.
        ValueError: If shapes do not fit the task, a modality has no input, or the mask (looked at
            on the CPU only) has an empty row or shows what is None.
    """
    names = task.modalities
    mask = tensor_of("mask", mask)
    if mask.dtype != torch.bool or mask.dim() != 2 or mask.shape[1] != len(names):
        raise ValueError(
            f"expected a bool mask (batch, {len(names)}) for {', '.join(names)}; got "
            f"{mask.dtype} {tuple(mask.shape)}"
        )
    if mask.device.type == "cpu":
        check_shows(mask, names)
    if lacking := [name for name in names if name not in inputs]:
        raise ValueError(
            f"expected an input for {lacking[0]}, got {', '.join(inputs) or 'none'}; for an "
            "absent modality pass None and mask it out"
        )
    read: dict[str, Tensor] = {}
    for column, modality in enumerate(task.inputs):
        value = inputs[modality.name]
        x, given = read_input(modality, value, len(mask), dtype, mask.device, task.dense)
        if given is not None and bool((mask[:, column] & ~given).any()):
            row = int((mask[:, column] & ~given).nonzero()[0, 0])
            raise ValueError(
                f"row {row} of the mask shows {modality.name}, which is None there; mask it out"
            )
        read[modality.name] = x
    return read, mask


def check_shape(modality: Modality, x: Tensor, rows: int, any_size: bool = False) -> None:
    """Refuse an input whose shape is not that of the modality.

    Raises:
        ValueError: If it is not ``(rows, *modality.shape)``.
    """
    wanted, got = (rows, *modality.shape), tuple(x.shape)
    sizes = slice(1, 2 if any_size or modality.ragged else None)
    if len(got) == len(wanted) and got[0] == rows and got[sizes] == wanted[sizes]:
        return
    hint = ""
    if got == modality.shape:
        hint = "; one sample has a batch dimension, too: x[None]"
    elif len(got) > 2 and got[1:] == (*modality.shape[1:], modality.shape[0]):
        hint = "; channels come before height and width: movedim(-1, 1)"
    elif got[1:] == modality.shape:
        hint = f"; give one row per sample, of which there are {rows}"
    raise ValueError(f"modality {modality.name}: expected shape {wanted}, got {got}{hint}")


def check_mask(mask: Tensor, present: Tensor, modalities: Sequence[str]) -> None:
    """Refuse a mask that hides everything of a sample, or shows what it lacks.

    Args:
        mask: Bool tensor of shape ``(B, V)``.
        present: Bool tensor of shape ``(B, V)``.
        modalities: Names in the order of the columns.

    Raises:
        ValueError: If it is not a non-empty part of `present` in every row.
    """
    if mask.shape != present.shape:
        raise ValueError(
            f"expected a mask of shape {tuple(present.shape)}, got {tuple(mask.shape)}"
        )
    if bool((mask & ~present).any()):
        row, column = (mask & ~present).nonzero()[0].tolist()
        raise ValueError(
            f"row {row} of the mask shows {modalities[column]}, which the sample lacks; a mask is "
            "a part of present: mask & present"
        )
    check_shows(mask, modalities)


def check_shows(mask: Tensor, modalities: Sequence[str]) -> None:
    """Refuse a mask with a row that shows nothing.

    Raises:
        ValueError: If a row is False everywhere.
    """
    shows = mask.any(1)
    if not bool(shows.all()):
        row = int((~shows).nonzero()[0, 0])
        raise ValueError(
            f"row {row} of the mask shows none of {', '.join(modalities)}: there is nothing to "
            "predict from; leave such samples out"
        )
