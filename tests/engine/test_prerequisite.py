"""A method that needs another one trained first: in one command, once, or given."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from tests.engine.runs import TRAIN, metrics_of, result_of, settings_in

from dmrnet.engine.finished import open_run
from dmrnet.engine.fit import fit
from dmrnet.engine.folder import RunFolder

EARLY = ("--method.start", "1", "--method.rank_from", "0")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A student's run on incomplete arrays, with the teacher in it."""
    folder = tmp_path_factory.mktemp("made")
    fit(settings_in(folder, *EARLY, method="mmanet", epochs=3), folder / "run")
    return folder


def test_the_teacher_is_trained_first_with_the_same_data_and_training(made: Path) -> None:
    student, teacher = open_run(made / "run"), open_run(made / "run" / "teacher")
    assert teacher.settings.method.name == "full"
    assert teacher.settings.data == student.settings.data
    assert teacher.settings.training == student.settings.training
    assert teacher.settings.seed == student.settings.seed
    assert teacher.settings.method.network == student.settings.method.network
    values = {name for _, name, _ in metrics_of(RunFolder(made / "run").metrics)}
    assert {"task", "margin_aware", "modality_aware"} <= values
    assert not any("teacher" in name for name in student.method.state_dict())


def test_its_cost_counts(made: Path) -> None:
    mine, teachers = (
        {row["metric"]: row["value"] for row in RunFolder(path).rows() if not row["combination"]}
        for path in (made / "run", made / "run" / "teacher")
    )
    assert teachers["train_samples"] == 3 * TRAIN
    assert mine["train_samples"] == 2 * teachers["train_samples"]
    assert mine["train_seconds"] > teachers["train_seconds"]
    # The second trunk and classifier are the term's own; a teacher is nobody's parameters.
    assert mine["inference_parameters"] == teachers["parameters"]
    assert teachers["inference_parameters"] == teachers["parameters"]
    fusion = open_run(made / "run").method.fusion
    second = sum(p.numel() for p in fusion.parameters()) + 8 * 3 + 3
    assert mine["parameters"] == mine["inference_parameters"] + second


def test_a_finished_run_does_nothing_and_a_finished_teacher_is_taken_as_it_is(made: Path) -> None:
    settings = settings_in(made, *EARLY, method="mmanet", epochs=3)
    assert not fit(settings, made / "run")
    expected = result_of(made / "run")
    shutil.copytree(made / "run" / "teacher", made / "again" / "teacher")
    weights = made / "again" / "teacher" / "checkpoints" / "best.safetensors"
    before = weights.stat().st_mtime_ns
    assert fit(settings, made / "again")
    assert weights.stat().st_mtime_ns == before
    assert result_of(made / "again") == expected


def test_a_given_teacher_is_the_same_as_its_own(made: Path) -> None:
    given = ("--method.teacher", str(made / "run" / "teacher"))
    settings = settings_in(made, *EARLY, *given, method="mmanet", epochs=3)
    fit(settings, made / "given")
    assert not (made / "given" / "teacher").exists()
    mine, theirs = (metrics_of(RunFolder(made / n).metrics) for n in ("run", "given"))
    assert mine == theirs


def test_another_teacher_teaches_something_else(made: Path) -> None:
    shutil.copytree(made / "run" / "teacher", made / "other")
    folder = RunFolder(made / "other")
    run = open_run(made / "other")
    from dmrnet.engine.weights import save_weights

    with torch.no_grad():
        for parameter in run.method.parameters():
            parameter.add_(0.3)
    save_weights(run.method, folder.weights)
    given = ("--method.teacher", str(made / "other"))
    fit(settings_in(made, *EARLY, *given, method="mmanet", epochs=3), made / "changed")
    mine, theirs = (metrics_of(RunFolder(made / n).metrics) for n in ("run", "changed"))
    assert mine != theirs


def test_mistakes_are_told(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*flags: str, error: type[Exception] = ValueError, match: str) -> None:
        settings = settings_in(made, *EARLY, *flags, method="mmanet", epochs=2)
        with pytest.raises(error, match=match):
            fit(settings, made / "refused")

    refused("--method.teacher", str(made / "run"), match="holds a run of mmanet, but mmanet needs")
    refused(
        *("--method.teacher", str(made / "run" / "teacher"), "--seed", "1"),
        match="with seed 0, but this run is on .* with seed 1",
    )
    refused(
        *("--method.teacher", str(made / "none")), error=FileNotFoundError, match="holds no run"
    )
    refused("--devices", "2", match="mmanet needs a trained full first, .* use torchrun")
