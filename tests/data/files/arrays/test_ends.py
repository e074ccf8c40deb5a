"""Sequences of different length: every way of saying where they end gives the same samples."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import dmrnet
from dmrnet.cli import main
from dmrnet.data.dataset import Splits, standardised
from dmrnet.data.files.arrays.ends import find_ends
from dmrnet.data.files.arrays.layout import Layout
from dmrnet.data.files.arrays.objects import odd_rows
from dmrnet.data.files.reading import read_split
from dmrnet.data.files.rules import FileRules
from dmrnet.data.files.training_files import read_splits
from dmrnet.data.filling import Cells
from dmrnet.data.loader import TrainLoader, by_length
from dmrnet.data.python.given import MultimodalDataset
from dmrnet.data.python.items import LazyDataset
from dmrnet.data.python.lazy_splits import every_row, lazy_splits
from dmrnet.data.sets.arrays import Arrays
from dmrnet.modalities import Uniform, Warmup
from dmrnet.peers.table import SHARES, table_of

Y = np.arange(24) % 2


def walks(seed: int = 0, low: int = 5, high: int = 20) -> list[np.ndarray]:
    draw = np.random.default_rng(seed)
    return [draw.normal(size=(n, 3)).astype(np.float32) + 1 for n in draw.integers(low, high, 24)]


def padded(rows: list[np.ndarray], steps: int = 30, value: float = np.nan) -> np.ndarray:
    out = np.full((len(rows), steps, 3), value, np.float32)
    for place, row in zip(out, rows, strict=True):
        place[: len(row)] = row
    return out


def table() -> np.ndarray:
    return np.random.default_rng(1).normal(size=(24, 4)).astype(np.float32)


def read(walk: object, **options: object) -> Splits:
    data = MultimodalDataset({"walk": walk, "tab": table()}, Y, **options)
    return standardised(read_splits(data, data, None, 0, rules=FileRules(data.kinds)))


def test_numbers_are_those_of_a_slow_reading() -> None:
    rows = walks()
    part = read(rows).train
    steps = np.concatenate(rows)
    mean, std = steps.mean(0), steps.std(0)
    longest = max(len(row) for row in rows)
    assert part.task.inputs[0].shape == (4, longest)
    assert part.task.inputs[0].ragged
    for row, walk in enumerate(rows):
        got = part.arrays["walk"][row]
        np.testing.assert_allclose(got[:3, : len(walk)], ((walk - mean) / std).T, atol=1e-5)
        assert got[3].tolist() == [1.0] * len(walk) + [0.0] * (longest - len(walk))
        assert not got[:, len(walk) :].any()
    assert part.steps.tolist() == [len(row) for row in rows]
    batch = part.take(torch.tensor([0, 1]))
    assert batch.inputs["walk"].shape == (2, 4, max(len(rows[0]), len(rows[1])))


def test_every_way_of_saying_it_is_the_same(tmp_path: Path) -> None:
    rows = walks()
    lengths = np.array([len(row) for row in rows])
    expected = read(rows).train.arrays["walk"]
    objects = np.empty(24, object)
    objects[:] = rows
    zeros = padded(rows, value=0.0)
    ways = {
        "objects": {"walk": objects},
        "nan": {"walk": padded(rows)},
        "named": {"walk": zeros, "walk__lengths": lengths},
        "only": {"walk": zeros, "lengths": lengths},
        "channels-first": {"walk": padded(rows).transpose(0, 2, 1)},
        "padding": {"walk": padded(rows, value=-1.0)},
    }
    for name, arrays in ways.items():
        path = str(tmp_path / f"{name}.npz")
        np.savez(path, **arrays, tab=table(), y=Y)
        padding = {"walk": -1.0} if name == "padding" else None
        splits = Arrays(path, val=path, padding=padding).load(0)
        assert torch.equal(splits.train.arrays["walk"], expected), name
        least, most = lengths.min(), lengths.max()
        assert f"train: walk has {least} to {most} steps, {lengths.mean():.1f} on average" in (
            splits.notes
        )
    assert torch.equal(read(zeros, lengths={"walk": lengths}).train.arrays["walk"], expected)
    assert torch.equal(read([row.T for row in rows]).train.arrays["walk"], expected)
    integers = [np.rint(row * 9).astype(np.int16) for row in rows]
    assert read(integers).train.task.inputs[0].ragged
    # One axis: a sequence of one channel, if that is said.
    one = read([row[:, 0] for row in rows], kinds={"walk": "sequence"}).train.task.inputs[0]
    assert one.shape == (2, lengths.max())


@pytest.mark.parametrize("cells", ["refuse", "mean+indicator"])
def test_samples_read_one_by_one_are_those_read_at_once(cells: Cells) -> None:
    rows = walks()
    if cells != "refuse":
        rows[3][1, 2] = np.nan
    after = np.full((7, 3), np.nan, np.float32)
    ended = [walk if len(walk) % 2 else np.concatenate([walk, after]) for walk in rows]
    items = [
        ({"walk": walk, "tab": tab}, y) for walk, tab, y in zip(ended, table(), Y, strict=True)
    ]
    data = LazyDataset(items)
    lazy = lazy_splits(data, data, None, 0, 0.2, cells)
    whole = MultimodalDataset({"walk": rows, "tab": table()}, Y)
    rules = FileRules(whole.kinds, cells=cells)
    expected = standardised(read_splits(whole, whole, None, 0, rules=rules))
    assert lazy.train.task.inputs == expected.train.task.inputs
    assert torch.equal(lazy.train.steps, expected.train.steps)
    for some in (torch.arange(24), torch.tensor([4, 2])):
        one, other = lazy.train.take(some), expected.train.take(some)
        for name in ("walk", "tab"):
            assert one.inputs[name].shape == other.inputs[name].shape
            np.testing.assert_allclose(one.inputs[name], other.inputs[name], atol=1e-5)
    said = [note for note in expected.notes if "steps" in note or "cells" in note]
    assert said == [note for note in lazy.notes if "steps" in note or "cells" in note]
    long = LazyDataset([({"walk": np.ones((50, 3), np.float32)}, None)])
    later = every_row(long, lazy.train.task, None, lazy.standardiser, need_target=False)
    assert later.take(torch.tensor([0])).inputs["walk"].shape == (1, 4 + (cells != "refuse"), 50)
    full = [({"walk": np.ones((20, 3), np.float32) * row}, row % 2) for row in range(8)]
    one_length = lazy_splits(LazyDataset(full), LazyDataset(full), None, 0, 0.2)
    with pytest.raises(ValueError, match="expected sequences of 20 steps as in training"):
        every_row(data, one_length.train.task, None, one_length.standardiser)


def test_rows_of_another_size_by_fault_are_no_sequences() -> None:
    rows = [np.ones((3, 40), np.float32) for _ in range(24)]
    with pytest.raises(ValueError, match=r"row 23 and \(2, 40\) in row 5; images are"):
        read([*rows[:5], rows[5][:2], *rows[6:]])
    with pytest.raises(ValueError, match="are read with kinds walk=sequence"):
        read([row[0, : len(walk)] for row, walk in zip(rows, walks(), strict=True)])
    assert read([*rows[:5], rows[5][:, :9], *rows[6:]]).train.task.inputs[0].ragged
    waves = [row[0, : len(n)] for row, n in zip(rows, walks(), strict=True)]
    data = MultimodalDataset({"audio": waves, "tab": table()}, Y)
    assert data.kinds == {"audio": "sequence"}


def test_skipping_bad_rows_keeps_short_ones() -> None:
    rows = np.empty(24, object)
    rows[:] = walks()
    rows[3], rows[7] = rows[3][:, :2], "broken"
    assert odd_rows("walk", rows).keys() == {3, 7}


def test_unstated_padding_is_reported_with_the_flag_that_says_so(tmp_path: Path) -> None:
    rows = [*walks()[:10], *walks(2, 29, 30)[:14]]
    zeros = padded(rows, 29, value=0.0)
    path = str(tmp_path / "train.npz")
    np.savez(path, walk=zeros, tab=table(), y=Y)
    splits = Arrays(path, val=path).load(0)
    assert not splits.train.task.inputs[0].ragged
    (warning,) = [one for one in splits.warnings if "padding" in one]
    assert warning.startswith("train: walk ends in steps of 0 in 41.7 % of its rows")
    assert warning.endswith("if so, padding walk=0 (--data.padding) says it")
    (warning,) = [one for one in read(zeros).warnings if "padding" in one]
    assert "lengths={'walk': ...} of MultimodalDataset" in warning
    assert not [one for one in read(walks(2, 29, 30)).warnings if "padding" in one]


def test_unnamed_lengths_are_of_exactly_one_sequence(tmp_path: Path) -> None:
    rows, path = walks(), str(tmp_path / "train.npz")
    zeros, lengths = padded(rows, value=0.0), np.array([len(row) for row in rows])
    for arrays, number in (({"a": zeros, "b": zeros}, 2), ({"tab": table()}, 0)):
        np.savez(path, **arrays, lengths=lengths, y=Y)
        with pytest.raises(ValueError, match=f"but {number} arrays are read as one; name it NAME"):
            Arrays(path, val=path).load(0)
    # An array that would be read as an image is a sequence by lengths of its name.
    wide = np.concatenate([zeros, zeros, zeros, zeros], 2)
    np.savez(path, a=np.concatenate([wide, wide], 2), a__lengths=lengths, y=Y)
    one = Arrays(path, val=path).load(0).train.task.inputs[0]
    assert one.ragged
    assert one.shape == (25, lengths.max())


def test_rows_are_found_in_two_splits_however_they_are_padded(tmp_path: Path) -> None:
    rows = walks()
    paths = [str(tmp_path / f"{name}.npz") for name in ("train", "val")]
    np.savez(paths[0], walk=padded(rows), y=Y)
    np.savez(paths[1], walk=padded(rows[:12], 40), y=Y[:12])
    (warning,) = [one for one in Arrays(*paths).load(0).warnings if "12" in one and "val" in one]
    assert "train" in warning


def test_amputing_keeps_where_sequences_end(tmp_path: Path) -> None:
    rows = walks()
    path, out = str(tmp_path / "a.npz"), str(tmp_path / "b.npz")
    lengths = np.array([len(row) for row in rows])
    np.savez(path, walk=padded(rows, value=0.0), tab=table(), lengths=lengths, y=Y)
    assert main(["data", "ampute", path, "--rate", "0.3", "--out", out]) == 0
    part = Arrays(out, val=out).load(0).train
    has = part.present[:, 0]
    assert 0 < int(has.sum()) < 24
    assert part.steps[has].tolist() == lengths[has.numpy()].tolist()


def test_classical_classifiers_read_shares_of_each_sequence() -> None:
    rows = walks()
    short = read(rows).train
    table_ = table_of(short)
    longer = MultimodalDataset({"walk": [*rows[:5], np.ones((60, 3))], "tab": table()[:6]}, Y[:6])
    later = table_of(read_split(longer, short.task, read(rows).standardiser))
    assert table_.columns[0].shape == (24, 3 * SHARES + 1)
    np.testing.assert_allclose(later.columns[0][:5], table_.columns[0][:5], atol=1e-5)


@pytest.mark.parametrize(
    ("lengths", "message"),
    [
        ([1.5] * 24, "expected lengths as whole numbers"),
        ([40] * 24, "row 0: expected a length from 0 to the 30 steps"),
        ([5] * 20, r"whole numbers \(24,\)"),
    ],
)
def test_wrong_lengths_are_refused(lengths: list[float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read(padded(walks(), value=0.0), lengths={"walk": lengths})


def test_gaps_before_the_end_are_missing_cells() -> None:
    rows = walks()
    rows[3][1, 2] = np.nan
    with pytest.raises(ValueError, match=r"walk, row 3: it holds NaN in part .*--data.cells"):
        read(rows)
    data = MultimodalDataset({"walk": rows, "tab": table()}, Y)
    splits = standardised(
        read_splits(data, data, None, 0, rules=FileRules(data.kinds, cells="mean+indicator"))
    )
    array = splits.train.arrays["walk"]
    assert splits.train.task.inputs[0].shape[0] == 5
    assert array[:, 3].nonzero().tolist() == [[3, 1]]
    assert array[3, 2, 1] == 0
    share = 100 / sum(row.size for row in rows)
    assert f"train: {share:.1f} % of the cells of walk are missing, in 1 of 24 rows" in str(
        splits.notes
    )


@given(st.lists(st.integers(0, 9), min_size=2, max_size=6), st.integers(0, 5), st.booleans())
@settings(max_examples=30, deadline=None)
def test_more_padding_is_the_same(lengths: list[int], more: int, last: bool) -> None:
    array = np.random.default_rng(0).normal(size=(len(lengths), 2, 9 + more))
    for row, steps in zip(array, lengths, strict=True):
        row[:, steps:] = np.nan
    array = array.transpose(0, 2, 1) if last else array
    cut, ends = find_ends("walk", array, Layout("sequence", last))
    if len({*lengths} - {0}) < 2 and (more == 0 or not any(lengths)):
        return
    if ends is None:
        assert {*lengths} - {0} == {9 + more}
        return
    assert ends.lengths.tolist() == lengths
    assert cut.shape[1 if last else 2] == max(lengths)
    assert np.isnan(cut).reshape(len(lengths), -1).all(1).tolist() == [n == 0 for n in lengths]


def test_samples_of_similar_length_share_a_batch() -> None:
    draw = torch.Generator().manual_seed(0)
    steps = torch.randint(1, 200, (300,), generator=draw)
    parts = torch.randperm(300, generator=draw).tensor_split(19)
    sorted_parts = by_length(parts, steps, draw)
    assert [len(part) for part in sorted_parts] == [len(part) for part in parts]
    assert sorted(torch.cat(sorted_parts).tolist()) == list(range(300))

    def wasted(batches: tuple[torch.Tensor, ...]) -> int:
        return sum(int((steps[b].max() - steps[b]).sum()) for b in batches)

    assert wasted(sorted_parts) < wasted(parts) / 3
    # Short ones do not all come first.
    first = torch.stack([steps[part].float().mean() for part in sorted_parts])
    assert not torch.equal(first.sort().values, first)


def test_training_batches_are_cut_to_their_longest_sample() -> None:
    part = read(walks()).train
    loader = TrainLoader(part, 4, 0, Warmup(Uniform(), 1), "mask")
    batches = list(loader)
    assert sorted(torch.cat([batch.index for batch in batches]).tolist()) == list(range(24))
    for batch in batches:
        assert batch.inputs["walk"].shape[2] == int(part.steps[batch.index].max())
    again = list(loader)
    assert all(torch.equal(a.index, b.index) for a, b in zip(batches, again, strict=True))
    loader.set_epoch(1)
    assert any(not torch.equal(a.index, b.index) for a, b in zip(batches, loader, strict=True))


def test_a_run_reads_later_sequences_of_any_length(tmp_path: Path) -> None:
    rows = walks()
    data = MultimodalDataset({"walk": rows, "tab": table()}, Y)
    run = dmrnet.fit(data, method="sf-md", max_epochs=1, threads=1, out=tmp_path / "run")
    long = np.random.default_rng(0).normal(size=(60, 3)).astype(np.float32)
    together = run.predict_proba({"walk": [rows[0], long]})
    assert np.isfinite(together).all()
    again = dmrnet.open_run(tmp_path / "run")
    alone = again.predict_proba({"walk": rows[0][None]})
    np.testing.assert_allclose(alone[0], together[0], rtol=1e-5)
    more = np.concatenate([rows[0], np.full((25, 3), np.nan, np.float32)])[None]
    np.testing.assert_allclose(again.predict_proba({"walk": more})[0], together[0], rtol=1e-5)
    with pytest.raises(ValueError, match="expected sequences of 3 channels and any number of"):
        run.predict_proba({"walk": np.zeros((2, 9, 4))})


def test_a_run_knows_that_rows_of_one_axis_are_sequences(tmp_path: Path) -> None:
    waves = [row[:, 0] for row in walks()]
    data = MultimodalDataset({"w": waves}, Y, kinds={"w": "sequence"})
    dmrnet.fit(data, method="sf-md", max_epochs=1, threads=1, out=tmp_path / "run")
    del data
    run = dmrnet.open_run(tmp_path / "run")
    one = run.predict_proba({"w": [waves[0], waves[1][:4]]})
    other = run.predict_proba({"w": [waves[0][:, None], waves[1][:4, None]]})
    np.testing.assert_allclose(one, other, rtol=1e-5)


def test_shorter_sequences_need_training_with_them() -> None:
    full = padded(walks(0, 30, 31))
    splits = read(full)
    later = MultimodalDataset({"walk": padded(walks()), "tab": table()}, Y)
    with pytest.raises(ValueError, match="expected sequences of 30 steps as in training"):
        read_split(later, splits.train.task, splits.standardiser)
