"""Training in Python: the same runs as the command line's, with parts of the user's own."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.studies.here import run_here
from torch import Tensor, nn

import dmrnet
from dmrnet import Modality, MultimodalDataset, Run, Task
from dmrnet.cli import main
from dmrnet.data.sets.embedded.mfeat import Mfeat
from dmrnet.data.sets.given import Given
from dmrnet.engine.scores.own_metrics import METRICS
from dmrnet.methods import METHODS
from dmrnet.methods.base import Method
from dmrnet.nn import ConcatFusion, Network, Point, PooledLinear, feature_shapes
from dmrnet.nn.encoders.own import ENCODERS

SHORT: dict[str, Any] = {"max_epochs": 2, "threads": 1}
RNG = np.random.default_rng(0)
Y = np.arange(90) % 3
CAMERA = RNG.normal(size=(90, 8)).astype(np.float32) + 2 * np.eye(8, dtype=np.float32)[Y]
RADAR = RNG.normal(size=(90, 3, 16)).astype(np.float32) + Y[:, None, None].astype(np.float32)
RADAR[::5] = np.nan


def samples(name: str = "mine") -> MultimodalDataset:
    return MultimodalDataset({"camera": CAMERA, "radar": RADAR}, Y, name=name)


class Radar(nn.Module):
    """An encoder as a user writes it: it knows its own shapes."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(48, 12), nn.ReLU())

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.layers(x)
        return out


def values_in(folder: Path) -> list[Any]:
    rows = [json.loads(line) for line in (folder / "results.jsonl").read_text().splitlines()]
    timed = ("train_seconds", "train_cpu_seconds")
    return [
        (r["split"], r["combination"], r["metric"], r["value"], r["n"])
        for r in rows
        if r["metric"] not in timed
    ]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    out = tmp_path_factory.mktemp("api") / "mine"
    encoders = {"radar": Radar}
    return dmrnet.fit(
        samples(), test=samples(), method="sf-md", encoders=encoders, out=out, **SHORT
    )


@pytest.fixture
def registered() -> Iterator[None]:
    """Forget what a test registers."""
    lists = (METHODS, ENCODERS, METRICS)
    before = [(dict(one._paths), dict(one._registered)) for one in lists]
    yield
    for one, (paths, items) in zip(lists, before, strict=True):
        one._paths, one._registered = paths, items


def test_a_file_gives_the_rows_of_the_command_line(tmp_path: Path) -> None:
    path = tmp_path / "train.npz"
    np.savez(path, camera=CAMERA, radar=RADAR, y=Y)
    argv = ["fit", "--data", "arrays", "--data.train", str(path)]
    short = ["--max-epochs", "2", "--threads", "1"]
    assert main([*argv, *short, "--out", str(tmp_path / "command")]) == 0
    dmrnet.fit(path, out=tmp_path / "file", **SHORT)
    given = dmrnet.fit(samples(), **SHORT)
    assert values_in(tmp_path / "file") == values_in(tmp_path / "command")
    assert values_in(given.path) == values_in(tmp_path / "command")


def test_a_run_scores_and_predicts(run: Run) -> None:
    scores = run.evaluate()
    assert set(scores.values["accuracy"]) == {"camera", "radar", "camera+radar"}
    assert scores.values["accuracy"]["radar"][1] == 72
    assert run.evaluate(samples("other")).values == scores.values
    probabilities = run.predict_proba({"camera": CAMERA, "radar": RADAR})
    assert np.allclose(probabilities.sum(1), 1, atol=1e-6)
    # Labels come back as they were given, so that they compare with y.
    predicted = run.predict({"camera": CAMERA})
    assert predicted.dtype.kind == "i"
    assert float((predicted == Y).mean()) == pytest.approx(scores["camera"])
    assert np.isnan(run.predict_proba({"radar": RADAR[:6]})).any(1).tolist() == [
        True,
        False,
        False,
        False,
        False,
        True,
    ]
    with pytest.raises(ValueError, match="row 0 has nothing"):
        run.predict({"radar": RADAR})
    assert [row["epoch"] for row in run.history] == [0, 1]
    assert "held out" in " ".join(run.notes)


def test_a_run_is_opened_with_its_encoder(run: Run) -> None:
    again = dmrnet.open_run(run.path, encoders={"radar": Radar})
    inputs = {"camera": CAMERA, "radar": RADAR}
    assert np.array_equal(again.predict_proba(inputs), run.predict_proba(inputs))
    module = dmrnet.open_run(run.path, encoders={"radar": Radar()})
    assert np.array_equal(module.predict_proba(inputs), run.predict_proba(inputs))


def test_the_same_call_opens_the_finished_run(run: Run) -> None:
    changed = (run.path / "checkpoints" / "best.safetensors").stat().st_mtime_ns
    encoders = {"radar": Radar}
    dmrnet.fit(samples(), test=samples(), method="sf-md", encoders=encoders, out=run.path, **SHORT)
    assert (run.path / "checkpoints" / "best.safetensors").stat().st_mtime_ns == changed
    with pytest.raises(ValueError, match="other settings"):
        dmrnet.fit(samples(), method="sf-md", out=run.path, **SHORT)


@pytest.mark.usefixtures("no_pictures")
def test_a_report_compares_runs_of_python(run: Run, tmp_path: Path) -> None:
    run.evaluate()
    report = dmrnet.build_report([run, run.path], tmp_path / "report")
    assert "sf-md" in report.page.read_text()


def own_method(task: Task) -> Method:
    """Fusion and predictor of the user's own."""
    encoders = Network(width=16).build_encoders(task)
    trunk = nn.Sequential(nn.Conv2d(32, 8, 1), nn.ReLU())
    return Method(
        task,
        encoders=encoders,
        fusion=ConcatFusion(feature_shapes(task, encoders), trunk),
        representation=Point(8),
        predictor=PooledLinear(8, len(task.classes)),
    )


def test_a_function_is_a_method(registered: None, tmp_path: Path) -> None:
    mine = dmrnet.fit(samples(), method=own_method, out=tmp_path / "mine", **SHORT)
    assert mine.validation.average > 0.3
    assert np.array_equal(
        dmrnet.open_run(tmp_path / "mine").predict({"camera": CAMERA}),
        mine.predict({"camera": CAMERA}),
    )
    with pytest.raises(ValueError, match="built by a function"):
        dmrnet.fit(samples(), method=own_method, encoders={"radar": Radar}, **SHORT)
    with pytest.raises(TypeError, match="return a Method"):
        dmrnet.fit(samples(), method=lambda task: nn.Linear(1, 1), **SHORT)


def test_registered_parts_go_by_their_names(registered: None) -> None:
    @dmrnet.register_encoder("narrow")
    def narrow(modality: Modality) -> nn.Module:
        return nn.Sequential(nn.Flatten(), nn.Linear(int(np.prod(modality.shape)), 4))

    @dmrnet.register_metric("certainty")
    def certainty(probabilities: Tensor, target: Tensor) -> Tensor:
        return probabilities.amax(1).mean()

    dmrnet.register_method("mine")(own_method)
    with pytest.raises(ValueError, match="registered one, got 'narow'; did you mean 'narrow'"):
        dmrnet.fit(samples(), method="sf-md", encoders={"camera": "narow"}, **SHORT)
    run = dmrnet.fit(samples(), method="sf-md", encoders={"camera": "narrow"}, **SHORT)
    assert isinstance(run.method.encoders[0], nn.Module)
    errors = {"errors": lambda p, target: (p.argmax(1) != target).sum()}
    scores = run.evaluate(samples(), metrics=errors)
    accuracy, wrong = scores["camera+radar"], scores.values["errors"]["camera+radar"]
    assert wrong == (round(72 * (1 - accuracy)), 72)
    assert 1 / 3 <= scores.values["certainty"]["camera"][0] <= 1
    assert dmrnet.build_method("mine", run.method.task).modalities == ("camera", "radar")


def test_masks_of_the_users_own_are_drawn(tmp_path: Path) -> None:
    drawn = []

    def camera_only(present: Tensor, generator: torch.Generator | None = None) -> Tensor:
        drawn.append(len(present))
        mask = present.clone()
        mask[present[:, 0], 1] = False
        return mask

    out = tmp_path / "masked"
    dmrnet.fit(samples(), method="sf-md", masks=camera_only, out=out, **SHORT)
    assert sum(drawn) == 2 * 72
    with pytest.raises(ValueError, match=r"masks of .*camera_only"):
        dmrnet.fit(samples(), method="sf-md", out=out, **SHORT)


def test_settings_of_a_data_set_that_is_not_registered_are_refused() -> None:
    class Unlisted(Given):
        pass

    assert dmrnet.fit(Mfeat(rows=60), method="sf-md", **SHORT).modalities[0] == "fou"
    with pytest.raises(TypeError, match="register_dataset"):
        dmrnet.fit(Unlisted(), method="sf-md", **SHORT)


@pytest.mark.parametrize(
    ("change", "kind", "message"),
    [
        ({"epochs": 3}, TypeError, "no setting 'epochs'; did you mean 'max_epochs'?"),
        ({"gpu": True}, TypeError, "no setting 'gpu'; accelerator gpu "),
        ({"train": "mfeat", "val_share": 0.5}, TypeError, "expected val_share in the settings"),
        ({"train": "mfaet"}, ValueError, "mfeat"),
        ({"train": "mfeat", "val": samples()}, TypeError, "no val and test"),
        ({"val": "val.npz"}, TypeError, "all as MultimodalDataset"),
        ({"encoders": {"rader": Radar}}, ValueError, "radar"),
        (
            {"encoders": {"radar": nn.Linear(5, 2)}},
            ValueError,
            r"cannot read a batch of shape \(2, 3",
        ),
        ({"encoders": {"radar": nn.Unflatten(1, (3, 1, 1))}}, ValueError, "expected a vector"),
        (
            {"encoders": {"radar": nn.Linear}},
            TypeError,
            "modality radar: the encoder cannot be built",
        ),
        ({"lr": "0.1"}, TypeError, "expected lr as a number, got the text '0.1'"),
        ({"terms": print}, TypeError, r"expected terms as a list, such as \[term\]"),
        ({"method": "dmrnte"}, ValueError, "dmrnet"),
    ],
)
def test_a_wrong_argument_is_refused(
    change: dict[str, Any], kind: type[Exception], message: str
) -> None:
    arguments = {"train": samples(), "method": "sf-md", **SHORT} | change
    with pytest.raises(kind, match=message):
        dmrnet.fit(**arguments)


def test_a_study_is_made_from_a_mapping(
    tmp_path: Path, no_pictures: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dmrnet.api.studies.run_jobs", run_here)
    path = tmp_path / "train.npz"
    np.savez(path, camera=CAMERA, y=Y)
    data = {"arrays": {"train": str(path), "test": str(path)}}
    spec = {"title": "two", "methods": ["sf-md", "head-only"], "data": data, "seeds": 1}
    study = dmrnet.run_study(spec, tmp_path / "out", max_epochs=2)
    assert study.report.page.is_file()
    assert [run.evaluate().metric for run in study.runs()] == ["accuracy", "accuracy"]
    assert dict(study.failed) == {} == study.chosen


@pytest.mark.parametrize(
    ("content", "arguments", "message"),
    [
        (
            {},
            {"max_epoch": 3},
            "sf-md seed 0: unknown setting max_epoch; did you mean 'max_epochs'?",
        ),
        ({"settings": {"lr": "fast"}}, {}, "sf-md seed 0: lr: expected a number, got 'fast'"),
        ({"data": "arrays"}, {}, "sf-md seed 0: data.train is missing: data arrays needs it."),
        ({}, {"workers": 0}, "workers: expected a whole number above 0, got 0"),
        ({}, {"threads": True}, "threads: expected a whole number above 0, got True"),
    ],
)
def test_a_wrong_study_is_refused_by_the_names_of_its_settings(
    tmp_path: Path, content: dict[str, Any], arguments: dict[str, Any], message: str
) -> None:
    spec = {"title": "t", "data": "mfeat", "methods": ["sf-md"], "seeds": 1, **content}
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        dmrnet.run_study(spec, tmp_path / "out", **arguments)
    assert not (tmp_path / "out").exists()


def test_a_study_from_a_mapping_searches(
    tmp_path: Path, no_pictures: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dmrnet.api.studies.run_jobs", run_here)
    path = tmp_path / "train.npz"
    np.savez(path, camera=CAMERA, y=Y)
    search = {"trials": 2, "seeds": [9], "own": False, "settings": {"lr": [1e-5, 0.1]}}
    spec: dict[str, Any] = {"title": "searched", "methods": ["sf-md"], "seeds": 1}
    spec |= {"data": {"arrays": {"train": str(path), "test": str(path)}}, "search": search}
    study = dmrnet.run_study(spec, tmp_path / "out", max_epochs=4)
    trials = (tmp_path / "out" / "search" / "trials.jsonl").read_text().splitlines()
    scores = {float(t["settings"]["lr"]): t["score"] for t in map(json.loads, trials)}
    best = max(scores, key=lambda lr: scores[lr])
    assert scores.keys() == {1e-5, 0.1}
    assert scores[best] > min(scores.values())
    assert [float(one["lr"]) for one in study.chosen.values()] == [best]
    (run,) = study.runs()
    settings = run._finished.settings
    assert (settings.training.lr, settings.seed) == (best, 0)
    # The choice is no part of the name, as in reports of the command.
    assert "lr" not in study.report.page.with_suffix(".md").read_text().partition("\n")[0]
    with pytest.raises(ValueError, match="other seeds for the study's own runs"):
        dmrnet.run_study(spec | {"search": search | {"seeds": [0]}}, tmp_path / "other")


def test_target_says_what_the_numbers_of_a_file_are(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "t.npz", a=rng.normal(size=(60, 3)), y=np.arange(60))
    with pytest.raises(ValueError, match="regression or"):
        dmrnet.fit(tmp_path / "t.npz", method="sf-md", max_epochs=1)
    run = dmrnet.fit(tmp_path / "t.npz", target="regression", method="sf-md", max_epochs=1)
    assert run.evaluate(tmp_path / "t.npz").metric == "mae"
    later = rng.normal(size=(5, 3))
    plain = run.predict({"a": later})
    later[1, 0] = np.nan  # Its row keeps its place, as NaN.
    skipped = run.predict({"a": later}, bad_rows="skip")
    np.testing.assert_array_equal(skipped, np.where(np.arange(5) == 1, np.nan, plain))
    data = dmrnet.MultimodalDataset({"a": rng.normal(size=(60, 3))}, np.arange(60) % 2)
    with pytest.raises(TypeError, match="give it to MultimodalDataset"):
        dmrnet.fit(data, target="regression", method="sf-md")
