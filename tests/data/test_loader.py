"""Training batches against a plain loop, over ranks, epochs and worker processes."""

from __future__ import annotations

import time

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dmrnet.data.dataset import ArrayDataset
from dmrnet.data.loader import TrainLoader, evaluation_batches
from dmrnet.data.sets.embedded.mfeat import Mfeat
from dmrnet.data.splits.split import generator
from dmrnet.modalities import Modality, Stratified, Task, Uniform, Warmup, rows_of

TASK = Task((Modality("a", "vector", (2,)), Modality("b", "image", (1, 2, 2))), ("no", "yes"))


def a_dataset(rows: int) -> ArrayDataset:
    draw = torch.Generator().manual_seed(rows)
    present = torch.rand(rows, 2, generator=draw) < 0.7
    present[~present.any(1), 1] = True
    arrays = {
        "a": torch.randn(rows, 2, generator=draw),
        "b": torch.randn(rows, 1, 2, 2, generator=draw),
    }
    return ArrayDataset(TASK, arrays, present, torch.arange(rows) % 2)


def batches(dataset, epoch=0, **changes):
    options = {"batch_size": 8, "seed": 3, "sampler": Warmup(Uniform(), 1), "encode": "mask"}
    loader = TrainLoader(dataset, **{**options, **changes})
    loader.set_epoch(epoch)
    return list(loader)


def same(one, other) -> bool:
    wheres = all(
        (x is None) == (y is None) and (x is None or torch.equal(x, y))
        for x, y in zip(one.where.values(), other.where.values(), strict=True)
    )
    tensors = ("present", "target", "index", "mask")
    return (
        wheres
        and all(torch.equal(getattr(one, name), getattr(other, name)) for name in tensors)
        and all(torch.equal(one.inputs[name], other.inputs[name]) for name in one.inputs)
    )


@given(st.integers(1, 60), st.integers(1, 20), st.integers(0, 2))
def test_every_row_comes_once_in_batches_of_nearly_one_size(rows, size, epoch) -> None:
    found = batches(a_dataset(rows), epoch, batch_size=size)
    sizes = [len(batch) for batch in found]
    assert sorted(torch.cat([batch.index for batch in found]).tolist()) == list(range(rows))
    assert len(sizes) == -(-rows // size)
    assert max(sizes) <= size
    assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize("encode", ["mask", "present"])
@pytest.mark.parametrize("sampler", [Uniform(), Stratified()])
def test_batches_are_those_of_a_plain_loop(encode, sampler) -> None:
    dataset = a_dataset(21)
    found = batches(dataset, epoch=4, sampler=Warmup(sampler, 0), encode=encode)
    order = torch.randperm(21, generator=generator(3, 4, "order")).tolist()
    masks = generator(3, 4, "masks")
    assert [len(batch) for batch in found] == [7, 7, 7]
    for number, batch in enumerate(found):
        rows = order[7 * number : 7 * (number + 1)]
        assert batch.index.tolist() == rows
        for place, row in enumerate(rows):
            assert torch.equal(batch.inputs["a"][place], dataset.arrays["a"][row])
            assert torch.equal(batch.inputs["b"][place], dataset.arrays["b"][row])
            assert torch.equal(batch.present[place], dataset.present[row])
            assert batch.target[place] == dataset.target[row]
        assert torch.equal(batch.mask, sampler(dataset.present[rows], masks))
        # The trunk reads by index where nothing but what is shown was encoded.
        assert batch.exact == (encode == "mask")
        seen = batch.mask if encode == "mask" else batch.present
        for column, name in enumerate(("a", "b")):
            expected = [place for place in range(7) if seen[place, column]]
            where = batch.where[name]
            assert (list(range(7)) if where is None else where.tolist()) == expected


def test_an_epoch_repeats_whatever_came_before() -> None:
    dataset = a_dataset(30)
    loader = TrainLoader(dataset, 8, 3, Warmup(Uniform(), 0), "mask")
    loader.set_epoch(0)
    next(iter(loader))
    torch.randn(100)
    for epoch in (2, 0, 1):
        loader.set_epoch(epoch)
        fresh = batches(dataset, epoch, sampler=Warmup(Uniform(), 0))
        assert all(same(one, other) for one, other in zip(loader, fresh, strict=True))


def test_epochs_and_seeds_differ_and_samplers_share_the_order() -> None:
    dataset = a_dataset(40)

    def order(epoch, **changes):
        return torch.cat([batch.index for batch in batches(dataset, epoch, **changes)]).tolist()

    assert len({tuple(order(epoch, seed=seed)) for epoch in range(3) for seed in range(3)}) == 9
    assert order(2) == order(2, sampler=Warmup(Stratified(), 0))


def test_the_global_generator_is_left_alone() -> None:
    before = torch.get_rng_state()
    batches(a_dataset(20))
    assert torch.equal(before, torch.get_rng_state())


def test_warmup_shows_everything() -> None:
    dataset = a_dataset(64)
    warm = batches(dataset, epoch=0, sampler=Warmup(Uniform(), 1))
    assert all(torch.equal(batch.mask, batch.present) for batch in warm)
    dropped = batches(dataset, epoch=1, sampler=Warmup(Uniform(), 1))
    assert not all(torch.equal(batch.mask, batch.present) for batch in dropped)


@pytest.mark.parametrize("world", [2, 3])
@pytest.mark.parametrize("sampler", [Uniform(), Stratified()])
def test_ranks_part_the_batches_of_one_process(world, sampler) -> None:
    dataset = a_dataset(23)
    whole = batches(dataset, epoch=1, sampler=Warmup(sampler, 0))
    ranks = [
        batches(dataset, epoch=1, sampler=Warmup(sampler, 0), rank=rank, world=world)
        for rank in range(world)
    ]
    assert {len(found) for found in ranks} == {len(whole)}
    for number, batch in enumerate(whole):
        for rank, found in enumerate(ranks):
            part = found[number]
            assert torch.equal(part.index, batch.index[rank::world])
            assert torch.equal(part.mask, batch.mask[rank::world])
            assert torch.equal(part.inputs["a"], batch.inputs["a"][rank::world])
            expected = rows_of(part.mask, ("a", "b"))
            assert all(
                (expected[name] is None and part.where[name] is None)
                or torch.equal(expected[name], part.where[name])
                for name in ("a", "b")
            )


def test_worker_processes_change_nothing() -> None:
    dataset = a_dataset(30)
    before = torch.get_rng_state()
    loader = TrainLoader(dataset, 8, 3, Warmup(Uniform(), 1), "mask", num_workers=2)
    for epoch in (0, 1, 0):
        loader.set_epoch(epoch)
        here = batches(dataset, epoch)
        assert all(same(one, other) for one, other in zip(loader, here, strict=True))
    assert torch.equal(before, torch.get_rng_state())


@settings(max_examples=50)
@given(st.integers(1, 30), st.integers(1, 9), st.integers(1, 5))
def test_evaluation_gives_every_row_once_in_order(rows, size, world) -> None:
    dataset = a_dataset(rows)
    seen = []
    for rank in range(world):
        mine = []
        for batch in evaluation_batches(dataset, size, rank, world):
            assert 0 < len(batch) <= size
            assert batch.mask is None
            expected = rows_of(batch.present, ("a", "b"))
            for name, where in batch.where.items():
                assert (
                    where is None if expected[name] is None else torch.equal(where, expected[name])
                )
            assert torch.equal(batch.inputs["a"], dataset.arrays["a"][batch.index])
            mine.extend(batch.index.tolist())
        assert mine == sorted(mine)
        seen.extend(mine)
    assert sorted(seen) == list(range(rows))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"batch_size": 0}, "batch size of 1 or more"),
        ({"num_workers": -1}, "number of workers of 0 or more, got 8 and -1"),
        ({"encode": "all"}, "'mask' or 'present', got 'all'"),
        ({"rank": 2, "world": 2}, "rank from 0 to world - 1, got 2 of 2"),
        ({"batch_size": 2, "world": 3}, "raise the batch size"),
    ],
)
def test_wrong_arguments_are_refused(changes, message) -> None:
    with pytest.raises(ValueError, match=message):
        batches(a_dataset(10), **changes)


def test_an_epoch_of_mfeat_costs_little() -> None:
    """3 ms where it was written; 50 ms allows for a slow machine, not for a loop over samples."""
    splits = Mfeat().load(0)
    loader = TrainLoader(splits.train, 64, 0, Warmup(Uniform(), 0), "mask")
    list(loader)
    costs = []
    for _ in range(5):
        start = time.process_time()
        for _batch in loader:
            pass
        costs.append(time.process_time() - start)
    assert min(costs) < 0.05


def test_more_processes_than_rows() -> None:
    seen = [[b.index.tolist() for b in evaluation_batches(a_dataset(2), 4, r, 5)] for r in range(5)]
    assert seen == [[[0]], [[1]], [], [], []]
