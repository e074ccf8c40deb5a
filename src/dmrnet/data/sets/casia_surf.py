"""casia-surf: faces in RGB, depth and infrared, real or attacks; given out on request.

Zhang et al., CVPR 2019. Prepared from the three lists with four fields a line that the released
code of the paper reads. Judged by ACER.
"""

from __future__ import annotations

from dataclasses import dataclass
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
"""Of the preparation."""

STORED = 144
"""Training pictures are kept at so many pixels, from which windows are cut ..."""

SIZE = 112
"""... of so many; the others are kept at this size."""

DEGREES, SHARE = 30, 0.8
"""Largest rotation; what is kept of the turned picture, by side."""

MIDDLE, SPREAD = 127.5, 128.0
"""Numbers from 0 to 255 become (x - MIDDLE) / SPREAD."""


@dataclass(frozen=True)
class CasiaSurf(DataSettings):
    """Settings of casia-surf. Its splits are published; the run's seed is that of augmentation.

    Attributes:
        root: Folder with the prepared data; see `dmrnet data prepare casia-surf`.
        polarity: Which label is a real face: live-1 as the paper's released code has it, live-0 as
            newer releases have it, or auto: as paths tell; where they tell nothing, live-1, unless
            real faces were then the larger part of the training list.
        threshold: Of ACER: half (an argmax, as the tables), eer or min-acer (set on validation,
            for each combination).
        augment: Turn, cut and mirror training samples at random.
    """

    root: str
    polarity: Literal["auto", "live-1", "live-0"] = "auto"
    threshold: Literal["half", "eer", "min-acer"] = "half"
    augment: bool = True

    metric: ClassVar[str] = "acer"

    def load(self, seed: int) -> Splits:
        """Return the three parts; pictures are read when they are taken.

        Args:
            seed: Of the run.

        Raises:
            FileNotFoundError: If the data are not prepared; the command is told.
            ValueError: If the prepared data are damaged, or which label is real cannot be told.
        """
        import torch

        from dmrnet.data.dataset import Splits
        from dmrnet.data.files.cache import read_cache, skipped_note
        from dmrnet.data.mapped import Mapped, MappedDataset, Pictures
        from dmrnet.data.transforms import CentreCrop, Chain, RandomCrop, RandomFlip, Rotate
        from dmrnet.modalities import Modality, Task

        arrays, provenance = read_cache("casia-surf", self.root, VERSION)
        label = {split: torch.from_numpy(arrays[f"{split}.label"]) for split in SPLITS}
        hint = {split: torch.from_numpy(arrays[f"{split}.hint"]) for split in SPLITS}
        live = live_label(self.polarity, label, hint)
        task = Task(tuple(Modality(name, "image", (3, SIZE, SIZE)) for name in MODALITIES), CLASSES)
        types = {split: arrays[f"{split}.type"].tolist() for split in SPLITS}
        window = RandomCrop(SIZE, SIZE)
        change = Chain((Rotate(DEGREES, SHARE), window, RandomFlip())) if self.augment else None
        parts = {}
        for split in SPLITS:
            known = tuple(sorted(set(types[split]) - {""}))
            place = {name: number for number, name in enumerate(known)}
            view = Pictures(MODALITIES, (MIDDLE,), (SPREAD,))
            if split == "train":
                # Without augmentation the middle of the larger picture is shown.
                view = Pictures(
                    MODALITIES, (MIDDLE,), (SPREAD,), change or CentreCrop(SIZE, SIZE), seed
                )
            parts[split] = MappedDataset(
                task,
                {name: Mapped(arrays[f"{split}.{name}"]) for name in MODALITIES},
                torch.arange(len(label[split])),
                (label[split] == live).long(),
                arrays[f"{split}.name"].tolist(),
                view,
                provenance.content,
                known,
                torch.tensor([place.get(name, -1) for name in types[split]]),
            )
        told = ", ".join(
            f"{split} {int(part.target.sum())} real of {len(part)}" for split, part in parts.items()
        )
        return Splits(
            name="casia-surf",
            train=parts["train"],
            val=parts["val"],
            test=parts["test"],
            notes=(
                f"published splits: {told}; label {live} is a real face",
                "pictures of one video are in one list and are not independent",
                *shared({split: part.samples for split, part in parts.items()}),
                *skipped_note(provenance),
            ),
        )


def shared(samples: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """Return a sentence for each two splits that have samples in common.

    >>> shared({"train": ["a", "b"], "val": ["c"], "test": ["b", "c", "d"]})
    ('1 of 3 test samples are in train, too', '1 of 3 test samples are in val, too')
    """
    found = []
    for one, other in (("train", "val"), ("train", "test"), ("val", "test")):
        both = len(set(samples[one]) & set(samples[other]))
        if both:
            found.append(f"{both} of {len(samples[other])} {other} samples are in {one}, too")
    return tuple(found)


def live_label(polarity: str, label: dict[str, Tensor], hint: dict[str, Tensor]) -> int:
    """Return which label is a real face.

    Args:
        polarity: ``live-0``, ``live-1`` or ``auto``.
        label: int64 ``(n,)``, 0 or 1, of each split.
        hint: int8 ``(n,)``: 1 where the path says real, 0 where it says fake, -1 where neither.

    Raises:
        ValueError: If labels and paths disagree, or nothing tells.
    """
    import torch

    labels, hints = (torch.cat([one[split] for split in SPLITS]) for one in (label, hint))
    known = hints >= 0
    seen = int(known.sum())
    # Of what paths tell, so much is labelled otherwise if 0, or 1, is a real face.
    wrong = [int(((labels == live) != (hints == 1))[known].sum()) for live in (0, 1)]
    if polarity != "auto":
        live = int(polarity[-1])
        if seen and wrong[live]:
            raise ValueError(
                f"casia-surf: polarity {polarity} is set, but by their paths {wrong[live]} of "
                f"{seen} samples are labelled the other way round; set --data.polarity auto"
            )
        return live
    if seen:
        live = wrong.index(min(wrong))
        if wrong[live]:
            raise ValueError(
                f"casia-surf: labels and paths disagree in {wrong[live]} of {seen} samples "
                "whichever label is a real face; mend the lists"
            )
        return live
    share = float((label["train"] == 1).double().mean())
    if share > 0.5:
        raise ValueError(
            f"casia-surf: {share:.0%} of the training list has label 1 and paths do not tell real "
            "from fake. Real faces are the smaller part as published, so label 0 may be the real "
            "one here: say which with --data.polarity live-1 or live-0"
        )
    return 1
