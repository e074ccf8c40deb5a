"""crema-d: six emotions, a frame and the voice of 91 actors. Cao et al., 2014; open (ODbL).

Prepared from the videos or frames, the recordings, and the two lists that the audio-visual codes
use. Those lists hold every actor in both of them; `split: speakers` keeps actors apart.
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
"""Of sound."""

VERSION = 1
"""Of the preparation."""


@dataclass(frozen=True)
class CremaD(DataSettings):
    """Settings of crema-d.

    Attributes:
        root: Folder with the prepared data; see `dmrnet data prepare crema-d`.
        spectrogram: paper (257x299: 16 kHz, window 512, hop 159) or released (257x188: 22.05 kHz,
            hop 353).
        split: published (the two lists; validation is held out of the training list) or speakers
            (no actor is in two splits).
        val_share: Share of the training list, or of the actors, for validation.
        test_share: Share of the actors for testing, where the split is by speakers.
        split_seed: Seed of what is held out; the run's seed where it is not set.
        augment: Cut and mirror training frames at random.
    """

    root: str
    spectrogram: Literal["paper", "released"] = "paper"
    split: Literal["published", "speakers"] = "published"
    val_share: float = 0.1
    test_share: float = 0.1
    split_seed: int | None = None
    augment: bool = True

    def load(self, seed: int) -> Splits:
        """Return the three parts; clips are read when they are taken.

        Args:
            seed: Of the run.

        Raises:
            FileNotFoundError: If the data are not prepared; the command is told.
            ValueError: If a setting is out of range, or the prepared data are damaged.
        """
        import torch

        from dmrnet.data.dataset import Splits
        from dmrnet.data.files.cache import read_cache, skipped_note
        from dmrnet.data.files.spectrogram import PAPER, RELEASED
        from dmrnet.data.sets.audio_visual import RATE, Hearing, clips, task_of

        arrays, provenance = read_cache("crema-d", self.root, VERSION)
        hearing = Hearing(PAPER, RATE, SECONDS)
        if self.spectrogram == "released":
            hearing = Hearing(RELEASED, 22_050, SECONDS)
        target = torch.from_numpy(arrays["y"])
        actors = [name[:4] for name in arrays["name"].tolist()]
        tested = torch.from_numpy(arrays["test"])
        drawn = seed if self.split_seed is None else self.split_seed
        if self.split == "published":
            parts = self._published(target, tested, drawn)
        else:
            parts = self._speakers(actors, drawn)
        task = task_of(hearing, CLASSES)
        train, val, test = (
            clips(
                task,
                arrays,
                rows,
                target[rows],
                hearing,
                seed,
                provenance.content,
                augment=self.augment,
                train=place == 0,
            )
            for place, rows in enumerate(parts)
        )
        people = [{actors[row] for row in rows.tolist()} for rows in parts]
        shared = len(people[0] & people[2])
        told = (
            f"split {self.split}, seed {drawn}: {len(train)} train, {len(val)} val, {len(test)} "
            f"test clips; {shared} of {len(people[2])} actors of test are in train too"
        )
        return Splits(
            name="crema-d",
            train=train,
            val=val,
            test=test,
            notes=(told, *skipped_note(provenance)),
        )

    def _published(self, target: Tensor, tested: Tensor, seed: int) -> tuple[Tensor, ...]:
        """Hold a share of the training list out, the classes in proportion."""
        import torch

        from dmrnet.data.split import generator, hold_out

        listed = (~tested).nonzero().flatten()
        held = hold_out(target[listed], self.val_share, generator(seed, "crema-d", "val"))
        return listed[~held], listed[held], torch.nonzero(tested).flatten()

    def _speakers(self, actors: list[str], seed: int) -> tuple[Tensor, ...]:
        """Hold actors out.

        Raises:
            ValueError: If a part would have no actor.
        """
        import torch

        from dmrnet.data.split import generator

        people = sorted(set(actors))
        numbers = [round(share * len(people)) for share in (self.val_share, self.test_share)]
        if min(numbers) < 1 or sum(numbers) >= len(people):
            raise ValueError(
                f"crema-d: expected val_share and test_share that leave each part an actor of "
                f"{len(people)}, got {self.val_share} and {self.test_share}"
            )
        draw = generator(seed, "crema-d", "speakers")
        order = torch.randperm(len(people), generator=draw).tolist()
        val = {people[place] for place in order[: numbers[0]]}
        test = {people[place] for place in order[numbers[0] : sum(numbers)]}
        part = torch.tensor([1 if one in val else 2 if one in test else 0 for one in actors])
        return tuple((part == place).nonzero().flatten() for place in range(3))
