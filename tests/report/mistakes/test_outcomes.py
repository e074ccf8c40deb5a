"""Counts of predictions: against scikit-learn, added over seeds, packed and unpacked."""

from __future__ import annotations

import base64
import json
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import confusion_matrix, multilabel_confusion_matrix
from tests.report.mistakes.made import add_predictions

from dmrnet.report.mistakes.gather import Mistakes, NumbersOf, gather
from dmrnet.report.mistakes.outcomes import NumberOutcomes, read_outcomes
from dmrnet.report.mistakes.pack import LARGEST, PAIRS, _varints, confused_pairs, pack
from dmrnet.report.pages.tables.mistakes import mistake_tables, table_of
from dmrnet.report.records.rows import RowError
from dmrnet.report.records.runs import read_runs
from dmrnet.report.summary.summary import summarise

NAMES = ("a", "b")


def summary_of(runs):
    return summarise(read_runs(runs, "test"), "test", "sf-md")[0]


def unpacked(data):
    """Return the numbers in groups of seven bits, the lowest first."""
    numbers, value, shift = [], 0, 0
    for byte in data:
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            numbers.append(value)
            value = shift = 0
    return numbers


@given(st.lists(st.integers(0, 2**40)))
def test_numbers_come_back(numbers):
    assert unpacked(_varints(numbers)) == numbers


def test_counts_of_classes_and_labels(make_run):
    run = make_run(modalities=NAMES)
    names, target, predicted = add_predictions(run, NAMES)
    found = read_outcomes(run, NAMES)
    assert found.kind == "classes"
    for k, name in enumerate(names):
        assert (found.counts[name] == confusion_matrix(target, predicted[k])).all()
    names, target, predicted = add_predictions(run, NAMES, kind="labels")
    found = read_outcomes(run, NAMES)
    assert found.kind == "labels"
    for k, name in enumerate(names):
        assert (found.counts[name] == multilabel_confusion_matrix(target, predicted[k])).all()
    add_predictions(run, NAMES, kind="numbers")
    assert isinstance(read_outcomes(run, NAMES), NumberOutcomes)


def test_counts_without_predictions_and_of_pixels(make_run):
    run = make_run(modalities=NAMES)
    assert read_outcomes(run, NAMES) is None
    counts = np.arange(27).reshape(3, 3, 3)
    np.savez(run / "confusion.npz", combination=np.array(["a", "b", "b+a"]), confusion=counts)
    found = read_outcomes(run, NAMES)
    assert found.kind == "classes"
    assert (found.counts["a+b"] == counts[2]).all()
    images = np.arange(24).reshape(1, 6, 2, 2)
    arrays = {"index": np.arange(6), "scored": np.ones((1, 6), bool)}
    np.savez(run / "predictions.npz", combination=np.array(["a"]), confusion=images, **arrays)
    found = read_outcomes(run, NAMES)
    assert found.kind == "pixels"
    assert (found.counts["a"] == images[0].sum(0)).all()
    np.savez(run / "predictions.npz", combination=np.array(["a"]), target=np.arange(3))
    with pytest.raises(RowError, match=r"predictions\.npz: expected predictions of each"):
        read_outcomes(run, NAMES)


def test_seeds_are_added_and_who_is_missing_is_named(make_run):
    runs = [make_run(name, seed, modalities=NAMES) for name in ("sf-md", "dmr") for seed in (0, 1)]
    made = [add_predictions(run, NAMES, seed=k) for k, run in enumerate(runs[:2])]
    found = gather(summary_of(runs))
    assert isinstance(found, Mistakes)
    assert found.first == "sf-md"
    assert found.seeds == {"sf-md": 2}
    both = sum(confusion_matrix(target, predicted[2]) for _, target, predicted in made)
    assert (found.counts["sf-md"]["a+b"] == both).all()
    assert found.classes == ("c0", "c1", "c2", "c3")
    why = found.left_out
    assert "No predictions are kept of dmr" in why
    assert "dmrnet evaluate" in why
    # Classes that are neither true nor predicted in one run.
    add_predictions(runs[1], NAMES, classes=3)
    assert gather(summary_of(runs)).counts["sf-md"]["a"].shape == (4, 4)


def test_why_nothing_is_known(make_run, lines, good_row, tmp_path):
    run = make_run(modalities=NAMES)
    assert "keep no predictions; `dmrnet evaluate" in gather(summary_of([run]))
    (val,) = summarise(read_runs([run], "val"), "val", "sf-md")
    assert "validation" in gather(val)
    alone = lines(tmp_path / "some.jsonl", [good_row(combination=c) for c in ("a", "b", "a+b")])
    assert "rows alone" in gather(summary_of([alone]))


def test_numbers_are_of_the_best_system_first(make_run):
    runs = [make_run(name, modalities=NAMES, gain=gain) for name, gain in (("x", 0), ("y", 0.5))]
    for run in runs:
        add_predictions(run, NAMES, kind="numbers", classes=2)
    found = gather(summary_of(runs))
    assert isinstance(found, NumbersOf)
    assert list(found.runs) == ["y", "x"]
    assert found.targets == ("c0", "c1")


@pytest.mark.parametrize(("kind", "classes"), [("classes", 4), ("classes", 40), ("labels", 5)])
def test_what_the_page_holds_is_what_was_counted(make_run, kind, classes):
    run = make_run(modalities=NAMES)
    names, _, _ = add_predictions(run, NAMES, kind=kind, classes=classes, n=400)
    found = gather(summary_of([run]))
    text, left_out = pack(found)
    content = json.loads(text)
    assert left_out == []
    assert "<" not in text
    numbers = unpacked(zlib.decompress(base64.b64decode(content["counts"])))
    assert content["combinations"] == names
    each = len(numbers) // 3
    for k, name in enumerate(names):
        counts = found.counts[found.first][name]
        there, *rest = numbers[k * each : (k + 1) * each]
        assert there == 1
        if content["form"] == "matrix":
            assert rest == counts.ravel().tolist()
        elif content["form"] == "labels":
            assert rest[:4] == [
                counts[0, 1, 1], counts[0, 1].sum(), counts[0, :, 1].sum(), counts[0].sum()
            ]  # fmt: skip
        else:
            assert rest[:4] == [counts[0, 0], counts[0].sum(), counts[1, 1], counts[1].sum()]
            triples = list(zip(*[iter(rest[80:])] * 3, strict=True))
            assert triples == confused_pairs(counts)
            assert len(triples) == PAIRS


def test_too_many_counts_leave_systems_out():
    draw = np.random.default_rng(0)
    counts = {f"s{k}": {"a": draw.integers(0, 10**9, (30, 30))} for k in range(60)}
    seeds = dict.fromkeys(counts, 1)
    many = Mistakes("classes", tuple(map(str, range(30))), counts, seeds, "s5", {}, "a", "")
    text, left_out = pack(many)
    content = json.loads(text)
    assert len(content["counts"]) <= LARGEST
    kept = [label for label, _, _ in content["systems"]]
    assert kept[0] == "s5"
    assert sorted([*kept, *left_out]) == sorted(counts)


def test_tables_have_recall_and_precision():
    counts = np.array([[8, 2, 0], [1, 3, 0], [0, 0, 0]])
    of = Mistakes("classes", ("x", "y", "z"), {"s": {"a": counts}}, {"s": 2}, "s", {}, "a", "")
    ((title, table),) = mistake_tables(of).items()
    assert title == "s with all modalities: 78.6% of 14 samples right, 2 seeds together"
    rows = [[cell.text for cell in row] for row in table.rows]
    assert rows == [
        ["x", "8", "2", "", "80.0", "10"],
        ["y", "1", "3", "", "75.0", "4"],
        ["z", "", "", "", "-", "0"],
        ["Precision", "88.9", "60.0", "-", "", ""],
    ]
    labels = np.array([[[5, 1], [2, 4]]])
    of = Mistakes("labels", ("x",), {"s": {"a": labels}}, {"s": 1}, "s", {}, "a", "")
    (row,) = table_of(of, labels).rows
    assert [cell.text for cell in row] == ["x", "6", "5", "4", "66.7", "80.0", "72.7"]
