"""Loggers get the figures of the records; callbacks are called, and find them, too."""

from __future__ import annotations

import csv
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import lightning.pytorch as pl
import numpy as np
import pytest
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint, TQDMProgressBar
from lightning.pytorch.loggers import Logger

import dmrnet
from dmrnet.engine.run.folder import RunFolder
from dmrnet.engine.training import loggers
from dmrnet.engine.training.checkpoints import Checkpoints
from dmrnet.engine.training.optim import learning_rate
from dmrnet.settings.training import Training

Y = np.arange(60) % 2
RNG = np.random.default_rng(0)
DATA = dmrnet.MultimodalDataset(
    {"a": RNG.normal(size=(60, 3)) + Y[:, None], "b": RNG.normal(size=(60, 2))}, Y
)
SHORT: dict[str, Any] = {"method": "sf-md", "max_epochs": 3, "batch_size": 48, "threads": 1}
SHORT |= {"select_times": 2}


class Kept(Logger):
    """Keeps what it is given."""

    name, version = "kept", 0

    def __init__(self) -> None:
        super().__init__()
        self.rows: dict[int, dict[str, float]] = {}
        self.settings: dict[str, Any] = {}

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        self.rows[step or 0] = dict(metrics)

    def log_hyperparams(self, params: dict[str, Any]) -> None:
        self.settings = params


class Seen(pl.Callback):
    """Notes the hooks that are called, and what can be read there."""

    def __init__(self) -> None:
        self.hooks: list[str] = []
        self.scores: list[float] = []

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.hooks.append("start")
        assert pl_module.method.modalities == ("a", "b")

    def on_train_batch_end(self, *_: object) -> None:
        self.hooks.append("step")

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.hooks.append("scored")
        self.scores.append(float(trainer.callback_metrics["val_average"]))

    def on_train_end(self, *_: object) -> None:
        self.hooks.append("end")


def test_a_logger_and_a_callback_see_the_history() -> None:
    kept, seen = Kept(), Seen()
    bar = TQDMProgressBar(refresh_rate=0)
    run = dmrnet.fit(DATA, logger=kept, callbacks=[seen, bar], **SHORT)
    assert kept.settings["method"]["name"] == "sf-md"
    combinations = {f"val_accuracy/{name}" for name in ("a", "b", "a+b")}
    for epoch in run.history:
        figures = kept.rows[int(epoch.pop("epoch"))]
        extra = figures.keys() - epoch.keys()
        assert {name: figures[name] for name in epoch if name != "seconds"} == {
            name: value for name, value in epoch.items() if name != "seconds"
        }
        assert extra - {"seconds"} == {"lr"} | (combinations if "val_average" in epoch else set())
    scored = kept.rows[2]
    mean = sum(scored[name] for name in combinations) / 3
    assert scored["val_average"] == pytest.approx(mean)
    assert scored["val_accuracy/a"] == run.validation["a"] or run.best_epoch != 2
    rate = learning_rate(Training(max_epochs=3), 1)
    assert [kept.rows[epoch]["lr"] for epoch in range(3)] == [
        0.2 * rate(epoch) for epoch in range(3)
    ]
    assert seen.hooks == ["start", "step", "step", "scored", "step", "scored", "end"]
    assert seen.scores == pytest.approx([kept.rows[e]["val_average"] for e in (1, 2)])
    facts = RunFolder(run.path).read_facts()
    assert facts["callbacks"][0].endswith("test_loggers.Seen")


def test_watching_changes_no_number(tmp_path: Path) -> None:
    alone = dmrnet.fit(DATA, **SHORT)
    watched = dmrnet.fit(DATA, logger="csv", callbacks=[Seen()], out=tmp_path / "run", **SHORT)
    assert alone.validation.values == watched.validation.values
    with (tmp_path / "run" / "logs" / "csv" / "version_0" / "metrics.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [row["step"] for row in rows] == ["0", "1", "2"]
    losses = [epoch["loss"] for epoch in watched.history]
    assert [float(row["loss"]) for row in rows] == losses
    # Who watches is no part of what the run is.
    again = dmrnet.fit(DATA, out=tmp_path / "run", **SHORT)
    assert again.validation.values == watched.validation.values


def test_tensorboard_shows_every_figure(tmp_path: Path) -> None:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    run = dmrnet.fit(DATA, logger="tensorboard", out=tmp_path / "run", **SHORT)
    events = accumulator.EventAccumulator(str(tmp_path / "run" / "logs" / "tensorboard"))
    events.Reload()
    found = {tag: events.Scalars(tag) for tag in events.Tags()["scalars"]}
    assert [event.value for event in found["loss"]] == pytest.approx(
        [epoch["loss"] for epoch in run.history]
    )
    assert [event.step for event in found["val_accuracy/a+b"]] == [1, 2]
    assert "hp_metric" not in found


def test_callbacks_of_lightning_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # No checkpoint of the run itself is written but the last: those of others are all the same.
    monkeypatch.setattr(Checkpoints, "every", 1e9)
    patient = EarlyStopping("val_average", mode="max", patience=1, min_delta=2.0)
    kept = ModelCheckpoint(tmp_path / "kept", monitor="loss", save_top_k=-1)
    run = dmrnet.fit(
        DATA, callbacks=[patient, kept], **{**SHORT, "max_epochs": 6, "select_times": 6}
    )
    assert len(run.history) == 2 == len(list((tmp_path / "kept").iterdir()))
    assert float(kept.best_model_score) == pytest.approx(min(e["loss"] for e in run.history))


@pytest.mark.parametrize(
    ("change", "kind", "message"),
    [
        ({"logger": "tensorborad"}, ValueError, "tensorborad"),
        ({"logger": "csv"}, ValueError, "temporary without out"),
        ({"logger": [3]}, TypeError, r"a Logger of lightning.pytorch, got builtins.int"),
        ({"callbacks": [SimpleNamespace()]}, TypeError, "a Callback of lightning.pytorch, got"),
    ],
)
def test_a_wrong_one_is_refused(
    change: dict[str, Any], kind: type[Exception], message: str
) -> None:
    with pytest.raises(kind, match=message):
        dmrnet.fit(DATA, **SHORT, **change)


def test_a_package_that_is_not_installed_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loggers, "find_spec", lambda name: None)
    for name in ("tensorboard", "mlflow", "wandb"):
        with pytest.raises(ModuleNotFoundError, match=rf"pip install 'dmrnet\[{name}\]'"):
            loggers.logger_by_name(name, RunFolder(tmp_path))


def test_mlflow_and_wandb_are_named_after_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[tuple[Any, ...]] = []
    monkeypatch.setattr(loggers, "find_spec", lambda name: SimpleNamespace(origin=name))
    stand_in = ModuleType("mlflow")
    stand_in.get_tracking_uri = lambda: "sqlite:///x.db"  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "mlflow", stand_in)
    for kind in ("PlainMLFlowLogger", "WandbLogger"):
        monkeypatch.setattr(loggers, kind, lambda *args, **more: made.append((*args, more)))
    for name in ("mlflow", "wandb"):
        loggers.logger_by_name(name, RunFolder(tmp_path / "run"))
    assert made == [
        ("dmrnet", {"run_name": "run", "tracking_uri": "sqlite:///x.db"}),
        ("run", {"save_dir": tmp_path / "run" / "logs", "project": "dmrnet"}),
    ]
