"""DGL's method: single modalities may predict through the fused part, which does not learn then."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from dmrnet.methods.modules.experts import OwnLosses
from dmrnet.modalities import Inputs
from dmrnet.nn.predictor import Output
from dmrnet.nn.systems.experts.expert import logits_name
from dmrnet.nn.systems.experts.fusion import DetachedFusion
from dmrnet.objectives import TaskLoss


class DGL(OwnLosses):
    """A method whose fused part reads detached features."""

    def expert_loss(self, name: str, feats: Inputs, target: Tensor) -> TaskLoss:
        """Return the loss of one modality, by its own head or through the fused part."""
        if logits_name(name) in feats:
            return super().expert_loss(name, feats, target)
        assert isinstance(self.fusion, DetachedFusion)
        alone = torch.tensor([name == other for other in self.modalities], device=target.device)
        mask = alone.expand(len(target), -1)
        fused = constant(self.fusion.fusion, feats, mask)
        out: Output = constant(self.predictor, self.represent(fused.map).value, fused.skips)
        return self.task_loss(out, target)


def constant(module: nn.Module, *args: object) -> Any:  # noqa: ANN401
    """Call a module with its parameters as constants; its running statistics stay as they are."""
    state = {name: value.detach() for name, value in module.named_parameters()}
    state |= {name: value.clone() for name, value in module.named_buffers()}
    return functional_call(module, state, args)
