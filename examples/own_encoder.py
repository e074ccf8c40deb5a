"""Tensors of one's own with an encoder of one's own, next to ``sf-md``.

``python examples/own_encoder.py``: twelve lines of code from tensors to a comparison.
"""

import sys

import numpy as np
from torch import nn

import dmrnet

rng, y = np.random.default_rng(0), np.arange(300) % 3
camera = rng.normal(size=(300, 1, 8, 8)) + y[:, None, None, None] / 2
radar = [None if i % 5 == 0 else rng.normal(size=12) + y[i] / 2 for i in range(300)]
data = dmrnet.MultimodalDataset({"camera": camera, "radar": radar}, y)
train, test = data.subset(range(200)), data.subset(range(200, 300))


class RadarNet(nn.Sequential):  # noqa: D101
    def __init__(self) -> None:
        super().__init__(nn.Linear(12, 32), nn.ReLU())


settings = {"test": test, "encoders": {"radar": RadarNet}, "max_epochs": 3}
runs = [dmrnet.fit(train, method=name, **settings) for name in ("dmrnet", "sf-md")]
sys.stdout.write("\n".join(repr(run.evaluate()) for run in runs) + "\n")
report = dmrnet.build_report(runs, out="report")
