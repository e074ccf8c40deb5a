"""Each sampler's distribution, against redrawing empty rows in numpy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chi2_contingency, chisquare

from dmrnet.modalities import (
    Bernoulli,
    Everything,
    Stratified,
    Uniform,
    Warmup,
    build_sampler,
    index_of,
)

PRESENT = {
    "everything of 3": [True, True, True],
    "a gap": [True, False, True, True],
    "one alone": [False, True, False],
    "one modality": [True],
    "five": [True] * 5,
}
RATES = {
    3: [0.9, 0.5, 0.2],
    4: [0.3, 0.6, 0.05, 1.0],
    1: [0.1],
    5: [0.5, 0.1, 0.9, 0.0, 0.3],
}


def redrawn(present: list[bool], rates: list[float], draws: int, seed: int) -> np.ndarray:
    """Draw every indicator and redraw empty rows. Return counts by the index of Eq. 10."""
    rng = np.random.default_rng(seed)
    here = np.array(present)
    masks = np.zeros((draws, len(present)), dtype=bool)
    empty = np.arange(draws)
    while len(empty):
        masks[empty] = (rng.random((len(empty), len(present))) < np.array(rates)) & here
        empty = np.flatnonzero(~masks.any(1))
    return np.bincount(masks @ (1 << np.arange(len(present))), minlength=2 ** len(present))


def drawn(sampler, present: list[bool], draws: int, batch: int | None = None) -> np.ndarray:
    generator = torch.Generator().manual_seed(7)
    table = torch.tensor(present).expand(draws, -1)
    masks = [sampler(part, generator) for part in table.split(batch or draws)]
    return index_of(torch.cat(masks)).bincount(minlength=2 ** len(present)).numpy()


def probabilities(present: list[bool], rates: list[float]) -> np.ndarray:
    """The exact distribution, by enumeration."""
    chances = np.zeros(2 ** len(present))
    for j in range(1, len(chances)):
        chance = 1.0
        for k, (here, rate) in enumerate(zip(present, rates, strict=True)):
            keep = rate if here else 0.0
            chance *= keep if j >> k & 1 else 1 - keep
        chances[j] = chance
    return chances / chances.sum()


def agree(counts: np.ndarray, chances: np.ndarray) -> None:
    assert counts[chances == 0].sum() == 0
    possible = chances > 0
    if possible.sum() > 1:
        assert chisquare(counts[possible], chances[possible] * counts.sum()).pvalue > 1e-4


@pytest.mark.parametrize("present", PRESENT.values(), ids=PRESENT.keys())
def test_bernoulli_equals_redrawing_empty_rows(present: list[bool]) -> None:
    rates = RATES[len(present)]
    counts = drawn(Bernoulli(rates), present, 40_000)
    agree(counts, probabilities(present, rates))
    reference = redrawn(present, rates, 40_000, seed=1)
    seen = (counts + reference) > 0
    if seen.sum() > 1:
        assert chi2_contingency(np.stack([counts[seen], reference[seen]])).pvalue > 1e-4


@pytest.mark.parametrize("present", PRESENT.values(), ids=PRESENT.keys())
def test_uniform_gives_every_combination_of_present_modalities_alike(present: list[bool]) -> None:
    counts = drawn(Uniform(), present, 40_000)
    possible = [
        j
        for j in range(1, len(counts))
        if all(here or not j >> k & 1 for k, here in enumerate(present))
    ]
    chances = np.zeros(len(counts))
    chances[possible] = 1 / len(possible)
    agree(counts, chances)
    # The two readings of the paper are one distribution.
    agree(redrawn(present, [0.5] * len(present), 40_000, seed=2), chances)


@pytest.mark.parametrize("batch", [1, 7, 64])
@pytest.mark.parametrize("present", PRESENT.values(), ids=PRESENT.keys())
def test_stratified_is_uniform_over_batches(present: list[bool], batch: int) -> None:
    counts = drawn(Stratified(), present, {1: 500, 7: 2_000, 64: 4_000}[batch], batch)
    held = sum(present)
    possible = np.flatnonzero(counts)
    assert len(possible) == 2**held - 1
    # Less varied than independent draws, so a chi-square of those is a generous bound.
    agree(counts, (counts > 0) / len(possible))


def test_stratified_spreads_over_the_rows_of_a_batch() -> None:
    """The first row's combination is uniform too: rows are shuffled, not filled in order."""
    generator = torch.Generator().manual_seed(0)
    present = torch.ones(10, 2, dtype=torch.bool)
    pairs = torch.stack([index_of(Stratified()(present, generator)[:2]) for _ in range(1500)])
    assert chisquare(pairs[:, 0].bincount(minlength=4)[1:].numpy()).pvalue > 1e-4
    same = (pairs[:, 0] == pairs[:, 1]).double().mean()
    # Of 10 rows in groups of 4, 3, 3 a pair is alike with (6 + 3 + 3) / 45 = 0.267, not 0 or 1.
    assert abs(float(same) - 12 / 45) < 0.04


TABLES = st.integers(1, 6).flatmap(
    lambda v: st.lists(
        st.lists(st.booleans(), min_size=v, max_size=v).filter(any), min_size=1, max_size=40
    )
)
SAMPLERS = st.sampled_from(["uniform", "bernoulli", "stratified", "none"])


@given(TABLES, SAMPLERS, st.integers(0, 3))
def test_a_mask_is_a_non_empty_subset_of_present(table, name, seed) -> None:
    present = torch.tensor(table)
    rates = [0.4] * present.shape[1] if name == "bernoulli" else None
    sampler = build_sampler(name, rates)
    before = present.clone()
    mask = sampler(present, torch.Generator().manual_seed(seed))
    assert mask.dtype == torch.bool
    assert mask.shape == present.shape
    assert not (mask & ~present).any()
    assert mask.any(1).all()
    assert torch.equal(present, before)
    assert torch.equal(mask, sampler(present, torch.Generator().manual_seed(seed)))
    if name == "none":
        assert torch.equal(mask, present)
        assert mask.data_ptr() != present.data_ptr()


@settings(max_examples=25)
@given(TABLES, st.integers(0, 3))
def test_stratified_counts_differ_by_at_most_one_in_each_group(table, seed) -> None:
    present = torch.tensor(table)
    mask = Stratified()(present, torch.Generator().manual_seed(seed))
    groups: dict[tuple[bool, ...], list[int]] = {}
    for here, seen in zip(present.tolist(), index_of(mask).tolist(), strict=True):
        groups.setdefault(tuple(here), []).append(seen)
    for here, seen in groups.items():
        counts = [
            seen.count(j)
            for j in range(1, 2 ** len(here))
            if all(has or not j >> k & 1 for k, has in enumerate(here))
        ]
        assert len(counts) == 2 ** sum(here) - 1
        assert max(counts) - min(counts) <= 1


@pytest.mark.parametrize("name", ["uniform", "stratified", "none"])
def test_no_rows_give_no_masks(name: str) -> None:
    assert build_sampler(name)(torch.zeros(0, 3, dtype=torch.bool)).shape == (0, 3)


def test_a_rate_of_one_always_keeps_and_of_zero_never() -> None:
    present = torch.ones(500, 3, dtype=torch.bool)
    mask = Bernoulli([1.0, 0.0, 0.5])(present, torch.Generator().manual_seed(0))
    assert mask[:, 0].all()
    assert not mask[:, 1].any()
    assert 0 < int(mask[:, 2].sum()) < 500


@pytest.mark.parametrize("name", ["uniform", "bernoulli", "stratified", "none"])
def test_a_row_without_any_modality_is_refused(name: str) -> None:
    sampler = build_sampler(name, [0.5, 0.5] if name == "bernoulli" else None)
    present = torch.tensor([[True, False], [False, False], [False, False]])
    with pytest.raises(ValueError, match=r"row 1 \(2 such rows\); drop"):
        sampler(present)
    with pytest.raises(TypeError, match=r"bool \(batch, modalities\), got torch\.int64"):
        sampler(present.long())


def test_wrong_rates_are_refused() -> None:
    present = torch.tensor([[True, True], [False, True]])
    with pytest.raises(ValueError, match=r"in \[0, 1\], got \[1.5\]"):
        Bernoulli([1.5])
    with pytest.raises(ValueError, match=r"in \[0, 1\]"):
        Bernoulli([float("nan"), 0.5])
    with pytest.raises(ValueError, match="each of 2 modalities, got 1"):
        Bernoulli([0.5])(present)
    with pytest.raises(ValueError, match="row 1; raise a rate"):
        Bernoulli([0.5, 0.0])(present)
    with pytest.raises(ValueError, match=r"bernoulli.*got none"):
        build_sampler("bernoulli")
    with pytest.raises(ValueError, match="'uniform'; only bernoulli"):
        build_sampler("uniform", [0.5])
    with pytest.raises(ValueError, match="unknown sampler 'unifrm'; did you mean 'uniform'"):
        build_sampler("unifrm")


def test_stratified_refuses_what_it_cannot_count() -> None:
    with pytest.raises(ValueError, match="up to 30"):
        Stratified()(torch.ones(2, 31, dtype=torch.bool))


def test_warmup_shows_everything_first() -> None:
    warmup = Warmup(Uniform(), 2)
    assert [type(warmup.at(epoch)) for epoch in range(4)] == [
        Everything,
        Everything,
        Uniform,
        Uniform,
    ]
    assert isinstance(Warmup(Uniform(), 0).at(0), Uniform)
    with pytest.raises(ValueError, match="0 or more, got -1"):
        Warmup(Uniform(), -1)
