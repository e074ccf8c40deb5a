"""The stages that every method goes through: ``encode -> fuse -> represent -> predict``.

A method overrides the stages in which it differs. In evaluation `encode` runs once per sample, the
other stages once for every combination of modalities.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal, Self

import torch
from torch import Tensor, nn

from dmrnet.methods.epochs import EpochReminder
from dmrnet.methods.hooks import TrainingHooks
from dmrnet.modalities import Batch, CachedFeatures, Inputs, MaskSampler, Task, Uniform, Where
from dmrnet.modalities.reading import is_traced, read_masked
from dmrnet.nn.encoders.multi_level import MultiLevelEncoder
from dmrnet.nn.encoders.rows import encode_rows
from dmrnet.nn.fusion import Fused, Fusion, masked
from dmrnet.nn.layers.norm import safe_batch_norm
from dmrnet.nn.networks.network import feature_shapes
from dmrnet.nn.predictor import Output
from dmrnet.nn.representation import Representation, RepresentationHead
from dmrnet.objectives import (
    Add,
    CombinationStatistics,
    EpochStatistics,
    ForwardPass,
    Step,
    TaskLoss,
    TaskTerm,
    Term,
    TotalLoss,
)
from dmrnet.objectives.task import dice_weight, output_loss
from dmrnet.targets import target_of

Encodes = Literal["mask", "present"]
"""Modalities that encoders run on in training: those that the mask shows, or all present ones."""

Features = dict[str, Tensor]
"""Result of `Method.encode`: tensors ``(B, ...)`` by name, one or several for each modality."""


@dataclass(frozen=True)
class StepLoss:
    """The loss of one training step.

    Attributes:
        total: Total loss (Eq. 13), a scalar with a graph.
        parts: Each term by name, unweighted and detached.
        step: The step that the terms read.
    """

    total: Tensor
    parts: Mapping[str, Tensor]
    step: Step


class Method(nn.Module, TrainingHooks):
    """Encoders, fusion, representation and predictor, with the terms of the loss.

    Args:
        task: Modalities in order, and what is predicted.
        encoders: Encoder of each modality, from ``(b, *shape)`` to ``(b, C, H, W)``.
        fusion: Fusion of the modalities' features under a mask.
        representation: Head that turns the fused map into a representation.
        predictor: Module from the representation's value (and skips) to `Output`.
        terms: Terms of the loss besides the task loss.
        encodes: Modalities that encoders run on in training; see `Encodes`.
        smoothing: Label smoothing of the task loss.
        dice: Weight of the Dice loss next to the cross-entropy in a dense task; by default 1 for
            volumes and 0 for images.
    """

    class_weights: Tensor | None
    scale: Tensor | None

    renamed: ClassVar[Mapping[str, str]] = {}
    """Starts of names of weights that earlier versions wrote, with what they are now."""

    def __init__(
        self,
        task: Task,
        *,
        encoders: Mapping[str, nn.Module],
        fusion: Fusion,
        representation: RepresentationHead,
        predictor: nn.Module,
        terms: Sequence[Term] = (),
        encodes: Encodes = "mask",
        smoothing: float = 0.0,
        dice: float | None = None,
    ) -> None:
        super().__init__()
        if set(encoders) != set(task.modalities):
            raise ValueError(
                f"expected one encoder for each of {', '.join(task.modalities)}, "
                f"got {', '.join(encoders)}"
            )
        if encodes not in ("mask", "present"):
            raise ValueError(f"expected encodes as mask or present, got {encodes!r}")
        _check_reading(terms, encodes)
        self.task = task
        weights = task.class_weights
        self.register_buffer(
            "class_weights", None if weights is None else torch.tensor(weights), persistent=False
        )
        self.target = target_of(task)
        # Mean and deviation of each number to predict, (2, D).
        scale = None if task.scale is None else torch.tensor(task.scale, dtype=torch.float64).T
        self.register_buffer("scale", scale, persistent=False)
        self.encodes: Encodes = encodes
        self.smoothing = smoothing
        self.dice = dice_weight(task, dice)
        self.shapes = feature_shapes(task, encoders)
        # A list, since names of modalities may hold dots and names of modules may not.
        self.encoders = nn.ModuleList(encoders[name] for name in task.modalities)
        self.fusion = fusion
        self.representation = representation
        self.predictor = predictor
        self.objective = TotalLoss([TaskTerm(), *terms])
        self.statistics = CombinationStatistics(len(task.modalities))
        self._reminder = EpochReminder() if self.learns_from_epochs else None
        safe_batch_norm(self)
        if self.renamed:
            self.register_load_state_dict_pre_hook(rename_weights)  # type: ignore[no-untyped-call]

    @property
    def modalities(self) -> tuple[str, ...]:
        """Names of the modalities, in the order of mask columns."""
        return self.task.modalities

    @property
    def stride(self) -> int:
        """Number that must divide the sides of images or volumes in a dense task."""
        return self.fusion.stride

    # --- the stages -----------------------------------------------------------------------------

    def encode(self, inputs: Inputs, where: Where) -> Features:
        """Encode each modality by itself; rows that are not encoded are zeros (Eq. 2).

        Args:
            inputs: Tensors of shape ``(B, ...)``, one for each modality.
            where: Int64 rows to encode of each modality; None for every row.
        """
        feats: Features = {}
        for name, encoder in zip(self.modalities, self.encoders, strict=True):
            if isinstance(encoder, MultiLevelEncoder):
                feats |= encoder.encode(name, inputs[name], where[name])
            else:
                feats[name] = encode_rows(encoder, inputs[name], where[name], self.shapes[name])
        return feats

    def fuse(self, feats: Any, mask: Tensor, rows: Where | None = None) -> Fused:  # noqa: ANN401
        """Fuse the visible modalities (Eq. 1).

        Args:
            feats: What `encode` returned, or `CachedFeatures.select` for this mask.
            mask: Bool tensor of shape ``(B, V)``, True where a modality is visible.
            rows: The same mask as int64 rows of each modality, where they are known; a fusion may
                be faster with them.
        """
        if rows is not None:
            return self.fusion.fuse_rows(feats, mask, rows)
        fused = self.fusion(feats, mask)
        assert isinstance(fused, Fused)
        return fused

    def represent(self, fused: Tensor, generator: torch.Generator | None = None) -> Representation:
        """Turn the fused map ``(B, C, H, W)`` into a representation (Eq. 4-7)."""
        rep = self.representation(fused, generator)
        assert isinstance(rep, Representation)
        return rep

    def predict(self, value: Tensor, fused: Fused) -> Output:
        """Predict from a representation's value, and the skips of the fusion (Eq. 8)."""
        out = self.predictor(value, fused.skips)
        assert isinstance(out, Output)
        return out

    # --- prediction -----------------------------------------------------------------------------

    def forward(self, inputs: Inputs, mask: Tensor) -> Tensor:
        """Return predictions as `logits` does; hidden inputs are never read: they may hold NaN.

        For single predictions and for export: every encoder runs on every row, with zeros in
        hidden rows.

        Args:
            inputs: Tensors, arrays or lists of shape ``(B, ...)``, one for each modality; None, or
                a list with None in some rows, where the mask hides it.
            mask: Bool tensor of shape ``(B, V)``, True where a modality is visible.

        Raises:
            TypeError: If an input holds no numbers.
            ValueError: If shapes do not fit the task, a row of the mask shows nothing (on another
                device than the CPU its logits are NaN), or it shows what is None.
        """
        if not is_traced():
            floats = (p.dtype for p in self.parameters() if p.is_floating_point())
            inputs, mask = read_masked(self.task, inputs, mask, next(floats, torch.float32))
        visible = {
            name: masked(inputs[name], column)
            for name, column in zip(self.modalities, mask.unbind(1), strict=True)
        }
        logits = self.logits(self.encode(visible, dict.fromkeys(self.modalities)), mask)
        if mask.device.type == "cpu" or is_traced():
            return logits
        # A look at the mask would wait for the device.
        nothing = ~mask.any(1).view(-1, *[1] * (logits.dim() - 1))
        return logits.masked_fill(nothing, torch.nan)

    def cached(self, inputs: Inputs, where: Where) -> CachedFeatures:
        """Encode for evaluation: compute once what all combinations of a sample share."""
        return self.fusion.prepare(self.encode(inputs, where))

    def logits(self, feats: Any, mask: Tensor) -> Tensor:  # noqa: ANN401
        """Predict from features under a mask: the part that runs for every combination.

        Args:
            feats: What `encode` returned, or `CachedFeatures.select` for this mask.
            mask: Bool tensor of shape ``(B, V)``, True where a modality is visible.

        Returns:
            Logits ``(B, M)`` of classes or labels, or ``(B, M, H, W)``; log-probabilities of
            ordered classes; in regression float64 numbers ``(B, D)`` in the user's unit.
        """
        fused = self.fuse(feats, mask)
        if self.training:
            value = self.represent(fused.map).value
        else:
            value = self.representation.infer(fused.map)
        return self.target.decode(self.predict(value, fused).logits, self.scale)

    # --- training -------------------------------------------------------------------------------

    def train(self, mode: bool = True) -> Self:
        """Set training or evaluation mode."""
        if mode and not self.training and self._reminder is not None:
            self._reminder.on_training_again()
        return super().train(mode)

    def draw_masks(
        self,
        batch: Batch,
        generator: torch.Generator | None = None,
        sampler: MaskSampler | None = None,
    ) -> Batch:
        """Return a batch with a random mask for each sample, ready for `training_loss`.

        Call it before the batch moves to a device, since rows are counted on the CPU.

        Args:
            batch: Samples, such as those of `Batch.of`.
            generator: Generator of the masks; by default torch's global one.
            sampler: Sampler of the masks; by default `Uniform`.
        """
        mask = (sampler or Uniform())(batch.present, generator)
        encode = mask if self.encodes == "mask" else batch.present
        return batch.masked(mask, encode, self.modalities)

    def training_loss(
        self, batch: Batch, epoch: int = 0, generator: torch.Generator | None = None
    ) -> StepLoss:
        """Return the total loss of a masked batch (Eq. 13), its terms, and the step.

        In training mode the samples are added to the statistics of their combinations, which
        `end_epoch` closes. A method that learns from them warns once if that is forgotten.
        """
        step = self.step(batch, epoch, generator)
        if self.training:
            if self._reminder is not None:
                self._reminder.on_step(epoch)
            self.statistics.update(step)
        total, parts = self.objective(step)
        return StepLoss(total, parts, step)

    def step(self, batch: Batch, epoch: int = 0, generator: torch.Generator | None = None) -> Step:
        """Run a masked batch through all stages and the task loss.

        Raises:
            ValueError: If the batch has no mask, or lacks features that the method reads.
        """
        if batch.mask is None or batch.where is None:
            raise ValueError("expected a batch with a mask; set one with batch.masked(...)")
        if self.encodes == "present" and not batch.whole:
            raise ValueError(
                "the method reads features of modalities that are present but masked, and the "
                "batch has only the visible ones encoded; use method.draw_masks(batch), or "
                "batch.masked(mask, batch.present, method.modalities)"
            )
        mask = self.training_mask(batch) if self.training else batch.mask
        feats = self.encode(batch.inputs, batch.where)
        rows = batch.where if batch.exact and mask is batch.mask else None
        batch = replace(batch, target=self.target.encode(batch.target, self.scale))
        first = self.forward_pass(feats, mask, batch.target, generator, rows)
        other = self.objective.second_mask(batch, epoch)
        second = None if other is None else self.forward_pass(feats, other, batch.target, generator)
        if batch.weight is not None:
            first = replace(first, task=first.task.weighted(batch.weight))
            second = second and replace(second, task=second.task.weighted(batch.weight))
        return Step(**vars(first), batch=batch, feats=feats, epoch=epoch, second=second)

    def forward_pass(
        self,
        feats: Inputs,
        mask: Tensor,
        target: Tensor,
        generator: torch.Generator | None = None,
        rows: Where | None = None,
    ) -> ForwardPass:
        """Run encoded samples through the other stages and the task loss, under one mask."""
        fused = self.fuse(feats, mask) if rows is None else self.fuse(feats, mask, rows)
        rep = self.represent(fused.map, generator)
        out = self.predict(rep.value, fused)
        return ForwardPass(mask, fused, rep, out, self.task_loss(out, target))

    def task_loss(self, out: Output, target: Tensor) -> TaskLoss:
        """Return the task loss of each sample; side outputs are added in dense tasks.

        Args:
            out: Output of the predictor.
            target: Targets as `Target.encode` returns them.
        """
        weights, kind = self.class_weights, self.target
        return output_loss(out, target, weights, self.smoothing, kind, self.dice)

    def add_terms(self, terms: Sequence[Term]) -> None:
        """Add terms to the loss (Eq. 13).

        Raises:
            ValueError: If a name is taken, or a term reads features that are not encoded.
        """
        present = [one for one in self.objective.terms if isinstance(one, Term)]
        _check_reading(terms, self.encodes)
        self.objective = TotalLoss([*present, *terms])

    def end_epoch(self, add: Add | None = None) -> EpochStatistics | None:
        """Close an epoch: return its statistics, after the method has learnt from them.

        Args:
            add: Sums a tensor over processes; None for a single process.
        """
        if self._reminder is not None:
            self._reminder.on_close()
        statistics = self.statistics.close(add)
        self.on_epoch_end(statistics, add)
        return statistics


def rename_weights(method: Method, state: dict[str, Any], prefix: str = "", *_: object) -> None:
    """Give weights that an earlier version wrote their names of today; see `Method.renamed`."""
    for old, new in method.renamed.items():
        for name in [name for name in state if name.startswith(prefix + old)]:
            state[prefix + new + name.removeprefix(prefix + old)] = state.pop(name)


def _check_reading(terms: Sequence[Term], encodes: Encodes) -> None:
    """Refuse terms that read features which are not encoded."""
    hidden = [term.name for term in terms if term.reads_hidden]
    if encodes == "mask" and hidden:
        raise ValueError(
            f"the term {hidden[0]} reads features of modalities that are present but masked; "
            "set encodes to present"
        )
