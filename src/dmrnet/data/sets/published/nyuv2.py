"""nyuv2: rooms in RGB and depth, a class for every pixel. Silberman et al., ECCV 2012.

Prepared from the official labelled file. 40 classes; unlabelled pixels are -1.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Literal

from dmrnet.data.sets.base import DataSettings

if TYPE_CHECKING:
    from torch import Tensor

    from dmrnet.data.dataset import Splits
    from dmrnet.data.inputs.standardise import Scale

CLASSES = (
    *("wall", "floor", "cabinet", "bed", "chair", "sofa", "table", "door", "window"),
    *("bookshelf", "picture", "counter", "blinds", "desk", "shelves", "curtain", "dresser"),
    *("pillow", "mirror", "floor mat", "clothes", "ceiling", "books", "refridgerator"),
    *("television", "paper", "towel", "shower curtain", "box", "whiteboard", "person"),
    *("night stand", "toilet", "sink", "lamp", "bathtub", "bag", "otherstructure"),
    *("otherfurniture", "otherprop"),
)
"""Classes in the published order and spelling; label 1 is the first."""

MEAN, DEVIATION = 2841.94941272766, 1417.2594281672277
"""Mean and deviation of refined depth, in millimetres, over the training images (ESANet)."""

VERSION = 1
"""Version of the preparation."""


@dataclass(frozen=True)
class NYUv2(DataSettings):
    """Settings of nyuv2.

    Attributes:
        root: Folder with the prepared data; see `dmrnet data prepare nyuv2`.
        depth: Depth maps: refined (holes filled) or raw (holes are 0 and stay 0).
        val_share: Share of the published training images for validation; whole scenes, where the
            file names them.
        split_seed: Seed of what is held out; the run's seed by default.
        augment: Enlarge, crop, flip and recolour training images at random.
    """

    root: str
    depth: Literal["refined", "raw"] = "refined"
    val_share: float = 0.1
    split_seed: int | None = None
    augment: bool = True

    metric: ClassVar[str] = "miou"
    shows_inputs: ClassVar[bool] = True

    def load(self, seed: int) -> Splits:
        """Return the splits; images are read when they are taken."""
        import torch

        from dmrnet.data.dataset import Splits
        from dmrnet.data.dense import class_weights
        from dmrnet.data.files.cache import read_cache, skipped_note
        from dmrnet.data.inputs.standardise import Standardiser
        from dmrnet.data.inputs.transforms import (
            Chain,
            Colours,
            RandomCrop,
            RandomFlip,
            RandomRescale,
        )
        from dmrnet.data.inputs.views import IMAGENET, ImageView
        from dmrnet.data.mapped import MappedDataset
        from dmrnet.modalities import Modality, Task

        arrays, provenance = read_cache("nyuv2", self.root, VERSION)
        height, width = arrays["rgb"].shape[-2:]
        tested = torch.from_numpy(arrays["test"])
        scenes: list[str] = arrays["scene"].tolist()
        split_seed = seed if self.split_seed is None else self.split_seed
        held = held_scenes(scenes, tested, self.val_share, split_seed)
        rows = [*held, tested.nonzero().flatten()]
        # Label 0 is unlabelled.
        pixels = torch.from_numpy(arrays["pixels"])[:, 1:]
        inputs = (
            Modality("rgb", "image", (3, height, width)),
            Modality("depth", "image", (1, height, width)),
        )
        weights = class_weights(pixels[rows[0]], "median")
        task = Task(inputs, CLASSES, dense=True, class_weights=weights)
        depth = arrays["depth" if self.depth == "refined" else "depth_raw"]
        stored = {"rgb": arrays["rgb"], "depth": depth, "labels": arrays["labels"]}
        scales: dict[str, Scale] = {"rgb": IMAGENET, "depth": (MEAN, DEVIATION)}
        # Depth is not blended either: between near and far there may be nothing.
        plain = ImageView(scales, holes=self.holes, nearest=("depth", "labels"), first_label=1)
        moves = (RandomRescale(1.0, 1.4), RandomCrop(height, width), Colours(("rgb",)))
        change = Chain((*moves, RandomFlip())) if self.augment else None
        views = (replace(plain, transform=change, seed=seed), plain, plain)
        names = arrays["name"].tolist()
        train, val, test = (
            MappedDataset(task, stored, part, pixels, names, view, provenance.content)
            for part, view in zip(rows, views, strict=True)
        )
        trained, validated = ({scenes[row] for row in part.tolist()} - {""} for part in held)
        notes = (
            f"{len(train)} train, {len(val)} val, {len(test)} test images; validation held out of "
            f"the published training images with seed {split_seed}; train and val share "
            f"{len(trained & validated)} scenes; depth {self.depth}",
            *skipped_note(provenance),
        )
        return Splits("nyuv2", train, val, test, notes, Standardiser.from_scales(scales))

    @property
    def holes(self) -> tuple[str, ...]:
        """Depth, where it is raw."""
        return ("depth",) if self.depth == "raw" else ()


def held_scenes(
    scenes: list[str], tested: Tensor, share: float, seed: int
) -> tuple[Tensor, Tensor]:
    """Return the rows of training and validation; raise `ValueError` if one has none.

    Scenes are drawn until the share of the images that are not `tested`, a bool tensor ``(n,)``, is
    reached. An image without a scene is one of its own.
    """
    import torch

    from dmrnet.data.splits.split import generator

    rows = (~tested).nonzero().flatten().tolist()
    groups: dict[str, list[int]] = {}
    for row in rows:
        groups.setdefault(scenes[row] or f" {row}", []).append(row)
    names = sorted(groups)
    val: list[int] = []
    for index in torch.randperm(len(names), generator=generator(seed, "nyuv2", "val")).tolist():
        if len(val) >= share * len(rows):
            break
        val += groups[names[index]]
    train = sorted(set(rows) - set(val))
    if not val or not train:
        raise ValueError(
            f"nyuv2: val_share {share} leaves {len(train)} images of {len(groups)} scenes for "
            f"training and {len(val)} for validation"
        )
    return torch.tensor(train), torch.tensor(sorted(val))
