"""Who watches a training: loggers, by name or of the user's own, and callbacks of Lightning."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from importlib.util import find_spec

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Callback, ProgressBar
from lightning.pytorch.loggers import (
    CSVLogger,
    Logger,
    MLFlowLogger,
    TensorBoardLogger,
    WandbLogger,
)

from dmrnet.engine.run.folder import RunFolder
from dmrnet.settings.training import Logger as LoggerName

__all__ = [
    "Callback",
    "Logger",
    "call_callbacks",
    "check_observers",
    "end_logger",
    "logger_by_name",
]

PROJECT = "dmrnet"
"""MLflow experiment and W&B project, unless the variables of these tools name another."""


class PlainMLFlowLogger(MLFlowLogger):
    """MLflow's logger; names get characters that it allows and stay different."""

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Log values by name."""
        super().log_metrics({mlflow_name(name): x for name, x in metrics.items()}, step)


def mlflow_name(name: str) -> str:
    """Return a name of ASCII letters, digits, ``_/.-`` and spaces; Lightning drops the others.

    >>> mlflow_name("val_accuracy/rgb+ir"), mlflow_name("é")
    ('val_accuracy/rgb ir', '233.')
    """
    return "".join(
        one if (one.isascii() and one.isalnum()) or one in "_/.- " else f"{ord(one)}."
        for one in name.replace("+", " ")
    )


def logger_by_name(name: LoggerName, folder: RunFolder) -> Logger:
    """Return a logger of Lightning.

    csv and tensorboard write into the folder ``logs`` of the run, mlflow where ``mlflow ui`` reads
    (`MLFLOW_TRACKING_URI`), wandb into ``logs`` and to its server (`WANDB_MODE`).

    Raises:
        ModuleNotFoundError: If the package is not installed; the message names the extra.
    """
    logs = folder.path / "logs"
    if name == "csv":
        return CSVLogger(logs, name="csv")
    package = find_spec(name)
    # A folder of that name, as W&B makes one, is no package.
    if package is None or package.origin is None:
        raise ModuleNotFoundError(
            f"the logger {name} needs a package that is not installed: pip install 'dmrnet[{name}]'"
        )
    if name == "tensorboard":
        return TensorBoardLogger(logs, name="", version="tensorboard", default_hp_metric=False)
    if name == "mlflow":
        import mlflow

        experiment = os.environ.get("MLFLOW_EXPERIMENT_NAME", PROJECT)
        uri = mlflow.get_tracking_uri()
        return PlainMLFlowLogger(experiment, run_name=folder.name, tracking_uri=uri)
    logs.mkdir(parents=True, exist_ok=True)
    project = os.environ.get("WANDB_PROJECT", PROJECT)
    return WandbLogger(folder.name, save_dir=logs, project=project)


def end_logger(logger: Logger) -> None:
    """End a logger that was made by name: W&B would add the next run of this process to it."""
    if isinstance(logger, WandbLogger):
        logger.experiment.finish()


def check_observers(loggers: Iterable[object], callbacks: Iterable[object]) -> None:
    """Refuse loggers and callbacks that are not Lightning's.

    Raises:
        TypeError: If one is of another kind, such as of the package ``pytorch_lightning``.
    """
    for kind, some in ((Logger, loggers), (Callback, callbacks)):
        for one in some:
            if not isinstance(one, kind):
                raise TypeError(
                    f"expected a {kind.__name__} of lightning.pytorch, got "
                    f"{type(one).__module__}.{type(one).__qualname__}"
                )


def call_callbacks(trainer: pl.Trainer, module: pl.LightningModule, *hooks: str) -> None:
    """Call hooks that Lightning calls around its own validation, of which there is none.

    Progress bars are left out: they count the batches of Lightning's validation.
    """
    for hook in hooks:
        for callback in trainer.callbacks:  # type: ignore[attr-defined]
            if not isinstance(callback, ProgressBar):
                getattr(callback, hook)(trainer, module)
