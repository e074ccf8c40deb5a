"""MMANet's two terms: margin-aware distillation, and regularisation of weak combinations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dmrnet.nn.layers.frozen import Frozen
from dmrnet.nn.layers.precision import at_least_float32
from dmrnet.objectives.mining import CombinationMeans
from dmrnet.objectives.task import add_scales, as_buffer, cross_entropy, pixel_cross_entropy
from dmrnet.objectives.term import Step, Term

RankOn = Literal["train", "val"]
"""Whose predictions rank combinations: those of the training steps, or of the validation set."""

RankBy = Literal["frequencies", "softmax"]
"""How far predictions are apart: by frequencies of classes over all ranking epochs, or by the
softmax of each epoch's frequencies, as released."""


def similarities(maps: Tensor) -> Tensor:
    """Return the rows of the Gram matrix of ``(B, ...)``, each at unit length; ``(B, B)``."""
    flat = at_least_float32(maps.flatten(1))
    # The differences of these are small: no half precision in the products.
    with torch.autocast(flat.device.type, enabled=False):
        return F.normalize(flat @ flat.T, dim=1)


def margins(logits: Tensor) -> Tensor:
    """Return how uncertain a teacher is of each sample: its entropy's share of the batch's.

    Safe where a probability underflows; where every prediction is certain, all count alike. Logits
    that are no numbers give shares that are none, so that the loss shows the fault.

    Args:
        logits: ``(B, M)``.

    Returns:
        ``(B,)``, adding to 1.

    >>> [round(float(w), 3) for w in margins(torch.tensor([[0.0, 0.0], [0.0, 9.0], [0.0, 999.0]]))]
    [0.998, 0.002, 0.0]
    """
    log_p = at_least_float32(logits).log_softmax(1)
    # A finite log-probability times a probability of 0, and not 0 times minus infinity.
    entropy = (log_p.exp() * -log_p).sum(1)
    return shares(entropy)


def shares(entropy: Tensor) -> Tensor:
    """Return each one's share of the sum of ``(n,)``; equal ones where all are 0."""
    total = entropy.sum()
    # A sum that is no number is not 0, and goes through.
    return torch.where(total == 0, 1 / len(entropy), entropy / total)


MOST_ROWS = 4096
"""So many positions are compared with each other at once, where every pixel has a class."""


def rows_of_positions(maps: Tensor) -> Tensor:
    """Return the positions of maps ``(B, C, H, W)`` as samples: ``(B H W, C)``."""
    return maps.movedim(1, 3).flatten(0, 2)


def pixel_margins(logits: Tensor, grid: Sequence[int]) -> Tensor:
    """Return the mean entropy of the pixels that each position of a grid stands for; ``(B H W,)``.

    Args:
        logits: ``(B, M, H', W')``.
        grid: H x W.
    """
    log_p = at_least_float32(logits).log_softmax(1)
    entropy = (log_p.exp() * -log_p).sum(1, keepdim=True)
    return F.adaptive_avg_pool2d(entropy, (grid[0], grid[1])).flatten()


class MarginAware(Term):
    r"""Student's similarities between samples should be the teacher's (MAD).

    .. math:: L = \sum_{ij} w_j (\hat G^s_{ij} - \hat G^t_{ij})^2, \quad w_j = H_j / \sum_k H_k

    with G-hat as `similarities` of the fused maps and H_j the entropy of the teacher's prediction:
    samples near its decision boundary, where class margins are small, count more. Over the samples
    of one process. The teacher sees all that is present. Where every pixel has a class the samples
    are the positions of the fused maps, and H_j is the mean over the pixels that a position stands
    for; images are compared in groups of at most `MOST_ROWS` positions, whose terms are averaged.

    Source: Wei et al., CVPR 2023, as released; there an underflowing probability gives NaN.

    Args:
        weight: 30 in the source.
        start_epoch: The first epoch, counted from 0, in which the term acts.
    """

    reads_hidden: ClassVar[bool] = True

    def __init__(self, weight: float, start_epoch: int) -> None:
        super().__init__("margin_aware", weight)
        self.start_epoch = start_epoch
        self.teacher: Frozen | None = None

    def weight(self, epoch: int) -> float:
        """Return the weight from the start epoch on, 0 before."""
        return self.full_weight if epoch >= self.start_epoch else 0.0

    def forward(self, step: Step) -> Tensor:
        """Return the sum over pairs of samples."""
        if self.teacher is None:
            raise ValueError("mmanet has no teacher; hand one over with take(...)")
        teacher = self.teacher.module
        with torch.no_grad():
            feats = teacher.encode(step.batch.inputs, step.batch.where)  # type: ignore[operator]
            fused = teacher.fuse(feats, step.batch.present)  # type: ignore[operator]
            rep = teacher.represent(fused.map)  # type: ignore[operator]
            logits = teacher.predict(rep.value, fused.skips).logits  # type: ignore[operator]
        if logits.dim() == 4:
            return self.over_positions(step.fused.map, fused.map, logits)
        theirs = similarities(fused.map)
        apart = (similarities(step.fused.map) - theirs).square()
        return (apart * margins(logits)).sum()

    def over_positions(self, mine: Tensor, theirs: Tensor, logits: Tensor) -> Tensor:
        """Return the same over positions of maps ``(B, C, H, W)``, for a teacher's pixel logits."""
        positions = mine.shape[2] * mine.shape[3]
        images = max(1, MOST_ROWS // positions)
        parts = []
        for one, other, said in zip(
            mine.split(images), theirs.split(images), logits.split(images), strict=True
        ):
            with torch.no_grad():
                weights = shares(pixel_margins(said, one.shape[2:]))
                wanted = similarities(rows_of_positions(other))
            apart = (similarities(rows_of_positions(one)) - wanted).square()
            parts.append((apart * weights).sum() * one.shape[0])
        return torch.stack(parts).sum() / mine.shape[0]


class PredictedClasses(CombinationMeans):
    """Counts of predicted classes: with everything shown, and with each one modality hidden.

    Row v is of samples that lack modality v alone, the last row of those that show all.

    Args:
        modalities: V.
        classes: M.
    """

    def __init__(self, modalities: int, classes: int) -> None:
        nn.Module.__init__(self)
        self.sums = torch.zeros(modalities + 1, classes, dtype=torch.float64)
        self.counts = torch.zeros(modalities + 1, dtype=torch.float64)

    def update(self, mask: Tensor, values: Tensor) -> None:
        """Add samples: bool ``(B, V)`` and logits ``(B, M, ...)``. No gradient, no waiting."""
        hidden = (~mask).sum(1)
        row = torch.where(hidden == 0, mask.shape[1], mask.long().argmin(1))
        counted = (hidden < 2).double()
        predicted = values.detach().argmax(1).flatten(1) if values.dim() > 2 else None
        if predicted is None:
            cell = row * self.sums.shape[1] + values.detach().argmax(1)
            self.sums.view(-1).index_add_(0, cell, counted)
        else:
            cell = row[:, None] * self.sums.shape[1] + predicted
            each = counted[:, None].expand_as(cell).flatten()
            self.sums.view(-1).index_add_(0, cell.flatten(), each)
        self.counts.index_add_(0, row, counted)


class WeakCombinations(nn.Module):
    r"""Ranks the combinations that lack one modality by how far their predictions are from all's.

    .. math:: P = \arg\max_v KL(h_{all} \| h_{-v})

    with h the frequencies of predicted classes over the epochs given, one added to each count. Weak
    are P and everything in it; of two modalities both are weak alone, without ranking; of one,
    nothing is.

    Source: Wei et al., CVPR 2023. The released code ranks three modalities; it takes the softmax of
    frequencies (`softmax`), the divergence the other way round, and adds it over epochs,

    .. math:: P = \arg\max_v \sum_t KL(softmax(h^t_{-v}) \| softmax(h^t_{all}))

    Args:
        modalities: V.
        classes: M.
        first_epoch: Of ranking, counted from 0.
        last_epoch: Of ranking; behind it P is fixed.
        on: What is counted; see `RankOn`.
        by: See `RankBy`.
    """

    totals: Tensor
    distances: Tensor
    strong: Tensor
    ranked: Tensor
    epochs: Tensor

    def __init__(
        self,
        modalities: int,
        classes: int,
        first_epoch: int,
        last_epoch: int,
        on: RankOn = "train",
        by: RankBy = "frequencies",
    ) -> None:
        super().__init__()
        if on not in ("train", "val"):
            raise ValueError(f"expected rank_on as train or val, got {on!r}")
        if by not in ("frequencies", "softmax"):
            raise ValueError(f"expected rank_by as frequencies or softmax, got {by!r}")
        self.modalities = modalities
        self.first_epoch, self.last_epoch = first_epoch, last_epoch
        self.on, self.by = on, by
        self.seen = PredictedClasses(modalities, classes)
        self.register_buffer("totals", torch.zeros(modalities + 1, classes, dtype=torch.float64))
        self.register_buffer("distances", torch.zeros(modalities, dtype=torch.float64))
        # The modality that is not in P.
        self.register_buffer("strong", torch.zeros(modalities, dtype=torch.bool))
        self.register_buffer("ranked", torch.zeros((), dtype=torch.bool))
        self.register_buffer("epochs", torch.zeros((), dtype=torch.int64))

    def ranks(self, epoch: int) -> bool:
        """Whether an epoch, counted from 0, is one of ranking."""
        return self.modalities > 2 and self.first_epoch <= epoch <= self.last_epoch

    def asked(self) -> Tensor:
        """Return the combinations that are compared, bool ``(V + 1, V)``: all the last."""
        every = torch.ones(1, self.modalities, dtype=torch.bool)
        return torch.cat([~torch.eye(self.modalities, dtype=torch.bool), every])

    def on_validation_predictions(self, predicted: Tensor) -> None:
        """Take in how often each class was predicted, ``(V + 1, M)``, as the epoch's counts."""
        self.seen.reset()
        self.seen.sums += predicted.to(self.seen.sums)
        self.seen.counts += predicted.sum(1).to(self.seen.counts)

    def end_epoch(self) -> None:
        """Take in an epoch's counts, already added over processes, and rank."""
        epoch = int(self.epochs)
        self.epochs += 1
        if self.ranks(epoch):
            now = self.seen.sums
            self.totals += now
            counted = self.totals.sum(1)
            if self.by == "softmax":
                # Where a combination was not predicted in an epoch nothing is added.
                both = (now[:-1].sum(1) > 0) & (now[-1].sum() > 0)
                self.distances += torch.where(both, softmaxes_apart(now), 0.0)
            else:
                self.distances.copy_(frequencies_apart(self.totals))
            if bool(counted[-1] > 0) and bool((counted[:-1] > 0).any()):
                apart = torch.where(counted[:-1] > 0, self.distances, -torch.inf)
                self.strong.zero_()
                self.strong[int(apart.argmax())] = True
                self.ranked.fill_(True)
        self.seen.reset()

    def is_weak(self, mask: Tensor) -> Tensor:
        """Return bool ``(B,)`` for masks ``(B, V)``."""
        if self.modalities < 3:
            return mask.sum(1) < self.modalities
        return ~(mask & self.strong).any(1) & self.ranked


def frequencies_apart(counts: Tensor) -> Tensor:
    """Return ``KL(last row || row)`` of frequencies, one added to each count.

    Args:
        counts: ``(V + 1, M)``.

    Returns:
        ``(V,)``.
    """
    h = counts + 1
    h = h / h.sum(1, keepdim=True)
    return (h[-1] * (h[-1] / h[:-1]).log()).sum(1)


def softmaxes_apart(counts: Tensor) -> Tensor:
    """Return ``KL(softmax(row) || softmax(last row))`` of frequencies, as released.

    Args:
        counts: ``(V + 1, M)``.

    Returns:
        ``(V,)``.
    """
    h = counts / counts.sum(1, keepdim=True).clamp(min=1)
    log_p = h.log_softmax(1)
    return (log_p[:-1].exp() * (log_p[:-1] - log_p[-1])).sum(1)


class ModalityAware(Term):
    r"""Weak combinations are classified once more, by a trunk and predictor of their own (MAR).

    .. math:: L = \frac1N \sum_i [\Delta_i \text{ weak}] \; CE(A(f_i, \Delta_i), y_i)

    The second network is the term's own and not used at inference.

    Source: Wei et al., CVPR 2023. The released code multiplies shapes ``(B,)`` and
    ``(B, 1, 1, 1)``, so that its term is the number of weak samples times the mean over the whole
    batch (`broadcast`).

    Args:
        weight: .5 in the source.
        weak: Says which combinations are weak.
        fusion: Of the encoders' maps, with a trunk of its own.
        predictor: Behind it.
        start_epoch: The first epoch, counted from 0, in which the term acts.
        broadcast: As released.
        class_weights: Of each class, where every pixel has one; all 1 if None.
    """

    class_weights: Tensor | None

    def __init__(
        self,
        weight: float,
        weak: WeakCombinations,
        fusion: nn.Module,
        predictor: nn.Module,
        start_epoch: int,
        broadcast: bool = False,
        class_weights: Sequence[float] | None = None,
    ) -> None:
        super().__init__("modality_aware", weight)
        self.weak = weak
        self.fusion = fusion
        self.predictor = predictor
        self.start_epoch = start_epoch
        self.broadcast = broadcast
        self.register_buffer("class_weights", as_buffer(class_weights), persistent=False)

    def weight(self, epoch: int) -> float:
        """Return the weight from the start epoch on, 0 before."""
        return self.full_weight if epoch >= self.start_epoch else 0.0

    def forward(self, step: Step) -> Tensor:
        """Return the sum over weak samples over the batch's size."""
        fused = self.fusion(step.feats, step.mask)
        out, target = self.predictor(fused.map, fused.skips), step.batch.target
        if out.logits.dim() == 2:
            loss = cross_entropy(out.logits, target)
        else:
            loss = add_scales(
                [
                    pixel_cross_entropy(logits, target, self.class_weights)
                    for logits in (out.logits, *out.side)
                ]
            )
        weak = self.weak.is_weak(step.mask)
        if self.broadcast:
            return weak.sum() * loss.mean
        return torch.where(weak, loss.per_sample, 0.0).sum() / loss.normaliser
