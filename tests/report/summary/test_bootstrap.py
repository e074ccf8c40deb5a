"""Drawing test samples again: against plain loops, theory and scipy."""

from __future__ import annotations

import json
import math
import re

import numpy as np
import pytest
from scipy import stats

from dmrnet.report import build_report
from dmrnet.report.records.rows import RowError
from dmrnet.report.records.runs import read_runs
from dmrnet.report.summary.bootstrap import resample
from dmrnet.report.summary.summary import summarise

NAMES = ("a", "b", "a+b")


def write_predictions(run, *, chance=(0.6, 0.7, 0.8), n=60, source=None, seed=0, classes=2, **more):
    """Write predictions and rows that follow from them."""
    draw = np.random.default_rng(seed)
    target = np.arange(n) % classes
    right = draw.random((3, n)) < np.array(chance)[:, None]
    predicted = np.where(right, target, (target + 1) % classes)
    scored = more.pop("scored", np.ones((3, n), bool))
    arrays = {
        "index": np.arange(n),
        "combination": np.array(NAMES),
        "target": target,
        "scored": scored,
        "predicted": predicted.astype(np.int16),
    }
    if source is not None:
        arrays["source"] = np.array(source)
    np.savez_compressed(run / "predictions.npz", **(arrays | more))
    metric = json.loads((run / "results.jsonl").read_text().splitlines()[0])["metric"]
    lines = []
    for line in (run / "results.jsonl").read_text().splitlines():
        row = json.loads(line)
        if row["split"] == "test" and row["combination"]:
            k = NAMES.index(row["combination"])
            row |= {
                "value": value_of(metric, right[k], scored[k], target),
                "n": int(scored[k].sum()),
            }
        lines.append(json.dumps(row) + "\n")
    (run / "results.jsonl").write_text("".join(lines))
    return right, scored, target


def value_of(metric, right, scored, target):
    if metric == "accuracy":
        return float(right[scored].mean())
    return float(np.mean([1 - right[scored & (target == c)].mean() for c in np.unique(target)]))


def loops(metric, right, scored, target, weight):
    """Score one combination, sample by sample."""
    sums = {c: [0.0, 0.0] for c in ([0] if metric == "accuracy" else np.unique(target).tolist())}
    for i in range(len(target)):
        entry = sums[0 if metric == "accuracy" else int(target[i])]
        if scored[i]:
            entry[0] += weight[i] * right[i]
            entry[1] += weight[i]
    if any(total == 0 for _, total in sums.values()):
        return math.nan
    mean = sum(hit / total for hit, total in sums.values()) / len(sums)
    return mean if metric == "accuracy" else 1 - mean


def drawn(sources, draws, place=0):
    """How often each source comes, by name; the draws alone are shared with what is tested."""
    names = list(dict.fromkeys(name for one in sources for name in sorted(set(one))))
    draw = np.random.default_rng((0, place))
    found = []
    for _ in range(draws):
        chosen = draw.integers(0, len(names), len(names)).tolist()
        found.append({name: sum(x == i for x in chosen) for i, name in enumerate(names)})
    return found


@pytest.fixture
def two(make_run):
    """A baseline and a method, two seeds each, with predictions."""

    def make(metric="accuracy", **kwargs):
        made = {}
        for m, chance in (("sf-md", (0.6, 0.7, 0.8)), ("dmr", (0.7, 0.75, 0.9))):
            for s in range(2):
                run = make_run(m, s, modalities=("a", "b"), metric=metric)
                facts = json.loads((run / "run.json").read_text())
                facts["content"] = {"test": "same"}
                (run / "run.json").write_text(json.dumps(facts))
                made[m, s] = (
                    run,
                    write_predictions(run, chance=chance, seed=s + 7 * len(m), **kwargs),
                )
        return made

    return make


def resampled_of(made, **kwargs):
    runs = read_runs([run for run, _ in made.values()], "test")
    (summary,) = summarise(runs, "test", "sf-md")
    return resample(summary, runs, **kwargs)


@pytest.mark.parametrize("metric", ["accuracy", "acer"])
def test_one_source_a_sample(two, metric):
    scored = np.ones((3, 60), bool)
    scored[0, ::4] = False
    made = two(metric, scored=scored)
    found = resampled_of(made, draws=200)
    assert found.units == {"sample": 60}
    weights = drawn([[f"same {i}" for i in range(60)]], 200)
    levels = {}
    for key, (_, facts) in made.items():
        right, scored, target = facts
        levels[key] = np.array(
            [
                [
                    loops(metric, right[k], scored[k], target, [w[f"same {i}"] for i in range(60)])
                    for k in range(3)
                ]
                for w in weights
            ]
        )
    worst = {"accuracy": np.min, "acer": np.max}[metric]
    slow = {
        "average": lambda t: t.mean(1),
        "worst": lambda t: worst(t, axis=1),
        "full": lambda t: t[:, 2],
        "single": lambda t: t[:, :2].mean(1),
    }
    for name, headline in slow.items():
        ours = np.mean([headline(levels["dmr", s]) for s in range(2)], axis=0)
        theirs = np.mean([headline(levels["sf-md", s]) for s in range(2)], axis=0)
        known = ours[np.isfinite(ours)]
        assert found.levels["dmr"][name] == pytest.approx(np.quantile(known, (0.025, 0.975)))
        gap = (ours - theirs)[np.isfinite(ours - theirs)]
        assert found.differences["dmr", "sf-md"][name] == pytest.approx(
            np.quantile(gap, (0.025, 0.975))
        )


def test_a_source_for_each_modality(two):
    source = [[f"x{i % 20}", f"y{i % 15}"] for i in range(60)]
    made = two(source=source)
    found = resampled_of(made, draws=200)
    assert found.units == {"a": 20, "b": 15}
    of_a, of_b = (drawn([[pair[m] for pair in source]], 200, place=m) for m in (0, 1))
    means = []
    for _, (right, scored, target) in (made["dmr", s] for s in range(2)):
        table = []
        for x, y in zip(of_a, of_b, strict=True):
            seen_a, seen_b = [x[p] for p, _ in source], [y[q] for _, q in source]
            both = [p * q for p, q in zip(seen_a, seen_b, strict=True)]
            weights = (seen_a, seen_b, both)
            table.append(
                np.mean(
                    [loops("accuracy", right[k], scored[k], target, weights[k]) for k in range(3)]
                )
            )
        means.append(table)
    slow = np.quantile(np.mean(means, axis=0), (0.025, 0.975))
    assert found.levels["dmr"]["average"] == pytest.approx(slow)


def test_volumes_are_averaged_over_cases(make_run):
    """Dice of a draw is the mean over the drawn volumes that have the combination."""
    draw = np.random.default_rng(4)
    run = make_run("dmr", modalities=("a", "b"), metric="dice")
    facts = json.loads((run / "run.json").read_text()) | {"content": {"test": "same"}}
    (run / "run.json").write_text(json.dumps(facts))
    dice, scored = draw.random((3, 12)), np.ones((3, 12), bool)
    scored[1:, :3] = False
    np.savez(
        run / "predictions.npz",
        index=np.arange(12),
        combination=np.array(NAMES),
        scored=scored,
        confusion=np.zeros((3, 12, 2, 2), int),
        dice=dice,
    )
    runs = read_runs([run], "test")
    (summary,) = summarise(runs, "test", "dmr")
    found = resample(summary, runs, draws=200)
    slow = []
    for weights in drawn([[f"same {i}" for i in range(12)]], 200):
        w = np.array([weights[f"same {i}"] for i in range(12)])
        each = [(w * scored[k] * dice[k]).sum() / (w * scored[k]).sum() for k in range(3)]
        slow.append(np.mean(each))
    expected = np.quantile(slow, (0.025, 0.975))
    assert found.levels["dmr"]["average"] == pytest.approx(expected)


def test_images_whose_pixels_have_classes(make_run):
    """All images of a draw are one matrix; against loops, with a class that most images lack."""
    draw = np.random.default_rng(3)
    counts = {}
    for method in ("sf-md", "dmr"):
        run = make_run(method, modalities=("a", "b"), metric="miou")
        facts = json.loads((run / "run.json").read_text()) | {"content": {"test": "same"}}
        (run / "run.json").write_text(json.dumps(facts))
        confusion = draw.integers(0, 50, (3, 12, 3, 3))
        confusion[:, 2:, 2] = 0
        confusion[:, 2:, :, 2] = 0
        np.savez(
            run / "predictions.npz",
            index=np.arange(12),
            combination=np.array(NAMES),
            scored=np.ones((3, 12), bool),
            confusion=confusion,
        )
        counts[method] = run, confusion
    runs = read_runs([run for run, _ in counts.values()], "test")
    (summary,) = summarise(runs, "test", "sf-md")
    found = resample(summary, runs, draws=200)
    slow = {}
    for method, (_, confusion) in counts.items():
        table = []
        for weights in drawn([[f"same {i}" for i in range(12)]], 200):
            row = []
            for k in range(3):
                whole = sum(weights[f"same {i}"] * confusion[k, i] for i in range(12))
                each = [
                    whole[c, c] / (whole[c].sum() + whole[:, c].sum() - whole[c, c])
                    for c in range(3)
                    if whole[c].sum() + whole[:, c].sum()
                ]
                row.append(np.mean(each))
            table.append(np.mean(row))
        slow[method] = np.array(table)
    assert found.levels["dmr"]["average"] == pytest.approx(np.quantile(slow["dmr"], (0.025, 0.975)))
    assert found.differences["dmr", "sf-md"]["average"] == pytest.approx(
        np.quantile(slow["dmr"] - slow["sf-md"], (0.025, 0.975))
    )
    run = counts["dmr"][0]
    with np.load(run / "predictions.npz") as saved:
        arrays = {k: saved[k] for k in saved.files}
    np.savez(run / "predictions.npz", **(arrays | {"scored": np.ones((3, 5), bool)}))
    with pytest.raises(RowError, match="expected confusion counts of shape"):
        resample(summary, runs)


def test_as_wide_as_theory_and_scipy_say(two):
    made = two(n=400)
    found = resampled_of(made, draws=4000)
    low, high = found.levels["dmr"]["full"]
    rights = np.stack([made["dmr", s][1][0][2] for s in range(2)])
    # Both seeds are scored on the same samples, so their mean is what is drawn.
    each = rights.mean(0)
    slow = stats.bootstrap((each,), np.mean, method="percentile", rng=0).confidence_interval
    assert (low, high) == pytest.approx((slow.low, slow.high), abs=0.004)
    assert (high - low) / 2 == pytest.approx(1.96 * each.std() / 20, rel=0.06)


def test_copies_of_a_sample_are_no_more_samples(two):
    once = two(n=50)
    narrow = resampled_of(once, draws=2000).levels["dmr"]["full"]
    for _, (run, (right, scored, target)) in once.items():
        four = [np.repeat(a, 4, axis=-1) for a in (right, scored, target)]
        predicted = np.where(four[0], four[2], 1 - four[2])
        np.savez(
            run / "predictions.npz",
            index=np.arange(200),
            combination=np.array(NAMES),
            target=four[2],
            scored=four[1],
            predicted=predicted,
            source=np.repeat([f"same {i}" for i in range(50)], 4),
        )
    assert resampled_of(once, draws=2000).levels["dmr"]["full"] == pytest.approx(narrow)
    for run, _ in once.values():
        with np.load(run / "predictions.npz") as saved:
            arrays = {k: saved[k] for k in saved.files if k != "source"}
        np.savez(run / "predictions.npz", **arrays)
    low, high = resampled_of(once, draws=2000).levels["dmr"]["full"]
    assert high - low == pytest.approx((narrow[1] - narrow[0]) / 2, rel=0.15)


def test_runs_without_predictions_are_left_out(two, make_run):
    made = two()
    (made["dmr", 1][0] / "predictions.npz").unlink()
    found = resampled_of(made)
    assert found.left_out == ("dmr",)
    assert set(found.levels) == {"sf-md"}
    assert found.differences == {}
    for run, _ in made.values():
        (run / "predictions.npz").unlink(missing_ok=True)
    assert resampled_of(made) is None


def test_probabilities_alone_are_enough(two):
    made = two()
    before = resampled_of(made, draws=200)
    for run, _ in made.values():
        with np.load(run / "predictions.npz") as saved:
            arrays = {k: saved[k] for k in saved.files if k != "predicted"}
            chosen = np.eye(2)[saved["predicted"].astype(int)]
        np.savez(run / "predictions.npz", probabilities=0.2 + 0.6 * chosen, **arrays)
    assert resampled_of(made, draws=200) == before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"target": np.zeros(3)}, "expected predictions and scored"),
        ({"source": np.array(["x"] * 5)}, "expected a source for each of 60 samples"),
        ({"scored": np.ones((2, 60), bool)}, "got (3, 60) and (2, 60)"),
    ],
)
def test_damaged_predictions_are_named(two, change, message):
    made = two()
    run = made["dmr", 0][0]
    with np.load(run / "predictions.npz") as saved:
        arrays = {k: saved[k] for k in saved.files}
    np.savez(run / "predictions.npz", **(arrays | change))
    with pytest.raises(RowError, match=re.escape(message)) as caught:
        resampled_of(made)
    assert str(run / "predictions.npz") in str(caught.value)
    (run / "predictions.npz").write_bytes(b"half a file")
    with pytest.raises(RowError, match="damaged file"):
        resampled_of(made)


@pytest.mark.usefixtures("no_pictures")
def test_the_page_says_what_was_drawn(two, tmp_path):
    made = two(source=[[f"x{i % 20}", f"y{i % 15}"] for i in range(60)])
    report = build_report([run for run, _ in made.values()], tmp_path / "out")
    for text in (report.page.read_text(), report.markdown.read_text()):
        assert "95% over samples" in text
        assert "1,000 draws of the 20 sources of a and 15 sources of b" in text
        assert "With only 15 to draw from" in text
