"""Seconds of the training loader for a batch, against the step that reads the batch."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from benchmarks.clock import Row, Setting, ratio
from dmrnet.data.dataset import Dataset
from dmrnet.data.files.arrays.numbers import Array
from dmrnet.data.files.cache import write_cache
from dmrnet.data.loader import TrainLoader
from dmrnet.data.sets.embedded.mfeat import Mfeat
from dmrnet.data.sets.published.casia_surf import (
    MODALITIES,
    SIZE,
    SPLITS,
    STORED,
    VERSION,
    CasiaSurf,
)
from dmrnet.data.sets.published.digits import Digits
from dmrnet.engine.training.memory import keep_freed
from dmrnet.engine.training.optim import build_optimizer
from dmrnet.methods import build_method
from dmrnet.methods.base import Method
from dmrnet.modalities import Batch, Warmup, build_sampler
from dmrnet.nn.layers.memory_format import arrange
from dmrnet.nn.networks.network import Network
from dmrnet.settings.training import Training

WORKERS = {0: "0 workers", 1: "1 worker"}
"""Names of the numbers of worker processes that read."""


def loaders(setting: Setting, digits: str | None) -> Iterator[Row]:
    """Time the batches of an epoch, and the steps on them, in elapsed seconds."""
    # As in the engine.
    keep_freed()
    yield from _loader(setting, "mfeat", Mfeat().load(0).train, Network())
    if digits is not None:
        yield from _loader(setting, "digits", Digits(root=digits).load(0).train, Network())
    with tempfile.TemporaryDirectory() as folder:
        write_faces(Path(folder), 16 if setting.quick else 256)
        faces = CasiaSurf(root=folder).load(0).train
        network = Network(family="surf", stem=4 if setting.quick else 64)
        # Batch size of the paper, and of the part `step`.
        yield from _loader(setting, "faces in files", faces, network, None if setting.quick else 64)


def _loader(
    setting: Setting, name: str, train: Dataset, network: Network, size: int | None = None
) -> Iterator[Row]:
    training = replace(Training(), batch_size=size).sized(len(train))
    assert training.batch_size is not None
    torch.manual_seed(0)
    method = build_method("dmrnet", train.task, "best", network=network)
    arrange(method)
    sampler = Warmup(build_sampler(training.sampler, training.rates), training.drop_after)
    by_workers = {
        f"loader, {label}": TrainLoader(
            train, training.batch_size, 0, sampler, method.encodes, num_workers=workers
        )
        for workers, label in WORKERS.items()
    }
    batches = list(next(iter(by_workers.values())))
    step = steps(method, training, batches)
    case = f"{name}, {len(train)} samples, up to {training.batch_size} a batch"
    rows = {subject: Row("data", case, subject) for subject in ("step", *by_workers)}
    for repeat in range(setting.repeats + 1):
        for subject, row in rows.items():
            work = step
            if subject in by_workers:
                by_workers[subject].set_epoch(repeat)
                work = drained(by_workers[subject])
            before = time.perf_counter()
            work()
            if repeat:
                row.seconds.append((time.perf_counter() - before) / len(batches))
    for row in rows.values():
        row.ratio = ratio(rows["step"].seconds, row.seconds)
        row.speed = len(train) / len(batches) / row.median
        if row.subject != "step":
            shares = [a / b for a, b in zip(row.seconds, rows["step"].seconds, strict=True)]
            middle, low, high = statistics.median(shares), min(shares), max(shares)
            row.note = f"loader over step {middle:.1%} ({low:.1%} to {high:.1%})"
    yield from rows.values()


def drained(loader: TrainLoader) -> Callable[[], None]:
    """Return a function that reads all batches of an epoch and does nothing with them."""

    def run() -> None:
        for _ in loader:
            pass

    return run


def steps(method: Method, training: Training, batches: list[Batch]) -> Callable[[], None]:
    """Return a function that makes one training step on each batch, as the engine does."""
    optimizer = build_optimizer(method, training)
    method.train()

    def run() -> None:
        for batch in batches:
            loss = method.training_loss(batch, 20).total
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(method.parameters(), training.clip)
            optimizer.step()

    return run


def write_faces(root: Path, samples: int) -> None:
    """Write noise in the layout of prepared casia-surf, whose images are read from disk.

    Args:
        root: Folder of the prepared data.
        samples: Number of training samples.
    """
    draw = np.random.default_rng(0)
    arrays: dict[str, Array] = {}
    for split in SPLITS:
        rows, side = (samples, STORED) if split == "train" else (4, SIZE)
        for name in MODALITIES:
            pictures = np.lib.format.open_memmap(
                root / f"{split}.{name}.tmp", "w+", dtype=np.uint8, shape=(rows, 3, side, side)
            )
            pictures[:] = draw.integers(0, 256, pictures.shape, dtype=np.uint8)
            arrays[f"{split}.{name}"] = pictures
        arrays |= {
            f"{split}.label": (np.arange(rows) % 4 == 0).astype(np.int64),
            f"{split}.hint": np.full(rows, -1, dtype=np.int8),
            f"{split}.type": np.full(rows, "", dtype=np.str_),
            f"{split}.name": np.array([f"{split}/{row}" for row in range(rows)]),
        }
    write_cache("casia-surf", root, arrays, VERSION, "made", {}, ())
