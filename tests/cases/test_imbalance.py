"""One positive in a hundred: what accuracy hides is measured, said, and can be trained against."""

from __future__ import annotations

import io
import re
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console
from torchmetrics.functional.classification import (
    multiclass_auroc,
    multiclass_average_precision,
    multiclass_f1_score,
    multiclass_recall,
)

import dmrnet
from dmrnet import MultimodalDataset
from dmrnet.api.scores import Scores, values_of
from dmrnet.cli.tables.class_scores import constant_text, show_class_scores
from dmrnet.cli.tables.scores import show_scores
from dmrnet.report.build import build_report

R = np.random.default_rng(0)
RARE = (np.arange(505) % 101 == 0).astype(int)
INPUTS = {
    "a": (R.normal(size=(505, 24)) + RARE[:, None] * 0.4).astype("f4"),
    "b": (R.normal(size=(505, 12)) + RARE[:, None] * 0.4).astype("f4"),
}
SOME = {"method": "sf-md", "max_epochs": 2, "threads": 1, "select_times": 1}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("rare") / "run"
    data = MultimodalDataset(INPUTS, np.where(RARE == 1, "ill", "well"))
    dmrnet.fit(data, None, data, out=out, **SOME).evaluate()
    return out


def rows_of(folder: Path) -> list[dict[str, object]]:
    return dmrnet.open_run(folder)._finished.folder.rows()


def test_rows_are_those_of_torchmetrics(folder: Path) -> None:
    import torch

    values = values_of(rows_of(folder), "test")
    assert {name for name in values if name.startswith("recall/")} == {"recall/ill", "recall/well"}
    with np.load(folder / "predictions.npz") as kept:
        target = torch.from_numpy(kept["target"])
        for name, p in zip(kept["combination"], kept["probabilities"], strict=True):
            p = torch.from_numpy(p)
            recall = multiclass_recall(p, target, 2, average=None).tolist()
            expected = {
                "balanced_accuracy": sum(recall) / 2,
                "worst_recall": min(recall),
                "macro_f1": float(multiclass_f1_score(p, target, 2, average="macro")),
                "auroc": float(multiclass_auroc(p, target, 2)),
                "average_precision": float(multiclass_average_precision(p, target, 2)),
                "majority": 500 / 505,
                "predicted_classes": len(p.argmax(1).unique()),
                "recall/ill": recall[0],
                "recall/well": recall[1],
            }
            got = {metric: values[metric][str(name)][0] for metric in expected}
            assert got == pytest.approx(expected, abs=1e-6)
            assert values["recall/ill"][str(name)][1] == 5


def test_the_terminal_says_that_a_constant_is_one(folder: Path) -> None:
    out = io.StringIO()
    show_scores(Console(file=out, width=120), rows_of(folder), "test", {"modalities": ["a", "b"]})
    text = " ".join(out.getvalue().split())
    assert "most frequent class alone 99.0 %" in text
    assert "balanced accuracy 50.0 % 50.0 %" in text
    assert "recall with all modalities: ill 0.0 % (n 5), well 100.0 % (n 500)" in text
    assert "every prediction from any combination is one class (well): such a score is" in text


@pytest.mark.usefixtures("no_pictures")
def test_the_page_says_so_too(folder: Path, tmp_path: Path) -> None:
    report = build_report([folder], tmp_path / "report")
    page, text = report.page.read_text("utf-8"), report.markdown.read_text("utf-8")
    for said in (
        "Predicting the most frequent class for every sample scores 99.01%",
        "predicts one class for every sample with every combination",
        "no better than the most frequent class alone, 99.01%",
        "Beside accuracy",
    ):
        assert said in page
        assert said in text.replace("\\", "")
    assert "Dashed: the most frequent class alone." in page
    assert "majority" not in page


def test_weights_and_draws_lead_away_from_the_constant() -> None:
    data = MultimodalDataset(INPUTS, RARE)
    for against in ({"class_weights": "balanced"}, {"draw": "balanced"}):
        run = dmrnet.fit(data, data, **{**SOME, "max_epochs": 4}, **against)
        full = run.validation.values["worst_recall"]["a+b"][0]
        assert full >= 0.5, against
    with pytest.raises(ValueError, match="there is no class 'il'"):
        dmrnet.fit(data, data, **SOME, class_weights={"il": 3})
    numbers = MultimodalDataset(INPUTS, R.normal(size=505))
    with pytest.raises(ValueError, match="for one class per sample, but the task is regression"):
        dmrnet.fit(numbers, numbers, **SOME, draw="balanced")


def test_evaluating_what_was_trained_on_is_said(caplog: pytest.LogCaptureFixture) -> None:
    data = MultimodalDataset(INPUTS, RARE)
    run = dmrnet.fit(data, **{**SOME, "max_epochs": 1})
    caplog.clear()
    run.evaluate(data)
    assert "file: 404 of 505 rows are in train too, number for number" in caplog.text


def test_samples_of_one_class_alone_are_said() -> None:
    """Two positives in 600 rows, neither of them in validation."""
    rows = [
        {"split": "val", "combination": name, "metric": metric, "value": 1.0, "n": 120}
        for name in ("a", "b", "a+b")
        for metric in ("accuracy", "majority", "predicted_classes", "balanced_accuracy")
    ]
    assert constant_text(values_of(rows, "val")).startswith("all samples are of one class")


def test_runs_without_these_rows_show_nothing_of_them() -> None:
    out = io.StringIO()
    row = {"split": "val", "combination": "a", "metric": "accuracy", "value": 0.5, "n": 30}
    scores = Scores(("a",), "val", "accuracy", values_of([row], "val"))
    show_class_scores(Console(file=out), scores)
    assert out.getvalue() == ""


def test_advice_is_on_what_is_the_cause() -> None:
    def text(share: float) -> str:
        shares = {"majority": share, "predicted_classes": 1.0}
        return constant_text({name: {"a": (value, 90)} for name, value in shares.items()})

    assert "try class_weights balanced" in text(0.99)
    assert "class-weights" not in text(0.35)
    assert "the training may be too short" in text(0.35)


def test_a_few_constant_combinations_are_named() -> None:
    rows = [
        {"split": "val", "combination": name, "metric": metric, "value": value, "n": 120}
        for name, classes in (("a", 1), ("b", 2), ("a+b", 2))
        for metric, value in (("majority", 0.9), ("predicted_classes", classes))
    ]
    assert constant_text(values_of(rows, "val")).startswith("every prediction from a is one class:")


@pytest.mark.parametrize("by", ["balanced-accuracy", "auroc"])
def test_any_of_them_may_select(by: str, tmp_path: Path, no_pictures: None) -> None:
    """The epoch with the best mean over combinations is kept, and comes first everywhere."""
    data = MultimodalDataset(INPUTS, RARE)
    options = {**SOME, "max_epochs": 3, "select_times": 3, "class_weights": "balanced"}
    run = dmrnet.fit(data, data, data, out=tmp_path / "run", select_by=by, **options)
    scores = [epoch["val_average"] for epoch in run.history]
    assert run.best_epoch == int(np.argmax(scores))
    metric = by.replace("-", "_")
    assert run.validation.metric == metric
    assert run.validation.average == pytest.approx(max(scores))
    rows = rows_of(tmp_path / "run")
    keys = [(row["split"], row["combination"], row["metric"]) for row in rows]
    assert len(keys) == len(set(keys))
    assert run.evaluate().metric == metric
    out = io.StringIO()
    facts = {"modalities": ["a", "b"], "score": metric}
    show_scores(Console(file=out, width=120), rows_of(tmp_path / "run"), "test", facts)
    text = " ".join(out.getvalue().split())
    assert text.startswith(f"{by.replace('-', ' ') if by != 'auroc' else 'AUROC'} on test")
    assert re.search(r" accuracy [\d.]+ % [\d.]+ %", text)
    assert "most frequent class alone 99.0 %" in text
    titles = [item.score.name for item in build_report([run.path], tmp_path / "report").summaries]
    assert titles == [metric, "accuracy"]


def test_selection_from_drawn_pairs_knows_them_too() -> None:
    data = MultimodalDataset(INPUTS, RARE)
    options = {**SOME, "select_budget": 200, "select_times": 2}
    run = dmrnet.fit(data, data, select_by="auroc", **options)
    assert all(0 <= epoch["val_average"] <= 1 for epoch in run.history)


def test_other_tasks_have_no_metrics_of_classes_to_select_by() -> None:
    from dmrnet.data.sets.images import Images
    from dmrnet.evaluation import measure_of
    from dmrnet.modalities import Modality, Task

    pixels = Task((Modality("a", "image", (1, 8, 8)),), ("x", "y"), dense=True)
    with pytest.raises(ValueError, match="for one class per sample, but the task is a class for"):
        measure_of(Images("t.npz"), pixels, "auroc")
    numbers = Task((Modality("a", "vector", (2,)),), ("x",), target="regression")
    with pytest.raises(ValueError, match="but the task is regression"):
        measure_of(Images("t.npz"), numbers, "macro-f1")
