"""OGM-GE's released trainer: a step without, with scaled, and with scaled and noisy gradients.

``PYTHONPATH=. python tests/parity/make/ogm_ge.py CLONE`` with a clone of the repository in `SOURCE`
writes ``ogm-ge.json``. Every sample shows both modalities, as there.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from tests.parity.fixtures import classes, fill, normal, numbers, write
from tests.parity.make.common import Recorder, narrowed, on_the_cpu, options, without
from torch import Tensor, nn

SOURCE = "GeWu-Lab/OGM-GE_CVPR2022@343dc1d"
B = 6


class Wrapped(nn.Module):
    """A model under the name that data parallelism gives it, which the trainer expects."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Call the model."""
        out: tuple[Tensor, ...] = self.module(*inputs)
        return out


def main(folder: Path) -> None:
    """Write the fixture."""
    on_the_cpu()
    missing = ("CramedDataset", "VGGSoundDataset", "dataset")
    without("torch.utils.tensorboard", "dataset", *(f"dataset.{name}" for name in missing))
    sys.path.insert(0, str(folder))
    import main as released
    from models.basic_model import AVClassifier

    args = options(fusion_method="concat", dataset="CREMAD")
    with narrowed():
        model = AVClassifier(args)
    shapes = fill(model)
    sound, clip = numbers("sound", (B, 65, 48)), numbers("clip", (B, 3, 2, 64, 64))
    with torch.no_grad():
        logits = model.eval()(sound.unsqueeze(1), clip)[2]
    Tensor.normal_ = lambda self, mean, std: normal("noise", self.shape) * std
    recorder = Recorder(model)
    steps = {}
    for modulation in ("Normal", "OGM", "OGM_GE"):
        settings = options(
            fusion_method="concat", modulation=modulation, alpha=0.8, use_tensorboard=False,
            modulation_starts=0, modulation_ends=50,
        )  # fmt: skip
        loader = [(sound, clip, classes("target", (B,), 6))]
        model.zero_grad()
        released.train_epoch(
            settings, 0, Wrapped(model), torch.device("cpu"), loader, recorder,
            options(step=lambda: None),
        )  # fmt: skip
        steps[modulation] = {"loss": recorder.loss, "gradients": recorder.gradients}
    write("ogm-ge", SOURCE, shapes=shapes, logits=logits, steps=steps)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
