"""What one would use instead: fusion, masked copies, run folders, and reports with them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from dmrnet.peers import PEERS
from dmrnet.peers.classifiers import CLASSIFIERS, late, log_of, logistic
from dmrnet.peers.runs import make_peers
from dmrnet.peers.table import FlatRows, masked_copies, scores
from dmrnet.report import read_runs
from dmrnet.settings.config import parse_run


def table(rows: int = 60, seed: int = 0):
    """Three modalities that say something of three classes; the second is missing at times."""
    rng = np.random.default_rng(seed)
    target = np.arange(rows) % 3
    columns = tuple(
        (rng.normal(size=(rows, size)) + target[:, None] * (k + 1) / 3).astype(np.float32)
        for k, size in enumerate((2, 3, 4))
    )
    present = np.ones((rows, 3), dtype=bool)
    present[::7, 1] = False
    return FlatRows(columns, present, target, 3)


def test_late_fusion_is_the_mean_of_log_probabilities_of_what_is_visible() -> None:
    train, test = table(), table(20, seed=1)
    fused = late(train, lambda: logistic(1.0))
    mask = np.array([True, True, False])
    found = fused(test, mask)
    models = []
    for v in range(2):
        there = train.present[:, v]
        scaler = StandardScaler().fit(train.columns[v][there])
        model = LogisticRegression(max_iter=300)
        models.append(
            (scaler, model.fit(scaler.transform(train.columns[v][there]), train.target[there]))
        )
    for row in range(20):
        logs = [
            np.log(model.predict_proba(scaler.transform(test.columns[v][[row]]))[0])
            for v, (scaler, model) in enumerate(models)
            if test.present[row, v]
        ]
        score = np.exp(sum(logs) / len(logs))
        np.testing.assert_allclose(np.exp(found[row]), score / score.sum(), rtol=1e-5)


def test_a_modality_that_only_one_class_has_says_nothing_of_others() -> None:
    train = table()
    present = train.present.copy()
    present[:, 2] = train.target == 1
    fused = late(replace(train, present=present), lambda: logistic(1.0))
    both, alone = (fused(train, np.array([True, b, False])) for b in (True, False))
    assert np.isfinite(both).all()
    assert (alone.argmax(1) == train.target).mean() > 0.4
    only = replace(train, present=np.ones_like(present))
    assert (fused(only, np.array([False, False, True])).argmax(1) == 1).all()


@pytest.mark.parametrize("target", ["regression", "multi-label"])
def test_other_targets_are_refused_in_one_line(tmp_path: Path, target: str) -> None:
    draw = np.random.default_rng(0)
    y = draw.normal(size=30) if target == "regression" else np.arange(60).reshape(30, 2) % 2
    arrays = {"a": draw.normal(size=(30, 2)), "b": draw.normal(size=(30, 3)), "y": y}
    flags = ["--data", "arrays", "--data.target", target]
    for name in ("train", "test"):
        np.savez(tmp_path / f"{name}.npz", **arrays)
        flags += [f"--data.{name}", str(tmp_path / f"{name}.npz")]
    settings = parse_run(flags)
    with pytest.raises(ValueError, match=f"one class per sample, on a test split; got {target}"):
        make_peers(settings, tmp_path / "out")


def test_copies_show_each_combination_equally_often_and_never_what_is_absent() -> None:
    train = table(700)
    features, target = masked_copies(train, seed=3)
    assert len(features) == len(target) == 4 * 700
    assert (target == np.tile(train.target, 4)).all()
    seen = ~np.isnan(features[:, [0, 2, 5]])
    assert not seen[~np.tile(train.present, (4, 1))].any()
    whole = seen[np.tile(train.present.all(1), 4)]
    counts = np.bincount(whole @ [1, 2, 4], minlength=8)
    # 2400 rows, 343 for each of seven combinations: a standard deviation of 17.
    assert counts[0] == 0
    assert abs(counts[1:] - len(whole) / 7).max() < 80
    np.testing.assert_array_equal(
        features[seen[:, 0], :2], np.tile(train.columns[0], (4, 1))[seen[:, 0]]
    )


def test_a_class_that_a_model_never_saw_is_not_lost() -> None:
    model = LogisticRegression().fit([[0.0], [1.0]], [0, 2])
    found = log_of(model, np.array([[0.2]]), 3)
    assert found.shape == (1, 3)
    assert np.exp(found).sum() == pytest.approx(1)
    assert found[0].argmin() == 1


def test_rows_that_lack_a_modality_are_not_scored_under_it() -> None:
    test = table(21)
    found = {tuple(s.mask): s for s in scores(lambda t, m: np.eye(3)[t.target], test)}
    assert len(found) == 7
    assert found[True, False, True].scored.all()
    assert found[False, True, False].scored.tolist() == test.present[:, 1].tolist()
    assert all(score.accuracy == 1 for score in found.values())


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    folder = tmp_path_factory.mktemp("baselines")
    settings = parse_run(["--data", "cancer", "--data.rows", "60"])
    make_peers(settings, folder, ["logistic-late", "boosting"])
    return folder


def test_every_name_has_its_classifier() -> None:
    assert tuple(CLASSIFIERS) == PEERS


def test_what_is_finished_is_not_fitted_again(out: Path) -> None:
    settings = parse_run(["--data", "cancer", "--data.rows", "60"])
    said: list[str] = []
    again = make_peers(settings, out, ["logistic-late", "boosting"], said.append)
    assert [path.name.split("-seed")[0] for path in again] == [
        "cancer-logistic-late",
        "cancer-boosting",
    ]
    assert not said


def test_a_report_reads_their_folders(out: Path) -> None:
    runs = read_runs([out], "test")
    assert [run.rows[0].method for run in runs] == ["boosting", "logistic-late"]
    for run in runs:
        assert run.modalities == ("mean", "error", "worst")
        assert {row.dataset for row in run.rows} == {"cancer (rows=60)"}
        assert {row.recipe for row in run.rows} == {"scikit-learn"}
        assert (run.path / "predictions.npz").is_file()
        for split, n in {"val": 24, "test": 171}.items():
            scored = [r for r in run.rows if (r.split, r.metric) == (split, "accuracy")]
            assert len(scored) == 7
            assert {row.n for row in scored} == {n}
        costs = [row for row in run.rows if row.metric == "train_cpu_seconds"]
        assert [(cost.split, cost.value > 0) for cost in costs] == [("val", True)]
    late = next(run for run in runs if run.rows[0].method == "logistic-late")
    full = [r.value for r in late.rows if r.combination.count("+") == 2 and r.metric == "accuracy"]
    assert min(full) > 0.85
