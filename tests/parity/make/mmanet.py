"""MMANet's released trainer and losses.

``PYTHONPATH=. python tests/parity/make/mmanet.py CLONE`` with a clone of the repository in `SOURCE`
writes ``mmanet.json``: student, teacher, ranking of combinations and a step after it. The loss for
pixels, from another part of the repository, is in ``mmanet-pixels.json`` (``... CLONE pixels``).
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

import torch
from tests.parity.fixtures import classes, fill, numbers, write
from tests.parity.make.common import Recorder, choose, narrowed, on_the_cpu, options, without
from torch import Tensor, nn
from torch.nn import functional as F

SOURCE = "shicaiwei123/MMANet-CVPR2023@c330689"
COMBINATIONS = [[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0], [1, 0, 1], [0, 1, 1], [1, 1, 1]]
KEYS = {"rgb": "image_x", "depth": "image_depth", "ir": "image_ir"}
COMPARED = ["rgb+depth", "rgb+ir", "depth+ir", "all"]
RANKED_EPOCHS, LABELS = 3, 40


def faces(folder: Path) -> None:
    """Write ``mmanet.json``."""
    without("torchtoolbox", "torchtoolbox.tools", "cv2", "dlib")
    sys.path.insert(0, str(folder / "classification"))
    from lib import model_develop
    from loss.kd import MAD, SP
    from models.surf_baseline import SURF_MMANet, SURF_Multi

    images = {name: numbers(name, (7, 3, 32, 32)) for name in KEYS}
    target = classes("target", (7,), 2)
    with tempfile.TemporaryDirectory() as logs:
        args = options(
            class_num=2, p=[0, 0, 0], drop_mode="average", modal="multi", se_reduction=16,
            inplace_new=384, model_root=logs, log_root=logs, name="run", lr_decrease=None,
            lr_warmup=False, train_epoch=7, retrain=False, log_interval=1, save_interval=100,
            begin_epoch=5, lambda_kd_feature=30.0, lambda_kd_mar=0.5,
        )  # fmt: skip
        with narrowed():
            nets = nn.ModuleDict({"snet": SURF_MMANet(args), "tnet": SURF_Multi(args)})
        shapes = fill(nets)
        nets.eval()
        logits = []
        with torch.no_grad():
            taught = nets["tnet"](*images.values())
            for combination in COMBINATIONS:
                nets["snet"].p = combination
                found = nets["snet"](*images.values())
                logits.append(found[0])
            losses = {"mad": MAD()(found[2], taught[2], taught[0]), "sp": SP()(found[2], taught[2])}
        ranking, step = trained(model_develop, nets, images, target, args, MAD())
    write("mmanet", SOURCE, shapes=shapes, logits=logits, teacher=taught[0], losses=losses,
          ranking=ranking, step=step)  # fmt: skip


def trained(
    develop: Any, nets: nn.ModuleDict, images: dict[str, Tensor], target: Tensor, args: Any,
    distillation: nn.Module,
) -> tuple[dict[str, object], dict[str, object]]:  # fmt: skip
    """Seven epochs: the ranking by given predictions, and the last step's loss and gradients."""
    recorder = Recorder(nets["snet"])
    predictions: list[Tensor] = []
    distances: list[Tensor] = []
    divergence = F.kl_div

    def accuracy(model: nn.Module, **_: object) -> tuple[list[float], Tensor]:
        labels = classes(f"labels {len(predictions)}", (LABELS,), 2)
        if model.p != [0, 0, 0]:
            predictions.append(labels)
        return [0.0, 0.0, 0.0, 1.0], labels

    def kept(*inputs: Tensor, **settings: str) -> Tensor:
        distances.append(divergence(*inputs, **settings))
        return distances[-1]

    develop.calc_accuracy_kd_patch_feature = accuracy
    develop.F = options(kl_div=kept, softmax=F.softmax, log_softmax=F.log_softmax)
    torch.save = lambda *args, **kwargs: None
    choose(range(7))
    loader = [{KEYS[name]: image for name, image in images.items()} | {"binary_label": target}]
    nets["snet"].train()
    develop.train_knowledge_distill_patch_feature_auxi_weak(
        nets,
        {"criterionCls": nn.CrossEntropyLoss(), "criterionKD": distillation},
        recorder,
        loader,
        loader,
        args,
    )
    by_epoch = torch.stack(distances).view(RANKED_EPOCHS, 3)
    counts = torch.stack([torch.bincount(labels, minlength=2) for labels in predictions])
    ranking = {
        "counts": counts.view(RANKED_EPOCHS, len(COMPARED), 2),
        "distances": by_epoch.sum(0),
        "weakest": COMPARED[int(by_epoch.sum(0).argmax())],
    }
    return ranking, {"loss": recorder.loss, "gradients": recorder.gradients}


def pixels(folder: Path) -> None:
    """Write ``mmanet-pixels.json``: margin-aware distillation of two equal images.

    The released code brings the rows of similarities to unit length in two halves; of two equal
    images both halves are equal, and the loss is twice that of whole rows.
    """
    sys.path.insert(0, str(folder / "segmentation"))
    from loss.kd.mad import MAD

    def twice(name: str, channels: int) -> Tensor:
        return numbers(name, (12, channels)).repeat(2, 1)

    student = twice("student", 8).requires_grad_()
    loss = MAD()(student, twice("teacher", 6), 3 * twice("logits", 4))
    loss.backward()
    assert student.grad is not None
    write("mmanet-pixels", SOURCE, loss=loss, gradient=student.grad.norm())


if __name__ == "__main__":
    on_the_cpu()
    (pixels if sys.argv[2:] else faces)(Path(sys.argv[1]))
