"""Eq. 10: mean variance by combination, and the hard set, against loops over single samples."""

from __future__ import annotations

import math
from collections import defaultdict

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dmrnet.objectives import CombinationMeans, Miner, top_combinations


def slow_index(row: list[bool]) -> int:
    """j = sum_k 2^(k-1) delta^k, k from 1."""
    return sum(2 ** (k - 1) * int(delta) for k, delta in enumerate(row, start=1))


def epochs_of(
    modalities: int, batches: int, seed: int, rows: int = 7
) -> list[tuple[torch.Tensor, torch.Tensor]]:
    generator = torch.Generator().manual_seed(seed)
    j = torch.randint(1, 2**modalities, (batches, rows), generator=generator)
    masks = (j[..., None] >> torch.arange(modalities) & 1).bool()
    return list(zip(masks, torch.rand(batches, rows, generator=generator), strict=True))


@given(st.integers(1, 5), st.integers(1, 4), st.integers(0, 999))
def test_means_are_those_of_a_loop_over_samples(modalities: int, batches: int, seed: int) -> None:
    means = CombinationMeans(modalities)
    sums: dict[int, float] = defaultdict(float)
    counts: dict[int, int] = defaultdict(int)
    for mask, values in epochs_of(modalities, batches, seed):
        means.update(mask, values)
        for row, value in zip(mask.tolist(), values.tolist(), strict=True):
            sums[slow_index(row)] += value
            counts[slow_index(row)] += 1
    got = means.means().tolist()
    assert len(got) == 2**modalities
    for j in range(2**modalities):
        if counts[j]:
            assert got[j] == pytest.approx(sums[j] / counts[j], rel=1e-12)
        else:
            assert math.isnan(got[j])


def test_d_j_is_the_mean_variance_over_samples_channels_and_positions(make_step) -> None:
    """Eq. 10 in full: from a head's log-variance to d_j, by five nested loops."""
    log_var = torch.randn(6, 2, 2, 3)
    mask = torch.tensor([[1, 0], [0, 1], [1, 1], [1, 0], [1, 1], [1, 0]]).bool()
    step = make_step(mask, torch.zeros(6).long(), torch.zeros_like(log_var), log_var)
    means = CombinationMeans(2)
    means.update(mask, step.rep.mean_variance)
    for j in (1, 2, 3):
        total, n = 0.0, 0
        for p in range(6):
            if slow_index(mask[p].tolist()) != j:
                continue
            n += 1
            for c in range(2):
                for h in range(2):
                    for w in range(3):
                        total += math.exp(float(log_var[p, c, h, w]))
        assert float(means.means()[j]) == pytest.approx(total / (n * 2 * 2 * 3), rel=1e-6)


def test_sums_are_float64_whatever_the_model_is() -> None:
    means = CombinationMeans(1)
    mask = torch.ones(1, 1).bool()
    means.update(mask, torch.tensor([2.0**30]))
    means.bfloat16()
    for _ in range(1000):
        means.update(mask, torch.tensor([1.0]))
    # float32 would have lost every one of the ones.
    assert means.sums.tolist() == [0.0, 2.0**30 + 1000]
    assert means.counts.dtype == torch.float64


def test_a_value_that_is_not_finite_is_not_counted() -> None:
    means = CombinationMeans(2)
    mask = torch.tensor([[1, 0], [1, 0], [0, 1]]).bool()
    means.update(mask, torch.tensor([float("nan"), 2.0, float("inf")]))
    assert means.counts.tolist() == [0, 1, 0, 0]
    assert means.sums.tolist() == [0, 2, 0, 0]


def test_counting_keeps_no_graph_and_no_place_in_a_checkpoint() -> None:
    means = CombinationMeans(2)
    means.update(torch.ones(2, 2).bool(), torch.ones(2, requires_grad=True))
    assert not means.sums.requires_grad
    assert not means.state_dict()
    # DistributedDataParallel overwrites buffers with those of the first process.
    assert not list(means.buffers())
    means.reset()
    assert not means.sums.any()
    assert not means.counts.any()


def test_sums_of_parts_are_those_of_the_whole() -> None:
    data = epochs_of(3, 6, 0)
    whole, first, second = CombinationMeans(3), CombinationMeans(3), CombinationMeans(3)
    for i, (mask, values) in enumerate(data):
        whole.update(mask, values)
        (first, second)[i % 2].update(mask, values)
    table = {id(first.sums): second.sums, id(first.counts): second.counts}
    first.reduce(lambda tensor: tensor + table[id(tensor)])
    torch.testing.assert_close(first.sums, whole.sums)
    assert torch.equal(first.counts, whole.counts)


def slow_top(means: list[float], counts: list[float], k: int, least: float) -> list[bool]:
    able = [j for j in range(1, len(means)) if counts[j] >= least and counts[j] > 0]
    able.sort(key=lambda j: (-means[j], j))
    return [j in able[:k] for j in range(len(means))]


@given(st.data(), st.integers(1, 4), st.integers(1, 20), st.sampled_from([0.0, 1.0, 3.0]))
def test_the_hard_set_is_the_top_of_what_can_be_ranked(
    data: st.DataObject, modalities: int, k: int, least: float
) -> None:
    size = 2**modalities
    # Few values, so that ties are common.
    means = data.draw(st.lists(st.sampled_from([0.0, 1.0, 2.5]), min_size=size, max_size=size))
    counts = data.draw(st.lists(st.sampled_from([0.0, 1.0, 4.0]), min_size=size, max_size=size))
    got = top_combinations(
        torch.tensor(means, dtype=torch.float64),
        torch.tensor(counts, dtype=torch.float64),
        k,
        least,
    )
    assert got.tolist() == slow_top(means, counts, k, least)


def test_what_was_never_seen_is_not_hard_even_with_no_least_count() -> None:
    means = CombinationMeans(2)
    means.update(torch.tensor([[1, 0]]).bool(), torch.ones(1))
    hard = top_combinations(means.means(), means.counts, 3, 0.0)
    assert hard.tolist() == [False, True, False, False]


@pytest.mark.parametrize("momentum", [0.0, 0.5, 1.0])
def test_the_running_mean_decays_sums_and_counts(momentum: float) -> None:
    miner = Miner(2, size=1, momentum=momentum, min_count=2.0)
    sums, counts = [0.0] * 4, [0.0] * 4
    for epoch in range(4):
        seen = CombinationMeans(2)
        sums = [momentum * s for s in sums]
        counts = [momentum * n for n in counts]
        for mask, values in epochs_of(2, 2, seed=epoch, rows=3):
            seen.update(mask, values)
            for row, value in zip(mask.tolist(), values.tolist(), strict=True):
                sums[slow_index(row)] += value
                counts[slow_index(row)] += 1
        miner.end_epoch(seen)
        ranked = [s / n if n else 0.0 for s, n in zip(sums, counts, strict=True)]
        assert miner.hard.tolist() == slow_top(ranked, counts, 1, 2.0)
    assert miner.running_sums.tolist() == pytest.approx(sums)


def table(*values: float, count: float = 10.0) -> CombinationMeans:
    means = CombinationMeans(2)
    means.sums[1:] = torch.tensor(values, dtype=torch.float64) * count
    means.counts[1:] = count
    return means


def test_mined_again_each_epoch_or_frozen() -> None:
    again = Miner(2, size=1, momentum=0.0)
    frozen = Miner(2, size=1, momentum=0.0, freeze_after=2)
    for values, expected in (
        ((3, 1, 1), 1),
        ((1, 3, 1), 2),
        ((1, 1, 3), 3),
    ):
        again.end_epoch(table(*values))
        frozen.end_epoch(table(*values))
        assert again.hard.nonzero().flatten().tolist() == [expected]
        assert frozen.hard.nonzero().flatten().tolist() == [min(expected, 2)]
    assert int(frozen.epochs) == 3


def test_a_rare_combination_is_not_ranked_until_it_was_seen_often_enough() -> None:
    miner = Miner(2, size=1, momentum=1.0, min_count=8.0)
    for epoch, expected in enumerate(([], [], [3])):
        means = table(1.0, 2.0, 9.0, count=3.0)
        miner.end_epoch(means)
        assert miner.hard.nonzero().flatten().tolist() == expected, epoch


def test_size_is_v_unless_said_and_never_more_than_there_are() -> None:
    assert [Miner(v).size for v in (1, 2, 3, 6)] == [1, 2, 3, 6]
    assert Miner(2, size=50).size == 3
    with pytest.raises(ValueError, match="1 or more combinations, got 0"):
        Miner(2, size=0)


def test_membership_is_looked_up_by_index() -> None:
    miner = Miner(3)
    miner.hard[torch.tensor([1, 6])] = True
    masks = torch.tensor([[1, 0, 0], [0, 1, 1], [1, 1, 1], [0, 1, 0]]).bool()
    assert miner.is_hard(masks).tolist() == [True, True, False, False]


def test_state_is_saved() -> None:
    miner, other = Miner(2, size=1), Miner(2, size=1)
    miner.end_epoch(table(1, 2, 3))
    other.load_state_dict(miner.state_dict())
    assert torch.equal(other.hard, miner.hard)
    miner.end_epoch(table(9, 2, 3))
    other.end_epoch(table(9, 2, 3))
    assert torch.equal(other.hard, miner.hard)


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ({"by": "size"}, "by variance or by loss, got 'size'"),
        ({"momentum": 1.5}, r"momentum in \[0, 1\], got 1.5"),
        ({"modalities": 21}, "up to 20 modalities, got 21"),
    ],
)
def test_what_cannot_be_is_refused(setting: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Miner(**{"modalities": 2, **setting})  # type: ignore[arg-type]
