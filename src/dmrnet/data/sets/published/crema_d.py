"""crema-d: six emotions in a frame and the voice of 91 actors. Cao et al., 2014; open (ODbL).

Prepared from the videos or frames, the recordings, and the two lists that audio-visual codes use.
Every actor is in both lists; `split: speakers` keeps actors apart.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from dmrnet.data.sets.base import DataSettings

if TYPE_CHECKING:
    from torch import Tensor

    from dmrnet.data.dataset import Splits

CLASSES = ("NEU", "HAP", "SAD", "FEA", "DIS", "ANG")
"""Neutral, happy, sad, fear, disgust, anger; in the published order."""

SECONDS = 3
"""Length of the sound of a clip."""

VERSION = 1
"""Version of the preparation."""


@dataclass(frozen=True)
class CremaD(DataSettings):
    """Settings of crema-d.

    Attributes:
        root: Folder with the prepared data; see `dmrnet data prepare crema-d`.
        spectrogram: Spectrogram: paper (257x299: 16 kHz, window 512, hop 159) or released (257x188:
            22.05 kHz, hop 353).
        split: Split: published (the two lists; validation is held out of the training list) or
            speakers (no actor is in two splits).
        val_share: Share of the training list, or of the actors, for validation.
        test_share: Share of the actors for testing, where the split is by speakers.
        split_seed: Seed of the split; the run's seed by default.
        augment: Crop and flip training frames at random.
    """

    root: str
    spectrogram: Literal["paper", "released"] = "paper"
    split: Literal["published", "speakers"] = "published"
    val_share: float = 0.1
    test_share: float = 0.1
    split_seed: int | None = None
    augment: bool = True

    def load(self, seed: int) -> Splits:
        """Return the splits; clips are read when they are taken."""
        import torch

        from dmrnet.data.dataset import Splits
        from dmrnet.data.files.cache import read_cache, skipped_note
        from dmrnet.data.files.media.spectrogram import PAPER, RELEASED
        from dmrnet.data.sets.published.audio_visual import RATE, SoundInput, clip_splits
        from dmrnet.data.splits.split import generator, hold_out

        arrays, provenance = read_cache("crema-d", self.root, VERSION)
        target = torch.from_numpy(arrays["y"])
        actors = [name[:4] for name in arrays["name"].tolist()]
        split_seed = seed if self.split_seed is None else self.split_seed
        if self.split == "published":
            tested = torch.from_numpy(arrays["test"])
            listed = (~tested).nonzero().flatten()
            held = hold_out(target[listed], self.val_share, generator(split_seed, "crema-d", "val"))
            rows: tuple[Tensor, ...] = (listed[~held], listed[held], tested.nonzero().flatten())
        else:
            rows = self._speakers(actors, split_seed)
        sound = SoundInput(PAPER, RATE, SECONDS)
        if self.spectrogram == "released":
            sound = SoundInput(RELEASED, 22_050, SECONDS)
        train, val, test = clip_splits(
            arrays, rows, target, CLASSES, sound, seed, provenance.content, self.augment
        )
        train_actors, _, test_actors = ({actors[row] for row in part.tolist()} for part in rows)
        note = (
            f"split {self.split}, seed {split_seed}: {len(train)} train, {len(val)} val, "
            f"{len(test)} test clips; {len(train_actors & test_actors)} of {len(test_actors)} "
            "actors of test are also in train"
        )
        return Splits("crema-d", train, val, test, (note, *skipped_note(provenance)))

    def _speakers(self, actors: list[str], seed: int) -> tuple[Tensor, ...]:
        """Return the rows of each split; raise `ValueError` if one would have no actor."""
        import torch

        from dmrnet.data.splits.split import generator

        people = sorted(set(actors))
        numbers = [round(share * len(people)) for share in (self.val_share, self.test_share)]
        if min(numbers) < 1 or sum(numbers) >= len(people):
            raise ValueError(
                f"crema-d: expected val_share and test_share that leave each split an actor of "
                f"{len(people)}, got {self.val_share} and {self.test_share}"
            )
        draw = generator(seed, "crema-d", "speakers")
        order = torch.randperm(len(people), generator=draw).tolist()
        split_of = {people[index]: 1 for index in order[: numbers[0]]}
        split_of |= {people[index]: 2 for index in order[numbers[0] : sum(numbers)]}
        split = torch.tensor([split_of.get(actor, 0) for actor in actors])
        return tuple((split == number).nonzero().flatten() for number in range(3))
