"""What a run is made of. Imports no torch, so that the command line can show it at once."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

Sampler = Literal["uniform", "bernoulli", "stratified", "none"]
Optimizer = Literal["adamw", "sgd"]
Schedule = Literal["cosine", "one-cycle", "constant"]
Select = Literal["best", "last"]
Precision = Literal["32", "bf16"]


@dataclass(frozen=True)
class Training:
    """How a method is trained. What is left open is chosen by the size of the data.

    Attributes:
        max_epochs: Passes over the training data; by default as many as make about 2500 steps.
        batch_size: Samples a step; by default 32, 64 from 1000 training samples, 128 from 10000.
        lr: Highest learning rate.
        weight_decay: Of weights; biases and norms are left alone.
        optimizer: adamw, or sgd with Nesterov momentum .9.
        schedule: Of the learning rate over steps: cosine after a short warm-up, one-cycle, or
            constant.
        warmup: Share of the steps in which the learning rate rises.
        clip: Largest norm of the gradient; 0 for no limit.
        sampler: Masks: uniform over combinations, bernoulli (needs rates), stratified, or none.
        rates: Chance to keep each modality, for the bernoulli sampler.
        drop_after: Epochs that show every modality before dropping begins.
        ema: Decay of the average of the weights that is evaluated; 0 for no average.
        select: Keep the weights of the best epoch on validation, or of the last epoch.
        select_budget: So many (sample, combination) pairs are scored at a selection; all where
            they are fewer.
        select_times: So many epochs, evenly spaced, are candidates for selection.
        precision: 32, or bf16 (mixed: Gaussian and loss stay in 32).
        accelerator: auto, cpu, gpu.
        devices: How many.
        num_workers: Processes that read data; 0 for data in memory.
        threads: Of torch on a CPU; 0 leaves torch's choice.
    """

    max_epochs: int | None = None
    batch_size: int | None = None
    lr: float = 2e-3
    weight_decay: float = 1e-2
    optimizer: Optimizer = "adamw"
    schedule: Schedule = "one-cycle"
    warmup: float = 0.1
    clip: float = 0.0
    sampler: Sampler = "uniform"
    rates: list[float] | None = None
    drop_after: int = 0
    ema: float = 0.0
    select: Select = "best"
    select_budget: int = 20_000
    select_times: int = 20
    precision: Precision = "32"
    accelerator: str = "auto"
    devices: int = 1
    num_workers: int = 0
    threads: int = 0

    def __post_init__(self) -> None:
        positive = {
            "lr": self.lr,
            "devices": self.devices,
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

    def sized(self, samples: int) -> Training:
        """Return the settings with epochs and batch size filled in for so many training samples.

        >>> Training().sized(1200).max_epochs
        132
        """
        batch = self.batch_size or (32 if samples < 1000 else 64 if samples < 10_000 else 128)
        steps = math.ceil(samples / batch)
        return replace(
            self, batch_size=batch, max_epochs=self.max_epochs or max(20, math.ceil(2500 / steps))
        )
