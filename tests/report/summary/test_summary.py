"""Summaries against the same said slowly: plain loops over the files' own lines."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy import stats

from dmrnet.report.records.runs import read_runs
from dmrnet.report.summary.summary import summarise


def summaries_of(runs, split="test", baseline="sf-md"):
    return summarise(read_runs(runs, split), split, baseline)


def accuracies(runs, method, split="test", metric="accuracy"):
    """``{seed: {combination: value}}`` straight from the files."""
    found = {}
    for run in runs:
        for line in (run / "results.jsonl").read_text().splitlines():
            r = json.loads(line)
            if (r["method"], r["split"], r["metric"]) == (method, split, metric):
                found.setdefault(r["seed"], {})[r["combination"]] = r["value"]
    return found


def lines_of(run):
    return (run / "variance.jsonl").read_text().splitlines()


def by_label(summary, label):
    (item,) = [item for item in summary.systems if item.label == label]
    return item


@pytest.mark.parametrize("split", ["test", "val"])
def test_headlines(four_systems, split):
    (summary,) = summaries_of(four_systems, split)
    assert summary.systems[0].label == summary.baseline == "sf-md"
    base = accuracies(four_systems, "sf-md", split)
    for method in ("sf-md", "head-only", "dmr", "dmrnet"):
        item = by_label(summary, method)
        values = accuracies(four_systems, method, split)
        slow = {
            "average": lambda t: np.mean(list(t.values())),
            "worst": lambda t: min(t.values()),
            "full": lambda t: t["fou+fac+kar+pix+zer+mor"],
            "single": lambda t: np.mean([v for k, v in t.items() if "+" not in k]),
        }
        assert set(item.headlines) == set(slow)
        for name, of in slow.items():
            each = [of(values[seed]) for seed in range(3)]
            assert item.headlines[name].mean == pytest.approx(np.mean(each))
            assert item.headlines[name].se == pytest.approx(stats.sem(each))
            if method != "sf-md":
                gains = [of(values[seed]) - of(base[seed]) for seed in range(3)]
                assert item.differences[name].mean == pytest.approx(np.mean(gains))
                assert item.differences[name].se == pytest.approx(stats.sem(gains))
        means = {k: np.mean([values[s][k] for s in range(3)]) for k in values[0]}
        assert item.worst == min(means, key=means.get) == "mor"
        for name, mean in means.items():
            assert item.scores[name].mean == pytest.approx(mean)
    assert not by_label(summary, "sf-md").differences


def test_the_paper_order_of_combinations(make_run):
    (summary,) = summaries_of([make_run(modalities=("rgb", "depth", "ir"))])
    assert summary.combinations == (
        "rgb", "depth", "ir", "rgb+depth", "rgb+ir", "depth+ir", "rgb+depth+ir",
    )  # fmt: skip


def test_one_seed_has_no_standard_error(make_run):
    (summary,) = summaries_of([make_run("sf-md"), make_run("dmr")])
    item = by_label(summary, "dmr")
    assert item.headlines["average"].se is None
    assert item.differences["average"].se is None
    assert item.differences["average"].seeds == (0,)


def test_unequal_seeds_pair_where_they_can(make_run):
    runs = [make_run("sf-md", s) for s in (0, 1, 2)] + [make_run("dmr", s) for s in (1, 2, 7)]
    (summary,) = summaries_of(runs)
    item = by_label(summary, "dmr")
    assert item.headlines["average"].seeds == (1, 2, 7)
    assert item.differences["average"].seeds == (1, 2)
    ours, base = accuracies(runs, "dmr"), accuracies(runs, "sf-md")
    gains = [np.mean(list(ours[s].values())) - np.mean(list(base[s].values())) for s in (1, 2)]
    assert item.differences["average"].mean == pytest.approx(np.mean(gains))


def test_no_shared_seed_is_no_difference(make_run):
    (summary,) = summaries_of([make_run("sf-md", 0), make_run("dmr", 1)])
    assert by_label(summary, "dmr").differences == {}


def test_averages_are_over_what_every_run_has(make_run):
    runs = [
        make_run("sf-md", 0),
        make_run("sf-md", 1, undefined=("mor",)),
        make_run("dmr", 0, without=("zer", "fou+pix")),
    ]
    (summary,) = summaries_of(runs)
    missing = {"mor", "zer", "fou+pix"}
    assert len(summary.combinations) == 63
    assert set(summary.combinations) - set(summary.compared) == missing
    for method in ("sf-md", "dmr"):
        values = accuracies(runs, method)
        each = [
            np.mean([v for k, v in values[s].items() if k not in missing]) for s in sorted(values)
        ]
        item = by_label(summary, method)
        assert item.headlines["average"].mean == pytest.approx(np.mean(each))
        assert item.worst not in missing
    assert by_label(summary, "sf-md").scores["mor"].seeds == (0,)


def test_nothing_in_common_gives_no_average(make_run, good_row, lines, tmp_path):
    rows = [good_row(combination="a"), good_row(combination="b", seed=1, value=0.5)]
    (summary,) = summaries_of([lines(tmp_path / "r.jsonl", rows)])
    assert summary.compared == ()
    assert summary.systems[0].headlines == {}
    assert summary.systems[0].worst is None


def test_models_may_order_modalities_differently(tmp_path, good_row, lines):
    rows = [
        good_row(method=method, combination=name, value=value)
        for method, name, value in [
            ("sf-md", "a+b", 0.5), ("sf-md", "a", 0.2), ("dmr", "b+a", 0.75), ("dmr", "a", 0.3),
        ]
    ]  # fmt: skip
    (summary,) = summaries_of([lines(tmp_path / "r.jsonl", rows)])
    assert summary.combinations == ("a", "a+b")
    assert by_label(summary, "dmr").gains["a+b"].mean == 0.25


def test_a_lower_score_may_be_better(make_run):
    runs = [make_run("sf-md", metric="acer"), make_run("dmr", metric="acer", gain=0.4)]
    (summary,) = summaries_of(runs)
    values = accuracies(runs, "dmr", metric="acer")[0]
    item = by_label(summary, "dmr")
    assert item.headlines["worst"].mean == max(values.values())
    assert item.worst == max(values, key=values.get)
    assert item.differences["average"].mean < 0


def test_two_scores_make_two_summaries(make_run, lines):
    run = make_run(modalities=("a", "b"))
    text = (run / "results.jsonl").read_text()
    (run / "results.jsonl").write_text(
        text
        + text.replace('"accuracy"', '"acer"').replace('"train_seconds"', '"best_epoch"')
        + text.replace('"accuracy"', '"log_loss"')
    )
    summaries = summaries_of([run])
    assert [item.score.name for item in summaries] == ["acer", "accuracy"]
    assert summaries[0].ignored == ("log_loss",)


def test_complete_samples_beside_all(make_run):
    run = make_run(modalities=("a", "b"))
    rows = [json.loads(line) for line in (run / "results.jsonl").read_text().splitlines()]
    rows += [
        r | {"metric": "accuracy_complete", "value": v, "n": 100}
        for r, v in zip(
            (r for r in rows if r["split"] == "test" and r["combination"]),
            (0.1, 0.2, 0.6),
            strict=True,
        )
    ]
    (run / "results.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    (summary,) = summaries_of([run])
    assert summary.systems[0].headlines["complete"].mean == pytest.approx(0.3)


def test_settings_and_recipes_make_systems(make_run):
    runs = [
        make_run("dmr", name="a", settings={"alpha": 0.01, "epochs": 9}),
        make_run("dmr", name="b", settings={"alpha": 0.1, "epochs": 9}),
        make_run("dmr", name="c", recipe="paper", settings={"epochs": 9}),
        make_run("dmr", 1, name="d", settings={"alpha": 0.01, "epochs": 9.0}),
    ]
    (summary,) = summaries_of(runs)
    labels = {item.label: item.seeds for item in summary.systems}
    assert labels == {"dmr alpha=0.01": (0, 1), "dmr alpha=0.1": (0,), "dmr (paper)": (0,)}
    assert summary.shared == ("epochs=9",)


def test_two_data_sets(make_run):
    runs = [make_run(), make_run(dataset="watch", modalities=("gyro", "acc"), n=77)]
    first, second = summaries_of(runs)
    assert (first.dataset, second.dataset) == ("mfeat", "watch")
    assert second.modalities == ("gyro", "acc")
    assert (first.samples, second.samples) == (400, 77)
    assert [line.name for line in second.runs] == ["watch-dmrnet-best-0"]


def test_bookkeeping_comes_from_training(make_run):
    (summary,) = summaries_of([make_run(seed=s) for s in range(2)])
    book = summary.systems[0].run_metrics
    assert book["epochs"].mean == 40
    assert book["train_seconds"].seeds == (0, 1)


def test_a_run_counted_twice_is_refused(make_run):
    runs = [make_run(name="one"), make_run(name="two", gain=0.5)]
    with pytest.raises(ValueError, match="'one' and 'two' disagree"):
        summaries_of(runs)


def test_no_known_score(tmp_path, good_row, lines):
    path = lines(tmp_path / "r.jsonl", [good_row(metric="f1")])
    with pytest.raises(ValueError, match=r"one of the scores acer, miou, .*accuracy on test"):
        summaries_of([path])


@pytest.mark.parametrize(("mined", "overlap"), [("variance", 0), ("loss", 6)])
def test_mined_and_truly_worst(make_run, mined, overlap):
    runs = [make_run(seed=s, mined=mined) for s in range(3)]
    (summary,) = summaries_of(runs)
    hardness = summary.systems[0].hardness
    values = accuracies(runs, "dmrnet")
    means = {k: np.mean([values[s][k] for s in range(3)]) for k in values[0]}
    assert set(hardness.worst) == set(sorted(means, key=means.get)[:6])
    assert hardness.seeds == 3
    assert abs(len(set(hardness.mined) & set(hardness.worst)) - overlap) <= 1
    variance = {json.loads(line)["combination"]: [] for line in lines_of(runs[0])}
    for run in runs:
        for line in lines_of(run):
            record = json.loads(line)
            if record["epoch"] == 1:
                variance[record["combination"]].append(record["mean_variance"])
    names = list(means)
    for name in names:
        assert hardness.variance[name].mean == pytest.approx(np.mean(variance[name]))
    slow = stats.spearmanr(
        [np.mean(variance[name]) for name in names], [round(1 - means[name], 10) for name in names]
    ).statistic
    assert hardness.variance_rank == pytest.approx(slow)
    assert hardness.variance_rank < -0.9
    assert hardness.loss_rank > 0.9


def test_without_a_distribution_there_is_no_variance(make_run):
    run = make_run()
    path = run / "variance.jsonl"
    records = [json.loads(line) | {"mean_variance": None} for line in lines_of(run)]
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    (summary,) = summaries_of([run])
    hardness = summary.systems[0].hardness
    assert hardness.variance == {}
    assert hardness.variance_rank is None
    assert hardness.loss_rank > 0.9
