"""A finished run is opened again: test rows, kept predictions, new files."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from tests.engine.runs import COMBINATIONS, NAMES, TEST, settings_in

from dmrnet.engine.evaluate import evaluate_run
from dmrnet.engine.fit import fit_run
from dmrnet.engine.predict import predict_run
from dmrnet.engine.run import finished
from dmrnet.engine.run.finished import open_run
from dmrnet.engine.run.folder import RunFolder
from dmrnet.locking import LOCK
from dmrnet.report.mistakes.outcomes import read_outcomes


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("finished")
    fit_run(settings_in(folder, epochs=3), folder / "run")
    return folder / "run"


def test_test_rows_and_predictions_agree(path: Path) -> None:
    before = RunFolder(path).rows()
    run = open_run(path)
    assert not run.method.training
    result, kept = evaluate_run(run)
    assert kept
    rows = RunFolder(path).rows()
    assert [row for row in rows if row["split"] == "val"] == before
    scores = {
        row["combination"]: row
        for row in rows
        if row["split"] == "test" and row["metric"] == "accuracy"
    }
    assert list(scores) == COMBINATIONS
    with np.load(path / "predictions.npz") as saved:
        assert saved["index"].tolist() == list(range(TEST))
        assert saved["combination"].tolist() == COMBINATIONS
        assert saved["probabilities"].shape == (7, TEST, 3)
        np.testing.assert_allclose(saved["probabilities"].sum(2), 1, rtol=1e-5)
        for k, name in enumerate(COMBINATIONS):
            scored = saved["scored"][k]
            assert int(scored.sum()) == scores[name]["n"]
            right = saved["probabilities"][k].argmax(1) == saved["target"]
            assert scores[name]["value"] == pytest.approx(right[scored].mean())
            assert saved["predicted"][k].tolist() == saved["probabilities"][k].argmax(1).tolist()
    # A second evaluation changes nothing.
    evaluate_run(run, batch_size=5)
    again = RunFolder(path).rows()
    assert [(r["combination"], r["metric"], r["n"]) for r in again] == [
        (r["combination"], r["metric"], r["n"]) for r in rows
    ]
    assert [r["value"] for r in again] == pytest.approx([r["value"] for r in rows], rel=1e-5)
    assert int(result.confusion[-1].sum()) == scores["wave+face+age"]["n"]


def test_each_sample_is_predicted_from_what_it_has(path: Path, tmp_path: Path) -> None:
    run = open_run(path)
    done: list[int] = []
    data, _, probabilities = predict_run(
        run, str(path.parent / "test.npz"), batch_size=4, advance=done.append
    )
    assert sum(done) == TEST
    assert probabilities.shape == (TEST, 3)
    for i in range(TEST):
        batch = data.take(torch.tensor([i]))
        with torch.no_grad():
            expected = run.method(batch.inputs, batch.present).softmax(1)[0]
        torch.testing.assert_close(probabilities[i], expected, rtol=1e-4, atol=1e-6)


def test_samples_without_any_modality_of_a_combination_are_left_out(path: Path) -> None:
    run = open_run(path)
    data, rows, alone = predict_run(run, str(path.parent / "test.npz"), "face", batch_size=4)
    here = data.present[:, list(data.task.modalities).index("face")]
    assert rows.tolist() == here.nonzero().flatten().tolist()
    assert len(rows) == TEST - 3
    only = torch.zeros(len(rows), len(data.task.modalities), dtype=torch.bool)
    only[:, list(data.task.modalities).index("face")] = True
    with torch.no_grad():
        expected = run.method(data.take(rows).inputs, only).softmax(1)
    torch.testing.assert_close(alone, expected, rtol=1e-4, atol=1e-6)
    _, rows, probabilities = predict_run(run, str(path.parent / "test.npz"), "wave+face+age")
    assert rows.tolist() == list(range(TEST))
    _, _, everything = predict_run(run, str(path.parent / "test.npz"))
    assert torch.equal(probabilities, everything)


def test_rows_without_a_class_are_named(path: Path) -> None:
    run = open_run(path)
    with torch.no_grad():
        last = list(run.method.predictor.parameters())[-1]
        last.fill_(torch.inf)
    with pytest.raises(ValueError, match="infinite ones for samples 0, 1, 2, 3, 4, 5, 6, 7 and "):
        predict_run(run, str(path.parent / "test.npz"))
    with pytest.raises(ValueError, match="test: expected finite logits"):
        evaluate_run(run)


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def reverse(path: Path, key: str) -> None:
    facts = json.loads(path.read_text())
    path.write_text(json.dumps(facts | {key: facts[key][::-1]}))


def other_weights(path: Path) -> None:
    save_file({name: 2 * x for name, x in load_file(path).items()}, path)


PARTS_OF_OTHERS: dict[str, tuple[Callable[[Path], None], str]] = {
    "another method": (
        lambda run: edit(run / "config.yaml", "name: dmrnet", "name: dmr"),
        "method dmr",
    ),
    "another setting": (
        lambda run: edit(run / "config.yaml", "\nlr: 0.05", "\nlr: 0.3"),
        r"config\.yaml has lr 0\.3, but the run was trained with 0\.05",
    ),
    "another seed": (
        lambda run: edit(run / "config.yaml", "\nseed: 0", "\nseed: 1"),
        "seed 1, but the run was trained with 0",
    ),
    "classes in another order": (
        lambda run: reverse(run / "run.json", "classes"),
        r"run\.json: classes differs",
    ),
    "modalities in another order": (
        lambda run: reverse(run / "run.json", "modalities"),
        r"run\.json: modalities differs",
    ),
    "other weights": (
        lambda run: other_weights(run / "checkpoints" / "best.safetensors"),
        r"best\.safetensors is not what this run's training wrote",
    ),
    "another standardiser": (
        lambda run: other_weights(run / "standardiser.safetensors"),
        r"standardiser\.safetensors is not what this run's training wrote",
    ),
}


@pytest.mark.parametrize(("change", "said"), PARTS_OF_OTHERS.values(), ids=PARTS_OF_OTHERS)
def test_parts_that_do_not_belong_together_are_named(
    path: Path, tmp_path: Path, change: Callable[[Path], None], said: str
) -> None:
    run = Path(shutil.copytree(path, tmp_path / "run"))
    change(run)
    with pytest.raises(ValueError, match=said):
        open_run(run)
    # Runs of earlier versions have no fingerprints.
    facts = json.loads((run / "run.json").read_text())
    kept = {key: value for key, value in facts.items() if key not in ("seal", "settings")}
    (run / "run.json").write_text(json.dumps(kept))
    if not any(word in said for word in ("config", "method", "modalities")):
        open_run(run)


def test_what_decides_no_result_may_be_edited(path: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(path, tmp_path / "run"))
    edit(run / "config.yaml", "num_workers: 0", "num_workers: 2")
    edit(run / "config.yaml", str(path.parent), str(tmp_path))
    for name in ("train.npz", "val.npz", "test.npz"):
        shutil.copy(path.parent / name, tmp_path)
    open_run(run).samples("test")


def test_a_run_moved_with_its_data_does_not_read_what_is_at_the_old_path(
    path: Path, tmp_path: Path
) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    shutil.copytree(path.parent, new)
    edit(new / "run" / "config.yaml", str(path.parent), str(old))
    old.mkdir()
    for name in ("train.npz", "val.npz", "test.npz"):
        with np.load(new / name) as arrays:
            np.savez(old / name, **{key: arrays[key][::-1] for key in arrays.files})
    run = open_run(new / "run")
    assert run.settings.data.files() == {
        name: str(new / f"{name}.npz") for name in ("train", "val", "test")
    }
    run.samples("test")
    # Where neither is what the run was trained with, the path in config.yaml is named.
    shutil.copy(old / "test.npz", new / "test.npz")
    with pytest.raises(ValueError, match="expected the test samples"):
        open_run(new / "run").samples("test")


def test_an_unfinished_run_is_refused(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(FileNotFoundError, match="holds no run"):
        open_run(tmp_path)
    for name in ("config.yaml", "run.json"):
        (tmp_path / name).write_bytes((path / name).read_bytes())
    with pytest.raises(FileNotFoundError, match="there are no weights"):
        open_run(tmp_path)
    RunFolder(tmp_path).write_facts(finished=False)
    (tmp_path / "metrics.csv").write_bytes((path / "metrics.csv").read_bytes())
    with pytest.raises(
        ValueError,
        match=r"not finished: it stopped after epoch 3 of 3; go on by the same call of fit",
    ):
        open_run(tmp_path)
    # A lock that a killed process left, and that of a process that trains the run.
    (tmp_path / LOCK).write_text("process 1 on here")
    with pytest.raises(ValueError, match="it stopped"):
        open_run(tmp_path)
    monkeypatch.setattr(finished, "holder_of", lambda _: "process 1 on here")
    with pytest.raises(ValueError, match=r"trained by process 1 on here: 3 of 3 epochs are done"):
        open_run(tmp_path)


def test_too_many_predictions_to_keep_remove_older_ones(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = open_run(Path(shutil.copytree(path, tmp_path / "run")))
    evaluate_run(run)
    assert run.folder.predictions.is_file()
    monkeypatch.setattr("dmrnet.engine.scores.scoring.MOST_PREDICTIONS", 1)
    before = read_outcomes(run.folder.path, NAMES)
    _, kept = evaluate_run(run)
    assert not kept
    assert not run.folder.predictions.exists()
    # What was confused is still known.
    after = read_outcomes(run.folder.path, NAMES)
    assert {k: v.tolist() for k, v in after.counts.items()} == {
        k: v.tolist() for k, v in before.counts.items()
    }
    evaluate_run(run)
    monkeypatch.setattr("dmrnet.engine.scores.confusion.MOST_COUNTS", 1)
    evaluate_run(run)
    some = read_outcomes(run.folder.path, NAMES)
    assert {name.count("+") for name in some.counts} == {0, len(NAMES) - 1}


@pytest.mark.parametrize("from_epoch", [0, 2])
def test_a_run_that_goes_on_drops_the_scores_it_had(
    path: Path, tmp_path: Path, from_epoch: int
) -> None:
    """Test rows from before the end belong to other weights than the final ones."""
    folder = RunFolder(Path(shutil.copytree(path, tmp_path / "run")))
    evaluate_run(open_run(folder.path))
    for number in (1, 2, 7):
        (folder.checkpoints / f"epoch-{number:05d}.ckpt").write_bytes(b"")
    folder.begin_at(from_epoch)
    assert folder.rows() == []
    assert not folder.predictions.exists()
    assert folder.weights.exists() == (from_epoch > 0)
    left = [p.name for p in folder.checkpoints.glob("*.ckpt")]
    assert left == (["epoch-00001.ckpt"] if from_epoch else [])


def test_a_run_of_another_version_of_its_method_causes_a_warning(
    path: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = RunFolder(Path(shutil.copytree(path, tmp_path / "run")))
    assert folder.read_facts()["method_version"] == 1
    open_run(folder.path)
    assert caplog.records == []
    folder.write_facts(method_version=0)
    open_run(folder.path)
    assert "train it again" in caplog.text


def test_modalities_keep_their_order(path: Path) -> None:
    assert open_run(path).task.modalities == NAMES


def test_a_finished_run_imports_no_lightning(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lightning takes longer to import than an evaluation takes."""
    heavy = {"lightning", "torchmetrics", "torchvision", "timm"}
    for name in {*sys.modules, *heavy}:
        # Where None stands, an import raises; the package itself is imported anew.
        if name.partition(".")[0] in heavy:
            monkeypatch.setitem(sys.modules, name, None)
        elif name.partition(".")[0] == "dmrnet":
            monkeypatch.delitem(sys.modules, name)
    again = import_module("dmrnet.engine.run.finished")
    assert again.open_run is not open_run
    assert {sys.modules[name] for name in heavy} == {None}
