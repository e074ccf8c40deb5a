"""An epoch through the engine against the same steps in a bare loop; the start of a run."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import torch

from benchmarks.clock import Row, Setting, ratio
from dmrnet.data.loader import TrainLoader
from dmrnet.data.mfeat import Mfeat
from dmrnet.engine.config import RunSettings
from dmrnet.engine.fit import fit
from dmrnet.engine.optim import build_optimizer, build_schedule
from dmrnet.engine.settings import Training
from dmrnet.methods import method as settings_of
from dmrnet.modalities import Warmup, build_sampler
from dmrnet.nn.memory_format import arrange


def epochs(setting: Setting, digits: str | None) -> Iterator[Row]:
    """Time epochs of small data, where studies spend their time."""
    data: dict[str, object] = {"mfeat": Mfeat()}
    if digits is not None:
        from dmrnet.data.digits import Digits

        data["digits"] = Digits(root=digits)
    for name, of in data.items():
        yield from _epoch(setting, name, of)


def _epoch(setting: Setting, name: str, data: object) -> Iterator[Row]:
    number = 3 if setting.quick else 21
    training = Training(max_epochs=number, threads=setting.threads)
    run = RunSettings(name, data, settings_of("dmrnet").recipe("best"), "best", training, 0)  # type: ignore[arg-type]
    rounds = 1 if setting.quick else max(3, setting.repeats // 2)
    case = f"{name}, {number} epochs, {rounds} runs"
    engine = Row("epoch", case, "dmrnet's engine", note="selection, average, checkpoints included")
    bare = Row("epoch", case, "bare loop", note="forward, backward, clip, optimizer, schedule")
    start = Row("start of a run", case, "dmrnet's engine", note="from the call to the first step")
    for k in range(rounds + 1):
        seconds, began = engine_epochs(setting, run)
        loop = bare_epochs(setting, run)
        if k:
            engine.seconds.append(seconds)
            bare.seconds.append(loop)
            start.seconds.append(began)
    engine.ratio = ratio(bare.seconds, engine.seconds)
    yield from (bare, engine, start)


def engine_epochs(setting: Setting, run: RunSettings) -> tuple[float, float]:
    """Return mean seconds of an epoch behind the first, and seconds until the first began."""
    ends: list[float] = []
    begun: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        before = setting.now()
        fit(
            run,
            Path(folder) / "run",
            report=lambda progress: ends.append(setting.now()),
            started=lambda *found: begun.append(setting.now()),
        )
    return (ends[-1] - ends[0]) / (len(ends) - 1), begun[0] - before


def bare_epochs(setting: Setting, run: RunSettings) -> float:
    """Return mean seconds of an epoch behind the first, with nothing but the steps."""
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
        ends.append(setting.now())
    return (ends[-1] - ends[0]) / (len(ends) - 1)
