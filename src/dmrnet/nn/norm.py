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
    """

    def _check_input_dim(self, input: Tensor) -> None:
        if input.dim() < 2:
            raise ValueError(f"expected (batch, channels, ...), got {tuple(input.shape)}")

    def forward(self, input: Tensor) -> Tensor:
        """Normalise ``(B, C, ...)``."""
        if self.training and input.numel() == input.shape[1]:
            return F.batch_norm(
                input, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps
            )
        return super().forward(input)


def safe_batch_norm(module: nn.Module) -> nn.Module:
    """Replace every torch batch norm in a module by `BatchNorm`, weights kept.

    For encoders that come from elsewhere (timm, the user's own); synchronised batch norms are
    left alone.
    """
    for name, child in module.named_children():
        setattr(module, name, safe_batch_norm(child))
    if not isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d):
        return module
    if type(module) not in (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d):
        return module  # a subclass does more than normalise (timm's BatchNormAct2d)
    replacement = BatchNorm(
        module.num_features,
        eps=module.eps,
        momentum=module.momentum,
        affine=module.affine,
        track_running_stats=module.track_running_stats,
    )
    replacement.load_state_dict(module.state_dict())
    return replacement.train(module.training)
