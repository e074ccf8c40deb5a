"""Masks, their index of Eq. 10 and their names, against plain loops."""

from __future__ import annotations

from itertools import product

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dmrnet.modalities import (
    all_combinations,
    count,
    from_index,
    index_of,
    name_of,
    parse,
    some_combinations,
)

MASKS = st.integers(1, 62).flatmap(lambda v: st.lists(st.booleans(), min_size=v, max_size=v))
LETTERS = st.characters(blacklist_characters="+", blacklist_categories=("Cs", "Z", "C"))
NAMES = st.lists(st.text(LETTERS, min_size=1, max_size=6), min_size=1, max_size=6, unique=True)


def index_by_loop(mask: list[bool]) -> int:
    """Eq. 10 as printed: j = sum over k = 1..V of 2^(k-1) delta^k."""
    total = 0
    for k in range(1, len(mask) + 1):
        if mask[k - 1]:
            total += 2 ** (k - 1)
    return total


@given(MASKS)
def test_index_is_the_sum_of_eq_10(mask: list[bool]) -> None:
    index = index_of(torch.tensor(mask))
    assert index.dtype == torch.int64
    assert int(index) == index_by_loop(mask)
    assert from_index(index, len(mask)).tolist() == mask


@pytest.mark.parametrize("v", [1, 2, 3, 4, 5, 6])
def test_every_combination_occurs_once_in_the_order_of_the_index(v: int) -> None:
    expected = sorted((list(row) for row in product([False, True], repeat=v)), key=index_by_loop)[
        1:
    ]
    assert all_combinations(v).tolist() == expected
    assert len(expected) == count(v)
    assert index_of(all_combinations(v)).tolist() == list(range(1, 2**v))


def test_index_keeps_leading_axes() -> None:
    masks = all_combinations(3)[torch.arange(14).remainder(7)].reshape(2, 7, 3)
    assert index_of(masks).tolist() == [[1, 2, 3, 4, 5, 6, 7]] * 2
    assert torch.equal(from_index(index_of(masks), 3), masks)


def test_index_of_anything_but_a_bool_mask_is_refused() -> None:
    with pytest.raises(TypeError, match=r"bool mask, got torch\.float32"):
        index_of(torch.ones(3))


@pytest.mark.parametrize("v", [0, -1, 63])
def test_a_number_of_modalities_out_of_range_is_refused(v: int) -> None:
    with pytest.raises(ValueError, match=f"1 to 62 modalities, got {v}"):
        count(v)


def test_a_table_of_all_is_refused_where_it_would_not_fit() -> None:
    with pytest.raises(ValueError, match=r"2097151.*some_combinations"):
        all_combinations(21)


@given(NAMES, st.data())
def test_name_and_parse_are_inverses(names: list[str], data: st.DataObject) -> None:
    mask = data.draw(
        st.lists(st.booleans(), min_size=len(names), max_size=len(names)).filter(any), "mask"
    )
    text = name_of(mask, names)
    assert text == "+".join(name for name, seen in zip(names, mask, strict=True) if seen)
    assert name_of(torch.tensor(mask), names) == text
    if text != "all":
        assert parse(text, names).tolist() == mask


def test_all_is_every_modality_unless_one_is_called_so() -> None:
    assert parse("all", ("a", "b")).tolist() == [True, True]
    assert parse("all", ("a", "all")).tolist() == [False, True]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rbg", "unknown modality 'rbg'; did you mean 'rgb'"),
        ("rgb+rgb", "got rgb twice"),
        ("rgb++ir", "empty"),
        ("", "empty"),
    ],
)
def test_a_wrong_name_is_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse(text, ("rgb", "depth", "ir"))


def test_a_mask_of_another_width_has_no_name() -> None:
    with pytest.raises(ValueError, match=r"of 2 columns, .* got 3"):
        name_of([True, False, True], ("a", "b"))


@given(st.integers(1, 62), st.integers(0, 100), st.integers(0, 5))
def test_some_combinations_hold_the_full_and_the_single_ones(v: int, extra: int, seed: int) -> None:
    most = v + 1 + extra
    rows = some_combinations(v, most, torch.Generator().manual_seed(seed))
    index = index_of(rows).tolist()
    assert len(rows) == min(most, count(v))
    assert index == sorted(set(index))
    assert {count(v), *(2**k for k in range(v))} <= set(index)
    again = some_combinations(v, most, torch.Generator().manual_seed(seed))
    assert torch.equal(rows, again)


def test_the_sample_is_uniform() -> None:
    """Each of the 26 others of V = 5 is among the 4 drawn equally often, by chi-square."""
    from scipy.stats import chisquare

    generator = torch.Generator().manual_seed(1)
    counts = torch.zeros(32, dtype=torch.int64)
    for _ in range(2000):
        counts[index_of(some_combinations(5, 10, generator))] += 1
    always = [31, *(2**k for k in range(5))]
    assert counts[always].tolist() == [2000] * 6
    others = [j for j in range(1, 32) if j not in always]
    drawn = counts[others].double()
    assert int(drawn.sum()) == 2000 * 4
    # Draws without repetition vary less than chi-square assumes: the test only gets stricter.
    assert chisquare(drawn.numpy()).pvalue > 1e-4


def test_a_sample_that_is_too_small_is_refused() -> None:
    with pytest.raises(ValueError, match="most=5"):
        some_combinations(5, 5, torch.Generator())
