"""Training a run from its settings into its folder."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable
from pathlib import Path

import lightning.pytorch as pl
import torch
from safetensors.torch import save
from torch import Tensor

from dmrnet.data.dataset import Splits
from dmrnet.data.loader import evaluation_batches
from dmrnet.engine.checkpoints import Checkpoints
from dmrnet.engine.config import RunSettings, dump, flat, read_config
from dmrnet.engine.folder import RunFolder, write_bytes, write_text
from dmrnet.engine.rows import bookkeeping, rows_of_evaluation
from dmrnet.engine.selection import Selection
from dmrnet.engine.settings import Training
from dmrnet.engine.trainee import Progress, Trainee
from dmrnet.engine.weights import load_weights
from dmrnet.evaluation import evaluate
from dmrnet.methods.base import Method
from dmrnet.modalities import some_combinations

log = logging.getLogger(__name__)

MOST_COMBINATIONS = 1023
"""Of more combinations than these, so many are drawn for evaluation, and the tables say so."""


def fit(
    settings: RunSettings,
    out: Path,
    report: Callable[[Progress], None] | None = None,
    started: Callable[[Splits, Method, Training], None] | None = None,
) -> bool:
    """Train a run, or go on with it; evaluate it on validation.

    Args:
        settings: What decides the result.
        out: The run's folder. If it holds the same run unfinished, that one goes on after its last
            finished epoch.
        report: Called after every epoch.
        started: Called once, before the first epoch, with what is about to be trained.

    Returns:
        False if the folder held the finished run already and nothing was done.

    Raises:
        ValueError: If the folder holds another run, or data and settings do not fit together.
        FileNotFoundError: If data are missing.
    """
    folder = RunFolder(out)
    if folder.config.is_file():
        check_same(settings, folder)
        if folder.facts.is_file() and folder.read_facts().get("finished"):
            return False
    splits = settings.data.load(settings.seed)
    training = settings.training.sized(len(splits.train))
    if training.threads:
        torch.set_num_threads(training.threads)
    torch.manual_seed(settings.seed)
    method = settings.method.build(splits.train.task)
    write_text(folder.config, dump(settings))
    write_run(folder, settings, splits, training)
    if started is not None:
        started(splits, method, training)
    trainee = Trainee(method, splits, training, settings.seed, folder, report)
    checkpoints = Checkpoints(folder)
    trainer = build_trainer(training, folder, checkpoints)
    resumed = checkpoints.newest()
    if resumed is not None:
        log.warning("going on after epoch %d of %s", resumed.epoch + 1, out)
    folder.forget_from(0 if resumed is None else resumed.epoch + 1)
    with warnings.catch_warnings():
        # Lightning advises worker processes and a logger; both are settled here.
        warnings.filterwarnings("ignore", module="lightning.*")
        trainer.fit(trainee, ckpt_path=None if resumed is None else resumed.path)
    if trainer.interrupted:
        raise KeyboardInterrupt
    if trainer.is_global_zero:
        finish(trainee, settings, folder)
    return True


def check_same(settings: RunSettings, folder: RunFolder) -> None:
    """Refuse to go on with a folder that holds a run of other settings."""
    before, now = flat(read_config(folder.config).to_dict()), flat(settings.to_dict())
    differ = [
        f"{key} (there {before.get(key)}, now {now.get(key)})"
        for key in {**before, **now}
        if before.get(key) != now.get(key) and key not in ("threads", "num_workers")
    ]
    if differ:
        raise ValueError(
            f"{folder.path} holds a run with other settings: {'; '.join(differ[:3])}; "
            "choose another --out, or delete that folder"
        )


def build_trainer(training: Training, folder: RunFolder, checkpoints: Checkpoints) -> pl.Trainer:
    """Return Lightning's trainer, without what this engine does by itself."""
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    return pl.Trainer(
        accelerator=training.accelerator,
        devices=training.devices,
        precision="bf16-mixed" if training.precision == "bf16" else "32-true",
        max_epochs=training.max_epochs,
        gradient_clip_val=training.clip or None,
        default_root_dir=folder.path,
        callbacks=[checkpoints],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        reload_dataloaders_every_n_epochs=1,
        use_distributed_sampler=False,
    )


def write_run(folder: RunFolder, settings: RunSettings, splits: Splits, training: Training) -> None:
    """Write what is known before training: the task, the sizes, the standardiser."""
    task = splits.train.task
    folder.write_facts(
        dataset=splits.name,
        modalities=list(task.modalities),
        inputs={m.name: {"kind": m.kind, "shape": list(m.shape)} for m in task.inputs},
        classes=list(task.classes),
        columns=list(splits.columns),
        samples={name: len(part) for name, part in splits.parts().items()},
        notes=list(splits.notes),
        max_epochs=training.max_epochs,
        batch_size=training.batch_size,
        finished=False,
    )
    if splits.standardiser is not None:
        data = save({k: v.contiguous() for k, v in splits.standardiser.state().items()})
        write_bytes(folder.standardiser, data)


def finish(trainee: Trainee, settings: RunSettings, folder: RunFolder) -> None:
    """Score the kept weights on validation and write the rows that a run has before its test."""
    method, splits = trainee.evaluated, trainee.splits
    load_weights(method, folder.weights)
    method.eval()
    task = splits.train.task
    combinations = combinations_of(len(task.modalities))
    device = next(method.parameters()).device
    batches = (batch.to(device) for batch in evaluation_batches(splits.val, 512))
    result = evaluate(method, batches, combinations.to(device), len(task.classes))
    figures: dict[str, float] = {
        "parameters": sum(p.numel() for p in method.parameters()),
        "train_seconds": trainee.seconds,
        "train_samples": trainee.samples,
        "epochs": trainee.epochs,
        "best_epoch": -1 if trainee.best_epoch is None else trainee.best_epoch + 1,
    }
    if trainee.selected is not None and method.hard().any():
        figures["hard_agreement"] = agreement(method.hard().cpu(), trainee.selected)
    n = len(splits.val)
    folder.put_rows(
        "val",
        [
            *rows_of_evaluation(folder.name, settings, "val", result, task.modalities),
            *bookkeeping(folder.name, settings, "val", figures, n),
        ],
    )
    folder.write_facts(finished=True, best_epoch=trainee.best_epoch)


def agreement(hard: Tensor, selection: Selection) -> float:
    """Return the share of the hard set among as many combinations of lowest accuracy."""
    size = int(hard.sum())
    return float((hard & selection.worst(size)).sum()) / size


def combinations_of(modalities: int) -> Tensor:
    """Return the combinations that are evaluated: all, or a fixed draw of them."""
    return some_combinations(modalities, MOST_COMBINATIONS, torch.Generator().manual_seed(0))
