"""Methods that are built once, one training step, and what it did."""

from __future__ import annotations

import copy
import io
import pickle
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from dmrnet.methods.base import Method, StepLoss
from dmrnet.methods.function import Build
from dmrnet.modalities import Batch, Task
from dmrnet.nn import Frozen, TimmStream
from dmrnet.nn.encoders.multi_level import MultiLevelEncoder
from dmrnet.objectives import CombinationSums, EpochStatistics
from dmrnet.testing.batches import ready


@lru_cache(maxsize=6)
def made(build: Build, task: Task, seed: int) -> Callable[[], Method]:
    """Return what gives each test a copy of a method with its prerequisite; building is slow."""
    torch.manual_seed(seed)
    return copies(used(ready(build(task), task)))


def copies(method: Method) -> Callable[[], Method]:
    """Return a function that copies a method as it is now.

    The modules are pickled once, apart from their tensors, which is a tenth of the work of a deep
    copy each time.
    """
    tensors: list[Tensor] = []
    known: dict[int, int] = {}

    class Pickler(pickle.Pickler):
        def persistent_id(self, obj: object) -> int | None:
            if type(obj) not in (Tensor, nn.Parameter):
                return None
            if id(obj) not in known:
                known[id(obj)] = len(tensors)
                tensors.append(obj)  # type: ignore[arg-type]
            return known[id(obj)]

    file = io.BytesIO()
    try:
        Pickler(file).dump(method)
    except (pickle.PicklingError, AttributeError, TypeError):  # it holds a lambda, for example
        return lambda: copy.deepcopy(method)

    def copied() -> Method:
        cloned = [copied_tensor(x) for x in tensors]
        unpickler = pickle.Unpickler(io.BytesIO(file.getvalue()))
        unpickler.persistent_load = cloned.__getitem__  # type: ignore[method-assign]
        again = unpickler.load()
        assert isinstance(again, Method)
        return again

    return copied


def copied_tensor(tensor: Tensor) -> Tensor:
    """Return what a deep copy of a tensor without a gradient is, in a fifth of its time."""
    assert tensor.grad is None
    values = tensor.detach().clone()
    if isinstance(tensor, nn.Parameter):
        return nn.Parameter(values, tensor.requires_grad)
    return values.requires_grad_(tensor.requires_grad)


def reader(encoder: nn.Module) -> nn.Module:
    """Return the part of an encoder that reads the input; an encoder of one map is all of it."""
    if isinstance(encoder, TimmStream):
        return encoder.backbone
    return encoder.parts[0] if isinstance(encoder, MultiLevelEncoder) else encoder


@contextmanager
def rows_encoded(method: Method) -> Iterator[dict[str, list[int]]]:
    """Count, while inside, the rows of each call of each encoder."""
    calls: dict[str, list[int]] = {name: [] for name in method.modalities}
    handles = [
        reader(encoder).register_forward_pre_hook(
            lambda _, args, seen=calls[name]: seen.append(len(args[0]))
        )
        for name, encoder in zip(method.modalities, method.encoders, strict=True)
    ]
    yield calls
    for handle in handles:
        handle.remove()


def used(method: Method) -> Method:
    """Give statistics and biases random values, as training would, so that they hide no error."""
    generator = torch.Generator().manual_seed(11)
    for part in method.modules():
        if isinstance(part, _BatchNorm):
            part.running_mean.normal_(generator=generator)  # type: ignore[union-attr]
            part.running_var.uniform_(0.5, 2.0, generator=generator)  # type: ignore[union-attr]
            with torch.no_grad():
                part.bias.normal_(generator=generator)
    return method


def loss_of(method: Method, batch: Batch, epoch: int = 50, seed: int = 7) -> StepLoss:
    """Return the training loss of a batch, with fresh gradients, for one seed of all noise."""
    torch.manual_seed(seed)  # layer dropout takes the global generator
    method.zero_grad()
    loss = method.training_loss(batch, epoch, torch.Generator().manual_seed(seed))
    loss.total.backward()
    return loss


def close_epoch(method: Method) -> EpochStatistics:
    """Close an epoch; return its statistics, which a method of few modalities has."""
    statistics = method.end_epoch()
    assert statistics is not None
    return statistics


def gradients(module: nn.Module) -> list[Tensor]:
    """Return every gradient; a parameter without one fails."""
    found: list[Tensor] = []
    missing: list[str] = []
    for name, parameter in module.named_parameters():
        if parameter.grad is not None:
            found.append(parameter.grad)
        elif parameter.requires_grad:
            missing.append(name)
    assert not missing, f"no gradient: {missing}"
    return found


def all_finite(tensors: Sequence[Tensor]) -> bool:
    """Return whether no value of any tensor is NaN or infinite, asked of all of them at once."""
    return bool(torch.cat([x.flatten() for x in tensors]).isfinite().all())


def like(tensor: Tensor) -> Tensor:
    """Return a tensor of the same kind on another device; inside a fake mode it has no values."""
    return torch.empty(tensor.shape, dtype=tensor.dtype, device="cuda")


def on_device(module: nn.Module) -> None:
    """Do to a module what ``module.to("cuda")`` would do; fake parameters cannot be swapped."""
    for part in module.modules():
        for name, value in part.named_parameters(recurse=False):
            setattr(part, name, nn.Parameter(like(value), value.requires_grad))
        for name, buffer in part.named_buffers(recurse=False):
            part._buffers[name] = like(buffer)
        if isinstance(part, CombinationSums):
            part.sums, part.counts = like(part.sums), like(part.counts)
        if isinstance(part, Frozen):
            on_device(part.module)
