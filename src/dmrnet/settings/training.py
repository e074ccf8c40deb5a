"""Settings of training. Imports no torch, so that the command line can show them at once."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

Sampler = Literal["uniform", "bernoulli", "stratified", "none"]
Optimizer = Literal["adamw", "amsgrad", "sgd"]
Schedule = Literal[
    "cosine", "one-cycle", "constant", "poly", "casia", "casia-released", "audio-visual", "nyuv2"
]
Select = Literal["best", "last", "complete"]
SelectBy = Literal[
    "accuracy", "balanced-accuracy", "worst-recall", "macro-f1", "auroc", "average-precision"
]
Draw = Literal["each", "balanced"]
Precision = Literal["32", "bf16"]
Accelerator = Literal["auto", "cpu", "gpu"]
Logger = Literal["csv", "tensorboard", "mlflow", "wandb"]

BATCH_PIXELS = 32 * 96 * 96
"""Pixels of a batch if every pixel has a class and no batch size is set."""

BATCH_VOXELS = 2 * 64**3
"""Voxels of a batch if every voxel has a class and no batch size is set."""

LENGTHENED = frozenset({"constant", "casia", "casia-released", "audio-visual"})
"""Schedules that do not end with the last epoch: a finished run can go on for more of them."""

MIN_STEPS = 360
"""Smallest number of steps by default, however few the samples."""


@dataclass(frozen=True)
class Training:
    """Settings of training. Those that are None are chosen by the size of the data.

    Attributes:
        max_epochs: Passes over the training data; by default 80000 / n for n training samples,
            from 15 to 45, and on small data more, for 360 steps.
        continued_after: Numbers of epochs after which the run had finished before it went on to
            max_epochs; set by training a finished run for more. The rise of the learning rate
            and the epochs that are scored stay those of the first part.
        stretch: Multiplies the number of epochs, given or by default, for example to train a
            baseline at equal cost.
        batch_size: Samples per step; by default n / 8, from 32 to 64, or all if there are fewer;
            if every pixel has a class 8 to 32, by the size of the images; of voxels 2 to 8.
        lr: Highest learning rate; by default .2 with sgd (.1 if every pixel has a class), .003
            with adamw and amsgrad.
        weight_decay: Decay of the weights of linear layers and convolutions; biases, norms and
            learned positions have none.
        optimizer: sgd with Nesterov momentum .9, adamw, or amsgrad (decay in the gradient).
        schedule: Learning rate over time: cosine (after a linear rise), one-cycle or constant, step
            by step; or by epoch a power of the share that is left (poly), as the paper prints it
            for CASIA-SURF (casia) and for CREMA-D and Kinetics-Sounds (audio-visual), and as the
            released code runs (casia-released, nyuv2).
        warmup: Share of the steps in which the learning rate rises (cosine, one-cycle, constant).
        clip: Largest norm of the gradient; 0 for no limit.
        sampler: Masks: uniform over combinations, bernoulli (needs rates), stratified, or none.
        rates: Probability of keeping each modality, for the bernoulli sampler.
        drop_after: Number of first epochs that show every modality.
        ema: Decay of the weight average that is evaluated; 0 for no average.
        select: Epoch whose weights are kept: the best on validation, over all combinations (best)
            or with all modalities of each sample (complete), or the last.
        select_by: Score that selects and is reported first, instead of that of the data: accuracy,
            balanced-accuracy (mean recall of the classes), worst-recall, macro-f1, or auroc or
            average-precision (means over classes, each against the rest).
        select_budget: Number of (sample, combination) pairs to score at a selection; all if there
            are fewer.
        select_times: Number of epochs, evenly spaced, that are candidates for selection.
        patience: Number of selections in a row without a new best after which training stops; 0
            trains every epoch.
        class_weights: Weights of classes in the loss: none; balanced, inversely to their numbers of
            samples; root, the square root of that; or by name, e.g. `ill=10,well=1`.
        draw: Rows of an epoch: each of them once, or as many drawn with replacement, balanced over
            classes.
        precision: 32, or bf16 (mixed: Gaussian and loss stay in 32).
        accelerator: auto, cpu or gpu.
        devices: Devices of a machine, with one process each; by default as many as torchrun or
            SLURM started, else 1.
        nodes: Machines; by default as many as torchrun or SLURM started, else 1.
        sync_batch_norm: Take the statistics of batch norms over the samples of all processes, not
            of each process.
        num_workers: Processes that load data; 0 for data in memory.
        threads: CPU threads of torch; 0 for torch's own choice.
        logger: Also log losses, scores on validation and the learning rate of every epoch with
            csv, tensorboard, mlflow or wandb (Weights & Biases).
    """

    max_epochs: int | None = None
    continued_after: list[int] | None = None
    stretch: float = 1.0
    batch_size: int | None = None
    lr: float | None = None
    weight_decay: float = 1e-3
    optimizer: Optimizer = "sgd"
    schedule: Schedule = "cosine"
    warmup: float = 0.3
    clip: float = 1.0
    sampler: Sampler = "uniform"
    rates: list[float] | None = None
    drop_after: int = 0
    ema: float = 0.98
    select: Select = "best"
    select_by: SelectBy | None = None
    select_budget: int = 20_000
    select_times: int = 20
    patience: int = 0
    class_weights: str = "none"
    draw: Draw = "each"
    precision: Precision = "32"
    accelerator: Accelerator = "auto"
    devices: int | None = None
    nodes: int | None = None
    sync_batch_norm: bool = False
    num_workers: int = 0
    threads: int = 0
    logger: Logger | None = None

    def __post_init__(self) -> None:
        for name in (
            *("lr", "stretch", "devices", "nodes", "select_budget", "select_times"),
            *("max_epochs", "batch_size"),
        ):
            value = getattr(self, name)
            if isinstance(value, str):
                raise TypeError(f"expected {name} as a number, got the text {value!r}")
            if value is not None and not (value > 0 and math.isfinite(value)):
                raise ValueError(f"expected {name} above 0, got {value}")
        for name in ("ema", "warmup"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"expected {name} from 0 to below 1, got {getattr(self, name)}")
        for name in ("weight_decay", "clip", "drop_after", "patience", "num_workers", "threads"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"expected {name} of 0 or more, got {getattr(self, name)}")
        ends = self.continued_after or []
        if ends != sorted(set(ends)) or any(end < 1 for end in ends):
            raise ValueError(f"expected continued_after as rising numbers of epochs, got {ends}")
        if ends and self.schedule not in LENGTHENED:
            raise ValueError(f"the schedule {self.schedule} does not go on after its last epoch")
        if self.patience and self.select == "last":
            raise ValueError(
                "patience waits for a better score, so select must be best or complete"
            )
        if self.draw == "balanced" and self.class_weights in ("balanced", "root"):
            raise ValueError(
                f"expected draw balanced or class_weights {self.class_weights}, got both, which "
                "would balance the classes twice"
            )
        if self.sampler == "bernoulli" and not self.rates:
            raise ValueError("expected rates for the bernoulli sampler, one for each modality")
        if self.rates and self.sampler != "bernoulli":
            raise ValueError(f"rates are read by the bernoulli sampler only, not by {self.sampler}")

    def stretched(self, epochs: int) -> int:
        """Return the number of epochs of the training, by `stretch`."""
        return max(1, round(self.stretch * epochs))

    def sized(self, samples: int, pixels: int | None = None, voxels: int | None = None) -> Training:
        """Return the settings with defaults for what is None.

        The defaults were found on validation of small data sets. With smaller batches, or without
        `clip`, methods with a sampled representation diverged on a hundred samples or fewer.

        Args:
            samples: Number of training samples.
            pixels: Number of pixels of an image if every pixel has a class, else None.
            voxels: Number of voxels of a patch if every voxel has a class, else None.

        >>> sized = Training().sized(1200)
        >>> sized.max_epochs, sized.batch_size, sized.lr
        (45, 64, 0.2)
        >>> sized = Training().sized(90)
        >>> sized.max_epochs, sized.batch_size
        (120, 32)
        >>> Training(stretch=1.5).sized(90).max_epochs
        180
        >>> Training().sized(992, 96 * 96).batch_size, Training().sized(700, 480 * 640).batch_size
        (32, 8)
        >>> Training().sized(992, 96 * 96).lr
        0.1
        """
        default = min(64, max(32, samples // 8), samples)
        if pixels is not None:
            default = min(32, max(8, BATCH_PIXELS // pixels), samples)
        if voxels is not None:
            default = min(8, max(2, BATCH_VOXELS // voxels), samples)
        batch_size = self.batch_size or default
        steps = math.ceil(samples / batch_size)
        epochs = max(min(45, max(15, round(80_000 / samples))), math.ceil(MIN_STEPS / steps))
        length = self.stretched(self.max_epochs or epochs)
        if self.continued_after and self.continued_after[-1] >= length:
            raise ValueError(
                f"expected more than {self.continued_after[-1]} epochs, after which the run is to "
                f"go on, got {length}"
            )
        return replace(
            self,
            max_epochs=length,
            batch_size=batch_size,
            lr=self.lr
            or (3e-3 if self.optimizer != "sgd" else 0.2 if pixels is voxels is None else 0.1),
        )
