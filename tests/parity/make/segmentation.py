"""ESANet-MD and DMRNet of the released segmentation code, DMRNet with its own trainer.

``PYTHONPATH=. python tests/parity/make/segmentation.py CLONE`` with a clone of the repository in
`SOURCE` writes ``esanet-md.json`` and ``dmrnet-seg.json``. Gradients are kept before they are
clipped; labels of coarser scales are every 8th, 16th and 32nd pixel, OpenCV's nearest neighbour.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from tests.parity.fixtures import classes, fill, gradient_norms, numbers, write
from tests.parity.make.common import Recorder, choose, narrowed, on_the_cpu, options, without
from torch import Tensor, nn

SOURCE = "shicaiwei123/ECCV2024-DMRNet@8472850"
COMBINATIONS = [[1, 0], [0, 1], [1, 1]]
B, H, W, CLASSES = 3, 64, 96, 3
WEIGHTS = [0.5, 2.0, 1.25]
"""Weight of each class; label 0 has none."""


def batch() -> dict[str, Tensor | dict[int, Tensor]]:
    """Images, depth maps and labels as floats, 0 where there is none."""
    label = classes("target", (B, H, W), CLASSES + 1).double()
    return {
        "image": numbers("rgb", (B, 3, H, W)),
        "depth": numbers("depth", (B, 1, H, W)),
        "label": label,
        "label_down": {rate: label[:, ::rate, ::rate] for rate in (8, 16, 32)},
    }


def logits_of_all(model: nn.Module) -> list[Tensor]:
    """Every 16th logit of every combination at inference."""
    model.eval()
    data, found = batch(), []
    for combination in COMBINATIONS:
        model.p = combination
        with torch.no_grad():
            found.append(model(data["image"], data["depth"])[0][:, :, ::16, ::16])
    model.p = [0, 0]
    return found


def cut(model: nn.Module) -> nn.Module:
    """Cut kernels of upsampling, which were set with the published number of channels."""
    for part in model.modules():
        if isinstance(part, nn.Conv2d) and len(part.weight) > part.out_channels:
            part.weight = nn.Parameter(part.weight[: part.out_channels].detach())
    return model


class Loader(list[object]):
    """Batches, and the data set that the trainer takes a length of."""

    dataset = range(B)


def main(folder: Path) -> None:
    """Write the two fixtures."""
    on_the_cpu()
    absent = ("confusion_matrix", "prepare_data", "build_model", "args")
    without("pandas", "cv2", *(f"src.{name}" for name in absent))
    sys.path.insert(0, str(folder / "segmentation"))
    import train_missing_dul_auxi as trainer
    from src.models import model as released
    from src.utils import CrossEntropyLoss2d

    settings = {
        "height": H, "width": W, "num_classes": CLASSES, "encoder_block": "NonBottleneck1D",
        "channels_decoder": [512, 256, 128], "nr_decoder_blocks": [3, 3, 3],
        "pretrained_on_imagenet": False, "upsampling": "learned-3x3-zeropad",
    }  # fmt: skip
    loss_of = CrossEntropyLoss2d(torch.device("cpu"), WEIGHTS)
    data = batch()

    def encoders(name: str) -> dict[str, str]:
        return {"encoder_rgb": name, "encoder_depth": name}

    with narrowed():
        md = released.ESANet(**settings, **encoders("resnet34"), args=options(p=[0, 0]))
        dmr = released.ESANet_DUL_Auxi(
            **settings, **encoders("resnet50"), args=options(p=[0, 0], auxi=True)
        )
    shapes, logits = fill(cut(md)), logits_of_all(md)
    choose(range(3))
    scales = md.train()(data["image"], data["depth"])
    loss = sum(loss_of(list(scales[:4]), [data["label"], *data["label_down"].values()]))
    loss.backward()
    step = {"loss": loss, "gradients": gradient_norms(md)}
    write("esanet-md", SOURCE, shapes=shapes, logits=logits, step=step)

    shapes, logits = fill(cut(dmr)), logits_of_all(dmr)
    recorder = Recorder(dmr)
    trainer.nn.utils.clip_grad_norm_ = lambda *args, **kwargs: None
    choose(range(3))
    schedule = options(step=lambda epoch: None, get_lr=lambda: [0.0])
    trainer.print_log_original = lambda *args, **kwargs: None
    trainer.train_one_epoch(
        dmr, Loader([data]), torch.device("cpu"), recorder, loss_of, 11, schedule, "rgbd",
        [8, 16, 32],
    )  # fmt: skip
    step = {"loss": recorder.loss, "gradients": recorder.gradients}
    write("dmrnet-seg", SOURCE, shapes=shapes, logits=logits, step=step)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
