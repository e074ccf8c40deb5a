"""A fixed draw of (sample, combination) pairs, for where scoring all of them costs too much."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from dmrnet.evaluation.combinations import Model, checked, rows_at_once
from dmrnet.evaluation.finite import a_class_wins, finite_logits
from dmrnet.modalities import Batch, count, from_index, index_of
from dmrnet.modalities.combinations import MAX_TABLE

CELLS_AT_ONCE = 1 << 22
"""Bounds the table of combinations by patterns of presence, in cells."""


@dataclass(frozen=True)
class Pairs:
    """What is scored.

    Attributes:
        sample: int64 ``(P,)``: numbers of samples; each has all modalities of its combination.
        combination: int64 ``(P,)``: index j of Eq. 10.
        modalities: V.
    """

    sample: Tensor
    combination: Tensor
    modalities: int


def draw_pairs(present: Tensor, pairs: int, generator: torch.Generator) -> Pairs:
    """Draw pairs spread evenly over the combinations, and over the samples that have them.

    Each combination gets ``pairs // (2^V - 1)`` samples or one more (where the combinations are
    more than the pairs, so many of them get one sample each), drawn without repetition from those
    that have all its modalities, each with the same chance. So the accuracy measured of a
    combination, and the mean over combinations, have the expectation that scoring everything has.

    Args:
        present: bool ``(n, V)``.
        pairs: How many at the most; a combination that few samples have takes those.
        generator: Draws them; on the CPU.
    """
    samples, modalities = present.shape
    j, quota = _quotas(count(modalities), pairs, generator)
    # Samples that have the same modalities stand side by side, in a random order.
    order = torch.randperm(samples, generator=generator)
    # Patterns are sorted by their first modality, then by the second ...: the draw rests on it.
    codes = index_of(present[order].flip(1))
    codes, group, size = codes.unique(return_inverse=True, return_counts=True)
    patterns = from_index(codes, modalities).flip(1)
    order = order[group.argsort(stable=True)]
    first = size.cumsum(0) - size
    # Each combination goes on where the one before it stopped, so that samples are met evenly; the
    # random start makes it a fair draw.
    start = int(torch.randint(1 << 40, (), generator=generator))
    turn = start + quota.cumsum(0) - quota
    drawn_sample, drawn_j = [], []
    for some in torch.arange(len(j)).split(max(1, CELLS_AT_ONCE // len(patterns))):
        fits = (patterns | ~from_index(j[some], modalities)[:, None, :]).all(-1)
        ends = (fits * size).cumsum(1)
        have = ends[:, -1]
        take = quota[some].minimum(have)
        line = torch.arange(len(some)).repeat_interleave(take)
        rank = torch.arange(len(line)) - (take.cumsum(0) - take)[line]
        place = (turn[some][line] + rank) % have[line]
        # One search over all lines: each line's ends are lifted above those of the line before.
        lift = (samples + 1) * torch.arange(len(some))
        found = torch.searchsorted((ends + lift[:, None]).flatten(), place + lift[line], right=True)
        pattern = found - line * len(patterns)
        within = place - (ends[line, pattern] - size[pattern])
        drawn_sample.append(order[first[pattern] + within])
        drawn_j.append(j[some][line])
    return Pairs(torch.cat(drawn_sample), torch.cat(drawn_j), modalities)


def _quotas(total: int, pairs: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Return which combinations are drawn, int64 ``(K,)`` in a random order, and pairs of each."""
    if total <= 1 << MAX_TABLE:
        j = 1 + torch.randperm(total, generator=generator)[:pairs]
    else:
        # So few of so many: one is hardly ever drawn twice, and may be.
        j = torch.randint(1, total + 1, (pairs,), generator=generator)
    quota = torch.full_like(j, pairs // len(j))
    quota[: pairs % len(j)] += 1
    return j, quota


@dataclass(frozen=True)
class ScoredPairs:
    """What was predicted of pairs, on the CPU, in the order of the batches.

    Attributes:
        combination: int64 ``(P,)``: index j of Eq. 10.
        target: int64 ``(P,)``.
        probabilities: float32 ``(P, M)``.
    """

    combination: Tensor
    target: Tensor
    probabilities: Tensor


@torch.inference_mode()
def score_pairs(
    model: Model, batches: Iterable[Batch], pairs: Pairs, rows: int | None = None
) -> ScoredPairs:
    """Predict pairs; each sample among them is encoded once.

    Args:
        model: In evaluation mode, on the device of the batches.
        batches: With index lists of what is present; together they hold every sample of the pairs.
        pairs: What is scored.
        rows: Bounds how many rows go through fusion together; by default by their size.

    Raises:
        ValueError: If a batch cannot be scored, or no sample of the pairs was among the batches.
        NoClassError: If the largest logit of a pair is NaN or infinite.
    """
    met, truth, probabilities = zip(
        *(
            (pairs.combination[some], target.cpu(), logits.softmax(-1).cpu())
            for some, target, logits in _by_chunk(model, batches, pairs, rows)
        ),
        strict=True,
    )
    return ScoredPairs(torch.cat(met), torch.cat(truth), torch.cat(probabilities))


def evaluate_pairs(
    model: Model, batches: Iterable[Batch], pairs: Pairs, rows: int | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """Count which pairs are right; what is read and refused is as in `score_pairs`.

    Returns:
        The combinations met, bool ``(K, V)`` in the order of Eq. 10, and how many of their pairs
        are right and how many there are, float64 ``(K,)`` each.

    Raises:
        ValueError: If a batch cannot be scored, or no sample of the pairs was among the batches.
        NoClassError: If the largest logit of a pair is NaN or infinite.
    """
    with torch.inference_mode():
        met, hits = zip(
            *(
                (pairs.combination[some], (logits.argmax(-1) == target).cpu())
                for some, target, logits in _by_chunk(model, batches, pairs, rows)
            ),
            strict=True,
        )
    j, place, seen = torch.cat(met).unique(return_inverse=True, return_counts=True)
    right = torch.zeros(len(j), dtype=torch.float64)
    right.index_add_(0, place, torch.cat(hits).double())
    return from_index(j, pairs.modalities), right, seen.double()


def _by_chunk(
    model: Model, batches: Iterable[Batch], pairs: Pairs, rows: int | None
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Give which pairs, int64 on the CPU, their classes and float32 logits, some at a time."""
    found = False
    watch = finite_logits(model)
    size = int(pairs.sample.max()) + 1 if len(pairs.sample) else 0
    for batch in batches:
        where = checked(batch, pairs.modalities)
        if not len(batch):
            continue
        index = batch.index.cpu()
        position = torch.full((max(size, int(index.max()) + 1),), -1)
        position[index] = torch.arange(len(index))
        inside = (position[pairs.sample] >= 0).nonzero().squeeze(1)
        if not len(inside):
            continue
        found = True
        device = batch.present.device
        feats = model.cached(batch.inputs, where)
        for some in inside.split(rows or rows_at_once(feats.row_size)):
            at = position[pairs.sample[some]].to(device)
            mask = from_index(pairs.combination[some], pairs.modalities).to(device)
            logits = model.logits(feats.select(at, mask), mask).float()
            finite = a_class_wins(logits).cpu()
            if not bool(finite.all()):
                watch.add(finite, pairs.sample[some], mask.cpu())
            yield some, batch.target[at], logits
    watch.check()
    if not found:
        raise ValueError("there is no sample to evaluate on")
