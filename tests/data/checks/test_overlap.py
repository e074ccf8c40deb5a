"""Rows that stand in two splits, against comparison number by number."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from dmrnet.data.checks.overlap import (
    block_hashes,
    copies,
    group_warnings,
    overlap_warnings,
    row_hashes,
)

NAMES = ("a", "b")


@given(arrays.arrays(np.float32, (12, 3), elements=st.integers(-1, 1).map(float)))
def test_hashes_are_equal_where_rows_are(rows) -> None:
    hashes = block_hashes(torch.from_numpy(rows))
    equal = (rows[:, None] == rows[None]).all(-1)
    assert ((hashes[:, None] == hashes[None]).numpy() == equal).all()


def test_hashes_do_not_collide_where_few_bits_differ() -> None:
    """Numbers of 8 bits differ in few bits of a float32; every pair of 40000 rows is told apart."""
    rows = torch.cartesian_prod(torch.arange(200.0), torch.arange(200.0))
    assert len(block_hashes(rows).unique()) == len(rows)
    assert len(block_hashes(rows.double()).unique()) == len(rows)
    assert torch.equal(block_hashes(rows.double()), block_hashes(rows))


def hashed(a: torch.Tensor, b: torch.Tensor, absent: tuple[int, ...] = ()) -> torch.Tensor:
    present = torch.ones(len(a), 2, dtype=torch.bool)
    present[list(absent), 1] = False
    return row_hashes([a, b], present)


def test_copies_are_found_with_fewer_modalities_too() -> None:
    draw = torch.Generator().manual_seed(0)
    a, b = torch.randn(50, 4, generator=draw), torch.randn(50, 2, 3, generator=draw)
    known = hashed(a, b)
    other = torch.randn(5, 4, generator=draw)
    mine = hashed(torch.cat([a[7:10], other]), torch.cat([b[7:10], b[20:25]]), absent=(1,))
    assert copies(mine, known).tolist() == [True] * 3 + [False] * 5
    said = overlap_warnings({"train": known, "test": mine}, NAMES)
    assert said == [
        "test: 3 of 8 rows are in train too, number for number; scores on test are then not of new "
        "samples",
        "test: b of 5 of 8 rows is that of a row in train",
    ]


def test_tables_of_few_values_are_no_copies_by_one_modality() -> None:
    draw = torch.Generator().manual_seed(0)
    a = torch.randint(0, 3, (90, 1), generator=draw).float()
    b = torch.randn(90, 3, generator=draw)
    known, mine = hashed(a[:60], b[:60]), hashed(a[60:], b[60:], absent=range(30))
    assert overlap_warnings({"train": known, "val": mine}, NAMES) == []
    # Blocks of zeros in some rows are no images that two rows share.
    b[::20] = 0.0
    known, mine = hashed(b[:60], b[:60]), hashed(b[60:], b[60:])
    assert not any(
        "is that of a row" in said for said in overlap_warnings({"t": known, "v": mine}, NAMES)
    )


def test_what_repeats_in_training_is_said() -> None:
    rows = torch.arange(20.0)[:, None].expand(20, 3)
    known = row_hashes([rows[torch.arange(30) % 15]], torch.ones(30, 1, dtype=torch.bool))
    mine = row_hashes([rows[10:]], torch.ones(10, 1, dtype=torch.bool))
    (said,) = overlap_warnings({"train": known, "val": mine}, ("a",))
    assert "5 of 10 rows are in train too" in said
    assert "(15 of 30 rows repeat within train)" in said


def test_groups_in_two_splits_are_counted() -> None:
    groups = {"train": ["p1", "p1", "p2", "p3"], "val": ["p4"], "test": ["p3", "p1", "p5", "p1"]}
    assert group_warnings(groups) == [
        "test: 2 of 3 groups, 3 of 4 rows, are in train too (p1, p3); scores on test say little "
        "about new ones"
    ]
