"""Batch normalisation that stays defined when a step holds a single sample, or many processes."""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _BatchNorm


class BatchNorm(_BatchNorm):
    """Batch norm over ``(B, C, ...)`` of any rank; one value a channel uses running statistics.

    In training, a batch statistic of a single value is the value itself, so that the output would
    be a constant (torch refuses it). A modality that only one sample of a batch shows makes that
    happen; such a step is normalised as in evaluation and leaves the statistics alone.

    Args:
        num_features: C.
        eps: Added to the variance.
        momentum: Share of the newest batch in the running statistics.

    Attributes:
        synchronised: In training, take the statistics over the rows of all processes, and not over
            those of this one; see `synchronise`.
    """

    synchronised = False

    def __init__(self, num_features: int, eps: float = 1e-5, momentum: float | None = 0.1) -> None:
        super().__init__(num_features, eps, momentum)

    def _check_input_dim(self, input: Tensor) -> None:
        if input.dim() < 2:
            raise ValueError(f"expected (batch, channels, ...), got {tuple(input.shape)}")

    def forward(self, input: Tensor) -> Tensor:
        """Normalise ``(B, C, ...)``; synchronised, B may be 0."""
        if self.training and self.synchronised and _processes() > 1:
            self._check_input_dim(input)
            return self._over_all(input)
        if self.training and _one_value(input):
            return F.batch_norm(
                input, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps
            )
        return super().forward(input)

    def _over_all(self, input: Tensor) -> Tensor:
        """Normalise by the statistics of all processes, which all call this together.

        Deviations are summed from the common mean, in a second exchange: a difference of sums of
        squares would lose the variance of values far from zero.
        """
        assert self.running_mean is not None
        assert self.running_var is not None
        x = input if input.dtype == torch.float64 else input.float()
        shape = (1, -1, *[1] * (input.dim() - 2))
        others = [dim for dim in range(input.dim()) if dim != 1]
        here = x.new_tensor([input.numel() // max(1, input.shape[1])])
        totals = _Added.apply(torch.cat([x.sum(others), here]))
        n = totals[-1].detach()
        mean = totals[:-1] / n.clamp(min=1)
        # Around the mean the deviations add to zero, so that no gradient goes through it here.
        squares = (x - mean.detach().view(shape)).square().sum(others)
        variance = _Added.apply(squares) / n.clamp(min=1)
        several = n > 1
        self._remember(mean.detach(), variance.detach() * n / (n - 1).clamp(min=1), several)
        mean = torch.where(several, mean, self.running_mean)
        variance = torch.where(several, variance, self.running_var)
        y = (x - mean.view(shape)) * (variance + self.eps).rsqrt().view(shape)
        if self.affine:
            y = y * self.weight.view(shape) + self.bias.view(shape)
        return y.to(input.dtype)

    @torch.no_grad()
    def _remember(self, mean: Tensor, variance: Tensor, several: Tensor) -> None:
        assert self.num_batches_tracked is not None
        self.num_batches_tracked += several
        share: Any = self.momentum
        if share is None:
            share = 1 / self.num_batches_tracked.clamp(min=1)
        for kept, new in ((self.running_mean, mean), (self.running_var, variance)):
            assert kept is not None
            kept.add_(torch.where(several, (new - kept) * share, 0).to(kept.dtype))


class _Added(torch.autograd.Function):
    """The sum of a tensor over all processes; so is the gradient, of the sum of their losses."""

    @staticmethod
    def forward(ctx: object, tensor: Tensor) -> Tensor:
        total = tensor.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: object, *gradients: Tensor) -> Tensor:
        total = gradients[0].clone()
        dist.all_reduce(total)
        return total


def _processes() -> int:
    if not (dist.is_available() and dist.is_initialized()):
        return 1
    return dist.get_world_size()


def synchronise(module: nn.Module) -> nn.Module:
    """Let every batch norm of a module take its statistics over all processes in training.

    Torch's own synchronised norm needs a GPU, and waits for ever where one process has no sample
    of a modality. Here such a process runs the encoder on no rows; see `encode_rows`.

    Torch's plain batch norms become `BatchNorm`, with their parameters and statistics as they are.

    Returns:
        The same module.

    Raises:
        ValueError: If it has batch norms of another kind, which do more than normalise.
    """
    for name, part in module.named_modules():
        if not isinstance(part, _BatchNorm):
            continue
        if type(part) in (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d):
            part.__class__ = BatchNorm
        if not isinstance(part, BatchNorm) or not part.track_running_stats:
            raise ValueError(
                f"batch norms cannot be synchronised: {name} is a {type(part).__name__}, which is "
                "neither torch's plain one with running statistics nor ours; leave out "
                "--sync-batch-norm or take another encoder"
            )
        part.synchronised = True
    return module


def synchronises(module: nn.Module) -> bool:
    """Return whether a module, as it is now, exchanges statistics when it runs."""
    return _processes() > 1 and any(
        isinstance(part, BatchNorm) and part.synchronised and part.training
        for part in module.modules()
    )


def safe_batch_norm(module: nn.Module) -> nn.Module:
    """Make every batch norm in a module bear a single value a channel, as `BatchNorm` does.

    For networks that come from elsewhere (timm, the user's own). Hooks, and not replacements: the
    module keeps its parameters, its device, what is frozen or shared in it, and layers that do
    more than normalise (timm's batch norm with activation) are covered. Synchronised batch norms,
    and those without running statistics, are left alone.

    Returns:
        The same module.
    """
    for part in module.modules():
        if (
            isinstance(part, _BatchNorm)
            and not isinstance(part, BatchNorm | nn.SyncBatchNorm)
            and part.track_running_stats
            and _borrow not in part._forward_pre_hooks.values()
        ):
            part.register_forward_pre_hook(_borrow)
            part.register_forward_hook(_give_back, always_call=True)
    return module


def _one_value(input: Tensor) -> bool:
    return input.dim() > 1 and input.numel() == input.shape[1]


def _borrow(module: nn.Module, args: tuple[Tensor, ...]) -> None:
    """Normalise this step as in evaluation if it holds one value a channel."""
    # One that `synchronise` made ours sees to it by itself, with the values of all processes.
    if module.training and _one_value(args[0]) and not isinstance(module, BatchNorm):
        module.training = False
        module._borrowed = True  # type: ignore[assignment]


def _give_back(module: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> None:
    if getattr(module, "_borrowed", False):
        module.training = True
        del module._borrowed
