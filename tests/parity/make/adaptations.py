"""HeMIS, ShaSpec and mmFormer as adapted to CASIA-SURF, with ShaSpec's own trainer.

``PYTHONPATH=. python tests/parity/make/adaptations.py NAME DMRNET MMANET`` with clones of the
repositories in `SOURCES` writes ``NAME.json``. HeMIS is in MMANet's repository. Trainers of HeMIS
and mmFormer are not released: their losses are cross-entropy, and for mmFormer that of each
modality's own logits, which the released network computes for every sample, besides. Dropout is
switched off; mmFormer's transformers are narrower, and maps smaller than those written into it.
"""

from __future__ import annotations

import re
import sys
import tempfile
import types
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from tests.parity.fixtures import classes, fill, gradient_norms, numbers, write
from tests.parity.make.common import Recorder, choose, narrowed, on_the_cpu, options, without
from torch import Tensor, nn
from torch.nn import functional as F

SOURCES = ("shicaiwei123/ECCV2024-DMRNet@8472850", "shicaiwei123/MMANet-CVPR2023@c330689")
COMBINATIONS = [[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0], [1, 0, 1], [0, 1, 1], [1, 1, 1]]
B, SIDE = 7, 32

Content = Mapping[str, Any]


def images() -> list[Tensor]:
    """Three images of each sample."""
    return [numbers(name, (B, 3, SIDE, SIDE)) for name in ("rgb", "ir", "depth")]


def settings(channels: int) -> types.SimpleNamespace:
    """Return the settings that the networks read.

    Args:
        channels: Number of channels that the trunk reads.
    """
    return options(
        class_num=2, p=[0, 0, 0], drop_mode="average", modal="multi", se_reduction=16,
        inplace_new=channels,
    )  # fmt: skip


def module_of(path: Path, replacements: Mapping[str, str]) -> types.ModuleType:
    """Load a module with sizes in its text replaced."""
    text = path.read_text()
    for pattern, replacement in replacements.items():
        text, count = re.subn(pattern, replacement, text)
        assert count, f"{path}: no {pattern}"
    module = types.ModuleType(path.stem)
    exec(compile(text, str(path), "exec"), module.__dict__)
    return module


def filled(net: nn.Module) -> tuple[nn.Module, Content]:
    """Return a network with its values and no dropout, and its shapes and logits."""
    for part in net.modules():
        if isinstance(part, nn.Dropout):
            part.p = 0.0
    shapes = fill(net)
    logits = []
    for combination in COMBINATIONS:
        net.p = combination  # type: ignore[assignment]
        with torch.no_grad():
            logits.append(net.eval()(*images())[0])
    net.p = [0, 0, 0]  # type: ignore[assignment]
    choose(range(7))
    return net.train(), {"shapes": shapes, "logits": logits}


def hemis(_: Path, mmanet: Path) -> Content:
    """Run SURF_MV."""
    sys.path.insert(0, str(mmanet / "classification"))
    from models import surf_baseline

    with narrowed():
        net, content = filled(surf_baseline.SURF_MV(settings(256)))
    loss = F.cross_entropy(net(*images())[0], classes("target", (B,), 2))
    loss.backward()
    return {**content, "step": {"loss": loss, "gradients": gradient_norms(net)}}


def shaspec(dmrnet: Path, _: Path) -> Content:
    """Run ShaSpec_Classfication and one epoch of one batch of its trainer."""
    folder = dmrnet / "face-antispoofing"
    sys.path.insert(0, str(folder))
    from lib import model_develop

    module = module_of(folder / "models/shaspec.py", {"128, 14, 14": "16, 4, 4"})
    with narrowed():
        net, content = filled(module.ShaSpec_Classfication(settings(384)))
    recorder = Recorder(net)
    model_develop.calc_accuracy_multi = lambda *args, **kwargs: ([0.0] * 4 + [1.0], None)
    torch.save = lambda *args, **kwargs: None
    keys = ("image_x", "image_ir", "image_depth")
    batch = dict(zip(keys, images(), strict=True)) | {"binary_label": classes("target", (B,), 2)}
    with tempfile.TemporaryDirectory() as out:
        args = options(
            model_root=out, log_root=out, name="run", lr_decrease=None, lr_warmup=False,
            train_epoch=1, retrain=False, log_interval=1, save_interval=100, dao_weight=0.1,
            dco_weight=0.02,
        )  # fmt: skip
        model_develop.train_base_multi_shaspec(
            net, nn.CrossEntropyLoss(), recorder, [batch], None, args
        )
    return {**content, "step": {"loss": recorder.loss, "gradients": recorder.gradients}}


def mmformer(dmrnet: Path, _: Path) -> Content:
    """Run SURF_Fomer_N with 32 channels a token and 4 x 4 tokens a modality."""
    folder = dmrnet / "face-antispoofing"
    sys.path.insert(0, str(folder))
    sizes = {r"\b14 ?([,*]) ?14\b": r"4 \1 4", r"\b512\b": "32", r"\b4096\b": "256", "128": "16"}
    module = module_of(folder / "models/surf_mmfomer.py", sizes)
    encoder = module.resnet18_se

    def narrow(*args: Any, **kwargs: Any) -> nn.Module:
        with narrowed():
            made: nn.Module = encoder(*args, **kwargs)
        return made

    module.resnet18_se = narrow
    net, content = filled(module.SURF_Fomer_N(settings(384)))
    target = classes("target", (B,), 2)
    fused, _, _, *own, _ = net(*images())
    each = torch.stack([F.cross_entropy(logits, target) for logits in own]).sum()
    loss = F.cross_entropy(fused, target) + each
    loss.backward()
    step = {"loss": loss, "each": each, "gradients": gradient_norms(net)}
    return {**content, "step": step}


SYSTEMS: dict[str, tuple[str, Callable[[Path, Path], Content]]] = {
    "hemis": (SOURCES[1], hemis),
    "shaspec": (SOURCES[0], shaspec),
    "mmformer": (SOURCES[0], mmformer),
}

if __name__ == "__main__":
    on_the_cpu()
    without("torchtoolbox", "torchtoolbox.tools", "cv2")
    source, run = SYSTEMS[sys.argv[1]]
    write(sys.argv[1], source, **run(Path(sys.argv[2]), Path(sys.argv[3])))
