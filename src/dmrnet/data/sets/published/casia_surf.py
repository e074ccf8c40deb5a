"""casia-surf: real faces and attacks in RGB, depth and infrared; available on request.

Zhang et al., CVPR 2019. Prepared from the three lists, with four fields a line, that the paper's
released code reads. Scored by ACER.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import combinations
from typing import TYPE_CHECKING, ClassVar, Literal

from dmrnet.data.sets.base import DataSettings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor

    from dmrnet.data.dataset import Splits

MODALITIES = ("rgb", "depth", "ir")
SPLITS = ("train", "val", "test")
CLASSES = ("attack", "bona fide")
VERSION = 1
"""Version of the preparation."""

STORED = 144
"""Height and width of stored training images, from which windows are cut."""

SIZE = 112
"""Height and width of the windows, and of the other stored images."""


@dataclass(frozen=True)
class CasiaSurf(DataSettings):
    """Settings of casia-surf. Its splits are published; the run's seed is that of augmentation.

    Attributes:
        root: Folder with the prepared data; see `dmrnet data prepare casia-surf`.
        polarity: Label of a real face: live-1 (as in the paper's released code), live-0 (as in
            newer releases), or auto (from the paths; if they do not say, live-1, unless real faces
            would then be the larger part of the training list).
        threshold: Threshold of ACER: half (argmax, as in the paper's tables), eer or min-acer (set
            on validation, for each combination).
        augment: Rotate, crop and flip training samples at random.
    """

    root: str
    polarity: Literal["auto", "live-1", "live-0"] = "auto"
    threshold: Literal["half", "eer", "min-acer"] = "half"
    augment: bool = True

    metric: ClassVar[str] = "acer"

    def load(self, seed: int) -> Splits:
        """Return the splits; images are read when they are taken."""
        import torch

        from dmrnet.data.dataset import Splits
        from dmrnet.data.files.cache import read_cache, skipped_note
        from dmrnet.data.inputs.transforms import CentreCrop, Chain, RandomCrop, RandomFlip, Rotate
        from dmrnet.data.inputs.views import ImageView
        from dmrnet.data.mapped import MappedDataset, present_of
        from dmrnet.modalities import Modality, Task

        arrays, provenance = read_cache("casia-surf", self.root, VERSION)
        label = {split: torch.from_numpy(arrays[f"{split}.label"]) for split in SPLITS}
        hint = {split: torch.from_numpy(arrays[f"{split}.hint"]) for split in SPLITS}
        live = live_label(self.polarity, label, hint)
        task = Task(tuple(Modality(name, "image", (3, SIZE, SIZE)) for name in MODALITIES), CLASSES)
        # Stored training images are larger than the others.
        cut = CentreCrop(SIZE, SIZE)
        moved = Chain((Rotate(30, share=0.8), RandomCrop(SIZE, SIZE), RandomFlip()))
        plain = ImageView(dict.fromkeys(MODALITIES, (127.5, 128.0)))
        training = replace(plain, transform=moved if self.augment else cut, seed=seed)
        parts = {}
        for split in SPLITS:
            types = arrays[f"{split}.type"].tolist()
            known = sorted(set(types) - {""})
            parts[split] = MappedDataset(
                task,
                {name: arrays[f"{split}.{name}"] for name in MODALITIES},
                torch.arange(len(label[split])),
                (label[split] == live).long(),
                arrays[f"{split}.name"].tolist(),
                training if split == "train" else plain,
                provenance.content,
                tuple(known),
                torch.tensor([known.index(name) if name else -1 for name in types]),
                present_of(arrays, f"{split}."),
            )
        real = ", ".join(
            f"{split} {int(part.target.sum())} real of {len(part)}" for split, part in parts.items()
        )
        notes = (
            f"published splits: {real}; label {live} is a real face",
            "images of one video are in one list and are not independent",
            *shared({split: part.samples for split, part in parts.items()}),
            *skipped_note(provenance),
        )
        return Splits("casia-surf", parts["train"], parts["val"], parts["test"], notes)


def shared(samples: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """Return a sentence for each pair of splits with samples in common.

    >>> shared({"train": ["a", "b"], "val": ["c"], "test": ["b", "c", "d"]})
    ('1 of 3 test samples are also in train', '1 of 3 test samples are also in val')
    """
    notes = []
    for one, other in combinations(SPLITS, 2):
        both = len(set(samples[one]) & set(samples[other]))
        if both:
            notes.append(f"{both} of {len(samples[other])} {other} samples are also in {one}")
    return tuple(notes)


def live_label(polarity: str, label: dict[str, Tensor], hint: dict[str, Tensor]) -> int:
    """Return the label of a real face.

    Args:
        polarity: ``live-0``, ``live-1`` or ``auto``.
        label: int64 tensor ``(n,)`` of each split, 0 or 1.
        hint: int8 tensor ``(n,)`` of each split: 1 where the path says real, 0 where it says fake,
            -1 where it says neither.

    Raises:
        ValueError: If paths disagree with the labels, or neither paths nor sizes decide it.
    """
    import torch

    labels, hints = (torch.cat([one[split] for split in SPLITS]) for one in (label, hint))
    known = hints >= 0
    number = int(known.sum())
    # How many labels contradict their paths if 0, or 1, is a real face.
    wrong = [int(((labels == live) != (hints == 1))[known].sum()) for live in (0, 1)]
    if polarity != "auto":
        live = int(polarity[-1])
        if number and wrong[live]:
            raise ValueError(
                f"casia-surf: polarity is {polarity}, but the paths of {wrong[live]} of {number} "
                "samples say the opposite; set polarity to auto (--data.polarity)"
            )
        return live
    if number:
        live = wrong.index(min(wrong))
        if wrong[live]:
            raise ValueError(
                f"casia-surf: labels and paths disagree in {wrong[live]} of {number} samples "
                "whichever label is a real face; correct the lists"
            )
        return live
    share = float((label["train"] == 1).double().mean())
    if share > 0.5:
        raise ValueError(
            f"casia-surf: {share:.0%} of the training list has label 1, and the paths do not say "
            "real or fake. In the published lists real faces are the smaller part, so label 0 "
            "may be the real one here: set polarity to live-1 or live-0 (--data.polarity)"
        )
    return 1
