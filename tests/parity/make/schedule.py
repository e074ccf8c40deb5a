"""The released face anti-spoofing code's learning rate, epoch by epoch.

``PYTHONPATH=. python tests/parity/make/schedule.py CLONE`` with a clone of the repository in
`SOURCE` writes ``schedule.json``: shares of the highest learning rate over 100 epochs.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from tests.parity.fixtures import write
from tests.parity.make.common import options, without
from torch import nn
from torch.optim.lr_scheduler import MultiStepLR

SOURCE = "shicaiwei123/ECCV2024-DMRNet@8472850"
EPOCHS = 100


def main(folder: Path) -> None:
    """Write the fixture."""
    without("torchtoolbox", "torchtoolbox.tools", "cv2")
    sys.path.insert(0, str(folder / "face-antispoofing"))
    from lib.model_develop_utils import GradualWarmupScheduler

    optimizer = torch.optim.SGD(nn.Linear(1, 1).parameters(), lr=1.0)
    # Milestones as the trainer sets them.
    steps = MultiStepLR(optimizer, [EPOCHS // 6, EPOCHS // 3, EPOCHS // 2])
    schedule = GradualWarmupScheduler(options(total_epoch=5), optimizer, 1, steps)
    shares = []
    for epoch in range(EPOCHS):
        shares.append(float(optimizer.param_groups[0]["lr"]))
        schedule.step(epoch=epoch)
    write("schedule", SOURCE, shares=shares)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
