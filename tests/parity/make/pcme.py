"""PCME's released image encoder, on given maps, and its divergence.

``PYTHONPATH=. python tests/parity/make/pcme.py CLONE`` with a clone of the repository in `SOURCE`
writes ``pcme.json``. The encoder's published ResNet is replaced by the identity.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import torchvision
from tests.parity.fixtures import fill, gradient_norms, numbers, write
from tests.parity.make.common import on_the_cpu, without
from torch import Tensor, nn

SOURCE = "naver-ai/pcme@4947684"
B, CHANNELS = 5, 16


class Maps(nn.Module):
    """Stands for a ResNet whose maps are its input."""

    def __init__(self, pretrained: bool) -> None:
        super().__init__()
        self.fc = nn.Linear(CHANNELS, 1)
        self.avgpool = nn.AdaptiveAvgPool2d(1)

    def forward(self, images: Tensor) -> Tensor:
        """Return the input."""
        return images


class Config(dict[str, Any]):
    """Settings that are read as items and as attributes."""

    __getattr__ = dict.__getitem__


def main(folder: Path) -> None:
    """Write the fixture."""
    on_the_cpu()
    without("torchtext", "torchtext.vocab", "nltk", "apex", "munch", "pycocotools", "cv2")
    sys.path.insert(0, str(folder))
    torchvision.models.maps = Maps
    from criterions.probemb import MCSoftContrastiveLoss
    from models.image_encoder import EncoderImage

    config = Config(
        embed_dim=CHANNELS, img_attention=True, img_probemb=True, cnn_type="maps",
        img_finetune=True, init_shift=5.0, init_negative_scale=5.0, num_samples=1, vib_beta=1.0,
    )  # fmt: skip
    encoder = EncoderImage(config).train()
    shapes = fill(encoder)
    out = encoder(numbers("maps", (B, CHANNELS, 7, 7)))
    mu, log_sigma = out["embedding"], out["logsigma"]
    divergence = MCSoftContrastiveLoss(config).kl_divergence(mu, log_sigma)
    divergence.backward()
    write(
        "pcme", SOURCE, shapes=shapes, mu=mu, log_sigma=log_sigma, divergence=divergence,
        gradients=gradient_norms(encoder),
    )  # fmt: skip


if __name__ == "__main__":
    main(Path(sys.argv[1]))
