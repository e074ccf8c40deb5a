"""Training a run from its settings into its folder."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import Logger
from safetensors.torch import save

from dmrnet.data.checks.presence import patterns
from dmrnet.data.dataset import Splits, fingerprint_of_file
from dmrnet.engine.default import with_method
from dmrnet.engine.final_scores import write_final_scores
from dmrnet.engine.guard import (
    check_fusion,
    check_masks,
    check_needs,
    check_rates,
    check_samples,
    check_terms,
    qualified_name,
    sampler_name,
    settings_to_continue,
)
from dmrnet.engine.run.folder import RunFolder
from dmrnet.engine.run.seal import decisive_settings, sources_of
from dmrnet.engine.training.checkpoints import Checkpoint, Checkpoints
from dmrnet.engine.training.loggers import check_observers, end_logger, logger_by_name
from dmrnet.engine.training.memory import keep_freed
from dmrnet.engine.training.prerequisite import cost_of, prerequisite
from dmrnet.engine.training.processes import ending_together, with_launch
from dmrnet.engine.training.trainee import Progress, Trainee, loss_weights
from dmrnet.engine.training.trainer import build_trainer, run_trainer
from dmrnet.evaluation import measure_of
from dmrnet.locking import lock_folder
from dmrnet.methods.base import Method
from dmrnet.modalities import MaskSampler, count
from dmrnet.nn.layers.memory_format import arrange
from dmrnet.nn.layers.norm import synchronise
from dmrnet.objectives import Term
from dmrnet.settings.config import RunSettings, dump, read_config
from dmrnet.settings.paths import absolute, paths_of, relative_paths
from dmrnet.settings.training import LENGTHENED, Training
from dmrnet.storage import write_bytes, write_text

log = logging.getLogger(__name__)

PATIENCE = 10.0
"""Seconds to wait for another process that trains the same run: a killed one takes some to end."""


class UnfitError(ValueError):
    """The method does not support this task; no training setting can change that."""


def fit_run(
    settings: RunSettings,
    out: str | Path,
    report: Callable[[Progress], None] | None = None,
    started: Callable[[Splits, Method, Training], None] | None = None,
    masks: MaskSampler | None = None,
    loggers: Sequence[Logger] = (),
    callbacks: Sequence[Callback] = (),
    terms: Sequence[Term] = (),
    splits: Splits | None = None,
) -> bool:
    """Train a run, or go on with it, and evaluate it on validation.

    Args:
        settings: Settings of the run; if they name no method, the task decides it.
        out: Folder of the run. If it holds the same run unfinished, training goes on from the last
            checkpoint; one is written at the end of an epoch, at most every five seconds. If it
            holds the same run finished after fewer epochs, it goes on where its schedule does.
        report: Called after every epoch.
        started: Called once before the first epoch with the data, the method and the training
            settings.
        masks: Sampler of the masks, instead of the one that the settings name.
        loggers: Loggers of Lightning besides the one that the settings name.
        callbacks: Callbacks of Lightning; a teacher is trained without them.
        terms: Terms that are added to the method's loss; a teacher is trained without them.
        splits: Data of these settings, if they have been read already.

    Returns:
        False if the folder held the finished run already and nothing was done.

    Raises:
        ValueError: If the folder holds another run, another process uses it, or data and settings
            do not fit together.
        FileNotFoundError: If data are missing.
        FileExistsError: If the folder holds files of these names that are of no run.
    """
    settings = replace(
        settings, training=with_launch(settings.training), data=absolute(settings.data)
    )
    check_observers(loggers, callbacks)
    folder = RunFolder(out)
    folder.check_own()
    checkpoints = Checkpoints(folder)
    if folder.trained:
        # A process that was killed after its last step may have left some.
        checkpoints.clear(keep_last=settings.training.schedule in LENGTHENED)
    requested, splits, _ = with_method(settings, out, splits)
    settings, finished = settings_to_continue(requested, checkpoints)
    splits = _data_to_train_on(settings, splits, checkpoints, masks, finished)
    if finished or checkpoints.existing():
        check_terms(terms, folder)
    if splits is None:
        return False
    training = _training_of(settings, splits)
    named = [logger_by_name(training.logger, folder)] if training.logger else []
    trainer = build_trainer(training, checkpoints, [*named, *loggers], callbacks)
    if trainer.strategy.root_device.type == "cpu":
        keep_freed()
    method = _build_method(settings, splits)
    method.add_terms(terms)
    teacher_cost = _set_teacher(method, settings, splits, folder, report)
    if trainer.world_size == 1:
        # Processes that share their gradients would copy them.
        arrange(method, trainer.strategy.root_device.type)
    if training.sync_batch_norm:
        synchronise(method)

    # Only the first process writes; the others wait for it when training starts.
    with lock_folder(folder.path, PATIENCE) if trainer.is_global_zero else nullcontext():
        if trainer.world_size == 1:
            # Another process, which had the lock, may have trained the run meanwhile.
            settings, finished = settings_to_continue(requested, checkpoints)
            if finished:
                return False
        resumed = checkpoints.newest(method)
        if trainer.is_global_zero:
            own = {
                "masks": sampler_name(masks),
                "callbacks": [qualified_name(one) for one in callbacks],
                "terms": [term.name for term in terms],
            }
            _write_start(settings, folder, splits, training, own, resumed)
            for logger in trainer.loggers:
                logger.log_hyperparams(settings.to_dict())
            if started is not None:
                started(splits, method, training)
        measure = measure_of(settings.data, splits.train.task, settings.training.select_by)
        trainee = Trainee(method, splits, training, settings.seed, folder, report, measure, masks)
        _train(trainer, trainee, settings, checkpoints, resumed, teacher_cost)
        if trainer.is_global_zero:
            for logger in named:
                end_logger(logger)
    return True


def _data_to_train_on(
    settings: RunSettings,
    splits: Splits | None,
    checkpoints: Checkpoints,
    masks: MaskSampler | None,
    finished: bool,
) -> Splits | None:
    """Return the data of a run after comparing them with its folder; None if it is finished.

    The data are read unless they are given as `splits`.
    """
    folder = checkpoints.folder
    try:
        splits = settings.data.load(settings.seed) if splits is None else splits
    except FileNotFoundError:
        # A finished run no longer needs its data.
        if finished and paths_of(settings.data) == paths_of(read_config(folder.config).data):
            return None
        raise
    if finished or checkpoints.existing():
        check_samples(splits, folder)
        check_masks(masks, folder)
    return None if finished else splits


def _training_of(settings: RunSettings, splits: Splits) -> Training:
    """Return the training settings for the size of the data, and set the number of threads."""
    task = splits.train.task
    size = math.prod(task.inputs[0].shape[1:])
    pixels, voxels = (size if task.axes == axes else None for axes in (2, 3))
    training = settings.training.sized(len(splits.train), pixels, voxels)
    check_rates(training, task.modalities)
    # Refused before the folder is made.
    loss_weights(training, splits.train)
    if training.threads:
        torch.set_num_threads(training.threads)
    return training


def _build_method(settings: RunSettings, splits: Splits) -> Method:
    """Build the method from the run's seed.

    Raises:
        UnfitError: If the method does not support the task.
        ValueError: If it needs complete samples and the data have others.
    """
    torch.manual_seed(settings.seed)
    try:
        count(len(splits.train.task.modalities))
        settings.method.check_target(splits.train.task)
        method = settings.method.build(splits.train.task)
    except ValueError as error:
        raise UnfitError(str(error)) from error
    check_fusion(method, settings)
    check_needs(method, splits.train)
    return method


def _set_teacher(
    method: Method,
    settings: RunSettings,
    splits: Splits,
    folder: RunFolder,
    report: Callable[[Progress], None] | None,
) -> dict[str, float]:
    """Train or open the method's prerequisite, if it has one; return what training it cost."""
    name = method.needs.prerequisite
    if name is None:
        return {}
    teacher = prerequisite(
        settings, name, folder, splits.fingerprints(), lambda run, to: fit_run(run, to, report)
    )
    method.set_teacher(teacher.method)
    return cost_of(teacher)


def _train(
    trainer: pl.Trainer,
    trainee: Trainee,
    settings: RunSettings,
    checkpoints: Checkpoints,
    resumed: Checkpoint | None,
    teacher_cost: Mapping[str, float],
) -> None:
    """Train from a checkpoint or from the start, and write the validation scores."""
    with ending_together(trainer):
        try:
            run_trainer(trainer, trainee, None if resumed is None else resumed.path)
        except (KeyboardInterrupt, SystemExit, ValueError):
            # Interrupted, or the loss is not finite: keep every finished epoch.
            checkpoints.files.write_held()
            raise
        if trainer.is_global_zero:
            write_final_scores(trainee, settings, teacher_cost)
            # What patience or a callback has stopped does not go on.
            training = trainee.training_settings
            whole = trainer.current_epoch == training.max_epochs
            checkpoints.clear(keep_last=whole and training.schedule in LENGTHENED)
        # Afterwards every process finds the folder finished.
        trainer.strategy.barrier()


def _write_start(
    settings: RunSettings,
    folder: RunFolder,
    splits: Splits,
    training: Training,
    own: Mapping[str, object],
    resumed: Checkpoint | None,
) -> None:
    """Write what is known before training, and drop records after the checkpoint.

    These are the task, the sizes, the standardiser and the settings. `own` are facts about
    samplers, callbacks and terms of the user's own.
    """
    task = splits.train.task
    folder.write_facts(
        first=True,
        dataset=splits.name,
        method_version=settings.method.version,
        modalities=list(task.modalities),
        inputs={
            m.name: {
                "kind": m.kind,
                "shape": list(m.shape),
                **({"ragged": True} if m.ragged else {}),
            }
            for m in task.inputs
        },
        classes=list(task.classes),
        whole_labels=splits.whole_labels,
        dense=task.dense,
        **({"regions": task.regions} if task.regions else {}),
        target=task.target,
        scale=task.scale,
        score=measure_of(settings.data, task, settings.training.select_by).name,
        columns=list(splits.columns),
        **({} if splits.encoding is None else {"encoding": splits.encoding}),
        **({"features": dict(splits.features)} if splits.features else {}),
        samples={name: len(part) for name, part in splits.parts().items()},
        presence=patterns(splits.train),
        content=splits.fingerprints(),
        files={name: fingerprint_of_file(path) for name, path in settings.data.files().items()},
        beside=relative_paths(settings.data, folder.path),
        sources=sources_of(settings.data, settings.dataset),
        settings=decisive_settings(settings),
        notes=list(splits.notes),
        warnings=list(splits.warnings),
        standardised=splits.standardiser is not None,
        max_epochs=training.max_epochs,
        batch_size=training.batch_size,
        finished=False,
        **own,
    )
    if splits.standardiser is not None:
        state = {name: x.contiguous() for name, x in splits.standardiser.state().items()}
        write_bytes(folder.standardiser, save(state))
    write_text(folder.config, dump(settings))
    folder.begin_at(0 if resumed is None else resumed.epoch + 1)
    if resumed is not None:
        log.warning("going on after epoch %d of %s", resumed.epoch + 1, folder.path)
