"""watch: seven shoulder exercises by a smart watch's accelerometer and gyroscope; new subjects.

Recordings of physiotherapy exercises, 10 subjects, 50 steps a second, as the package seglearn has
them. They are cut into windows; subjects, never windows, are held out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dmrnet.data.sets.base import InMemory

if TYPE_CHECKING:
    from torch import Tensor

    from dmrnet.data.dataset import Splits

MODALITIES = ("accelerometer", "gyroscope")
CHANNELS = ("ax", "ay", "az", "wx", "wy", "wz")
"""Columns of a recording: three of each modality."""
VERSION = 1
"""Of the preparation."""


@dataclass(frozen=True)
class Watch(InMemory):
    """Settings of watch.

    The subjects stand in a ring. The test subjects of seed 0 are the first ones, those of seed 1
    the ones behind them, and so on; the validation subjects come next, the rest is for training.

    Attributes:
        root: Folder with the prepared data; see `dmrnet data prepare watch`.
        window: Steps of a window; 50 are one second.
        step: Steps from the start of one window to the start of the next.
        val_subjects: Subjects for validation.
        test_subjects: Subjects for testing.
        split_seed: Seed of the rotation; the run's seed where it is not set.
    """

    root: str
    window: int = 128
    step: int = 64
    val_subjects: int = 2
    test_subjects: int = 3
    split_seed: int | None = None

    def raw(self, seed: int) -> Splits:
        """Return the three parts with the numbers as published, as float32."""
        import torch

        from dmrnet.data.dataset import ArrayDataset, Splits
        from dmrnet.data.files.cache import read_cache, skipped_note
        from dmrnet.modalities import Modality, Task

        if self.window < 1 or self.step < 1:
            raise ValueError(
                f"watch: expected window and step of 1 or more, got {self.window} and {self.step}"
            )
        seed = seed if self.split_seed is None else self.split_seed
        arrays, provenance = read_cache("watch", self.root, VERSION, "--allow-pickle")
        recording, start = windows(torch.from_numpy(arrays["length"]), self.window, self.step)
        if not len(recording):
            raise ValueError(f"watch: no recording is as long as a window of {self.window} steps")
        length = torch.from_numpy(arrays["length"])
        first = (length.cumsum(0) - length)[recording] + start
        # (windows, channels, steps), a view; rows of it are copied when they are taken.
        every = torch.from_numpy(arrays["values"]).unfold(0, self.window, 1)
        target = torch.from_numpy(arrays["y"])[recording]
        subject = torch.from_numpy(arrays["subject"])[recording]
        number = torch.from_numpy(arrays["number"])[recording]
        each = len(CHANNELS) // len(MODALITIES)
        task = Task(
            tuple(Modality(name, "sequence", (each, self.window)) for name in MODALITIES),
            tuple(arrays["classes"].tolist()),
        )
        people = held_out(
            sorted(set(arrays["subject"].tolist())), self.val_subjects, self.test_subjects, seed
        )

        def part(who: tuple[int, ...]) -> ArrayDataset:
            rows = torch.isin(subject, torch.tensor(who)).nonzero().flatten()
            values = every[first[rows]]
            return ArrayDataset(
                task,
                {
                    name: values[:, place * each : (place + 1) * each].contiguous()
                    for place, name in enumerate(MODALITIES)
                },
                torch.ones(len(rows), len(MODALITIES), dtype=torch.bool),
                target[rows],
                [
                    f"subject:{one} recording:{which} start:{begin}"
                    for one, which, begin in zip(
                        subject[rows].tolist(),
                        number[rows].tolist(),
                        start[rows].tolist(),
                        strict=True,
                    )
                ],
            )

        train, val, test = (part(who) for who in people)
        told = ", ".join(
            f"{role} {' '.join(str(one) for one in who)} ({len(rows)} windows)"
            for role, who, rows in zip(
                ("train", "val", "test"), people, (train, val, test), strict=True
            )
        )
        return Splits(
            name="watch",
            train=train,
            val=val,
            test=test,
            notes=(
                f"subjects held out, rotated with seed {seed}: {told}",
                f"windows of {self.window} steps every {self.step}, 50 steps a second; those of "
                "one recording overlap and are not independent: resample by subject or recording, "
                "which samples names",
                *skipped_note(provenance),
            ),
        )

    def sources(self, sample: str) -> str:
        """Return whose window it is: those of one subject are not independent.

        >>> Watch("").sources("subject:3 recording:12 start:64")
        'subject:3'
        """
        return sample.partition(" ")[0]


def windows(length: Tensor, window: int, step: int) -> tuple[Tensor, Tensor]:
    """Return which recording each window is from, and at which of its steps it starts.

    Args:
        length: int64, ``(recordings,)``: steps of each.
        window: Steps of a window; only whole windows count.
        step: From one start to the next.

    Returns:
        Two int64 tensors, ``(windows,)``.

    >>> import torch
    >>> recording, start = windows(torch.tensor([5, 2, 4]), window=3, step=2)
    >>> recording.tolist(), start.tolist()
    ([0, 0, 2], [0, 2, 0])
    """
    import torch

    number = ((length - window) // step + 1).clamp(min=0)
    recording = torch.arange(len(length)).repeat_interleave(number)
    first = number.cumsum(0) - number
    return recording, (torch.arange(len(recording)) - first[recording]) * step


def held_out(
    subjects: list[int], val: int, test: int, seed: int
) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """Return the subjects of training, validation and testing.

    Args:
        subjects: All of them, in order.
        val: How many for validation.
        test: How many for testing.
        seed: How often the ring is turned on by `test` places.

    Raises:
        ValueError: If there is not at least one subject for each part.

    >>> held_out([1, 2, 3, 4, 5], 1, 2, seed=1)
    ((1, 2), (5,), (3, 4))
    """
    if val < 1 or test < 1 or val + test >= len(subjects):
        raise ValueError(
            f"watch: expected val_subjects and test_subjects of 1 or more, together below the "
            f"{len(subjects)} there are, got {val} and {test}"
        )
    begin = seed * test % len(subjects)
    ring = subjects[begin:] + subjects[:begin]
    return (
        tuple(sorted(ring[test + val :])),
        tuple(sorted(ring[test : test + val])),
        tuple(sorted(ring[:test])),
    )
