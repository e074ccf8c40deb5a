"""Made volumes: each modality shows another structure; a network learns all of them.

Run it as ``python examples/volumes.py``; ``--help`` lists its options. Three nested structures lie
at random places of small volumes, as a tumour's parts do in scans. ``edge`` shows the whole,
``fluid`` the inner part, ``dye`` the core, all under noise; a fourth modality, ``plain``, shows the
whole faintly.
"""

from __future__ import annotations

import argparse
import sys

import numpy as np

import dmrnet
from dmrnet.nn import Network

MODALITIES = ("edge", "fluid", "dye", "plain")
REGIONS = {"whole": "1+2+3", "inner": "2+3", "core": "3"}


def made(number: int, side: int, noise: float, seed: int) -> dmrnet.MultimodalDataset:
    """Return volumes with their labels: 0, and 1 to 3 from the outside in."""
    draw = np.random.default_rng(seed)
    grid = np.stack(np.meshgrid(*[np.arange(side)] * 3, indexing="ij"))
    labels = np.zeros((number, side, side, side), dtype=np.uint8)
    for volume in labels:
        centre = draw.uniform(0.35 * side, 0.65 * side, 3)
        stretch = draw.uniform(0.8, 1.25, 3)
        distance = np.sqrt((((grid.T - centre) * stretch) ** 2).sum(-1)).T
        radius = draw.uniform(0.22, 0.32) * side
        for label, share in ((1, 1.0), (2, 0.7), (3, 0.4)):
            volume[distance < share * radius] = label
    shown = {
        "edge": labels >= 1,
        "fluid": labels >= 2,
        "dye": labels == 3,
        "plain": 0.3 * (labels >= 1),
    }
    inputs = {
        name: (image + draw.normal(0, noise, image.shape))[:, None].astype(np.float32)
        for name, image in shown.items()
    }
    return dmrnet.MultimodalDataset(
        inputs, labels, volumes={"patch": 16, "regions": REGIONS}, name=f"made-{seed}"
    )


def main() -> None:
    """Make volumes, train, and score every combination of modalities."""
    parser = argparse.ArgumentParser(description="Learn made volumes with a class per voxel.")
    parser.add_argument("--method", default="dmrnet")
    parser.add_argument("--volumes", type=int, default=24, help="number of training volumes")
    parser.add_argument("--side", type=int, default=24, help="side of a volume in voxels")
    parser.add_argument("--noise", type=float, default=0.3, help="deviation of the noise")
    parser.add_argument("--width", type=int, default=32, help="channels of the deepest map")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--out", help="folder of the run")
    args = parser.parse_args()

    network = Network(width=args.width)
    run = dmrnet.fit(
        made(args.volumes, args.side, args.noise, 1),
        made(6, args.side, args.noise, 2),
        method=dmrnet.method(args.method).recipe("best", network=network),
        max_epochs=args.epochs,
        out=args.out,
        threads=1,
    )
    sys.stdout.write(f"{run.evaluate(made(8, args.side, args.noise, 3))!r}\n")


if __name__ == "__main__":
    main()
