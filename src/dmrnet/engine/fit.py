"""Training a run from its settings into its folder."""

from __future__ import annotations

import logging
import math
import signal
import warnings
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import lightning.pytorch as pl
import torch
from lightning.fabric.plugins.environments.slurm import SLURMEnvironment
from lightning.fabric.utilities.exceptions import MisconfigurationException
from safetensors.torch import save
from torch import Tensor

from dmrnet.data.dataset import Splits
from dmrnet.data.fingerprint import fingerprint_of_file
from dmrnet.engine.cost import inference_flops
from dmrnet.engine.folder import RunFolder
from dmrnet.engine.rows import Line, result_rows, score_lines
from dmrnet.engine.scoring import combinations_of, naming_samples, score
from dmrnet.engine.thresholds import set_thresholds
from dmrnet.engine.training.checkpoints import Checkpoints
from dmrnet.engine.training.memory import keep_freed
from dmrnet.engine.training.prerequisite import check_needs, cost, prerequisite
from dmrnet.engine.training.processes import launch, settled, together
from dmrnet.engine.training.trainee import Progress, Trainee
from dmrnet.engine.weights import load_weights
from dmrnet.evaluation import goodness, measure_of, worst
from dmrnet.locking import lock_folder
from dmrnet.methods.base import Method
from dmrnet.modalities import Task, count, index_of
from dmrnet.nn.layers.memory_format import arrange
from dmrnet.nn.layers.norm import synchronise
from dmrnet.settings.config import RunSettings, dump, read_config
from dmrnet.settings.files import flat
from dmrnet.settings.paths import absolute, paths_of, relative_paths
from dmrnet.settings.training import Training
from dmrnet.storage import write_bytes, write_text

log = logging.getLogger(__name__)

PATIENCE = 10.0
"""Seconds to wait for another process that trains the same run; one that was killed may take some
to end."""


class UnfitError(ValueError):
    """A method cannot be had for the data: no other settings of the training would help."""


def fit(
    settings: RunSettings,
    out: Path,
    report: Callable[[Progress], None] | None = None,
    started: Callable[[Splits, Method, Training], None] | None = None,
) -> bool:
    """Train a run, or go on with it; evaluate it on validation.

    Args:
        settings: What decides the result.
        out: The run's folder. If it holds the same run unfinished, that one goes on from its last
            checkpoint (of at most five seconds ago, or an epoch where that takes longer).
        report: Called after every epoch.
        started: Called once, before the first epoch, with what is about to be trained.

    Returns:
        False if the folder held the finished run already and nothing was done.

    Raises:
        ValueError: If the folder holds another run, another process has it in hand, or data and
            settings do not fit together.
        FileNotFoundError: If data are missing.
    """
    settings = replace(settings, training=settled(settings.training), data=absolute(settings.data))
    folder = RunFolder(out)
    checkpoints = Checkpoints(folder)
    finished = folder.trained
    if finished:
        # What a process left that was killed behind its last step.
        checkpoints.clear()
    check_same(settings, folder, checkpoints)
    try:
        splits = settings.data.load(settings.seed)
    except FileNotFoundError:
        # A finished run needs its data no more.
        if finished and paths_of(settings.data) == paths_of(read_config(folder.config).data):
            return False
        raise
    if finished or checkpoints.found():
        check_content(splits, folder)
    if finished:
        return False
    training = settings.training.sized(len(splits.train), pixels_of(splits.train.task))
    names = splits.train.task.modalities
    if training.rates and len(training.rates) != len(names):
        raise ValueError(
            f"expected a rate for each of {', '.join(names)}, got {len(training.rates)}"
        )
    if training.threads:
        torch.set_num_threads(training.threads)
    trainer = build_trainer(training, folder, checkpoints)
    if trainer.strategy.root_device.type == "cpu":
        keep_freed()
    torch.manual_seed(settings.seed)
    method = built(settings, splits.train.task)
    check_needs(method, splits.train)
    spent: dict[str, float] = {}
    if method.needs.prerequisite is not None:
        name = method.needs.prerequisite
        first = prerequisite(
            settings, name, folder, content_of(splits), lambda run, to: fit(run, to, report)
        )
        method.set_teacher(first.method)
        spent = cost(first)
    if trainer.world_size == 1:
        # Processes that share their gradients would copy them.
        arrange(method, trainer.strategy.root_device.type)
    if training.sync_batch_norm:
        synchronise(method)
    # Of several processes the first one alone writes and tells; all wait for it in `train`.
    with lock_folder(out, PATIENCE) if trainer.is_global_zero else nullcontext():
        if trainer.world_size == 1:
            # Another process that this one has waited for may have got on with it.
            check_same(settings, folder, checkpoints)
            if folder.trained:
                return False
        resumed = checkpoints.newest(method)
        if trainer.is_global_zero:
            write_text(folder.config, dump(settings))
            write_run(folder, settings, splits, training)
            folder.begin_at(0 if resumed is None else resumed.epoch + 1)
            if resumed is not None:
                log.warning("going on after epoch %d of %s", resumed.epoch + 1, out)
            if started is not None:
                started(splits, method, training)
        measure = measure_of(settings.data)
        trainee = Trainee(method, splits, training, settings.seed, folder, report, measure)
        with together(trainer):
            try:
                train(trainer, trainee, None if resumed is None else resumed.path)
            except (KeyboardInterrupt, SystemExit, ValueError):
                # Asked to end, or a loss that is not finite: no finished epoch is run again.
                checkpoints.files.write_held()
                raise
            if trainer.is_global_zero:
                finish(trainee, settings, folder, trainer.strategy.root_device, spent)
                checkpoints.clear()
            # Whoever goes on from here, on whichever process, finds the folder finished.
            trainer.strategy.barrier()
    return True


def built(settings: RunSettings, task: Task) -> Method:
    """Return a run's method for a task.

    Raises:
        UnfitError: If it cannot be had for it.
    """
    try:
        return settings.method.build(task)
    except ValueError as error:
        raise UnfitError(str(error)) from error


def pixels_of(task: Task) -> int | None:
    """Return the pixels of a sample where each of them has a class, as the task shows samples."""
    return math.prod(task.inputs[0].shape[-2:]) if task.dense else None


def train(trainer: pl.Trainer, trainee: Trainee, resumed: Path | None) -> None:
    """Run Lightning's trainer; Ctrl-C comes out of it as it went in.

    Raises:
        KeyboardInterrupt: If it was interrupted.
        SystemExit: If it was asked to end (SIGTERM), with the code that shells give that.
    """
    on_interrupt = signal.getsignal(signal.SIGINT)
    try:
        with warnings.catch_warnings():
            # Lightning advises worker processes and a logger; both are settled here.
            warnings.filterwarnings("ignore", module="lightning.*")
            trainer.fit(trainee, ckpt_path=resumed, weights_only=True)
    except SystemExit:
        # Lightning turns Ctrl-C into an exit and leaves the process deaf to another one.
        if trainer.received_sigterm:
            log.warning("asked to end; the same command goes on after the last checkpoint")
            raise SystemExit(128 + signal.SIGTERM) from None
        if not trainer.interrupted:
            raise
        signal.signal(signal.SIGINT, on_interrupt)
        raise KeyboardInterrupt from None


def content_of(splits: Splits) -> dict[str, str]:
    """Return the fingerprint of each split."""
    return {name: part.fingerprint() for name, part in splits.parts().items()}


def check_content(splits: Splits, folder: RunFolder) -> None:
    """Refuse to go on with a run on other data than it began with.

    Raises:
        ValueError: If a split is not what it was.
    """
    before: dict[str, str] = folder.read_facts().get("content", {})
    now = content_of(splits)
    changed = [name for name in before if before[name] != now.get(name)]
    if changed:
        raise ValueError(
            f"the {' and '.join(changed)} samples are not those that {folder.path} began with; "
            "restore the data, choose another --out, or delete that folder"
        )


def check_same(settings: RunSettings, folder: RunFolder, checkpoints: Checkpoints) -> None:
    """Refuse to go on with a folder that holds a run of other settings.

    Data may have moved; whether they are the same, their content tells. A run that failed before
    its first epoch ended has nothing to lose.
    """
    if not (folder.config.is_file() and (folder.trained or checkpoints.found())):
        return
    places = {f"data.{name}" for name in paths_of(settings.data)}
    before, now = flat(read_config(folder.config).to_dict()), flat(settings.to_dict())
    differ = [
        f"{key} (there {before.get(key)}, now {now.get(key)})"
        for key in {**before, **now}
        if before.get(key) != now.get(key)
        and key not in ("threads", "num_workers")
        and not (key in places and isinstance(before.get(key), str))
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
    try:
        return pl.Trainer(
            accelerator=accelerator(training),
            devices=training.devices or 1,
            num_nodes=training.nodes or 1,
            precision="bf16-mixed" if training.precision == "bf16" else "32-true",
            max_epochs=training.max_epochs,
            gradient_clip_val=training.clip or None,
            default_root_dir=folder.path,
            callbacks=[checkpoints],
            plugins=[checkpoints.files, *cluster()],
            logger=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            use_distributed_sampler=False,
        )
    except MisconfigurationException as error:
        raise ValueError(
            f"cannot train on accelerator {training.accelerator} with devices "
            f"{training.devices}: {error}"
        ) from error


def cluster() -> list[SLURMEnvironment]:
    """Return how to find the other processes, where Lightning's own way does more than that.

    Under SLURM it would save checkpoints in the middle of an epoch and requeue by itself.
    """
    found = launch()
    by_slurm = found is not None and found.by == "SLURM"
    return [SLURMEnvironment(auto_requeue=False)] if by_slurm else []


def accelerator(training: Training) -> str:
    """Return where to train; Apple's GPUs have no float64, which mining sums need."""
    if training.accelerator == "auto" and not torch.cuda.is_available():
        return "cpu"
    return training.accelerator


def write_run(folder: RunFolder, settings: RunSettings, splits: Splits, training: Training) -> None:
    """Write what is known before training: the task, the sizes, the standardiser."""
    task = splits.train.task
    folder.write_facts(
        dataset=splits.name,
        modalities=list(task.modalities),
        inputs={m.name: {"kind": m.kind, "shape": list(m.shape)} for m in task.inputs},
        classes=list(task.classes),
        dense=task.dense,
        score=measure_of(settings.data).name,
        columns=list(splits.columns),
        samples={name: len(part) for name, part in splits.parts().items()},
        content=content_of(splits),
        files={n: fingerprint_of_file(p) for n, p in settings.data.files().items()},
        beside=relative_paths(settings.data, folder.path),
        notes=list(splits.notes),
        standardised=splits.standardiser is not None,
        max_epochs=training.max_epochs,
        batch_size=training.batch_size,
        finished=False,
    )
    if splits.standardiser is not None:
        data = save({k: v.contiguous() for k, v in splits.standardiser.state().items()})
        write_bytes(folder.standardiser, data)


def finish(
    trainee: Trainee,
    settings: RunSettings,
    folder: RunFolder,
    device: torch.device,
    spent: Mapping[str, float],
) -> None:
    """Score the kept weights on validation and write the rows that a run has before its test.

    What was `spent` before on a prerequisite counts among what training cost.
    """
    method, splits = trainee.evaluated, trainee.splits
    load_weights(method, folder.weights)
    # Lightning has put the method back on the CPU.
    method.to(device).eval()
    task = splits.train.task
    combinations = combinations_of(len(task.modalities))
    measure = measure_of(settings.data)
    with naming_samples("validation", splits.val):
        result = score(method, splits.val, combinations, device, keep=measure.threshold != "half")
    result = set_thresholds(measure, result, folder, task.modalities)
    figures: dict[str, float] = {
        "parameters": sum(p.numel() for p in method.parameters()),
        # A term's own network is trained and then left out.
        "inference_parameters": sum(
            p.numel() for n, p in method.named_parameters() if not n.startswith("objective.")
        ),
        "inference_flops": inference_flops(method),
        "train_seconds": trainee.seconds + spent.get("train_seconds", 0.0),
        "train_samples": trainee.samples + spent.get("train_samples", 0),
        "epochs": trainee.epochs,
        "best_epoch": -1 if trainee.best_epoch is None else trainee.best_epoch + 1,
    }
    if device.type == "cpu" and trainee.trainer.world_size == 1:
        # Where other work shares the machine this says more than the clock on the wall.
        figures["train_cpu_seconds"] = trainee.cpu_seconds + spent.get("train_cpu_seconds", 0.0)
    if trainee.rise.diverged:
        figures["loss_rise"] = trainee.rise.highest
    scores, _ = measure.columns(result.confusion)[measure.name]
    share = agreement(method, combinations, goodness(measure, scores).cpu())
    if share is not None:
        figures["hard_agreement"] = share
    n = len(splits.val)
    lines: list[Line] = [
        *score_lines(measure, result, task.modalities),
        *(("", metric, value, n) for metric, value in figures.items()),
    ]
    folder.put_rows("val", result_rows(folder.name, settings, "val", lines))
    folder.write_facts(finished=True, best_epoch=trainee.best_epoch)


def agreement(method: Method, combinations: Tensor, scores: Tensor) -> float | None:
    """Return the share of the hard set among as many combinations that score worst.

    Args:
        method: With its hard set.
        combinations: bool ``(K, V)``.
        scores: ``(K,)``, higher is better.

    Returns:
        None without a hard set, or where not every combination was scored.
    """
    hard_set = method.hard_set()
    if hard_set is None or len(combinations) < count(combinations.shape[1]):
        return None
    hard = hard_set.cpu()[index_of(combinations)]
    if not bool(hard.any()):
        return None
    size = int(hard.sum())
    return int((hard & worst(scores, size)).sum()) / size
