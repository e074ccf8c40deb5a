"""Clips of one frame and their sound: how they are stored, and how a model sees them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor

from dmrnet.data.files.arrays.numbers import Array
from dmrnet.data.files.media.decoding import picture, sound_of
from dmrnet.data.files.media.sound import read_sound
from dmrnet.data.files.media.spectrogram import Spectrogram, repeat_to, resample
from dmrnet.data.inputs.transforms import Chain, RandomFlip, RandomResizedCrop, Resize, integer
from dmrnet.data.inputs.views import IMAGENET, ImageView
from dmrnet.data.mapped import MappedDataset, present_of
from dmrnet.data.splits.split import generator
from dmrnet.modalities import Modality, Task

MODALITIES = ("audio", "visual")

FRAME = (256, 340)
"""Height and width of a stored frame, whatever its aspect ratio was."""

SIZE = 224
"""Height and width of a frame as the model sees it."""

RATE = 16_000
"""Sampling rate of stored sound, in Hz."""

INT_SCALE = 32_768
"""Stored sound is the value times this, as int16, so that 16-bit files lose nothing."""


@dataclass(frozen=True)
class SoundInput:
    """View of stored sound as the input of a model.

    Attributes:
        spectrogram: Spectrogram to compute.
        rate: Sampling rate at which it is computed, in Hz.
        seconds: Length of the input. A longer stored sound is cut: at random in training, to its
            middle elsewhere.
    """

    spectrogram: Spectrogram
    rate: int
    seconds: int

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, frequencies and windows."""
        return (1, *self.spectrogram.shape(self.seconds * self.rate))


@dataclass(frozen=True)
class ClipView:
    """Spectrograms and normalised frames, from int16 sound and uint8 frames.

    It reads ``audio`` ``(b, samples)`` and ``visual`` ``(b, 3, 256, 340)``.

    Attributes:
        sound: How sound becomes an input.
        pictures: View of the frames; its seed also draws the part that is heard.
        random: Whether a random part of a longer sound is heard.
    """

    sound: SoundInput
    pictures: ImageView
    random: bool

    def __call__(self, raw: dict[str, Tensor], rows: Tensor, epoch: int) -> dict[str, Tensor]:
        """Return both inputs."""
        sound = self._heard(raw["audio"].float() / INT_SCALE, rows, epoch)
        # One by one: the rounding of a batched resampling depends on the size of the batch.
        sound = torch.stack([resample(one, RATE, self.sound.rate) for one in sound])
        sound = sound[:, : self.sound.seconds * self.sound.rate].clamp_(-1, 1)
        audio = self.sound.spectrogram(sound)
        # Each clip by itself, as the audio-visual part of the paper's released code.
        mean, deviation = audio.mean((1, 2), keepdim=True), audio.std((1, 2), keepdim=True)
        audio = (audio - mean) / (deviation + 1e-9)
        return {"audio": audio[:, None], **self.pictures({"visual": raw["visual"]}, rows, epoch)}

    def _heard(self, sound: Tensor, rows: Tensor, epoch: int) -> Tensor:
        """Return the part of stored sound that is heard, ``(b, seconds * RATE)``."""
        length = self.sound.seconds * RATE
        spare = sound.shape[1] - length
        if spare <= 0:
            return repeat_to(sound, length)
        if not self.random:
            return sound[:, spare // 2 : spare // 2 + length]
        seed = self.pictures.seed
        starts = [integer(generator(seed, "heard", epoch, row), 0, spare) for row in rows.tolist()]
        return torch.stack(
            [one[start : start + length] for one, start in zip(sound, starts, strict=True)]
        )


def clip_splits(
    arrays: Mapping[str, Array],
    splits: Sequence[Tensor],
    target: Tensor,
    classes: tuple[str, ...],
    sound: SoundInput,
    seed: int,
    content: str,
    augment: bool,
) -> list[MappedDataset]:
    """Return the training, validation and test split of prepared clips.

    Args:
        arrays: Arrays of the cache: ``audio``, ``visual`` and ``name``, with N rows each, and
            ``present`` where some lack a modality.
        splits: int64 tensors ``(n,)``, the rows of each split.
        target: int64 tensor ``(N,)``, the class of each clip.
        classes: Names of the classes.
        sound: How sound becomes an input.
        seed: Seed of the run.
        content: Fingerprint of the cache.
        augment: Whether training frames are cropped and flipped, and training sound cut, at random.
    """
    shapes = {"audio": sound.shape, "visual": (3, SIZE, SIZE)}
    task = Task(tuple(Modality(name, "image", shapes[name]) for name in MODALITIES), classes)
    stored = {name: arrays[name] for name in MODALITIES}
    names: list[str] = arrays["name"].tolist()
    parts = []
    for number, rows in enumerate(splits):
        random = augment and number == 0
        moved, still = Chain((RandomResizedCrop(SIZE, SIZE), RandomFlip())), Resize(SIZE, SIZE)
        change = moved if random else still
        pictures = ImageView({"visual": IMAGENET}, transform=change, seed=seed)
        view = ClipView(sound, pictures, random)
        dataset = MappedDataset(
            task, stored, rows, target, names, view, content, present=present_of(arrays)
        )
        parts.append(dataset)
    return parts


def frame(least_seconds: float = 0.0) -> Callable[[bytes], Array]:
    """Return a decoder of JPEG files, or of the first frame of videos, to stored frames."""
    height, width = FRAME
    return partial(picture, height=height, width=width, least_seconds=least_seconds)


def sound(seconds: int) -> Callable[[bytes], Array]:
    """Return a decoder of sound files, or of the sound of videos, to int16 ``(samples,)``.

    A shorter sound is repeated, as in the released code; of a longer one, the start is kept.
    """

    def decode(content: bytes) -> Array:
        if content[:4] in (b"RIFF", b"fLaC", b"OggS"):
            values, rate = read_sound(content)
            waveform = resample(torch.from_numpy(values), rate, RATE)
        else:
            waveform = torch.from_numpy(sound_of(content, RATE))
        whole = repeat_to(waveform, seconds * RATE).mul(INT_SCALE).round()
        return np.asarray(whole.clamp(-INT_SCALE, INT_SCALE - 1).numpy(), dtype=np.int16)

    return decode
