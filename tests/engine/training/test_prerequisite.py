"""A method with a teacher, which is trained in the same command, reused, or given."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tests.engine.runs import TRAIN, metrics_of, result_of, settings_in, write_arrays

from dmrnet.engine.fit import fit_run
from dmrnet.engine.run.finished import open_run
from dmrnet.engine.run.folder import RunFolder
from dmrnet.engine.training.checkpoints import Checkpoints
from dmrnet.engine.training.prerequisite import CACHE, FOLDER, cache_folder, teacher_selection
from dmrnet.engine.training.trainee import Progress
from dmrnet.methods.base import Method
from dmrnet.methods.hooks import Needs
from dmrnet.methods.modules.mmanet import MMANet


def teachers(folder: Path) -> list[Path]:
    """Return the teachers that are kept beside the runs of a folder."""
    return sorted(path for path in (folder / CACHE).iterdir() if path.is_dir())


EARLY = ("--method.start", "1", "--method.rank_from", "0")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A student's run on incomplete arrays, with the teacher beside it."""
    folder = tmp_path_factory.mktemp("made")
    fit_run(settings_in(folder, *EARLY, method="mmanet", epochs=3), folder / "run")
    return folder


def test_the_teacher_is_trained_first_with_the_same_data_and_training(made: Path) -> None:
    (kept,) = teachers(made)
    student, teacher = open_run(made / "run"), open_run(kept)
    assert not (made / "run" / FOLDER).exists()
    assert teacher.settings.method.name == "full"
    assert teacher.settings.data == student.settings.data
    # The teacher is selected on complete samples, not by the average over combinations.
    assert student.settings.training.select == "best"
    wanted = replace(student.settings.training, select="complete")
    assert teacher.settings.training == wanted
    measured = {name for _, name, _ in metrics_of(RunFolder(kept).metrics)}
    assert "val_complete" in measured
    assert "val_average" not in measured
    assert (teacher_selection("last"), teacher_selection("complete")) == ("last", "complete")
    assert teacher.settings.seed == student.settings.seed
    assert teacher.settings.method.network == student.settings.method.network
    values = {name for _, name, _ in metrics_of(RunFolder(made / "run").metrics)}
    assert {"task", "margin_aware", "modality_aware"} <= values
    assert not any("teacher" in name for name in student.method.state_dict())


def test_its_cost_counts(made: Path) -> None:
    mine, theirs = (
        {row["metric"]: row["value"] for row in RunFolder(path).rows() if not row["combination"]}
        for path in (made / "run", teachers(made)[0])
    )
    assert theirs["train_samples"] == 3 * TRAIN
    assert mine["train_samples"] == 2 * theirs["train_samples"]
    assert mine["train_seconds"] > theirs["train_seconds"]
    # The term has a second trunk and classifier; a teacher adds no parameters.
    assert mine["inference_parameters"] == theirs["parameters"]
    assert theirs["inference_parameters"] == theirs["parameters"]
    fusion = open_run(made / "run").method.fusion
    second = sum(p.numel() for p in fusion.parameters()) + 8 * 3 + 3
    assert mine["parameters"] == mine["inference_parameters"] + second


def test_a_teacher_is_trained_once_for_every_student_of_it(made: Path, tmp_path: Path) -> None:
    settings = settings_in(made, *EARLY, method="mmanet", epochs=3)
    assert not fit_run(settings, made / "run")
    (kept,) = teachers(made)
    weights = RunFolder(kept).weights
    before = weights.stat().st_mtime_ns
    assert fit_run(settings, made / "again")
    assert result_of(made / "again") == result_of(made / "run")
    # Another student of the same teacher; it is trained on the same samples out of other files.
    write_arrays(tmp_path)
    others = [f"--data.{part}={tmp_path / part}.npz" for part in ("train", "val", "test")]
    weaker = settings_in(
        made, *EARLY, *others, "--method.margin_weight", "3", method="mmanet", epochs=3
    )
    assert weaker.data != settings.data
    assert fit_run(weaker, made / "weaker")
    assert teachers(made) == [kept]
    assert weights.stat().st_mtime_ns == before
    assert metrics_of(RunFolder(made / "weaker").metrics) != metrics_of(
        RunFolder(made / "run").metrics
    )


def test_the_folder_of_a_teacher_follows_from_its_settings(made: Path) -> None:
    content = {"train": "a", "val": "b", "test": "c"}

    def place(*flags: str, epochs: int = 3, **changed: str) -> str:
        settings = settings_in(made, *flags, method="full", epochs=epochs)
        return cache_folder(settings, made, {**content, **changed}).name

    same = place()
    assert same.startswith("arrays-full-seed0-")
    assert place("--threads", "2", "--num-workers", "1", test="z") == same
    for changed in (
        place("--seed", "1"),
        place(epochs=4),
        place("--method.network.width", "12"),
        place("--method.smoothing", "0.1"),
        place(train="z"),
        place(val="z"),
    ):
        assert changed != same


@pytest.mark.slow
def test_a_teacher_that_was_begun_elsewhere_is_finished(made: Path, tmp_path: Path) -> None:
    """Its training is killed; then the same samples are in files that its config does not name."""
    settings = settings_in(tmp_path, *EARLY, method="mmanet", epochs=3)

    class KilledError(Exception):
        pass

    def kill(progress: Progress) -> None:
        if progress.epoch == 2:
            raise KilledError

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Checkpoints, "every", 0.0)
        with pytest.raises(KilledError):
            fit_run(settings, tmp_path / "run", kill)
    (tmp_path / "moved").mkdir()
    moved = settings_in(tmp_path / "moved", *EARLY, method="mmanet", epochs=3)
    assert fit_run(moved, tmp_path / "run2")
    (kept,) = teachers(tmp_path)
    assert open_run(kept).settings.data == moved.data
    assert result_of(tmp_path / "run2")["metrics"] == result_of(made / "run")["metrics"]


def test_a_teacher_in_the_runs_own_folder_is_used(made: Path) -> None:
    """Several processes keep it there, and so did an older version."""
    shutil.copytree(teachers(made)[0], made / "old" / FOLDER)
    weights = RunFolder(made / "old" / FOLDER).weights
    before = weights.stat().st_mtime_ns
    assert fit_run(settings_in(made, *EARLY, method="mmanet", epochs=3), made / "old")
    assert weights.stat().st_mtime_ns == before
    assert result_of(made / "old") == result_of(made / "run")


def test_a_given_teacher_is_the_same_as_its_own(made: Path) -> None:
    given = ("--method.teacher", str(teachers(made)[0]))
    settings = settings_in(made, *EARLY, *given, method="mmanet", epochs=3)
    fit_run(settings, made / "given")
    mine, theirs = (metrics_of(RunFolder(made / n).metrics) for n in ("run", "given"))
    assert mine == theirs


def test_another_teacher_teaches_something_else(made: Path) -> None:
    shutil.copytree(teachers(made)[0], made / "other")
    folder = RunFolder(made / "other")
    run = open_run(made / "other")
    from dmrnet.engine.run.weights import save_weights

    with torch.no_grad():
        for parameter in run.method.parameters():
            parameter.add_(0.3)
    save_weights(run.method, folder.weights)
    facts = folder.read_facts()
    del facts["seal"]
    folder.facts.write_text(json.dumps(facts))
    given = ("--method.teacher", str(made / "other"))
    fit_run(settings_in(made, *EARLY, *given, method="mmanet", epochs=3), made / "changed")
    mine, theirs = (metrics_of(RunFolder(made / n).metrics) for n in ("run", "changed"))
    assert mine != theirs


def test_a_method_that_needs_complete_samples_refuses_others(
    made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No method of the list does, but the declaration is checked."""
    monkeypatch.setattr(Method, "needs", Needs(complete=True))
    with pytest.raises(ValueError, match="every modality, but sample 1 lacks face"):
        fit_run(settings_in(made, method="sf-md", epochs=1), made / "refused")


def test_combinations_are_ranked_on_validation(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine reports the student's predictions on validation at that moment."""
    settings = settings_in(
        made, *EARLY, "--recipe", "released", "--method.rank_from", "0", method="mmanet", epochs=3
    )
    val = settings.data.load(0).val
    batch = val.take(torch.arange(len(val)))
    heard = []

    def on_validation_predictions(self: MMANet, predicted: torch.Tensor) -> None:
        assert self.training
        asked = self.combinations_to_validate(0)
        assert asked is not None
        with torch.no_grad():
            self.eval()
            for row, combination in zip(predicted, asked, strict=True):
                has = (batch.present | ~combination).all(1)
                classes = self(batch.inputs, combination.expand(len(val), -1))[has].argmax(1)
                assert row.tolist() == [int((classes == k).sum()) for k in range(3)]
            self.train()
        heard.append(int(predicted.sum()))
        self.weak.on_validation_predictions(predicted)

    monkeypatch.setattr(MMANet, "on_validation_predictions", on_validation_predictions)
    fit_run(settings, made / "ranked")
    assert len(heard) == 3  # every epoch, since rank_last is 3
    assert min(heard) > 0


def test_mistakes_are_errors(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*flags: str, error: type[Exception] = ValueError, match: str) -> None:
        settings = settings_in(made, *EARLY, *flags, method="mmanet", epochs=2)
        with pytest.raises(error, match=match):
            fit_run(settings, made / "refused")

    refused("--method.teacher", str(made / "run"), match="holds a run of mmanet, but mmanet needs")
    refused(
        *("--method.teacher", str(teachers(made)[0]), "--seed", "1"),
        match="with seed 0, but this run is on .* with seed 1",
    )
    refused(
        *("--method.teacher", str(made / "none")), error=FileNotFoundError, match="holds no run"
    )
    refused("--devices", "2", match="mmanet needs a trained full first, .* use torchrun")
