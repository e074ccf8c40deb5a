"""MMPareto's released trainer: steps in which one, none and both encoders' gradients conflict.

``PYTHONPATH=. python tests/parity/make/mmpareto.py CLONE`` with a clone of the repository in
`SOURCE` writes ``mmpareto.json``. Every sample shows both modalities, as there.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from tests.parity.fixtures import classes, fill, numbers, write
from tests.parity.make.common import Recorder, narrowed, on_the_cpu, options, without
from torch import Tensor

SOURCE = "GeWu-Lab/MMPareto_ICML2024@a339db3"
B = 6
TARGETS = ("target 0", "target 3", "target 7")


def main(folder: Path) -> None:
    """Write the fixture."""
    on_the_cpu()
    without("dataset", "dataset.av_dataset", "tqdm", "utils", "utils.utils")
    sys.modules["tqdm"].tqdm = lambda steps: steps  # type: ignore[attr-defined]
    sys.path.insert(0, str(folder / "code"))
    import MMPareto as released
    from models.models import AVClassifier

    with narrowed():
        model = AVClassifier(options(dataset="CREMAD"))
    shapes = fill(model)
    # The released encoder reads frames before channels.
    sound, clip = numbers("sound", (B, 1, 65, 48)), numbers("clip", (B, 3, 2, 64, 64))
    clip = clip.transpose(1, 2).contiguous()
    with torch.no_grad():
        logits = model.eval()(sound, clip)[0]
    shares: list[list[float]] = []
    solve = released.MinNormSolver.find_min_norm_element

    def solved(gradients: list[list[Tensor]]) -> object:
        found = solve(gradients)
        shares.append([float(k) for k in found[0]])
        return found

    released.MinNormSolver.find_min_norm_element = solved
    recorder = Recorder(model)
    steps = {}
    for name in TARGETS:
        model.zero_grad()
        shares.clear()
        loader = [(sound, clip, classes(name, (B,), 6))]
        released.train_epoch(
            options(dataset="CREMAD"), 0, model, torch.device("cpu"), loader, recorder, None
        )
        steps[name] = {
            "loss": recorder.loss,
            "gradients": recorder.gradients,
            "shares": list(shares),
        }
    write("mmpareto", SOURCE, shapes=shapes, logits=logits, steps=steps)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
