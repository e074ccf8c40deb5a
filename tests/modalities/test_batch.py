"""Row numbers and masks of a batch, and moving it."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dmrnet.modalities import Batch, Modality, Task, rows_of

TABLES = st.integers(1, 5).flatmap(
    lambda v: st.lists(st.lists(st.booleans(), min_size=v, max_size=v), min_size=1, max_size=12)
)


def a_batch(rows: int = 4) -> Batch:
    present = torch.ones(rows, 2, dtype=torch.bool)
    present[1, 0] = False
    return Batch(
        inputs={"a": torch.randn(rows, 3), "b": torch.randn(rows, 1, 2, 2)},
        present=present,
        target=torch.arange(rows),
        index=torch.arange(rows) + 10,
    )


@given(TABLES)
def test_rows_are_those_where_a_modality_is_seen(table: list[list[bool]]) -> None:
    names = tuple(f"m{column}" for column in range(len(table[0])))
    rows = rows_of(torch.tensor(table), names)
    assert tuple(rows) == names
    for column, name in enumerate(names):
        expected = [row for row, seen in enumerate(table) if seen[column]]
        got = rows[name]
        if len(expected) == len(table):
            assert got is None
        else:
            assert got is not None
            assert got.dtype == torch.int64
            assert got.tolist() == expected


@pytest.mark.parametrize(
    "table", [torch.ones(3, 2), torch.ones(3, dtype=torch.bool), torch.ones(3, 3, dtype=torch.bool)]
)
def test_a_table_that_does_not_fit_is_refused(table: torch.Tensor) -> None:
    with pytest.raises(ValueError, match=r"\(batch, 2\) for a, b, got torch"):
        rows_of(table, ("a", "b"))


def test_masked_sets_the_mask_and_what_is_encoded() -> None:
    batch = a_batch()
    mask = torch.tensor([[True, False], [False, True], [True, True], [False, True]])
    seen = batch.masked(mask, mask, ("a", "b"))
    assert batch.mask is None
    assert batch.where is None
    assert seen.mask is mask
    assert {name: rows.tolist() for name, rows in seen.where.items()} == {
        "a": [0, 2],
        "b": [1, 2, 3],
    }
    full = batch.masked(mask, batch.present, ("a", "b"))
    assert full.where["a"].tolist() == [0, 2, 3]
    assert full.where["b"] is None
    assert len(full) == 4


def test_to_moves_every_tensor_and_keeps_what_is_none() -> None:
    batch = a_batch()
    moved = batch.to("meta")
    assert moved.mask is None
    assert moved.where is None
    mask = batch.present
    moved = batch.masked(mask, mask, ("a", "b")).to("meta")
    tensors = [*moved.inputs.values(), moved.present, moved.target, moved.index, moved.mask]
    assert all(tensor.device.type == "meta" for tensor in tensors)
    assert moved.where["a"].device.type == "meta"
    assert moved.where["b"] is None
    assert {name: value.shape for name, value in moved.inputs.items()} == {
        "a": (4, 3),
        "b": (4, 1, 2, 2),
    }


def test_to_the_same_device_keeps_the_values() -> None:
    batch = a_batch()
    same = batch.masked(batch.present, batch.present, ("a", "b")).to("cpu")
    assert all(torch.equal(same.inputs[name], batch.inputs[name]) for name in batch.inputs)
    assert torch.equal(same.target, batch.target)
    assert torch.equal(same.index, batch.index)
    assert torch.equal(same.mask, batch.present)
    assert same.where["a"].tolist() == [0, 2, 3]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_page_locked_memory_holds_the_same() -> None:
    batch = a_batch().masked(a_batch().present, a_batch().present, ("a", "b"))
    pinned = batch.pin_memory()
    assert pinned.inputs["a"].is_pinned()
    assert torch.equal(pinned.inputs["a"], batch.inputs["a"])


VECTORS = Task((Modality("a", "vector", (2,)), Modality("b", "image", (1, 2, 2))), ("x", "y"))
NAN = float("nan")


def test_absence_looks_the_same_whichever_way_it_is_said() -> None:
    a, b, y = torch.randn(3, 2), torch.randn(3, 1, 2, 2), torch.tensor([0, 1, 0])
    one_nan = a.clone()
    one_nan[1, 0] = NAN  # a value is missing, not the row
    a[1] = NAN
    batch = Batch.of(VECTORS, {"b": b, "a": a}, y)
    assert list(batch.inputs) == ["a", "b"]
    assert batch.present.tolist() == [[True, True], [False, True], [True, True]]
    assert batch.inputs["a"][1].tolist() == [0, 0]
    assert batch.index.tolist() == [0, 1, 2]
    table = torch.tensor([[True, True], [False, True], [True, False]])
    with_presence = Batch.of(
        VECTORS, {"a": a, "b": b}, y, present=table, index=torch.tensor([7, 8, 9])
    )
    assert torch.equal(with_presence.present, table)
    assert not with_presence.inputs["b"][2].any()
    assert with_presence.index.tolist() == [7, 8, 9]
    for inputs in ({"b": b}, {"b": b, "a": None}):
        alone = Batch.of(VECTORS, inputs, y)
        assert alone.present.tolist() == [[False, True]] * 3
        assert alone.inputs["a"].shape == (3, 2)
    with pytest.raises(ValueError, match="modality a, row 1: it holds NaN or infinity"):
        Batch.of(VECTORS, {"a": one_nan, "b": b}, y)


@pytest.mark.parametrize(
    ("inputs", "present", "message"),
    [
        (
            {"a": torch.zeros(3, 2), "c": torch.zeros(3, 2)},
            None,
            "expected inputs of a, b, got 'c'",
        ),
        ({"a": torch.zeros(3, 4)}, None, r"modality a: expected shape \(3, 2\), got \(3, 4\)"),
        ({"a": torch.zeros(4, 2)}, None, r"modality a: expected shape \(3, 2\), got \(4, 2\)"),
        ({"b": torch.zeros(3, 4)}, None, "modality b: expected shape"),
        ({"a": torch.zeros(3, 2)}, torch.ones(3, 2), r"expected present as bool \(3, 2\)"),
        ({"a": torch.zeros(3, 2)}, torch.ones(2, 2).bool(), r"expected present as bool \(3, 2\)"),
    ],
)
def test_what_does_not_fit_the_task_is_refused(
    inputs: dict[str, torch.Tensor], present: torch.Tensor | None, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        Batch.of(VECTORS, inputs, torch.tensor([0, 1, 0]), present)


def test_volumes_have_a_class_for_every_voxel() -> None:
    inputs = tuple(Modality(name, "volume", (1, 4, 4, 4)) for name in ("a", "b"))
    task = Task(inputs, ("x", "y"), dense=True)
    x, y = {"a": torch.ones(2, 1, 5, 6, 7)}, torch.ones(2, 5, 6, 7, dtype=torch.int64)
    batch = Batch.of(task, x, y)
    assert batch.target.shape == (2, 5, 6, 7)
    assert batch.present.tolist() == [[True, False]] * 2
    with pytest.raises(ValueError, match=r"expected shape \(B, D, H, W\), got \(2, 6, 7\)"):
        Batch.of(task, x, y[:, 0])
