"""Splits that keep groups together."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dmrnet.data.splits.groups import group_codes, hold_out_groups
from dmrnet.data.splits.split import generator


@given(
    st.lists(st.tuples(st.integers(1, 9), st.integers(0, 2)), min_size=1, max_size=30),
    st.floats(0.05, 0.95),
    st.integers(0, 3),
)
def test_groups_stay_together_and_every_class_in_training(groups, share, seed) -> None:
    group = torch.cat([torch.full((size,), k) for k, (size, _) in enumerate(groups)])
    target = torch.cat([torch.full((size,), label) for size, label in groups])
    order = torch.randperm(len(group), generator=generator(seed))
    held = hold_out_groups(target[order], group[order], share, generator(seed, "split"))
    again = hold_out_groups(target[order], group[order], share, generator(seed, "split"))
    assert torch.equal(held, again)
    sides = set(group[order][held].tolist()), set(group[order][~held].tolist())
    assert not sides[0] & sides[1]
    for label in set(target.tolist()):
        of = target[order] == label
        size, out = int(of.sum()), int(held[of].sum())
        largest = max(n for n, y in groups if y == label)
        assert out < size
        # Groups of one class are held out until another would lead away from the share.
        if out and len({y for _, y in groups}) == 1:
            assert abs(out - share * size) <= max(largest, share * size)


def test_the_share_is_held_out_of_every_class() -> None:
    group = torch.arange(400) // 4
    target = (group % 10 == 0).long()  # one patient in ten is ill
    shares = torch.stack(
        [
            torch.stack([held[target == label].double().mean() for label in (0, 1)])
            for seed in range(20)
            if (held := hold_out_groups(target, group, 0.2, generator(seed))) is not None
        ]
    )
    np.testing.assert_allclose(shares, np.full((20, 2), 0.2), atol=0.03)


def test_groups_of_kept_rows_stay_and_a_single_group_is_not_split() -> None:
    group = torch.arange(40) // 4
    kept = torch.zeros(40, dtype=torch.bool)
    kept[2] = True
    for seed in range(10):
        held = hold_out_groups(torch.arange(40) % 2, group, 0.3, generator(seed), kept)
        assert not held[:4].any()
        assert held.any()
    assert not hold_out_groups(
        torch.arange(40) % 2, torch.zeros(40).long(), 0.3, generator(0)
    ).any()


def test_a_large_group_is_held_out_where_no_smaller_one_is() -> None:
    held = hold_out_groups(torch.arange(60) % 2, torch.arange(60) // 30, 0.1, generator(0))
    assert int(held.sum()) == 30


def test_a_share_out_of_range_is_refused() -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        hold_out_groups(torch.tensor([0, 1]), torch.tensor([0, 1]), 1.0, generator(0))


def test_codes_follow_first_appearance() -> None:
    assert group_codes(["b", "a", "b", "c"]).tolist() == [0, 1, 0, 2]
