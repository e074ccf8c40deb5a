"""SF-MD, DMRNet and LCR of the released face anti-spoofing code, with DMRNet's own trainer.

``PYTHONPATH=. python tests/parity/make/faces.py CLONE`` with a clone of the repository in
`SOURCE` writes ``sf-md.json``, ``dmrnet.json`` and ``lcr.json``. LCR's trainer does not run as
released (it unpacks what LCR does not return), so its loss is the cross-entropy that the trainer
computes.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import torch
from tests.parity.fixtures import classes, fill, gradient_norms, numbers, write
from tests.parity.make.common import BY, Recorder, choose, narrowed, on_the_cpu, options, without
from torch import Tensor, nn

SOURCE = "shicaiwei123/ECCV2024-DMRNet@8472850"
COMBINATIONS = [[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0], [1, 0, 1], [0, 1, 1], [1, 1, 1]]
B, SIDE = 7, 32


def batch(side: int = SIDE) -> tuple[list[Tensor], Tensor]:
    """Three images of each sample, and classes."""
    images = [numbers(name, (B, 3, side, side)) for name in ("rgb", "ir", "depth")]
    return images, classes("target", (B,), 2)


def logits_of_all(model: nn.Module, images: list[Tensor]) -> list[Tensor]:
    """Logits of every combination at inference, one combination for the whole batch."""
    model.eval()
    found = []
    for combination in COMBINATIONS:
        model.p = combination
        with torch.no_grad():
            found.append(model(*images)[0])
    model.p = [0, 0, 0]
    return found


def step(model: nn.Module, images: list[Tensor], target: Tensor) -> dict[str, object]:
    """Cross-entropy and gradients of a step in which every sample shows another combination."""
    choose(range(7))
    model.train()
    loss = nn.CrossEntropyLoss()(model(*images)[0], target)
    loss.backward()
    return {"loss": loss, "gradients": gradient_norms(model)}


def dmrnet_steps(model: nn.Module, images: list[Tensor], target: Tensor) -> dict[str, object]:
    """The seventh epoch of the released trainer, the first with hard combinations."""
    from lib import model_develop

    recorder = Recorder(model)
    variances: list[Tensor] = []
    get_std = model_develop.get_std

    def kept(values: Tensor, index: Tensor) -> Tensor:
        variances.append(get_std(values, index))
        return variances[-1]

    model_develop.get_std = kept
    model_develop.calc_accuracy_multi = lambda *args, **kwargs: ([0.0, 1.0], None)
    torch.save = lambda *args, **kwargs: None
    choose(range(7))
    keys = ("image_x", "image_ir", "image_depth")
    loader = [dict(zip(keys, images, strict=True)) | {"binary_label": target}]
    with tempfile.TemporaryDirectory() as folder:
        args = options(
            model_root=folder, log_root=folder, name="run", lr_decrease=None, lr_warmup=False,
            train_epoch=7, retrain=False, log_interval=1, save_interval=100, dataset="surf",
            auxi_scale=0.7, kl_scale=1e-3,
        )  # fmt: skip
        model.train()
        model_develop.train_base_multi_auxi_dul(
            model, nn.CrossEntropyLoss(), recorder, loader, None, args
        )
    # Of each step, seven mean variances and then seven mean losses.
    return {
        "loss": recorder.loss,
        "gradients": recorder.gradients,
        "variance": torch.stack(variances[-14:-7]),
    }


def main(folder: Path) -> None:
    """Write the three fixtures."""
    on_the_cpu()
    without("torchtoolbox", "torchtoolbox.tools", "cv2")
    sys.path.insert(0, str(folder / "face-antispoofing"))
    from models import surf_baseline, surf_corr_repr

    args = options(
        class_num=2, p=[0, 0, 0], drop_mode="average", modal="multi", se_reduction=16,
        inplace_new=384,
    )  # fmt: skip
    images, target = batch()
    with narrowed():
        sf_md = surf_baseline.SURF_Baseline(args)
        dmrnet = surf_baseline.SURF_Baseline_ConvDUL_Auxi_Share(args)
        lcr = surf_corr_repr.SURF_CR(args)
    shapes = fill(sf_md)
    write("sf-md", SOURCE, shapes=shapes, logits=logits_of_all(sf_md, images),
          step=step(sf_md, images, target))  # fmt: skip
    shapes = fill(dmrnet)
    logits = logits_of_all(dmrnet, images)
    write("dmrnet", SOURCE, shapes=shapes, logits=logits,
          step=dmrnet_steps(dmrnet, images, target))  # fmt: skip
    shapes = fill(lcr)
    taught = step(lcr, images, target)
    # What stands for an image that the whole batch lacks has its size, 14 x 14, written into it.
    fill(lcr)
    zeros = torch.zeros
    torch.zeros = lambda shape: zeros((shape[0], shape[1] // BY, *shape[2:]))
    write("lcr", SOURCE, shapes=shapes, step=taught, logits=logits_of_all(lcr, batch(112)[0]))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
