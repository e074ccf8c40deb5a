"""The hard set (Eq. 10), against loops over combinations."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.objectives.by_combination import epochs_of, slow_index

from dmrnet.objectives import CombinationSums, Miner, Totals, top_combinations


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


def test_a_combination_without_samples_is_never_hard() -> None:
    seen = Totals(torch.tensor([0.0, 1, 0, 0]), torch.tensor([0.0, 1, 0, 0]))
    hard = top_combinations(seen.means, seen.counts, 3, 0.0)
    assert hard.tolist() == [False, True, False, False]


@pytest.mark.parametrize("momentum", [0.0, 0.5, 1.0])
def test_the_running_mean_decays_sums_and_counts(momentum: float) -> None:
    miner = Miner(2, size=1, momentum=momentum, min_count=2.0)
    sums, counts = [0.0] * 4, [0.0] * 4
    for epoch in range(4):
        seen = CombinationSums(2)
        sums = [momentum * s for s in sums]
        counts = [momentum * n for n in counts]
        for mask, values in epochs_of(2, 2, seed=epoch, rows=3):
            seen.update(mask, values)
            for row, value in zip(mask.tolist(), values.tolist(), strict=True):
                sums[slow_index(row)] += value
                counts[slow_index(row)] += 1
        miner.end_epoch(seen.close())
        ranked = [s / n if n else 0.0 for s, n in zip(sums, counts, strict=True)]
        assert miner.hard.tolist() == slow_top(ranked, counts, 1, 2.0)
    assert miner.running_sums.tolist() == pytest.approx(sums)


def table(*values: float, count: float = 10.0) -> Totals:
    counts = torch.tensor([0.0, count, count, count], dtype=torch.float64)
    return Totals(torch.tensor([0.0, *values], dtype=torch.float64) * counts, counts)


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
        miner.end_epoch(table(1.0, 2.0, 9.0, count=3.0))
        assert miner.hard.nonzero().flatten().tolist() == expected, epoch


def test_size_is_v_by_default_and_never_above_the_number_of_combinations() -> None:
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
    ("setting", "message"),
    [
        ({"by": "size"}, "by variance or by loss, got 'size'"),
        ({"momentum": 1.5}, r"momentum in \[0, 1\], got 1.5"),
        ({"modalities": 21}, "at most 20 modalities .* got 21"),
    ],
)
def test_wrong_settings_raise(setting: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Miner(**{"modalities": 2, **setting})  # type: ignore[arg-type]
