"""Shares of the time of a training step on small data, and the time of its arithmetic alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from benchmarks.clock import Row, Setting
from dmrnet.data.loader import TrainLoader
from dmrnet.data.sets.embedded.mfeat import Mfeat
from dmrnet.engine.training.average import WeightAverage
from dmrnet.engine.training.clip import clip
from dmrnet.engine.training.memory import keep_freed
from dmrnet.engine.training.optim import build_optimizer, build_schedule
from dmrnet.methods import method as settings_of
from dmrnet.modalities import Uniform, Warmup
from dmrnet.nn.layers.memory_format import arrange
from dmrnet.settings.training import Training

EPOCHS = 12
"""Number of epochs whose steps are timed; shares are medians over steps."""

HEAVY = ("convolution", "mm", "addmm", "native_batch_norm")
"""Operations that are arithmetic, forward and backward."""


class _Recorder(TorchDispatchMode):
    """Keeps the calls of heavy operations with their arguments."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[Callable[[], object]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:  # noqa: ANN401
        result = func(*args, **(kwargs or {}))
        if func.overloadpacket.__name__.removesuffix("_backward") in HEAVY:
            self.calls.append(lambda: func(*args, **(kwargs or {})))
        return result


def shares(setting: Setting, width: int = 64) -> Iterator[Row]:
    """Time the parts of the steps of `sf-md` on mfeat, as `dmrnet study methods` trains it."""
    keep_freed()
    splits = Mfeat().load(0)
    training = Training(threads=setting.threads).sized(len(splits.train))
    assert training.batch_size is not None
    torch.manual_seed(0)
    settings = settings_of("sf-md").recipe("best")
    settings = replace(settings, network=replace(settings.network, width=width))
    method = arrange(settings.build(splits.train.task)).train()
    sampler = Warmup(Uniform(), 0)
    loader = TrainLoader(splits.train, training.batch_size, 0, sampler, method.encodes)
    optimizer = build_optimizer(method, training)
    schedule = build_schedule(optimizer, training, len(loader))
    average = WeightAverage(method, training.ema)
    parameters = list(method.parameters())
    names = ("batch and masks", "forward and loss", "backward", "clip", "update", "weight average")
    seconds: dict[str, list[float]] = {name: [] for name in (*names, "whole step", "arithmetic")}
    noise = torch.Generator().manual_seed(0)
    for epoch in range(2 if setting.quick else EPOCHS):
        loader.set_epoch(epoch)
        batches = iter(loader)
        for number in range(len(loader)):
            times = [setting.now()]
            batch = next(batches)
            times.append(setting.now())
            total = method.training_loss(batch, epoch, noise).total
            times.append(setting.now())
            total.backward()
            times.append(setting.now())
            clip(parameters, training.clip)
            times.append(setting.now())
            optimizer.step()
            optimizer.zero_grad()
            schedule.step()
            times.append(setting.now())
            average.update()
            times.append(setting.now())
            for name, start, end in zip(names, times, times[1:], strict=False):
                seconds[name].append(end - start)
            seconds["whole step"].append(times[-1] - times[0])
            if number == 0:
                with _Recorder() as seen:
                    method.training_loss(batch, epoch, noise).total.backward()
                optimizer.zero_grad()
            start = setting.now()
            with torch.no_grad():
                for call in seen.calls:
                    call()
            seconds["arithmetic"].append(setting.now() - start)
    case = f"mfeat, sf-md, width {width}, batch {training.batch_size}"
    for name in ("whole step", *names):
        yield Row("shares of a step", case, name, seconds[name][len(loader) :])
    note = "convolutions, products and batch norms of a step, repeated alone"
    yield Row(
        "shares of a step", case, "arithmetic", seconds["arithmetic"][len(loader) :], note=note
    )
