"""A trained method for deployment: the same predictions from fewer layers.

Batch norms become part of the layer before them, and what training alone needs is left out. A
folded method cannot be trained.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.utils.fusion import fuse_conv_bn_weights, fuse_linear_bn_weights

from dmrnet.methods.base import Method
from dmrnet.modalities import Inputs, Modality, all_combinations, parse
from dmrnet.modalities.combinations import MAX_TABLE
from dmrnet.modalities.reading import is_traced, read_input
from dmrnet.nn.encoders.multi_level import MultiLevelEncoder
from dmrnet.nn.fusion import masked
from dmrnet.nn.layers.norm import BatchNorm

TOLERANCE = 1e-3
"""Largest difference of a folded logit, relative to the largest logit; rounding stays far below."""

NORMS = (BatchNorm, nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
"""Batch norms that only normalise; timm has one that holds an activation as well."""

LAYERS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear)
"""Layers that a batch norm can be folded into."""

CHECKED = 31
"""Largest number of combinations whose predictions are compared."""


class LeftOut(MultiLevelEncoder):
    """Stands for the encoder of a modality that is never read: zeros of the same shapes.

    Args:
        encoder: Encoder that is left out.
        modality: Its modality.
    """

    def __init__(self, encoder: MultiLevelEncoder, modality: Modality) -> None:
        super().__init__()
        first = next(encoder.parameters())
        none = torch.zeros(0, dtype=torch.int64, device=first.device)
        feats = encoder.encode(modality.name, first.new_zeros((1, *modality.shape)), none)
        self.shapes = {name: feature.shape[1:] for name, feature in feats.items()}

    def encode(self, modality: str, x: Tensor, rows: Tensor | None = None) -> dict[str, Tensor]:
        """Return zeros for every feature of the encoder."""
        return {name: x.new_zeros((x.shape[0], *shape)) for name, shape in self.shapes.items()}


class Folded(nn.Module):
    """The folded form of a method, which only predicts; made by `folded`.

    Args:
        method: Folded copy of a method.
        visible: Bool tensor of shape ``(V,)``: modalities to predict from.

    Attributes:
        modalities: Names of the modalities that it reads, in order.
        fixed: Whether it predicts from one combination, and not under any mask.
    """

    visible: Tensor

    def __init__(self, method: Method, visible: Tensor) -> None:
        super().__init__()
        self.method = method
        self.fixed = not bool(visible.all())
        names = zip(method.modalities, visible.tolist(), strict=True)
        self.modalities = tuple(name for name, seen in names if seen)
        self.register_buffer("visible", visible, persistent=False)
        self.restricted = self.fixed and method.fusion.restrict(self.modalities)
        for v, encoder in enumerate(method.encoders):
            if visible[v]:
                continue
            if not isinstance(encoder, MultiLevelEncoder):
                method.encoders[v] = nn.Identity()
            elif not method.task.dense:  # there the shapes follow the images'
                method.encoders[v] = LeftOut(encoder, method.task.inputs[v])
        self.train(False)

    def train(self, mode: bool = True) -> Self:
        """Stay in evaluation mode, since a folded method cannot be trained."""
        return super().train(False)

    def _read(self, inputs: Mapping[str, Any]) -> dict[str, Tensor]:
        """Return the inputs of the modalities that are read, as tensors; see `Method.forward`."""
        rows = len(inputs[self.modalities[0]])
        parameters = (p for p in self.parameters() if p.is_floating_point())
        first = next(parameters, torch.zeros(()))
        read: dict[str, Tensor] = {}
        for modality in self.method.task.inputs:
            if modality.name in self.modalities:
                value, dense = inputs[modality.name], self.method.task.dense
                x, given = read_input(modality, value, rows, first.dtype, first.device, dense)
                if self.fixed and given is not None:
                    row = int((~given).nonzero()[0, 0])
                    raise ValueError(
                        f"modality {modality.name}, row {row}: expected values, got None; this "
                        f"form predicts from {'+'.join(self.modalities)} together"
                    )
                read[modality.name] = x
        return read

    def forward(self, inputs: Inputs, mask: Tensor | None = None) -> Tensor:
        """Return logits ``(B, M)``, or ``(B, M, H, W)`` for dense tasks.

        Args:
            inputs: Tensors of shape ``(B, ...)``, one for each of `modalities`.
            mask: Bool tensor of shape ``(B, V)``, True where a modality is visible; by default all
                are. Must be left out if the combination is fixed.
        """
        if lacking := [name for name in self.modalities if name not in inputs]:
            raise ValueError(
                f"expected an input for {lacking[0]}, got {', '.join(inputs) or 'none'}"
            )
        if not is_traced():
            inputs = self._read(inputs)
        first = inputs[self.modalities[0]]
        rows = first.shape[0]
        if not self.fixed:
            mask = self.visible.expand(rows, -1) if mask is None else mask
            logits: Tensor = self.method(inputs, mask)
            return logits
        if mask is not None:
            raise ValueError(
                f"expected no mask: this form predicts from {'+'.join(self.modalities)} alone"
            )
        whole, where = dict(inputs), dict[str, Tensor | None]()
        for modality in self.method.task.inputs:
            where[modality.name] = None
            if modality.name not in self.modalities:
                shape = modality.shape
                if self.method.task.dense:
                    # Images may have another size than in training, the same for all modalities.
                    shape = (shape[0], *first.shape[2:])
                whole[modality.name] = first.new_zeros((rows, *shape))
                # No row: the encoder does not run.
                where[modality.name] = torch.zeros(0, dtype=torch.int64, device=first.device)
        feats = self.method.encode(whole, where)
        if self.restricted:
            mask = self.visible.new_ones((rows, len(self.modalities)))
        else:
            mask = self.visible.expand(rows, -1)
        return self.method.logits(feats, mask)


def folded(method: Method, combination: str | None = None) -> Folded:
    """Return a copy of a trained method for deployment: its predictions from fewer layers.

    Batch norms are folded into the convolution or linear layer before them. The variance of the
    representation, the terms of the loss and the statistics of training are left out. The method
    itself is not changed.

    Args:
        method: Trained method; the running statistics of its batch norms are used.
        combination: Names joined by ``+``, such as ``rgb+ir``, to predict from these alone: other
            modalities' encoders are left out, and their weights in a concatenation's trunk.

    Raises:
        ValueError: If a modality is unknown, or the folded form predicts differently (a layer's
            result is read by more than the batch norm after it).
    """
    names = method.modalities
    visible = torch.ones(len(names), dtype=torch.bool)
    if combination is not None:
        visible = parse(combination, names)
    visible = visible.to(next(method.parameters()).device)
    small = copy.deepcopy(method).eval().requires_grad_(False)
    small.objective = nn.Module()  # type: ignore[assignment]
    small.statistics = nn.Module()  # type: ignore[assignment]
    small.representation.drop_variance()
    inputs, masks = _samples(method)
    # In half precision rounding would exceed the tolerance.
    with torch.autocast(visible.device.type, enabled=False):
        with _foldable(small) as pairs, torch.no_grad():
            small(inputs, masks)
        parents: dict[nn.Module, list[tuple[nn.Module, str]]] = {}
        for parent in small.modules():
            for name, child in parent.named_children():
                parents.setdefault(child, []).append((parent, name))
        for layer, norm in pairs:
            _fold(layer, norm)
            for parent, name in parents[norm]:
                setattr(parent, name, nn.Identity())
        form = Folded(small, visible)
        _check(method, form, inputs, masks)
    return form


def _samples(method: Method) -> tuple[dict[str, Tensor], Tensor]:
    """Return random samples, each with a combination of its own (some, if they are many)."""
    v = len(method.modalities)
    drawn = torch.Generator().manual_seed(0)
    if v <= MAX_TABLE:
        every = all_combinations(v)
        masks = every[torch.linspace(0, len(every) - 1, min(CHECKED, len(every))).long()]
    else:
        masks = torch.rand(CHECKED, v, generator=drawn) < 0.5
        masks[:, 0] = True
    first = next(method.parameters())
    inputs = {
        m.name: torch.randn((len(masks), *m.shape), generator=drawn).to(first)
        for m in method.task.inputs
    }
    return inputs, masks.to(first.device)


@contextmanager
def _foldable(method: Method) -> Iterator[list[tuple[nn.Module, nn.Module]]]:
    """Collect layers and the batch norm that reads their result, if both run exactly once."""
    results: dict[int, tuple[nn.Module, Tensor]] = {}
    pairs: list[tuple[nn.Module, nn.Module]] = []
    runs: dict[nn.Module, int] = {}

    def after_layer(module: nn.Module, args: Any, out: Tensor) -> None:  # noqa: ANN401
        runs[module] = runs.get(module, 0) + 1
        # The tensor is kept, so that its id stays its own.
        results[id(out)] = (module, out)

    def before_norm(module: nn.Module, args: tuple[Tensor, ...]) -> None:
        runs[module] = runs.get(module, 0) + 1
        if id(args[0]) in results:
            pairs.append((results[id(args[0])][0], module))

    handles = []
    for part in method.modules():
        if isinstance(part, LAYERS):
            handles.append(part.register_forward_hook(after_layer))
        elif type(part) in NORMS and part.track_running_stats:
            handles.append(part.register_forward_pre_hook(before_norm))
    yield pairs
    for handle in handles:
        handle.remove()
    pairs[:] = [pair for pair in pairs if all(runs[part] == 1 for part in pair)]


def _fold(layer: nn.Module, norm: nn.Module) -> None:
    """Fold a batch norm into the layer before it."""
    assert isinstance(norm, _BatchNorm)
    assert norm.running_mean is not None
    assert norm.running_var is not None
    fuse = fuse_linear_bn_weights if isinstance(layer, nn.Linear) else fuse_conv_bn_weights
    weight, bias = fuse(
        layer.weight,  # type: ignore[arg-type]
        layer.bias,  # type: ignore[arg-type]
        norm.running_mean,
        norm.running_var,
        norm.eps,
        norm.weight,
        norm.bias,
    )
    layer.weight = nn.Parameter(weight.detach(), requires_grad=False)
    layer.bias = nn.Parameter(bias.detach(), requires_grad=False)


@torch.no_grad()
def _check(method: Method, form: Folded, inputs: Inputs, masks: Tensor) -> None:
    """Compare the predictions of a method and its folded form."""
    training = [part for part in method.modules() if part.training]
    method.eval()
    try:
        if form.fixed:
            masks = form.visible.expand(len(masks), -1)
            columns = zip(inputs, masks.unbind(1), strict=True)
            inputs = {name: masked(inputs[name], column) for name, column in columns}
            got = form({name: inputs[name] for name in form.modalities})
        else:
            got = form(inputs, masks)
        expected = method(inputs, masks)
    finally:
        for part in training:
            part.training = True
    difference = float((got - expected).abs().max() / expected.abs().max().clamp(min=1e-6))
    if not difference <= TOLERANCE:
        raise ValueError(
            f"folded, {'+'.join(form.modalities)} would be predicted differently, by "
            f"{difference:.1e} of the largest logit: a layer's result is read by more than the "
            "batch norm after it; deploy the method itself"
        )
