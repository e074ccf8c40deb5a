"""Batch normalisation that stays defined when a step holds a single sample."""

from __future__ import annotations

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
    """

    def __init__(self, num_features: int, eps: float = 1e-5, momentum: float | None = 0.1) -> None:
        super().__init__(num_features, eps, momentum)

    def _check_input_dim(self, input: Tensor) -> None:
        if input.dim() < 2:
            raise ValueError(f"expected (batch, channels, ...), got {tuple(input.shape)}")

    def forward(self, input: Tensor) -> Tensor:
        """Normalise ``(B, C, ...)``."""
        if self.training and _one_value(input):
            return F.batch_norm(
                input, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps
            )
        return super().forward(input)


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
    if module.training and _one_value(args[0]):
        module.training = False
        module._borrowed = True  # type: ignore[assignment]


def _give_back(module: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> None:
    if getattr(module, "_borrowed", False):
        module.training = True
        del module._borrowed
