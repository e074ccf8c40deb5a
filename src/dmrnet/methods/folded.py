"""A trained method for deployment: batch norms folded away, nothing random, no part that is unread.

It predicts what the method predicts, from fewer layers; nothing can be trained with it.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.utils.fusion import fuse_conv_bn_weights, fuse_linear_bn_weights

from dmrnet.methods.base import Method
from dmrnet.modalities import Inputs, all_combinations, parse
from dmrnet.modalities.combinations import MAX_TABLE
from dmrnet.nn.encoders.multi_level import MultiLevelEncoder
from dmrnet.nn.encoders.rows import encode_checked
from dmrnet.nn.fusion import ConcatFusion, masked
from dmrnet.nn.layers.linear_start import LinearStart
from dmrnet.nn.layers.norm import BatchNorm

TOLERANCE = 1e-3
"""Of logits, in parts of the largest: rounding stays far below, a wrong fold far above."""

NORMS = (BatchNorm, nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
"""Those that normalise and do nothing else; timm has one that holds an activation as well."""

CHECKED = 31
"""So many combinations are compared at the most."""

Pair = tuple[nn.Module, nn.Module]


class Folded(nn.Module):
    """A method's predictions alone, by a copy of its layers; see `folded`.

    Attributes:
        modalities: Those that it reads, in order.
    """

    def __init__(self, method: Method, shown: Tensor) -> None:
        super().__init__()
        self.method = method
        self.all = method.modalities
        self.fixed = not bool(shown.all())
        self.modalities = tuple(n for n, seen in zip(self.all, shown, strict=True) if seen)
        self.register_buffer("shown", shown, persistent=False)
        plain = type(method).encode is Method.encode and type(method).fuse is Method.fuse
        self.pruned = plain and not any(isinstance(e, MultiLevelEncoder) for e in method.encoders)
        self.cut = False
        if self.fixed and self.pruned:
            for v in (v for v, seen in enumerate(shown.tolist()) if not seen):
                method.encoders[v] = nn.Identity()
            self.cut = _cut(method.fusion, self.modalities)
        self.train(False)

    def train(self, mode: bool = True) -> Self:
        """Stay in evaluation mode: in training mode what is left of a method would be random."""
        return super().train(False)

    def forward(self, inputs: Inputs, mask: Tensor | None = None) -> Tensor:
        """Return logits ``(B, M)``, or ``(B, M, H, W)`` where every pixel has a class.

        Args:
            inputs: ``(B, ...)`` each of `modalities`.
            mask: bool ``(B, V)``: what may be seen; by default all of it. Not with a combination,
                which shows the same of every row.
        """
        if lacking := [name for name in self.modalities if name not in inputs]:
            raise ValueError(
                f"expected an input for {lacking[0]}, got {', '.join(inputs) or 'none'}"
            )
        rows = inputs[self.modalities[0]].shape[0]
        if not self.fixed:
            every = self.shown.expand(rows, -1) if mask is None else mask  # type: ignore[operator]
            logits: Tensor = self.method(inputs, every)
            return logits
        if mask is not None:
            raise ValueError(
                f"expected no mask: this form predicts from {'+'.join(self.modalities)} alone"
            )
        every = self.shown.expand(rows, -1)  # type: ignore[operator]
        if not self.pruned:
            some = inputs[self.modalities[0]]
            shapes = {m.name: m.shape for m in self.method.task.inputs}
            if self.method.task.dense:
                # Images may have another size than in training, the same of every modality.
                shapes = {n: (shape[0], *some.shape[2:]) for n, shape in shapes.items()}
            whole = {
                n: inputs[n] if n in self.modalities else some.new_zeros((rows, *shapes[n]))
                for n in self.all
            }
            logits = self.method(whole, every)
            return logits
        feats = {}
        for name, encoder in zip(self.all, self.method.encoders, strict=True):
            shape = self.method.shapes[name]
            if name in self.modalities:
                feats[name] = encode_checked(encoder, inputs[name], shape)
            elif not self.cut:
                like = feats[next(iter(feats))] if feats else inputs[self.modalities[0]]
                feats[name] = like.new_zeros((rows, *shape))
        if self.cut:
            every = every.new_ones((rows, len(self.modalities)))
        return self.method.logits(feats, every)


def folded(method: Method, combination: str | None = None) -> Folded:
    """Return a trained method for deployment: its predictions, from fewer layers.

    Batch norms behind a convolution or linear layer become part of it. The head for sigma, the
    terms of the loss and their statistics are left out; nothing is random. The method itself stays
    as it is.

    Args:
        method: Trained; its statistics of batch norms are taken as they are.
        combination: As in ``rgb+ir``: predict from these alone. Encoders of the others are left
            out, and so is what a concatenation's trunk reads of them.

    Raises:
        ValueError: If a modality is unknown, or the folded form would predict otherwise (a layer's
            result is read elsewhere than by the batch norm behind it).
    """
    names = method.modalities
    shown = torch.ones(len(names), dtype=torch.bool)
    if combination is not None:
        shown = parse(combination, names)
    shown = shown.to(next(method.parameters()).device)
    small = copy.deepcopy(method).eval().requires_grad_(False)
    small.objective = nn.Module()  # type: ignore[assignment]
    small.seen_loss = small.seen_variance = None
    if hasattr(small.representation, "inferred") and type(small).represent is Method.represent:
        for name, _ in list(small.representation.named_children()):
            if "log_var" in name:
                setattr(small.representation, name, nn.Identity())
    inputs, masks = _samples(method)
    # In half precision a right fold would look like a wrong one.
    with torch.autocast(shown.device.type, enabled=False):
        with _watched(small) as pairs, torch.no_grad():
            small(inputs, masks)
        for layer, norm in pairs:
            _fold(small, layer, norm)
        form = Folded(small, shown)
        _check(method, form, inputs, masks)
    return form


def _samples(method: Method) -> tuple[dict[str, Tensor], Tensor]:
    """Return made samples, one a combination (some of them where they are many), and masks."""
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
def _watched(method: Method) -> Iterator[list[Pair]]:
    """Find the layers whose result a batch norm reads, where each of both runs once."""
    made: dict[int, tuple[nn.Module, Tensor]] = {}
    found: list[Pair] = []
    runs: dict[nn.Module, int] = {}
    kinds = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear)

    def after(module: nn.Module, args: Any, out: Tensor) -> None:  # noqa: ANN401
        # The result is kept, so that no other tensor takes its place in memory.
        runs[module] = runs.get(module, 0) + 1
        made[id(out)] = (module, out)

    def before(module: nn.Module, args: tuple[Tensor, ...]) -> None:
        runs[module] = runs.get(module, 0) + 1
        if (layer := made.get(id(args[0]))) is not None:
            found.append((layer[0], module))

    handles = []
    for part in method.modules():
        if isinstance(part, kinds):
            handles.append(part.register_forward_hook(after))
        elif type(part) in NORMS and part.track_running_stats:
            handles.append(part.register_forward_pre_hook(before))
    yield found
    for handle in handles:
        handle.remove()
    found[:] = [pair for pair in found if all(runs[part] == 1 for part in pair)]


def _fold(whole: nn.Module, layer: nn.Module, norm: nn.Module) -> None:
    """Put a batch norm into the layer before it, and nothing in its place."""
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
    for parent in whole.modules():
        for name, child in parent.named_children():
            if child is norm:
                setattr(parent, name, nn.Identity())


def _cut(fusion: nn.Module, names: tuple[str, ...]) -> bool:
    """Leave a concatenation what it reads of some modalities; False where it is none."""
    if not isinstance(fusion, ConcatFusion) or not isinstance(fusion.trunk, LinearStart):
        return False
    kept = [v for v, name in enumerate(fusion.modalities) if name in names]
    for reader in fusion.trunk.readers():
        slices = reader.weight.split(fusion.sizes, 1)
        weight = torch.cat([slices[v] for v in kept], 1)
        reader.weight = nn.Parameter(weight.detach(), requires_grad=False)
        reader.in_channels = weight.shape[1]
    fusion.sizes = [fusion.sizes[v] for v in kept]
    fusion.modalities = names
    return True


@torch.no_grad()
def _check(method: Method, form: Folded, inputs: Inputs, masks: Tensor) -> None:
    training = [part for part in method.modules() if part.training]
    method.eval()
    try:
        if form.fixed:
            masks = form.shown.expand(len(masks), -1)  # type: ignore[operator]
            columns = zip(inputs, masks.unbind(1), strict=True)
            inputs = {name: masked(inputs[name], column) for name, column in columns}
            got = form({name: inputs[name] for name in form.modalities})
        else:
            got = form(inputs, masks)
        wanted = method(inputs, masks)
    finally:
        for part in training:
            part.training = True
    apart = float((got - wanted).abs().max() / wanted.abs().max().clamp(min=1e-6))
    if not apart <= TOLERANCE:
        raise ValueError(
            f"folded, {'+'.join(form.modalities)} would be predicted otherwise, by {apart:.1e} of "
            "the largest logit: a layer of the network is read elsewhere than by the batch norm "
            "behind it; deploy the method itself"
        )
