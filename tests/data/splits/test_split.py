"""Holding rows out, and seeds."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dmrnet.data.splits.split import generator, hold_out


@given(
    st.lists(st.integers(1, 12), min_size=1, max_size=8),
    st.floats(0.05, 0.95),
    st.integers(0, 3),
)
def test_classes_are_held_out_in_proportion(sizes, share, seed) -> None:
    target = torch.cat([torch.full((size,), label) for label, size in enumerate(sizes)])
    target = target[torch.randperm(len(target), generator=generator(seed))]
    held = hold_out(target, share, generator(seed, "split"))
    assert torch.equal(held, hold_out(target, share, generator(seed, "split")))
    for label, size in enumerate(sizes):
        out = int(held[target == label].sum())
        assert abs(out - share * size) <= 1 or out == size - 1
        assert out < size
    if min(sizes) * (1 - share) >= 1.01:
        assert abs(int(held.sum()) - share * len(target)) <= 0.5 + 1e-6


def test_every_row_is_as_likely() -> None:
    target = torch.tensor([0] * 10 + [1] * 5)
    counts = torch.zeros(15)
    for seed in range(2000):
        counts += hold_out(target, 0.4, generator(seed))
    assert (counts / 2000 - 0.4).abs().max() < 5 * (0.24 / 2000) ** 0.5


def test_kept_rows_stay() -> None:
    target = torch.tensor([0] * 10 + [1] * 10)
    kept = torch.zeros(20, dtype=torch.bool)
    kept[:8] = True
    for seed in range(20):
        held = hold_out(target, 0.3, generator(seed), kept)
        assert not held[kept].any()
        assert held[:10].sum() == 2
        assert held[10:].sum() == 3


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1, float("nan")])
def test_a_share_out_of_range_is_refused(share) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        hold_out(torch.tensor([0, 1]), share, generator(0))


def test_keys_do_not_run_into_each_other() -> None:
    keys = [(0,), (0, 0), (0, 1), (1, 0), (1,), (0, "masks"), (0, 0, "masks"), (2**40, 1), (0, "0")]
    first = {int(torch.randint(2**62, (1,), generator=generator(*key))) for key in keys}
    assert len(first) == len(keys)
    again = int(torch.randint(2**62, (1,), generator=generator(0)))
    assert again in first
