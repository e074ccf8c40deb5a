"""A method of one's own, outside the package, next to ``sf-md``: at most 40 lines of code.

``python examples/own_method.py``. A fusion or a term alone needs no method: `dmrnet.fit` takes them
as ``fusion=`` and ``terms=``.
"""

from __future__ import annotations

import sys

import numpy as np
import torch
from torch import Tensor

import dmrnet
from dmrnet.methods import Method
from dmrnet.nn import Fused, Fusion, Network, Point, PooledLinear, feature_shapes, masked_all
from dmrnet.objectives import Step, Term


class MeanFusion(Fusion):
    """Mean of the visible modalities."""

    def __init__(self, modalities: tuple[str, ...]) -> None:
        super().__init__()
        self.modalities = modalities

    def forward(self, feats: dict[str, Tensor], mask: Tensor) -> Fused:
        """Fuse maps ``(B, C, H, W)`` under a mask, bool ``(B, V)``."""
        seen = [x.mean((2, 3)) for x in masked_all(feats, self.modalities, mask)]
        return Fused((sum(seen) / mask.sum(1, keepdim=True))[..., None, None])


class Certain(Term):
    """Entropy of the predictions."""

    def forward(self, step: Step) -> Tensor:
        """Return the mean entropy."""
        return torch.distributions.Categorical(logits=step.out.logits).entropy().mean()


@dmrnet.register_method("mean-fusion")
def mean_fusion(task: dmrnet.Task) -> Method:
    """Mean of the visible modalities, with certain predictions."""
    encoders = Network(width=32).build_encoders(task)
    (width,) = {channels for channels, _, _ in feature_shapes(task, encoders).values()}
    return Method(
        task,
        encoders=encoders,
        fusion=MeanFusion(task.modalities),
        representation=Point(width),
        predictor=PooledLinear(width, len(task.classes)),
        terms=[Certain("certain", weight=0.1)],
    )


def main(out: str = "report", epochs: int = 3) -> list[dmrnet.Run]:
    """Train both methods and write a report."""
    rng, y = np.random.default_rng(0), np.arange(300) % 3
    inputs = {"a": rng.normal(size=(300, 6)) + y[:, None], "b": rng.normal(size=(300, 2, 16))}
    data = dmrnet.MultimodalDataset(inputs, y)
    train, test = data.subset(range(200)), data.subset(range(200, 300))
    names = ("mean-fusion", "sf-md")
    runs = [dmrnet.fit(train, test=test, method=name, max_epochs=epochs) for name in names]
    sys.stdout.write("\n".join(repr(run.evaluate()) for run in runs) + "\n")
    dmrnet.build_report(runs, out=out)
    return runs


if __name__ == "__main__":
    main()
