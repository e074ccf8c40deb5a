"""Scores of the released code: error rates of face anti-spoofing, and IoU of segmentation.

``PYTHONPATH=. python tests/parity/make/scores.py CLONE`` with a clone of the repository in `SOURCE`
writes ``scores.json``. Confusions are counted by TensorFlow there; here the counts are given.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch
from tests.parity.fixtures import classes, numbers, write
from tests.parity.make.common import on_the_cpu, without
from torch import Tensor, nn

SOURCE = "shicaiwei123/ECCV2024-DMRNet@8472850"
SAMPLES, PIXELS, CLASSES = 50, 400, 5


class Given(nn.Module):
    """Predicts given logits."""

    def forward(self, *images: Tensor) -> tuple[Tensor]:
        """Return the logits."""
        return (numbers("logits", (SAMPLES, 2)),)


def main(folder: Path) -> None:
    """Write the fixture."""
    on_the_cpu()
    without("torchtoolbox", "torchtoolbox.tools", "cv2", "tensorflow", "ignite")
    without("ignite.exceptions", "ignite.metrics")
    sys.modules["ignite.metrics"].Metric = object
    sys.path[:0] = [str(folder / "face-antispoofing"), str(folder / "segmentation/src")]
    from confusion_matrix import ConfusionMatrixTensorflow
    from lib.model_develop import calc_accuracy_multi

    empty = torch.zeros(SAMPLES)
    images = {name: empty for name in ("image_x", "image_ir", "image_depth")}
    loader = [{**images, "binary_label": classes("labels", (SAMPLES,), 2)}]
    (accuracy, apcer, npcer, acer), _ = calc_accuracy_multi(Given(), loader, hter=True)
    faces = {"accuracy": accuracy, "APCER": apcer, "NPCER": npcer, "ACER": acer}

    truth = classes("truth", (PIXELS,), CLASSES).numpy()
    # Half of the pixels are right.
    predicted = np.where(np.arange(PIXELS) % 2, truth, classes("guess", (PIXELS,), CLASSES).numpy())
    matrix = ConfusionMatrixTensorflow(CLASSES)
    np.add.at(matrix.overall_confusion_matrix, (truth, predicted), 1)
    mean, each = matrix.compute_miou()
    write("scores", SOURCE, faces=faces, miou=float(mean), iou=each.tolist())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
