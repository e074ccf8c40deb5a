"""Worker processes read and change pictures, sounds and labels as one process does, every epoch."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from collections.abc import Callable
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.data.made import casia_surf, kinetics_sounds, nyuv2

from dmrnet.data.loader import TrainLoader
from dmrnet.data.published.preparation import prepare
from dmrnet.data.sets.published.casia_surf import CasiaSurf
from dmrnet.data.sets.published.kinetics_sounds import KineticsSounds
from dmrnet.data.sets.published.nyuv2 import NYUv2
from dmrnet.modalities import Batch, Uniform, Warmup

pytest.importorskip("av", reason="video files need the extra audio-video")

SETS: dict[str, tuple[Callable[[Path], Path], Callable[[str], Any]]] = {
    "casia-surf": (casia_surf.make, CasiaSurf),
    "kinetics-sounds": (
        kinetics_sounds.frames,
        lambda root: KineticsSounds(root, spectrogram="released", val_share=0.5),
    ),
    "nyuv2": (nyuv2.make, NYUv2),
}
"""Turned and cut pictures; random stretches of sound beside pictures; labels of every pixel."""


@cache
def root_of(name: str) -> str:
    folder = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, folder, True)
    prepare(name, [SETS[name][0](folder / "source")], folder / "root")
    return str(folder / "root")


def batches(name: str, workers: int, seed: int = 3) -> list[list[Batch]]:
    """Return the first four batches of three epochs, the first of them again at the end."""
    train = SETS[name][1](root_of(name)).load(seed).train
    loader = TrainLoader(train, 3, seed, Warmup(Uniform(), 0), "mask", num_workers=workers)
    found = []
    for epoch in (0, 1, 5, 0):
        loader.set_epoch(epoch)
        found.append(list(islice(loader, 4)) if not workers else list(loader)[:4])
    return found


EACH = pytest.mark.parametrize(
    "name",
    [name if name == "nyuv2" else pytest.param(name, marks=pytest.mark.slow) for name in SETS],
)


@EACH
def test_two_workers_give_the_batches_of_none(name: str) -> None:
    alone, together = batches(name, 0), batches(name, 2)
    for epoch, (ours, theirs) in enumerate(zip(alone, together, strict=True)):
        for one, other in zip(ours, theirs, strict=True):
            assert torch.equal(one.index, other.index), epoch
            assert torch.equal(one.target, other.target)
            assert torch.equal(one.mask, other.mask)
            for key, value in one.inputs.items():
                assert torch.equal(value, other.inputs[key]), (epoch, key)


@pytest.mark.parametrize(
    "name", ["casia-surf", pytest.param("kinetics-sounds", marks=pytest.mark.slow), "nyuv2"]
)
def test_what_is_drawn_follows_from_seed_epoch_and_row(name: str) -> None:
    first, second, _, again = batches(name, 0)
    rows = {int(i): x for batch in first for i, x in zip(batch.index, pictures(batch), strict=True)}
    for one, other in zip(first, again, strict=True):
        assert torch.equal(pictures(one), pictures(other))
    # The same row in another epoch, and with another seed, is changed in another way.
    for others in (second, batches(name, 0, seed=4)[0]):
        shared = [
            torch.equal(rows[int(i)], x)
            for batch in others
            for i, x in zip(batch.index, pictures(batch), strict=True)
            if int(i) in rows
        ]
        assert shared
        assert not all(shared)


def pictures(batch: Batch) -> torch.Tensor:
    """Return what is changed at random: sound where frames are of one colour."""
    return batch.inputs["audio" if "audio" in batch.inputs else "rgb"]
