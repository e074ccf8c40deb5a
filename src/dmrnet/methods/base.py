"""The stages that every method goes through, and what it may say about its needs.

``encode -> fuse -> represent -> predict``: a method overrides the stages in which it differs. Only
what `encode` returns is cached in evaluation; the other three run for every combination.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from dmrnet.modalities import Batch, CachedFeatures, Inputs, Task, Where
from dmrnet.modalities.combinations import MAX_TABLE
from dmrnet.nn.encoders.multi_level import MultiLevelEncoder
from dmrnet.nn.encoders.rows import encode_rows
from dmrnet.nn.fusion import Fused, Fusion, masked
from dmrnet.nn.layers.norm import safe_batch_norm
from dmrnet.nn.networks.network import feature_shapes
from dmrnet.nn.predictor import Output
from dmrnet.nn.representation import Representation, RepresentationHead
from dmrnet.objectives import CombinationMeans, Step, TaskLoss, TaskTerm, Term, TotalLoss, View
from dmrnet.objectives.task import add_scales, cross_entropy, pixel_cross_entropy

Encodes = Literal["mask", "present"]
"""In training, encoders run on what the mask shows, or on all that is present."""

Features = dict[str, Tensor]
"""What `encode` returns: tensors ``(B, ...)`` under flat names, one or several a modality."""


@dataclass(frozen=True)
class Needs:
    """What a method cannot do without.

    Attributes:
        complete: Training samples that have every modality.
        prerequisite: A method to be trained first on the same data (a teacher), or None; it is
            handed over by `Method.set_teacher`.
    """

    complete: bool = False
    prerequisite: str | None = None


@dataclass(frozen=True)
class EpochStatistics:
    """What training saw of each combination in one epoch; index j of Eq. 10, ``(2^V,)`` each.

    Attributes:
        variance: Mean sigma^2 (Eq. 10), NaN where the method has none or nothing was seen.
        loss: Mean task loss, NaN where nothing was seen.
        counts: Samples seen.
        hard: bool: in the hard set from now on.
    """

    variance: Tensor
    loss: Tensor
    counts: Tensor
    hard: Tensor


@dataclass(frozen=True)
class StepLoss:
    """The loss of one training step.

    Attributes:
        total: Scalar with a graph (Eq. 13).
        parts: Each term by name, unweighted and detached.
        step: What the terms looked at.
    """

    total: Tensor
    parts: Mapping[str, Tensor]
    step: Step


class Method(nn.Module):
    """Encoders, fusion, representation and predictor, with the terms they are trained on.

    Args:
        task: Modalities in order, and classes.
        encoders: From ``(b, *shape)`` to ``(b, C, H, W)``, one a modality.
        fusion: From features and mask to `Fused`.
        representation: From the fused map (and a generator) to `Representation`.
        predictor: From the representation's value (and skips) to `Output`.
        terms: Beside the task loss.
        encodes: What encoders run on in training.
        smoothing: Of the labels in the task loss.
    """

    needs: ClassVar[Needs] = Needs()
    class_weights: Tensor | None

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
    ) -> None:
        super().__init__()
        if set(encoders) != set(task.modalities):
            raise ValueError(
                f"expected one encoder for each of {', '.join(task.modalities)}, "
                f"got {', '.join(encoders)}"
            )
        if encodes not in ("mask", "present"):
            raise ValueError(f"expected encodes as mask or present, got {encodes!r}")
        hidden = [term.name for term in terms if term.reads_hidden]
        if encodes == "mask" and hidden:
            raise ValueError(
                f"the term {hidden[0]} reads features of what is present but masked; "
                "set encodes to present"
            )
        self.task = task
        weights = task.class_weights
        self.register_buffer(
            "class_weights", None if weights is None else torch.tensor(weights), persistent=False
        )
        self.encodes: Encodes = encodes
        self.smoothing = smoothing
        self.shapes = feature_shapes(task, encoders)
        # A list, since a module's name may not hold a dot and a modality's may.
        self.encoders = nn.ModuleList(encoders[name] for name in task.modalities)
        self.fusion = fusion
        self.representation = representation
        self.predictor = predictor
        self.objective = TotalLoss([TaskTerm(), *terms])
        few = len(task.modalities) <= MAX_TABLE
        self.seen_variance = CombinationMeans(len(task.modalities)) if few else None
        self.seen_loss = CombinationMeans(len(task.modalities)) if few else None
        safe_batch_norm(self)

    @property
    def modalities(self) -> tuple[str, ...]:
        """Names in the order of mask columns."""
        return self.task.modalities

    @property
    def stride(self) -> int:
        """Number that must divide the height and width of images in a dense task."""
        return self.fusion.stride

    # --- the stages -----------------------------------------------------------------------------

    def encode(self, inputs: Inputs, where: Where) -> Features:
        """Encode each modality on the rows that `where` names; zeros elsewhere (Eq. 2).

        Args:
            inputs: ``(B, ...)`` a modality.
            where: int64 rows a modality, None for every row.
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
            mask: bool ``(B, V)``, True where a modality is visible.
            rows: For each modality the rows that the mask shows it in, where they are known; a
                fusion may be faster with them.
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

    def predict(self, value: Tensor, skips: Sequence[Tensor] = ()) -> Output:
        """Predict from a representation's value (Eq. 8)."""
        out = self.predictor(value, skips)
        assert isinstance(out, Output)
        return out

    # --- put together ---------------------------------------------------------------------------

    def cached(self, inputs: Inputs, where: Where) -> CachedFeatures:
        """Encode for evaluation: compute once what all combinations of a sample share."""
        return self.fusion.prepare(self.encode(inputs, where))

    def logits(self, feats: Any, mask: Tensor) -> Tensor:  # noqa: ANN401
        """Predict from features under a mask: the part that runs for every combination.

        Args:
            feats: What `encode` returned, or `CachedFeatures.select` for this mask.
            mask: bool ``(B, V)``.
        """
        fused = self.fuse(feats, mask)
        value = (
            self.represent(fused.map).value
            if self.training
            else self.representation.infer(fused.map)
        )
        return self.predict(value, fused.skips).logits

    # --- what analyses look at ------------------------------------------------------------------

    def maps(self, inputs: Inputs, where: Where, feats: Inputs | None = None) -> Features:
        """Return one map a modality, made from that modality alone (F_v of Sec. 4.3).

        It is what the modality's encoder gives, so that no mask changes it. Of encoders with
        several maps it is the deepest level that all modalities have.

        Args:
            inputs: ``(B, ...)`` a modality.
            where: int64 rows a modality, None for every row.
            feats: What `encode` returned of them, where it is at hand.

        Returns:
            ``(B, C, H, W)`` a modality; zeros in rows that `where` does not name.
        """
        feats = self.encode(inputs, where) if feats is None else feats
        if all(name in feats for name in self.modalities):
            return {name: feats[name] for name in self.modalities}
        levels = [
            [key.removeprefix(name) for key in feats if key.startswith(f"{name}.")]
            for name in self.modalities
        ]
        common = [level for level in levels[0] if all(level in other for other in levels)]
        return {name: feats[name + common[-1]] for name in self.modalities}

    def embedding(self, feats: Any, mask: Tensor) -> Tensor:  # noqa: ANN401
        """Return the inference embedding g(mu) under a mask, ``(B, C)``: what predicts (Eq. 8)."""
        return self.represent(self.fuse(feats, mask).map).mu.mean((2, 3))

    def class_vectors(self) -> Tensor | None:
        """Return W of the linear classifier, ``(M, C)`` (Eq. 3); None where there is no such."""
        linear = getattr(self.predictor, "linear", None)
        return linear.weight.detach() if isinstance(linear, nn.Linear) else None

    def forward(self, inputs: Inputs, mask: Tensor) -> Tensor:
        """Return logits; whatever stands in a hidden input, NaN included, is never seen.

        The dense path, for one-off prediction and export: every encoder runs on every row, after
        hidden rows were replaced by zeros.

        Args:
            inputs: ``(B, ...)`` a modality.
            mask: bool ``(B, V)``: what may be seen.
        """
        if mask.dtype != torch.bool or mask.dim() != 2 or mask.shape[1] != len(self.modalities):
            raise ValueError(
                f"expected a bool mask (batch, {len(self.modalities)}) for "
                f"{', '.join(self.modalities)}; got {mask.dtype} {tuple(mask.shape)}"
            )
        lacking = [name for name in self.modalities if name not in inputs]
        if lacking:
            raise ValueError(
                f"expected an input for {lacking[0]}; where a batch lacks it, give zeros and mask "
                "it out"
            )
        clean = {
            name: masked(inputs[name], column)
            for name, column in zip(self.modalities, mask.unbind(1), strict=True)
        }
        return self.logits(self.encode(clean, dict.fromkeys(self.modalities)), mask)

    def step(self, batch: Batch, epoch: int = 0, generator: torch.Generator | None = None) -> Step:
        """Run a masked batch through all stages and the task loss.

        Raises:
            ValueError: If the batch has no mask yet.
        """
        if batch.mask is None or batch.where is None:
            raise ValueError("the batch has no mask; set one with batch.masked(...)")
        mask = self.shown(batch) if self.training else batch.mask
        feats = self.encode(batch.inputs, batch.where)
        rows = batch.where if batch.exact and mask is batch.mask else None
        first = self.view(feats, mask, batch.target, generator, rows)
        second = None
        for term in self.objective.terms:
            assert isinstance(term, Term)
            if (other := term.second_mask(batch, epoch)) is not None:
                second = self.view(feats, other, batch.target, generator)
        return Step(
            batch, mask, feats, first.fused, first.rep, first.out, first.task, epoch, second
        )

    def shown(self, batch: Batch) -> Tensor:
        """Return what a training step shows, bool ``(B, V)``: the mask that was drawn.

        A method that drops nothing shows all that is present instead (see `Undropped`).
        """
        assert batch.mask is not None
        return batch.mask

    def view(
        self,
        feats: Inputs,
        mask: Tensor,
        target: Tensor,
        generator: torch.Generator | None = None,
        rows: Where | None = None,
    ) -> View:
        """Run encoded samples through the other stages and the task loss, under one mask."""
        fused = self.fuse(feats, mask) if rows is None else self.fuse(feats, mask, rows)
        rep = self.represent(fused.map, generator)
        out = self.predict(rep.value, fused.skips)
        return View(mask, fused, rep, out, self.task_loss(out, target))

    def training_loss(
        self, batch: Batch, epoch: int = 0, generator: torch.Generator | None = None
    ) -> StepLoss:
        """Return the total loss of a masked batch (Eq. 13), its terms, and the step itself.

        In training mode the batch is also counted in the statistics by combination.
        """
        step = self.step(batch, epoch, generator)
        if self.training and self.seen_loss is not None and self.seen_variance is not None:
            self.seen_loss.update(step.mask, step.task.per_sample / step.task.size)
            if (variance := step.rep.mean_variance) is not None:
                self.seen_variance.update(step.mask, variance)
        total, parts = self.objective(step)
        return StepLoss(total, parts, step)

    def task_loss(self, out: Output, target: Tensor) -> TaskLoss:
        """Return the task loss by sample; for dense tasks, side outputs are added to the main."""
        if not self.task.dense:
            return cross_entropy(out.logits, target, self.smoothing)
        return add_scales(
            [
                pixel_cross_entropy(logits, target, self.class_weights, self.smoothing)
                for logits in (out.logits, *out.side)
            ]
        )

    # --- hooks of training ----------------------------------------------------------------------

    def set_teacher(self, prerequisite: Method) -> None:
        """Take in the trained method that `needs` names, before training begins.

        Keep it in `Frozen`, which no optimizer, checkpoint or process group sees.
        """
        raise TypeError(f"{type(self).__name__} needs no other method to be trained first")

    def clip_groups(self) -> Sequence[nn.Module]:
        """Return modules that are trained side by side and share nothing.

        The bound on the gradient's norm holds for each of them by itself; for none here, it holds
        for all parameters together.
        """
        return ()

    def on_gradients(self, step: Step) -> None:
        """Change gradients after they were added over processes, before the optimizer's step."""

    def combinations_to_validate(self, epoch: int) -> Tensor | None:
        """Return combinations, bool ``(K, V)``, whose validation predictions are to be counted.

        Asked before the end of each epoch, counted from 0; None for none.
        """
        return None

    def on_validation_predictions(self, predicted: Tensor) -> None:
        """Receive how often each class was predicted on validation, the same on all processes.

        Args:
            predicted: Counts ``(K, M)``, in the order of `combinations_to_validate`.
        """

    def on_epoch_end(self, variance: CombinationMeans, loss: CombinationMeans) -> None:
        """Learn from what an epoch saw of each combination (mining; Eq. 10)."""

    def hard(self) -> Tensor:
        """Return bool ``(2^V,)`` by index j: the hard set; none unless a method mines.

        Raises:
            ValueError: If there are too many modalities for a table of their combinations.
        """
        if self.seen_loss is None:
            raise ValueError(
                f"the combinations of {len(self.modalities)} modalities are too many for a table, "
                "so there is no hard set"
            )
        return torch.zeros_like(self.seen_loss.counts, dtype=torch.bool)

    def end_epoch(self, add: Callable[[Tensor], Tensor] | None = None) -> EpochStatistics | None:
        """Close an epoch: add statistics over processes, mine, start counting anew.

        Args:
            add: Returns the sum of a tensor over all processes; None for one process.

        Returns:
            What was seen, or None where there are too many combinations to count.
        """
        if self.seen_loss is None or self.seen_variance is None:
            return None
        if add is not None:
            self.seen_loss.reduce(add)
            self.seen_variance.reduce(add)
        self.on_epoch_end(self.seen_variance, self.seen_loss)
        statistics = EpochStatistics(
            self.seen_variance.means(),
            self.seen_loss.means(),
            self.seen_loss.counts.clone(),
            self.hard().clone(),
        )
        self.seen_loss.reset()
        self.seen_variance.reset()
        return statistics
