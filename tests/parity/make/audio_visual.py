"""OGM-MD and DMRNet of the released audio-visual code, with its own trainer and mining.

``PYTHONPATH=. python tests/parity/make/audio_visual.py CLONE`` with a clone of the repository in
`SOURCE` writes ``ogm-md.json`` and ``dmrnet-av.json``.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from tests.parity.fixtures import classes, fill, numbers, write
from tests.parity.make.common import Recorder, choose, narrowed, on_the_cpu, options, without
from torch import Tensor, nn

SOURCE = "shicaiwei123/ECCV2024-DMRNet@8472850"
COMBINATIONS = [[1, 0], [0, 1], [1, 1]]
B, FRAMES = 6, 2

Step = tuple[Tensor, Tensor, Tensor]


def batch(number: int) -> Step:
    """Spectrograms, clips and classes."""
    sound = numbers(f"sound {number}", (B, 65, 48))
    clip = numbers(f"clip {number}", (B, 3, FRAMES, 64, 64))
    return sound, clip, classes(f"target {number}", (B,), 6)


def logits_of_all(model: nn.Module) -> list[Tensor]:
    """Logits of every combination at inference, of the first batch."""
    model.eval()
    sound, clip, _ = batch(0)
    found = []
    for combination in COMBINATIONS:
        model.p = combination
        with torch.no_grad():
            found.append(model(sound.unsqueeze(1), clip)[2])
    model.p = [0, 0]
    return found


def taught(main: object, model: nn.Module, **settings: float) -> dict[str, object]:
    """Seven epochs of two steps: mining, then the last step with the hard combination."""
    recorder, scheduler = Recorder(model), options(step=lambda: None)
    args = options(weak_modality="none", use_tensorboard=False, **settings)
    sums = torch.zeros(2)
    for epoch in range(7):
        choose(range(3))
        *_, sound, clip = main.train_epoch(  # type: ignore[attr-defined]
            args, epoch, model, torch.device("cpu"), [batch(0), batch(1)], recorder, scheduler
        )
        # The released script compares sums over epochs after the sixth.
        sums += torch.tensor([sound, clip]) if epoch < 6 else 0
        args.weak_modality = "audio" if sums[0] > sums[1] else "visual"
    return {
        "loss": recorder.loss,
        "gradients": recorder.gradients,
        "variance": sums / 6,
        "weak": args.weak_modality,
    }


def main(folder: Path) -> None:
    """Write the two fixtures."""
    on_the_cpu()
    missing = ("CramedDataset", "VGGSoundDataset", "dataset", "KSDataset")
    without("torch.utils.tensorboard", "dataset", *(f"dataset.{name}" for name in missing))
    sys.path.insert(0, str(folder / "audio-visual classification"))
    import main as released
    from models.basic_model import AVClassifier

    for name, pme, weights in (
        ("ogm-md", 0, {"alpha": 0.0, "beta": 0.0}),
        ("dmrnet-av", 1, {"alpha": 1e-3, "beta": 0.3}),
    ):
        args = options(
            fusion_method="concat", dataset="CREMAD", pe=0, pme=pme, use_video_frames=FRAMES
        )
        with narrowed():
            model = AVClassifier(args)
        shapes = fill(model)
        logits = logits_of_all(model)
        write(name, SOURCE, shapes=shapes, logits=logits, step=taught(released, model, **weights))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
