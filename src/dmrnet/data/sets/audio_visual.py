"""One frame and the sound of a clip: how they are stored, and how a model sees them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from dmrnet.data.files.cache import Array
from dmrnet.data.files.sound import read_sound
from dmrnet.data.files.spectrogram import Spectrogram
from dmrnet.data.files.video import picture, sound_of
from dmrnet.data.files.waveform import repeat_to, resample
from dmrnet.data.mapped import Mapped, MappedDataset, Pictures
from dmrnet.data.split import generator
from dmrnet.data.transforms import Chain, RandomFlip, RandomResizedCrop, Resize, whole
from dmrnet.modalities import Modality, Task

MODALITIES = ("audio", "visual")

FRAME = (256, 340)
"""A frame is stored at this size, whatever its shape ..."""

SIZE = 224
"""... and seen at this one."""

MEAN = tuple(255 * value for value in (0.485, 0.456, 0.406))
DEVIATION = tuple(255 * value for value in (0.229, 0.224, 0.225))
"""Of ImageNet, on the scale 0 to 255."""

RATE = 16_000
"""Samples a second of stored sound."""

TO_INT = 32_768
"""A whole number of stored sound is so many times the value, so that 16-bit files lose nothing."""


@dataclass(frozen=True)
class Hearing:
    """How stored sound becomes a spectrogram.

    Attributes:
        spectrogram: What is computed.
        rate: Samples a second that it is computed at.
        seconds: So much of it is heard; where less than is stored, a random part in training and
            the middle elsewhere.
    """

    spectrogram: Spectrogram
    rate: int
    seconds: int

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, frequencies and windows."""
        return (1, *self.spectrogram.shape(self.seconds * self.rate))


def task_of(hearing: Hearing, classes: tuple[str, ...]) -> Task:
    """Return the task of one frame and a spectrogram."""
    shapes = {"audio": hearing.shape, "visual": (3, SIZE, SIZE)}
    return Task(tuple(Modality(name, "image", shapes[name]) for name in MODALITIES), classes)


@dataclass(frozen=True)
class Clip:
    """Makes inputs of stored frames and sounds.

    Attributes:
        hearing: Of sound.
        pictures: Of frames.
        random: Draw which part is heard, where less is heard than is stored.
    """

    hearing: Hearing
    pictures: Pictures
    random: bool

    def __call__(self, raw: dict[str, Tensor], rows: Tensor, epoch: int) -> dict[str, Tensor]:
        """Return float32 inputs.

        Args:
            raw: ``visual`` uint8 ``(b, 3, 256, 340)``, ``audio`` int16 ``(b, samples)``.
            rows: int64 ``(b,)``.
            epoch: Of training.
        """
        sound = raw["audio"].float() / TO_INT
        sound = self._heard(sound, rows, epoch)
        # One by one: together they would be rounded by how many they are.
        sound = torch.stack([resample(one, RATE, self.hearing.rate) for one in sound])
        sound = sound[:, : self.hearing.seconds * self.hearing.rate].clamp_(-1, 1)
        seen = self.hearing.spectrogram(sound)
        # As the audio-visual part of the paper's released code: of each clip by itself.
        mean, deviation = seen.mean((1, 2), keepdim=True), seen.std((1, 2), keepdim=True)
        audio = (seen - mean) / (deviation + 1e-9)
        visual = self.pictures({"visual": raw["visual"]}, rows, epoch)["visual"]
        return {"audio": audio[:, None], "visual": visual}

    def _heard(self, sound: Tensor, rows: Tensor, epoch: int) -> Tensor:
        """Return the part that is heard."""
        length = self.hearing.seconds * RATE
        rest = sound.shape[1] - length
        if rest <= 0:
            return repeat_to(sound, length)
        if not self.random:
            return sound[:, rest // 2 : rest // 2 + length]
        seed = self.pictures.seed
        starts = [whole(generator(seed, "heard", epoch, row), 0, rest) for row in rows.tolist()]
        return torch.stack(
            [one[start : start + length] for one, start in zip(sound, starts, strict=True)]
        )


def clips(
    task: Task,
    arrays: Mapping[str, Array],
    rows: Tensor,
    target: Tensor,
    hearing: Hearing,
    seed: int,
    content: str,
    *,
    augment: bool,
    train: bool,
) -> MappedDataset:
    """Return a split.

    Args:
        task: Of `task_of`.
        arrays: Of the cache: ``audio``, ``visual`` and ``name``.
        rows: int64 ``(n,)``: its clips.
        target: int64 ``(n,)``.
        hearing: How sound is heard.
        seed: Of the run.
        content: Of the cache.
        augment: Cut and mirror training frames at random.
        train: Whether it is the training split.
    """
    still = Resize(SIZE, SIZE)
    moved = Chain((RandomResizedCrop(SIZE, SIZE), RandomFlip()))
    change = moved if train and augment else still
    pictures = Pictures(("visual",), MEAN, DEVIATION, change, seed)
    names: list[str] = arrays["name"].tolist()
    return MappedDataset(
        task,
        {name: Mapped(arrays[name]) for name in MODALITIES},
        rows,
        target,
        [names[row] for row in rows.tolist()],
        Clip(hearing, pictures, train and augment),
        content,
    )


def frame(least_seconds: float = 0.0) -> Callable[[bytes], Array]:
    """Return what decodes a JPEG, or the first frame of a video, as it is stored."""

    def decode(content: bytes) -> Array:
        return picture(content, *FRAME, least_seconds)

    return decode


def sound(seconds: int) -> Callable[[bytes], Array]:
    """Return what decodes a sound file, or the sound of a video, as int16 ``(samples,)``.

    A shorter sound is repeated, as in the released code; of a longer one the start is kept.
    """

    def decode(content: bytes) -> Array:
        if content[:4] in (b"RIFF", b"fLaC", b"OggS"):
            values, rate = read_sound(content)
            heard = resample(torch.from_numpy(values), rate, RATE)
        else:
            heard = torch.from_numpy(sound_of(content, RATE))
        long = repeat_to(heard, seconds * RATE).mul(TO_INT).round().clamp(-TO_INT, TO_INT - 1)
        return np.asarray(long.numpy(), dtype=np.int16)

    return decode
