"""What a run is made of. Imports no torch, so that the command line can show it at once."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

Sampler = Literal["uniform", "bernoulli", "stratified", "none"]
Optimizer = Literal["adamw", "sgd"]
Schedule = Literal[
    "cosine", "one-cycle", "constant", "casia", "casia-released", "audio-visual", "nyuv2"
]
Select = Literal["best", "last", "complete"]
Precision = Literal["32", "bf16"]
Accelerator = Literal["auto", "cpu", "gpu"]

PIXELS_AT_ONCE = 32 * 96 * 96
"""Of a batch, where every pixel has a class and no batch size is set."""

LEAST_STEPS = 360
"""So many steps are taken by default, however few the rows."""


@dataclass(frozen=True)
class Training:
    """How a method is trained. What is left open is chosen by the size of the data.

    Attributes:
        max_epochs: Passes over the training data; by default 80000 / n for n training samples,
            from 15 to 45, and on small data more, for 360 steps.
        stretch: So many times as many epochs, given or by default: a baseline at the cost of
            what it is compared with.
        batch_size: Samples a step; by default n / 8, from 32 to 64, and all of fewer; where every
            pixel has a class 8 to 32, by their size.
        lr: Highest learning rate; by default .2 with sgd (.1 where every pixel has a class), .003
            with adamw.
        weight_decay: Of weights; biases and norms are left alone.
        optimizer: sgd with Nesterov momentum .9, or adamw.
        schedule: Of the learning rate: cosine (behind a linear rise), one-cycle or constant, step
            by step; or by epoch as the paper prints them for CASIA-SURF (casia) and for CREMA-D
            and Kinetics-Sounds (audio-visual), and as the released code ran them (casia-released,
            nyuv2).
        warmup: Share of the steps in which the learning rate rises (cosine, one-cycle, constant).
        clip: Largest norm of the gradient; 0 for no limit.
        sampler: Masks: uniform over combinations, bernoulli (needs rates), stratified, or none.
        rates: Chance to keep each modality, for the bernoulli sampler.
        drop_after: Epochs that show every modality before dropping begins.
        ema: Decay of the average of the weights that is evaluated; 0 for no average.
        select: Keep the weights of the best epoch on validation, over all combinations (best) or
            with all that a sample has (complete), or of the last epoch.
        select_budget: So many (sample, combination) pairs are scored at a selection; all where
            they are fewer.
        select_times: So many epochs, evenly spaced, are candidates for selection.
        precision: 32, or bf16 (mixed: Gaussian and loss stay in 32).
        accelerator: auto, cpu, gpu.
        devices: How many on a machine, with a process each; by default as many as torchrun or
            SLURM started, else 1.
        nodes: How many machines; by default as torchrun or SLURM says, else 1.
        sync_batch_norm: Batch norms take their statistics over the rows of all processes, and not
            of each by itself.
        num_workers: Processes that read data; 0 for data in memory.
        threads: Of torch on a CPU; 0 leaves torch's choice.
    """

    max_epochs: int | None = None
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
    select_budget: int = 20_000
    select_times: int = 20
    precision: Precision = "32"
    accelerator: Accelerator = "auto"
    devices: int | None = None
    nodes: int | None = None
    sync_batch_norm: bool = False
    num_workers: int = 0
    threads: int = 0

    def __post_init__(self) -> None:
        positive = {
            "lr": self.lr,
            "stretch": self.stretch,
            "devices": self.devices,
            "nodes": self.nodes,
            "select_budget": self.select_budget,
            "select_times": self.select_times,
            "max_epochs": self.max_epochs,
            "batch_size": self.batch_size,
        }
        for name, value in positive.items():
            if value is not None and not (value > 0 and math.isfinite(value)):
                raise ValueError(f"expected {name} above 0, got {value}")
        for name, value in {"ema": self.ema, "warmup": self.warmup}.items():
            if not 0 <= value < 1:
                raise ValueError(f"expected {name} from 0 to below 1, got {value}")
        for name, value in {
            "weight_decay": self.weight_decay,
            "clip": self.clip,
            "drop_after": self.drop_after,
            "num_workers": self.num_workers,
            "threads": self.threads,
        }.items():
            if not value >= 0:
                raise ValueError(f"expected {name} of 0 or more, got {value}")

        if self.sampler == "bernoulli" and not self.rates:
            raise ValueError("the bernoulli sampler needs rates: one chance to keep each modality")
        if self.rates and self.sampler != "bernoulli":
            raise ValueError(f"rates are read by the bernoulli sampler only, not by {self.sampler}")

    def sized(self, samples: int, pixels: int | None = None) -> Training:
        """Return the settings with what is left open filled in for so many training samples.

        Found on validation of small data sets. With fewer rows a batch, or without `clip`, methods
        with a sampled representation diverged on a hundred rows or fewer.

        Args:
            samples: Of an epoch.
            pixels: Of one sample, where every pixel has a class: of large images fewer make a
                batch, from 8 to 32.

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
            default = min(32, max(8, PIXELS_AT_ONCE // pixels), samples)
        batch_size = self.batch_size or default
        steps = math.ceil(samples / batch_size)
        epochs = max(min(45, max(15, round(80_000 / samples))), math.ceil(LEAST_STEPS / steps))
        return replace(
            self,
            max_epochs=max(1, round(self.stretch * (self.max_epochs or epochs))),
            batch_size=batch_size,
            lr=self.lr or (3e-3 if self.optimizer != "sgd" else 0.2 if pixels is None else 0.1),
        )
