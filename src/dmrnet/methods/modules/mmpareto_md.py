"""MMPareto's method: encoders' gradients of the fused loss and of their own are integrated."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from dmrnet.methods.base import Method, StepLoss
from dmrnet.modalities import Batch
from dmrnet.objectives import Step
from dmrnet.objectives.systems.modulation import over_processes
from dmrnet.objectives.systems.pareto import Rescale, UnimodalLosses, integrate


class MMParetoMD(Method):
    """A method that integrates two gradients of each encoder.

    The backward pass of the total loss gives their sum, reduced over processes. At its start a
    hook goes backwards from the encoders' own losses alone; `on_gradients` reduces the result, and
    the rest of the sum is the gradient of the fused loss.

    Attributes:
        gamma: Factor that enlarges the gradients of encoders.
        rescale: See `Rescale`.
        own: Gradient of the encoders' own losses in this process, flattened, between a backward
            pass and `on_gradients`.
    """

    gamma: float = 1.5
    rescale: Rescale = "encoder"
    own: Tensor | None = None

    def training_loss(
        self, batch: Batch, epoch: int = 0, generator: torch.Generator | None = None
    ) -> StepLoss:
        """Return the total loss of a masked batch; its backward pass keeps the own gradient."""
        loss = super().training_loss(batch, epoch, generator)
        if self.training and loss.total.requires_grad:
            (term,) = (t for t in self.objective.terms if isinstance(t, UnimodalLosses))
            losses: Tensor = term(loss.step)
            loss.total.register_hook(lambda weight: self.keep_own(losses, weight))
        return loss

    def keep_own(self, losses: Tensor, weight: Tensor) -> None:
        """Keep the gradient of the encoders' own losses, times the gradient of the total loss."""
        gradients = torch.autograd.grad(
            losses,
            [p for encoder in self.trainable() for p in encoder],
            weight,
            retain_graph=True,
            allow_unused=True,
            materialize_grads=True,
        )
        self.own = torch.cat([gradient.flatten() for gradient in gradients])

    def on_gradients(self, step: Step) -> None:
        """Integrate the gradients of each encoder, of which there is the sum."""
        if self.own is None:
            return
        # A mean over processes, as of the sum; the last number counts them.
        sums = over_processes(torch.cat([self.own, self.own.new_ones(1)]))
        own, self.own = sums[:-1] / sums[-1], None
        for parameters in self.trainable():
            sizes = [p.numel() for p in parameters]
            first, own = own.split([sum(sizes), len(own) - sum(sizes)])
            total = torch.cat([p.grad.flatten() for p in parameters if p.grad is not None])
            mixed = integrate(total - first, first, sizes, self.gamma, self.rescale)
            for p, gradient in zip(parameters, mixed.split(sizes), strict=True):
                assert p.grad is not None
                p.grad.copy_(gradient.view_as(p))

    def trainable(self) -> list[list[nn.Parameter]]:
        """Return the trainable parameters of each encoder that has any."""
        lists = ([p for p in e.parameters() if p.requires_grad] for e in self.encoders)
        return [some for some in lists if some]
