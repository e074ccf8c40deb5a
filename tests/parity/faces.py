"""Our side of the released face anti-spoofing networks: names, inputs, masks."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from tests.parity.fixtures import Rules, classes, numbers
from torch import Tensor

from dmrnet.modalities import Batch, Modality, Task
from dmrnet.nn import Network

NAMES = ("rgb", "ir", "depth")
"""In the order of the released networks' arguments and masks."""

NETWORK = Network(family="surf", stem=8)
COMBINATIONS = torch.tensor(
    [[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0], [1, 0, 1], [0, 1, 1], [1, 1, 1]]
).bool()

LAYERS = {
    r"resnet\.stem\.0": "0",
    r"resnet\.stem\.1": "1",
    r"resnet\.stages\.0": "4",
    r"resnet\.stages\.1": "5",
    r"excite\.fc1": "6.fc.0",
    r"excite\.fc2": "6.fc.2",
}
"""Layers of an encoder, and their numbers in the released one."""


def encoder_rules(names: Sequence[str], prefix: str = "") -> Rules:
    """Names of the encoders of modalities in the released network."""
    return [
        (rf"^encoders\.{v}\.{ours}\.", f"{prefix}special_bone_{name}.{theirs}.")
        for v, name in enumerate(names)
        for ours, theirs in LAYERS.items()
    ]


ENCODERS = encoder_rules(NAMES)
OURS_ALONE: Rules = [(r"^statistics\.|^objective\..*\.(miner|weak)\.", "")]


def task(side: int = 32, names: Sequence[str] = NAMES) -> Task:
    return Task(tuple(Modality(name, "image", (3, side, side)) for name in names), ("a", "b"))


def images(side: int = 32) -> dict[str, Tensor]:
    return {name: numbers(name, (7, 3, side, side)) for name in NAMES}


def batch(names: Sequence[str] = NAMES) -> Batch:
    """Seven complete samples, each of which shows another combination."""
    present = torch.ones_like(COMBINATIONS)
    plain = Batch(images(), present, classes("target", (7,), 2), torch.arange(7))
    return plain.masked(COMBINATIONS, present, tuple(names))
