"""A run as one graph: from raw numbers and presence to logits and probabilities."""

from __future__ import annotations

import copy
from collections.abc import Collection, Sequence

import torch
from torch import Tensor, nn

from dmrnet.confidence import Confidence
from dmrnet.data.inputs.standardise import Standardiser
from dmrnet.deploy.scaling import Scaling
from dmrnet.deploy.tempering import Tempering
from dmrnet.evaluation.dense.tiles import padded
from dmrnet.methods.base import Method
from dmrnet.methods.folded import Folded, folded
from dmrnet.modalities import Modality
from dmrnet.nn.fusion import masked
from dmrnet.targets import CLASSES, Target, target_of


class Graph(nn.Module):
    """Standardises raw numbers, predicts from the present modalities, and returns probabilities.

    Args:
        model: Method or its folded form, on the CPU.
        inputs: The modalities it reads, in the order of `present`, with the shapes of raw samples.
        standardiser: Standardiser of the training; None if the model reads numbers as they are.
        holes: Modalities of images in which 0 is a hole that stays 0.
        stride: Number that must divide the height and width of images; they are padded with zeros
            at their ends, as in evaluation.
        fixed: Whether it predicts from one combination: every modality must be there.
        tempering: Calibrates the probabilities; None leaves them as the network gives them.
        target: What is predicted.

    Attributes:
        inputs: The modalities it reads, in order.
        fixed: See the argument.
        fine: Modalities that it reads in float64, because float32 is too coarse before
            standardising; others are float32.
    """

    def __init__(
        self,
        model: nn.Module,
        inputs: Sequence[Modality],
        standardiser: Standardiser | None,
        *,
        holes: Collection[str] = (),
        stride: int = 1,
        fixed: bool = False,
        tempering: Tempering | None = None,
        target: Target = CLASSES,
    ) -> None:
        super().__init__()
        self.target = target
        self.model, self.inputs, self.fixed, self.stride = model, tuple(inputs), fixed, stride
        self.tempering = tempering
        self.holes = frozenset(holes)
        self.fine = frozenset() if standardiser is None else standardiser.fine
        # A list, since names of modalities may hold dots and names of modules may not.
        self.scalings = nn.ModuleList(
            nn.Identity()
            if standardiser is None
            else Scaling(standardiser, m.name, len(m.shape), m.name in self.holes)
            for m in self.inputs
        )
        self.standardises = standardiser is not None
        self.requires_grad_(False).eval()

    def forward(
        self, inputs: dict[str, Tensor], present: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return logits and probabilities, float32 ``(B, M)``, or ``(B, M, H, W)``.

        In regression both are the numbers, float64 ``(B, D)``, in the user's unit.

        A row is NaN if it has no modality, or if a present modality of it holds NaN or infinity, or
        numbers so large that float32 cannot hold them standardised. Rows of absent modalities are
        never read.

        Args:
            inputs: Tensors ``(B, ...)`` in the units of training, one for each modality.
            present: Bool tensor ``(B, V)``, True where a row has the modality; left out if the
                combination is fixed.
        """
        scaled: dict[str, Tensor] = {}
        columns = []
        for modality, scaling in zip(self.inputs, self.scalings, strict=True):
            x = inputs[modality.name]
            if isinstance(scaling, Scaling):
                scaled[modality.name], usable = scaling(x)
            else:
                scaled[modality.name], usable = x, x.isfinite().flatten(1).all(1)
            columns.append(usable)
        finite = torch.stack(columns, 1)
        usable = finite.all(1)
        if present is not None:
            usable = present.any(1) & (finite | ~present).all(1)
        # The model gets finite numbers and some modality even in rows whose result is dropped.
        scaled = {
            name: masked(x, column)
            for (name, x), column in zip(scaled.items(), finite.unbind(1), strict=True)
        }
        height, width = next(iter(scaled.values())).shape[-2:] if self.stride > 1 else (0, 0)
        if self.stride > 1:
            scaled = padded(scaled, self.stride)
        if present is None:
            logits: Tensor = self.model(scaled)
        else:
            logits = self.model(scaled, present | ~present.any(1, keepdim=True))
        if self.stride > 1:
            logits = logits[..., :height, :width]
        logits = torch.where(usable.view(-1, *[1] * (logits.dim() - 1)), logits, torch.nan)
        if self.tempering is not None:
            return logits, self.tempering(logits, present)
        if logits.dim() > 2:
            return logits, logits.softmax(1)
        return logits, self.target.probabilities(logits)

    @property
    def outputs(self) -> tuple[str, str]:
        """Names of the two outputs."""
        return "logits", "numbers" if self.target.name == "regression" else "probabilities"


def graph_of(
    method: Method,
    standardiser: Standardiser | None,
    combination: str | None = None,
    holes: Collection[str] = (),
    size: tuple[int, int] | None = None,
    confidence: Confidence | None = None,
) -> Graph:
    """Return the graph of a trained method; the method is not changed.

    Args:
        method: Trained method.
        standardiser: Standardiser of its training.
        combination: Names joined by ``+``, to predict from these alone, without the other
            encoders; None for any combination.
        holes: Modalities of images in which 0 is a hole that stays 0.
        size: Height and width of images with a class for every pixel; None for those of training.
        confidence: What calibrates the probabilities; None leaves them as the network gives them.

    Raises:
        ValueError: If a modality is unknown, or the method cannot be folded for a combination.
    """
    on_cpu = copy.deepcopy(method).cpu().eval()
    model: nn.Module
    try:
        model = folded(on_cpu, combination)
    except ValueError:
        if combination is not None:
            raise
        model = on_cpu
    task = on_cpu.task
    inputs = (task if standardiser is None else standardiser.without_flags(task)).inputs
    stride = on_cpu.stride if on_cpu.task.dense else 1
    if on_cpu.task.dense and size is not None:
        inputs = tuple(Modality(m.name, m.kind, (m.shape[0], *size)) for m in inputs)
    fixed = isinstance(model, Folded) and model.fixed
    if fixed:
        assert isinstance(model, Folded)
        inputs = tuple(m for m in inputs if m.name in model.modalities)
    tempering = None
    if confidence is not None:
        names = [m.name for m in inputs]
        seen = torch.tensor([name in names for name in on_cpu.modalities]) if fixed else None
        tempering = Tempering(confidence, seen)
    return Graph(
        model,
        inputs,
        standardiser,
        holes=holes,
        stride=stride,
        fixed=fixed,
        tempering=tempering,
        target=target_of(task),
    )
