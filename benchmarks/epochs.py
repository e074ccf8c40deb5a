"""An epoch through the engine against the same steps in a bare loop; the start of a run."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import torch

from benchmarks.clock import Row, Setting, ratio
from dmrnet.data.loader import TrainLoader
from dmrnet.data.sets.embedded.mfeat import Mfeat
from dmrnet.engine.fit import fit_run
from dmrnet.engine.training.optim import build_optimizer, build_schedule
from dmrnet.methods import method as settings_of
from dmrnet.modalities import Warmup, build_sampler
from dmrnet.nn.layers.memory_format import arrange
from dmrnet.settings.config import RunSettings
from dmrnet.settings.training import Training

EPOCHS = 10
"""Number of epochs of a timed run."""


def epochs(setting: Setting, digits: str | None) -> Iterator[Row]:
    """Time epochs of small data, where studies spend their time."""
    data: dict[str, object] = {"mfeat": Mfeat()}
    if digits is not None:
        from dmrnet.data.sets.published.digits import Digits

        data["digits"] = Digits(root=digits)
    for name, of in data.items():
        yield from _epoch(setting, name, of)


def _epoch(setting: Setting, name: str, data: object) -> Iterator[Row]:
    whole = Training(threads=setting.threads).sized(len(data.load(0).train))  # type: ignore[attr-defined]
    # The same share of epochs with a selection as in a run with default settings.
    number = 3 if setting.quick else EPOCHS
    assert whole.max_epochs is not None
    selections = max(1, round(whole.select_times * number / whole.max_epochs))
    training = replace(whole, max_epochs=number, select_times=selections)
    run = RunSettings(name, data, settings_of("dmrnet").recipe("best"), "best", training, 0)  # type: ignore[arg-type]
    rounds = setting.repeats
    case = f"{name}, {rounds} runs of {number} epochs, {selections} of them with a selection"
    engine = Row("epoch", case, "dmrnet's engine", note="selection, average, checkpoints included")
    bare = Row("epoch", case, "bare loop", note="forward, backward, clip, optimizer, schedule")
    start = Row("start of a run", case, "dmrnet's engine", note="from the call to the first step")
    brief = replace(run, training=replace(training, max_epochs=2))
    engine_epochs(setting, brief)
    bare_epochs(setting, brief)
    for _ in range(rounds):
        seconds, began = engine_epochs(setting, run)
        engine.seconds.append(seconds)
        start.seconds.append(began)
        bare.seconds.append(bare_epochs(setting, run))
    engine.ratio = ratio(bare.seconds, engine.seconds)
    engine.note = f"{engine.over_first} over the bare loop; {engine.note}"
    yield from (bare, engine, start)


def engine_epochs(setting: Setting, run: RunSettings) -> tuple[float, float]:
    """Return the mean seconds of an epoch after the first, and the seconds until the first began.

    If there are fewer selections than epochs, the first epoch has none, so the share of epochs with
    a selection is slightly higher here than in the run.
    """
    ends: list[float] = []
    begun: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        before = setting.now()
        fit_run(
            run,
            Path(folder) / "run",
            report=lambda progress: ends.append(setting.now()),
            started=lambda *found: begun.append(setting.now()),
        )
    return (ends[-1] - ends[0]) / (len(ends) - 1), begun[0] - before


def bare_epochs(setting: Setting, run: RunSettings) -> float:
    """Return the mean seconds of an epoch after the first, with steps only."""
    splits = run.data.load(run.seed)
    training = run.training.sized(len(splits.train))
    assert training.batch_size is not None
    assert training.max_epochs is not None
    torch.manual_seed(run.seed)
    method = run.method.build(splits.train.task)
    arrange(method)
    sampler = Warmup(build_sampler(training.sampler, training.rates), training.drop_after)
    loader = TrainLoader(splits.train, training.batch_size, run.seed, sampler, method.encodes)
    optimizer = build_optimizer(method, training)
    schedule = build_schedule(optimizer, training, len(loader))
    noise = torch.Generator().manual_seed(0)
    method.train()
    ends = []
    for epoch in range(training.max_epochs):
        loader.set_epoch(epoch)
        for batch in loader:
            loss = method.training_loss(batch, epoch, noise).total
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(method.parameters(), training.clip)
            optimizer.step()
            schedule.step()
        method.end_epoch()
        ends.append(setting.now())
    return (ends[-1] - ends[0]) / (len(ends) - 1)
