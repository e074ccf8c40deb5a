"""Batch normalisation for steps with a single sample, and over several processes."""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _BatchNorm


class BatchNorm(_BatchNorm):
    """Batch norm over ``(B, C, ...)`` of any rank that accepts a single value per channel.

    With a single value the batch statistics are undefined: the output would be constant, and torch
    raises an error. This happens if only one sample of a batch shows a modality. Such a training
    step is normalised by the running statistics, as in evaluation, and does not update them.

    Args:
        num_features: Number of channels.
        eps: Value added to the variance.
        momentum: Weight of the newest batch in the running statistics.

    Attributes:
        synchronised: Whether training statistics cover all processes; see `synchronise`.
    """

    synchronised = False

    def __init__(self, num_features: int, eps: float = 1e-5, momentum: float | None = 0.1) -> None:
        super().__init__(num_features, eps, momentum)

    def _check_input_dim(self, input: Tensor) -> None:
        if input.dim() < 2:
            raise ValueError(f"expected (batch, channels, ...), got {tuple(input.shape)}")

    def forward(self, input: Tensor, counted: Tensor | None = None) -> Tensor:
        """Normalise ``(B, C, ...)``; B may be 0 if synchronised.

        Args:
            input: Tensor of shape ``(B, C, ...)``.
            counted: Bool tensor ``(B, 1, ...)``, False for positions that training statistics leave
                out, such as padding; None counts all.
        """
        together = self.synchronised and _processes() > 1
        if self.training and (together or counted is not None):
            self._check_input_dim(input)
            return self._counted_forward(input, counted, together)
        if self.training and _one_value(input):
            return F.batch_norm(
                input, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps
            )
        return super().forward(input)

    def _counted_forward(self, input: Tensor, counted: Tensor | None, together: bool) -> Tensor:
        """Normalise by the statistics of counted positions, of all processes if `together`.

        All processes must then call this together. The variance is summed around the common mean in
        a second exchange: a difference of sums of squares loses precision for values far from zero.
        """
        assert self.running_mean is not None
        assert self.running_var is not None
        x = input if input.dtype == torch.float64 else input.float()
        shape = (1, -1, *[1] * (input.dim() - 2))
        others = [dim for dim in range(input.dim()) if dim != 1]
        chosen = x
        if counted is None:
            count = x.new_tensor([input.numel() // max(1, input.shape[1])])
        else:
            chosen = torch.where(counted, x, 0.0)
            count = counted.sum().to(x.dtype).reshape(1)
        add = _AllReduceSum.apply if together else nn.Identity()
        totals = add(torch.cat([chosen.sum(others), count]))
        n = totals[-1].detach()
        mean = totals[:-1] / n.clamp(min=1)
        # Deviations sum to zero, so the gradient through this mean is zero.
        deviations = x - mean.detach().view(shape)
        if counted is not None:
            deviations = torch.where(counted, deviations, 0.0)
        variance = add(deviations.square().sum(others)) / n.clamp(min=1)
        several = n > 1
        self._update(mean.detach(), variance.detach() * n / (n - 1).clamp(min=1), several)
        mean = torch.where(several, mean, self.running_mean)
        variance = torch.where(several, variance, self.running_var)
        y = (x - mean.view(shape)) * (variance + self.eps).rsqrt().view(shape)
        if self.affine:
            y = y * self.weight.view(shape) + self.bias.view(shape)
        return y.to(input.dtype)

    @torch.no_grad()
    def _update(self, mean: Tensor, variance: Tensor, several: Tensor) -> None:
        """Update the running statistics if there are several values per channel."""
        assert self.num_batches_tracked is not None
        self.num_batches_tracked += several
        weight: Any = self.momentum
        if weight is None:
            weight = 1 / self.num_batches_tracked.clamp(min=1)
        for running, new in ((self.running_mean, mean), (self.running_var, variance)):
            assert running is not None
            running.add_(torch.where(several, (new - running) * weight, 0).to(running.dtype))


class _AllReduceSum(torch.autograd.Function):
    """Sums a tensor over all processes; the gradient is that of the sum of their losses."""

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
    """Compute the training statistics of every batch norm of a module over all processes.

    Torch's synchronised batch norm needs a GPU, and deadlocks if one process has no sample of a
    modality. Here such a process runs the encoder on no rows; see `encode_rows`.

    Torch's plain batch norms become `BatchNorm` and keep their parameters and statistics.

    Returns:
        The same module.

    Raises:
        ValueError: If a batch norm is of another kind, or has no running statistics.
    """
    for name, part in module.named_modules():
        if not isinstance(part, _BatchNorm):
            continue
        if type(part) in (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d):
            part.__class__ = BatchNorm
        if not isinstance(part, BatchNorm) or not part.track_running_stats:
            raise ValueError(
                "expected plain batch norms with running statistics to synchronise, got "
                f"{name}: {type(part).__name__}; leave out sync_batch_norm "
                "(--sync-batch-norm) or use another encoder"
            )
        part.synchronised = True
    return module


def synchronises(module: nn.Module) -> bool:
    """Return whether a module, in its current mode, exchanges statistics between processes."""
    return _processes() > 1 and any(
        isinstance(part, BatchNorm) and part.synchronised and part.training
        for part in module.modules()
    )


def safe_batch_norm(module: nn.Module) -> nn.Module:
    """Make every batch norm of a module accept a single value per channel, as `BatchNorm` does.

    For networks from elsewhere (timm, user code). It uses hooks and replaces no layers, so that
    frozen and shared parameters stay so, and it covers layers that do more than normalise (timm's
    batch norm with activation). Synchronised batch norms and those without running statistics do
    not change.

    Returns:
        The same module.
    """
    for part in module.modules():
        if (
            isinstance(part, _BatchNorm)
            and not isinstance(part, BatchNorm | nn.SyncBatchNorm)
            and part.track_running_stats
            and _use_running not in part._forward_pre_hooks.values()
        ):
            part.register_forward_pre_hook(_use_running)
            part.register_forward_hook(_restore_mode, always_call=True)
    return module


def _one_value(input: Tensor) -> bool:
    return input.dim() > 1 and input.numel() == input.shape[1]


def _use_running(module: nn.Module, args: tuple[Tensor, ...]) -> None:
    """Normalise by the running statistics if there is one value per channel."""
    # A norm that `synchronise` turned into a BatchNorm handles this by itself, over all processes.
    if module.training and _one_value(args[0]) and not isinstance(module, BatchNorm):
        module.training = False
        module._was_training = True  # type: ignore[assignment]


def _restore_mode(module: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> None:
    if getattr(module, "_was_training", False):
        module.training = True
        del module._was_training
