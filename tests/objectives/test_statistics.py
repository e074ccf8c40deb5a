"""Statistics by combination, against loops over single samples."""

from __future__ import annotations

import math
from collections import defaultdict

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.objectives.by_combination import epochs_of, slow_index

from dmrnet.objectives import CombinationStatistics, CombinationSums


@given(st.integers(1, 5), st.integers(1, 4), st.integers(0, 999))
def test_means_are_those_of_a_loop_over_samples(modalities: int, batches: int, seed: int) -> None:
    seen = CombinationSums(modalities)
    sums: dict[int, float] = defaultdict(float)
    counts: dict[int, int] = defaultdict(int)
    for mask, values in epochs_of(modalities, batches, seed):
        seen.update(mask, values)
        for row, value in zip(mask.tolist(), values.tolist(), strict=True):
            sums[slow_index(row)] += value
            counts[slow_index(row)] += 1
    got = seen.close().means.tolist()
    assert len(got) == 2**modalities
    for j in range(2**modalities):
        if counts[j]:
            assert got[j] == pytest.approx(sums[j] / counts[j], rel=1e-12)
        else:
            assert math.isnan(got[j])
    assert not seen.counts.any()


def test_d_j_is_the_mean_variance_over_samples_channels_and_positions(make_step) -> None:
    """Eq. 10 in full: from a head's log-variance to d_j, by five nested loops."""
    log_var = torch.randn(6, 2, 2, 3)
    mask = torch.tensor([[1, 0], [0, 1], [1, 1], [1, 0], [1, 1], [1, 0]]).bool()
    step = make_step(mask, torch.zeros(6).long(), torch.zeros_like(log_var), log_var)
    statistics = CombinationStatistics(2)
    statistics.update(step)
    means = statistics.close().variance.means
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
        assert float(means[j]) == pytest.approx(total / (n * 2 * 2 * 3), rel=1e-6)


def test_sums_are_float64_whatever_the_model_is() -> None:
    seen = CombinationSums(1)
    mask = torch.ones(1, 1).bool()
    seen.update(mask, torch.tensor([2.0**30]))
    seen.bfloat16()
    for _ in range(1000):
        seen.update(mask, torch.tensor([1.0]))
    # float32 would have lost every one of the ones.
    assert seen.sums.tolist() == [0.0, 2.0**30 + 1000]
    assert seen.counts.dtype == torch.float64


def test_a_value_that_is_not_finite_is_not_counted() -> None:
    seen = CombinationSums(2)
    mask = torch.tensor([[1, 0], [1, 0], [0, 1]]).bool()
    seen.update(mask, torch.tensor([float("nan"), 2.0, float("inf")]))
    assert seen.counts.tolist() == [0, 1, 0, 0]
    assert seen.sums.tolist() == [0, 2, 0, 0]


def test_counting_keeps_no_graph_and_no_place_in_a_checkpoint() -> None:
    seen = CombinationSums(2)
    seen.update(torch.ones(2, 2).bool(), torch.ones(2, requires_grad=True))
    assert not seen.sums.requires_grad
    assert not seen.state_dict()
    # DistributedDataParallel overwrites buffers with those of the first process.
    assert not list(seen.buffers())
    seen.reset()
    assert not seen.sums.any()
    assert not seen.counts.any()


def test_sums_of_parts_are_those_of_the_whole() -> None:
    data = epochs_of(3, 6, 0)
    whole, first, second = CombinationSums(3), CombinationSums(3), CombinationSums(3)
    for i, (mask, values) in enumerate(data):
        whole.update(mask, values)
        (first, second)[i % 2].update(mask, values)
    table = {id(first.sums): second.sums, id(first.counts): second.counts}
    totals, expected = first.close(lambda tensor: tensor + table[id(tensor)]), whole.close()
    torch.testing.assert_close(totals.sums, expected.sums)
    assert torch.equal(totals.counts, expected.counts)


def test_too_many_combinations_are_not_counted(make_step) -> None:
    statistics = CombinationStatistics(21)
    mask = torch.ones(2, 21, dtype=torch.bool)
    statistics.update(make_step(mask, torch.zeros(2).long(), torch.zeros(2, 1, 1, 1)))
    assert statistics.close() is None


@pytest.mark.parametrize("modalities", [1, 5, 12])
def test_fewer_are_counted_by_their_index(make_step, modalities: int) -> None:
    statistics = CombinationStatistics(modalities)
    mask = torch.ones(2, modalities, dtype=torch.bool)
    statistics.update(make_step(mask, torch.zeros(2).long(), torch.zeros(2, 1, 1, 1)))
    closed = statistics.close()
    assert closed is not None
    assert closed.loss.counts.nonzero().tolist() == [[2**modalities - 1]]
