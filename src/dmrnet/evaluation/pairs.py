"""Evaluation on a fixed draw of (sample, combination) pairs, if all of them are too many."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from dmrnet.evaluation.combinations import Model, check_labels, rows_at_once, rows_to_encode
from dmrnet.evaluation.finite import FiniteLogits
from dmrnet.modalities import Batch, count, from_index, index_of
from dmrnet.modalities.combinations import MAX_TABLE
from dmrnet.modalities.precision import at_least_float32
from dmrnet.targets import CLASSES, Target

CELLS_AT_ONCE = 1 << 22
"""Maximum number of cells of the table of combinations by patterns of presence."""


@dataclass(frozen=True)
class Pairs:
    """Pairs of a sample and a combination of modalities that it has.

    Attributes:
        sample: Int64 tensor of shape ``(P,)``: numbers of the samples.
        combination: Int64 tensor of shape ``(P,)``: indices of the combinations (Eq. 10).
        modalities: Number of modalities, V.
    """

    sample: Tensor
    combination: Tensor
    modalities: int


def draw_pairs(present: Tensor, pairs: int, generator: torch.Generator) -> Pairs:
    """Draw pairs spread evenly over the combinations, and over the samples that have them.

    Each combination gets ``pairs // (2^V - 1)`` samples or one more (if there are more combinations
    than pairs, a random subset of them gets one sample each), drawn uniformly without repetition
    from the samples with all its modalities. So the accuracy of a combination, and the mean over
    combinations, have the same expectation as when everything is scored.

    Args:
        present: Bool tensor of shape ``(n, V)``.
        pairs: Maximum number of pairs; there are fewer if a combination has too few samples.
        generator: Random generator on the CPU.
    """
    samples, modalities = present.shape
    j, quota = _quotas(count(modalities), pairs, generator)
    # Group samples with the same modalities, in a random order.
    order = torch.randperm(samples, generator=generator)
    # Sort patterns by the first modality, then the second ...: the draw depends on the order.
    codes = index_of(present[order].flip(1))
    codes, group, size = codes.unique(return_inverse=True, return_counts=True)
    patterns = from_index(codes, modalities).flip(1)
    order = order[group.argsort(stable=True)]
    first = size.cumsum(0) - size
    # Each combination continues where the one before stopped, so that samples are used evenly; the
    # random start makes the draw uniform.
    start = int(torch.randint(1 << 40, (), generator=generator))
    offset = start + quota.cumsum(0) - quota
    drawn_sample, drawn_j = [], []
    for chunk in torch.arange(len(j)).split(max(1, CELLS_AT_ONCE // len(patterns))):
        fits = (patterns | ~from_index(j[chunk], modalities)[:, None, :]).all(-1)
        ends = (fits * size).cumsum(1)
        available = ends[:, -1]
        number = quota[chunk].minimum(available)
        row = torch.arange(len(chunk)).repeat_interleave(number)
        rank = torch.arange(len(row)) - (number.cumsum(0) - number)[row]
        position = (offset[chunk][row] + rank) % available[row]
        # One search over all rows: each row's ends are lifted above those of the row before.
        lift = (samples + 1) * torch.arange(len(chunk))
        cell = torch.searchsorted(
            (ends + lift[:, None]).flatten(), position + lift[row], right=True
        )
        pattern = cell - row * len(patterns)
        within = position - (ends[row, pattern] - size[pattern])
        drawn_sample.append(order[first[pattern] + within])
        drawn_j.append(j[chunk][row])
    return Pairs(torch.cat(drawn_sample), torch.cat(drawn_j), modalities)


def _quotas(total: int, pairs: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Return the drawn combinations, int64 ``(K,)`` in random order, and each one's pairs."""
    if total <= 1 << MAX_TABLE:
        j = 1 + torch.randperm(total, generator=generator)[:pairs]
    else:
        # Repetitions are allowed: among that many combinations they are very unlikely.
        j = torch.randint(1, total + 1, (pairs,), generator=generator)
    quota = torch.full_like(j, pairs // len(j))
    quota[: pairs % len(j)] += 1
    return j, quota


@dataclass(frozen=True)
class ScoredPairs:
    """Predictions of pairs, on the CPU, in the order of the batches.

    Attributes:
        combination: Int64 tensor of shape ``(P,)``: indices of the combinations (Eq. 10).
        target: Int64 tensor of shape ``(P,)``, or targets of several columns, ``(P, M)``.
        probabilities: `Target.probabilities`, ``(P, M)``.
    """

    combination: Tensor
    target: Tensor
    probabilities: Tensor


@torch.inference_mode()
def score_pairs(
    model: Model,
    batches: Iterable[Batch],
    pairs: Pairs,
    rows: int | None = None,
    kind: Target = CLASSES,
) -> ScoredPairs:
    """Predict pairs; each of their samples is encoded once.

    Args:
        model: Model in evaluation mode, on the device of the batches.
        batches: Batches with row numbers of the present modalities (`Batch.where`), which together
            contain every sample of the pairs.
        pairs: Pairs to predict.
        rows: Maximum number of rows fused together; by default by their size.
        kind: What is predicted.

    Raises:
        ValueError: If a batch has no row numbers, other modalities or a sample without a label, or
            no batch has a sample of the pairs.
        NoClassError: If the largest logit of a pair is NaN or infinite.
    """
    combination, target, probabilities = zip(
        *(
            (pairs.combination[chunk], target.cpu(), kind.probabilities(logits).cpu())
            for chunk, target, logits in _by_chunk(model, batches, pairs, rows, kind)
        ),
        strict=True,
    )
    return ScoredPairs(torch.cat(combination), torch.cat(target), torch.cat(probabilities))


def evaluate_pairs(
    model: Model, batches: Iterable[Batch], pairs: Pairs, rows: int | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """Count correct predictions of pairs; see `score_pairs` for arguments and errors.

    Returns:
        Combinations of the pairs, bool ``(K, V)`` in the order of Eq. 10, and their numbers of
        correct pairs and of pairs, float64 ``(K,)`` each.
    """
    with torch.inference_mode():
        combination, hits = zip(
            *(
                (pairs.combination[chunk], (logits.argmax(-1) == target).cpu())
                for chunk, target, logits in _by_chunk(model, batches, pairs, rows)
            ),
            strict=True,
        )
    j, inverse, counts = torch.cat(combination).unique(return_inverse=True, return_counts=True)
    correct = torch.zeros(len(j), dtype=torch.float64)
    correct.index_add_(0, inverse, torch.cat(hits).double())
    return from_index(j, pairs.modalities), correct, counts.double()


def _by_chunk(
    model: Model,
    batches: Iterable[Batch],
    pairs: Pairs,
    rows: int | None,
    kind: Target = CLASSES,
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Yield numbers of pairs, int64 on the CPU, their targets and predictions, by chunk."""
    any_pair = False
    watch = FiniteLogits(model.modalities)
    size = int(pairs.sample.max()) + 1 if len(pairs.sample) else 0
    for batch in batches:
        where = rows_to_encode(batch, pairs.modalities)
        check_labels(batch, kind)
        if not len(batch):
            continue
        index = batch.index.cpu()
        position = torch.full((max(size, int(index.max()) + 1),), -1)
        position[index] = torch.arange(len(index))
        inside = (position[pairs.sample] >= 0).nonzero().squeeze(1)
        if not len(inside):
            continue
        any_pair = True
        device = batch.present.device
        feats = model.cached(batch.inputs, where)
        for chunk in inside.split(rows or rows_at_once(feats.row_size)):
            at = position[pairs.sample[chunk]].to(device)
            mask = from_index(pairs.combination[chunk], pairs.modalities).to(device)
            logits = at_least_float32(model.logits(feats.select(at, mask), mask))
            finite = kind.defined(logits).cpu()
            if not bool(finite.all()):
                watch.add(finite, pairs.sample[chunk], mask.cpu())
            yield chunk, batch.target[at], logits
    watch.check()
    if not any_pair:
        raise ValueError("expected at least one sample to evaluate on, got none")
