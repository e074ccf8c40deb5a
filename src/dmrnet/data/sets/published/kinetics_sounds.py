"""kinetics-sounds: actions in a frame and ten seconds of sound.

Arandjelović and Zisserman, ICCV 2017: a selection of Kinetics-400 classes. Four selections go by
this name; `CLASS_LISTS` has them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from dmrnet.data.sets.base import DataSettings

if TYPE_CHECKING:
    from dmrnet.data.dataset import Splits

INSTRUMENTS = (
    *("accordion", "bagpipes", "bass_guitar", "clarinet", "drums", "guitar", "harmonica"),
    *("keyboard", "organ", "piano", "saxophone", "trombone", "trumpet", "violin", "xylophone"),
)

IN_ALL = (
    *("blowing_nose", "bowling", "chopping_wood", "laughing", "ripping_paper", "shoveling_snow"),
    *("shuffling_cards", "singing", "tap_dancing", "tapping_guitar", "tapping_pen", "tickling"),
    *(f"playing_{name}" for name in INSTRUMENTS),
)
"""The 27 classes of all lists."""

RENAMED = ("blowing_out_candles", "dribbling_basketball", "mowing_lawn", "stomping_grapes")
"""Classes with other names in the first paper (blowing out, dribbling ball, mowing the lawn by
pushing lawnmower, stomping)."""

CLASS_LISTS: dict[str, tuple[str, ...]] = {
    "34": tuple(sorted((*IN_ALL, *RENAMED, "fingerpicking", "patting", "typing"))),
    "33": tuple(sorted((*IN_ALL, *RENAMED, "finger_snapping", "tying_tie"))),
    "32": tuple(sorted((*IN_ALL, *RENAMED, "strumming_guitar"))),
    "31": tuple(sorted((*IN_ALL, *RENAMED))),
}
"""34: the first paper's list (three classes are in no release of Kinetics-400). 33: the released
code's, with finger_snapping and tying_tie for two of these. 32 and 31: other public codes'."""

EVERY = tuple(sorted(set().union(*CLASS_LISTS.values())))
"""Classes of any list; all of them are prepared."""

SPLITS = ("train", "val", "test")

SECONDS = 10
"""Length of stored sound."""

SHORTEST = 3.0
"""Length of a video in seconds; shorter ones are left out, as in the released code (three frames,
one a second)."""

VERSION = 1
"""Version of the preparation."""


@dataclass(frozen=True)
class KineticsSounds(DataSettings):
    """Settings of kinetics-sounds.

    Attributes:
        root: Folder with the prepared data; see `dmrnet data prepare kinetics-sounds`.
        classes: List of classes: 34 (the first paper's), 33 (the released code's), 32 or 31.
        spectrogram: Spectrogram: paper (257x1004: 10 s, window 512, hop 159) or released (129x626:
            5 s, window 256, hop 128; a random part in training, the middle elsewhere).
        val_share: Share of the training clips for validation, where the source has no validation
            split.
        split_seed: Seed of what is held out; the run's seed by default.
        augment: Crop and flip training frames at random.
    """

    root: str
    classes: Literal["34", "33", "32", "31"] = "33"
    spectrogram: Literal["paper", "released"] = "paper"
    val_share: float = 0.1
    split_seed: int | None = None
    augment: bool = True

    def load(self, seed: int) -> Splits:
        """Return the splits; clips are read when they are taken."""
        import torch

        from dmrnet.data.dataset import Splits
        from dmrnet.data.files.cache import read_cache, skipped_note
        from dmrnet.data.files.media.spectrogram import HALF, PAPER
        from dmrnet.data.sets.published.audio_visual import RATE, SoundInput, clip_splits
        from dmrnet.data.splits.split import generator, hold_out

        arrays, provenance = read_cache("kinetics-sounds", self.root, VERSION)
        names = CLASS_LISTS[self.classes]
        # Clips of the classes of other lists get -1, and are left out.
        number = torch.tensor([names.index(one) if one in names else -1 for one in EVERY])
        target = number[torch.from_numpy(arrays["y"])]
        split = torch.from_numpy(arrays["split"])
        if not (split == 2).any():
            # An earlier preparation kept Kinetics' val, which is the test here, as 1.
            split = torch.where(split == 1, 2, split)
        counts = target[(split == 0) & (target >= 0)].bincount(minlength=len(names))
        lacking = [name for name, count in zip(names, counts.tolist(), strict=True) if not count]
        if lacking:
            raise ValueError(
                f"kinetics-sounds: expected training clips of every class, got none of "
                f"{', '.join(lacking)} in the list of {self.classes} classes; choose another list "
                "in classes (--data.classes), or prepare these folders, too"
            )
        rows = [((split == part) & (target >= 0)).nonzero().flatten() for part in range(3)]
        origin = "as published"
        if not len(rows[1]):
            split_seed = seed if self.split_seed is None else self.split_seed
            draw = generator(split_seed, "kinetics-sounds", "val")
            held = hold_out(target[rows[0]], self.val_share, draw)
            rows[:2] = rows[0][~held], rows[0][held]
            origin = f"validation held out of the training clips with seed {split_seed}"
        for role, part in zip(SPLITS, rows, strict=True):
            if not len(part):
                raise ValueError(f"kinetics-sounds: no clip is left for {role}")
        sound = SoundInput(PAPER, RATE, SECONDS)
        if self.spectrogram == "released":
            sound = SoundInput(HALF, RATE, SECONDS // 2)
        train, val, test = clip_splits(
            arrays, rows, target, names, sound, seed, provenance.content, self.augment
        )
        clips = f"{len(train)} train, {len(val)} val, {len(test)} test clips"
        notes = (f"{len(names)} classes; {clips}, {origin}", *skipped_note(provenance))
        return Splits("kinetics-sounds", train, val, test, notes)
