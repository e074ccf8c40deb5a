"""kinetics-sounds: actions that are seen and heard, a frame and ten seconds of sound.

Arandjelović and Zisserman, ICCV 2017: a choice of Kinetics-400 classes. Four choices go by that
name; `CLASS_LISTS` has each of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from dmrnet.data.sets.base import DataSettings

if TYPE_CHECKING:
    from dmrnet.data.dataset import Splits

INSTRUMENTS = (
    "accordion",
    "bagpipes",
    "bass_guitar",
    "clarinet",
    "drums",
    "guitar",
    "harmonica",
    "keyboard",
    "organ",
    "piano",
    "saxophone",
    "trombone",
    "trumpet",
    "violin",
    "xylophone",
)

IN_ALL = (
    "blowing_nose",
    "bowling",
    "chopping_wood",
    "laughing",
    *(f"playing_{name}" for name in INSTRUMENTS),
    "ripping_paper",
    "shoveling_snow",
    "shuffling_cards",
    "singing",
    "tap_dancing",
    "tapping_guitar",
    "tapping_pen",
    "tickling",
)
"""27 classes that all lists have."""

RENAMED = ("blowing_out_candles", "dribbling_basketball", "mowing_lawn", "stomping_grapes")
"""Classes that the first paper names otherwise (blowing out, dribbling ball, mowing the lawn by
pushing lawnmower, stomping)."""

CLASS_LISTS: dict[str, tuple[str, ...]] = {
    "34": tuple(sorted((*IN_ALL, *RENAMED, "fingerpicking", "patting", "typing"))),
    "33": tuple(sorted((*IN_ALL, *RENAMED, "finger_snapping", "tying_tie"))),
    "32": tuple(sorted((*IN_ALL, *RENAMED, "strumming_guitar"))),
    "31": tuple(sorted((*IN_ALL, *RENAMED))),
}
"""34: the first paper's (three are in no release of Kinetics-400). 33: of the released code, which
puts finger_snapping and tying_tie for two of these. 32 and 31: of other public codes."""

EVERY = tuple(sorted(set().union(*CLASS_LISTS.values())))
"""Classes that some list has; all of them are prepared."""

SPLITS = ("train", "val", "test")

SECONDS = 10
"""Of stored sound."""

SHORTEST = 3.0
"""Seconds; shorter videos are left out, as in the released code (three frames, one a second)."""

VERSION = 1
"""Of the preparation."""


@dataclass(frozen=True)
class KineticsSounds(DataSettings):
    """Settings of kinetics-sounds.

    Attributes:
        root: Folder with the prepared data; see `dmrnet data prepare kinetics-sounds`.
        classes: Which list: 34 (the first paper's), 33 (the released code's), 32 or 31.
        spectrogram: paper (257x1004: 10 s, window 512, hop 159) or released (129x626: 5 s, window
            256, hop 128; a random part in training, the middle elsewhere).
        val_share: Share of the training clips for validation, where the source has no split of
            its own for it.
        split_seed: Seed of what is held out; the run's seed where it is not set.
        augment: Cut and mirror training frames at random.
    """

    root: str
    classes: Literal["34", "33", "32", "31"] = "33"
    spectrogram: Literal["paper", "released"] = "paper"
    val_share: float = 0.1
    split_seed: int | None = None
    augment: bool = True

    def load(self, seed: int) -> Splits:
        """Return the three parts; clips are read when they are taken.

        Args:
            seed: Of the run.

        Raises:
            FileNotFoundError: If the data are not prepared; the command is told.
            ValueError: If a class of the list has no clip, or the prepared data are damaged.
        """
        import torch

        from dmrnet.data.dataset import Splits
        from dmrnet.data.files.cache import read_cache, skipped_note
        from dmrnet.data.files.spectrogram import HALF, PAPER
        from dmrnet.data.sets.audio_visual import RATE, Hearing, clips, task_of
        from dmrnet.data.split import generator, hold_out

        arrays, provenance = read_cache("kinetics-sounds", self.root, VERSION)
        names = CLASS_LISTS[self.classes]
        number = torch.tensor([names.index(one) if one in names else -1 for one in EVERY])
        target = number[torch.from_numpy(arrays["y"])]
        part = torch.from_numpy(arrays["split"])
        if not (part == 2).any():
            # Prepared before what Kinetics calls val was named test where it is tested on.
            part = torch.where(part == 1, 2, part)
        counts = target[(part == 0) & (target >= 0)].bincount(minlength=len(names))
        lacking = [name for name, count in zip(names, counts.tolist(), strict=True) if not count]
        if lacking:
            raise ValueError(
                f"kinetics-sounds: the list of {self.classes} classes has {', '.join(lacking)}, "
                "of which the prepared data have no training clip; choose another list with "
                "--data.classes, or prepare these folders too"
            )
        rows = [((part == place) & (target >= 0)).nonzero().flatten() for place in range(3)]
        drawn = seed if self.split_seed is None else self.split_seed
        where = "as published"
        if not len(rows[1]):
            draw = generator(drawn, "kinetics-sounds", "val")
            held = hold_out(target[rows[0]], self.val_share, draw)
            rows[:2] = rows[0][~held], rows[0][held]
            where = f"validation held out of the training clips with seed {drawn}"
        for role, some in zip(SPLITS, rows, strict=True):
            if not len(some):
                raise ValueError(f"kinetics-sounds: no clip is left for {role}")
        hearing = Hearing(PAPER, RATE, SECONDS)
        if self.spectrogram == "released":
            hearing = Hearing(HALF, RATE, SECONDS // 2)
        task = task_of(hearing, names)
        train, val, test = (
            clips(
                task,
                arrays,
                some,
                target[some],
                hearing,
                seed,
                provenance.content,
                augment=self.augment,
                train=place == 0,
            )
            for place, some in enumerate(rows)
        )
        return Splits(
            name="kinetics-sounds",
            train=train,
            val=val,
            test=test,
            notes=(
                f"{len(names)} classes; {len(train)} train, {len(val)} val, {len(test)} test "
                f"clips, {where}",
                *skipped_note(provenance),
            ),
        )
