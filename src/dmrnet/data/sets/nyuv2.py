"""nyuv2: rooms in RGB and depth, a class for every pixel. Silberman et al., ECCV 2012.

Prepared from the official labelled file. 40 classes; unlabelled pixels are -1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from dmrnet.data.sets.base import DataSettings

if TYPE_CHECKING:
    from torch import Tensor

    from dmrnet.data.dataset import Splits

CLASSES = (
    *("wall", "floor", "cabinet", "bed", "chair", "sofa", "table", "door", "window"),
    *("bookshelf", "picture", "counter", "blinds", "desk", "shelves", "curtain", "dresser"),
    *("pillow", "mirror", "floor mat", "clothes", "ceiling", "books", "refridgerator"),
    *("television", "paper", "towel", "shower curtain", "box", "whiteboard", "person"),
    *("night stand", "toilet", "sink", "lamp", "bathtub", "bag", "otherstructure"),
    *("otherfurniture", "otherprop"),
)
"""As published, in the published order and spelling; label 1 is the first."""

MEAN, DEVIATION = 2841.94941272766, 1417.2594281672277
"""Of refined depth in millimetres, over the published training images (ESANet)."""

VERSION = 1
"""Of the preparation."""


@dataclass(frozen=True)
class NYUv2(DataSettings):
    """Settings of nyuv2.

    Attributes:
        root: Folder with the prepared data; see `dmrnet data prepare nyuv2`.
        depth: refined (holes filled) or raw (holes are 0 and stay 0).
        val_share: Share of the published training images for validation; whole scenes, where the
            file names them.
        split_seed: Seed of what is held out; the run's seed where it is not set.
        augment: Enlarge, cut, mirror and recolour training images at random.
    """

    root: str
    depth: Literal["refined", "raw"] = "refined"
    val_share: float = 0.1
    split_seed: int | None = None
    augment: bool = True

    metric: ClassVar[str] = "miou"
    shows_inputs: ClassVar[bool] = True

    def load(self, seed: int) -> Splits:
        """Return the three parts; images are read when they are taken.

        Args:
            seed: Of the run.

        Raises:
            FileNotFoundError: If the data are not prepared; the command is told.
            ValueError: If a setting is out of range, or the prepared data are damaged.
        """
        import torch

        from dmrnet.data.dataset import Splits
        from dmrnet.data.files.cache import read_cache, skipped_note
        from dmrnet.data.frequency import class_weights
        from dmrnet.data.mapped import Mapped, PixelDataset
        from dmrnet.data.sets.rooms import COLOURS, Rooms, changes
        from dmrnet.data.standardise import Standardiser, by_modality
        from dmrnet.modalities import Modality, Task

        arrays, provenance = read_cache("nyuv2", self.root, VERSION)
        height, width = arrays["rgb"].shape[-2:]
        tested = torch.from_numpy(arrays["test"])
        scenes: list[str] = arrays["scene"].tolist()
        drawn = seed if self.split_seed is None else self.split_seed
        rows = [*held_scenes(scenes, tested, self.val_share, drawn), tested.nonzero().flatten()]
        pixels = torch.from_numpy(arrays["pixels"])[:, 1:]
        task = Task(
            (
                Modality("rgb", "image", (3, height, width)),
                Modality("depth", "image", (1, height, width)),
            ),
            CLASSES,
            dense=True,
            class_weights=class_weights(pixels[rows[0]], "median"),
        )
        raw = "depth" if self.depth == "refined" else "depth_raw"
        names: list[str] = arrays["name"].tolist()
        parts = []
        for place, some in enumerate(rows):
            change = changes(height, width) if self.augment and place == 0 else None
            parts.append(
                PixelDataset(
                    task,
                    {
                        "rgb": Mapped(arrays["rgb"]),
                        "depth": Mapped(arrays[raw]),
                        "labels": Mapped(arrays["labels"]),
                    },
                    some,
                    pixels[some],
                    [names[row] for row in some.tolist()],
                    Rooms(change, seed, (MEAN, DEVIATION), holes=bool(self.holes)),
                    provenance.content,
                )
            )
        seen = [{scenes[row] for row in some.tolist()} for some in rows]
        shared = len((seen[0] & seen[1]) - {""})
        return Splits(
            name="nyuv2",
            train=parts[0],
            val=parts[1],
            test=parts[2],
            notes=(
                f"{len(parts[0])} train, {len(parts[1])} val, {len(parts[2])} test images; "
                f"validation held out of the published training images with seed {drawn}; train "
                f"and val share {shared} scenes; depth {self.depth}",
                *skipped_note(provenance),
            ),
            standardiser=Standardiser(
                *(
                    by_modality(task.modalities, some)
                    for some in zip(COLOURS, (MEAN, DEVIATION), strict=True)
                )
            ),
        )

    @property
    def holes(self) -> tuple[str, ...]:
        """Modalities of which a 0 is a hole, and stays 0."""
        return ("depth",) if self.depth == "raw" else ()


def held_scenes(
    scenes: list[str], tested: Tensor, share: float, seed: int
) -> tuple[Tensor, Tensor]:
    """Return the rows of training and validation: scenes are drawn until the share is reached.

    Args:
        scenes: Of each image; where it is empty, the image is a scene of its own.
        tested: bool ``(n,)``: published for testing, and in neither.
        share: Of the other images, for validation.
        seed: Of the draw.

    Raises:
        ValueError: If one of the two would be empty.
    """
    import torch

    from dmrnet.data.split import generator

    rows = (~tested).nonzero().flatten().tolist()
    groups: dict[str, list[int]] = {}
    for row in rows:
        groups.setdefault(scenes[row] or f" {row}", []).append(row)
    names = sorted(groups)
    order = torch.randperm(len(names), generator=generator(seed, "nyuv2", "val")).tolist()
    val: list[int] = []
    for place in order:
        if len(val) >= share * len(rows):
            break
        val += groups[names[place]]
    train = sorted(set(rows) - set(val))
    if not val or not train:
        raise ValueError(
            f"nyuv2: val_share {share} leaves {len(train)} images of {len(groups)} scenes for "
            f"training and {len(val)} for validation"
        )
    return torch.tensor(train), torch.tensor(sorted(val))
