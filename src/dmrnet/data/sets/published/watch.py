"""watch: seven shoulder exercises, from a smart watch's accelerometer and gyroscope; new subjects.

Recordings of physiotherapy exercises of 10 subjects, 50 steps per second, as the package seglearn
has them. They are cut into windows; subjects, never windows, are held out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from dmrnet.data.sets.base import InMemory

if TYPE_CHECKING:
    from torch import Tensor

    from dmrnet.data.dataset import Splits

MODALITIES = ("accelerometer", "gyroscope")
CHANNELS = ("ax", "ay", "az", "wx", "wy", "wz")
"""Columns of a recording: three of each modality."""
AXES = 3
VERSION = 1
"""Version of the preparation."""


@dataclass(frozen=True)
class Watch(InMemory):
    """Settings of watch.

    The subjects stand in a ring. The test subjects of seed 0 are the first ones, those of seed 1
    the ones after them, and so on; the validation subjects come next, the rest is for training.

    Attributes:
        root: Folder with the prepared data; see `dmrnet data prepare watch`.
        window: Number of steps in a window; 50 are one second.
        step: Number of steps from the start of one window to the start of the next.
        val_subjects: Number of subjects for validation.
        test_subjects: Number of subjects for testing.
        split_seed: Seed of the rotation; the run's seed by default.
    """

    shows_inputs: ClassVar[bool] = True

    root: str
    window: int = 128
    step: int = 64
    val_subjects: int = 2
    test_subjects: int = 3
    split_seed: int | None = None

    def whole(self, seed: int) -> Splits:
        """Return the splits with the numbers as published, as float32."""
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
        length = torch.from_numpy(arrays["length"])
        recording, start = windows(length, self.window, self.step)
        if not len(recording):
            raise ValueError(f"watch: no recording is as long as a window of {self.window} steps")
        # Recordings follow one another; every window (starts, channels, steps) is a view of them.
        first = (length.cumsum(0) - length)[recording] + start
        values = torch.from_numpy(arrays["values"]).unfold(0, self.window, 1)
        target, subject, number = (
            torch.from_numpy(arrays[key])[recording] for key in ("y", "subject", "number")
        )
        task = Task(
            tuple(Modality(name, "sequence", (AXES, self.window)) for name in MODALITIES),
            tuple(arrays["classes"].tolist()),
        )

        def part(subjects: tuple[int, ...]) -> ArrayDataset:
            rows = torch.isin(subject, torch.tensor(subjects)).nonzero().flatten()
            channels = values[first[rows]].split(AXES, 1)
            names = zip(*(each[rows].tolist() for each in (subject, number, start)), strict=True)
            return ArrayDataset(
                task,
                {n: c.contiguous() for n, c in zip(MODALITIES, channels, strict=True)},
                torch.ones(len(rows), len(MODALITIES), dtype=torch.bool),
                target[rows],
                [f"subject:{who} recording:{which} start:{begin}" for who, which, begin in names],
            )

        everyone = sorted(set(arrays["subject"].tolist()))
        people = held_out(everyone, self.val_subjects, self.test_subjects, seed)
        roles = ("train", "val", "test")
        parts = {role: part(subjects) for role, subjects in zip(roles, people, strict=True)}
        split = ", ".join(
            f"{role} {' '.join(str(one) for one in subjects)} ({len(part)} windows)"
            for (role, part), subjects in zip(parts.items(), people, strict=True)
        )
        notes = (
            f"subjects held out, rotated with seed {seed}: {split}",
            f"windows of {self.window} steps every {self.step}, 50 steps per second; those of one "
            "recording overlap and are not independent: resample by subject or recording, which "
            "samples names",
            *skipped_note(provenance),
        )
        return Splits("watch", parts["train"], parts["val"], parts["test"], notes)

    def sources(self, sample: str) -> str:
        """Return the subject of a window: windows of one subject are not independent.

        >>> Watch("").sources("subject:3 recording:12 start:64")
        'subject:3'
        """
        return sample.partition(" ")[0]


def windows(length: Tensor, window: int, step: int) -> tuple[Tensor, Tensor]:
    """Return the recording of each window and the step at which it starts there, ``(windows,)``.

    Args:
        length: Number of steps of each recording ``(recordings,)``, int64 as the results.
        window: Steps of a window; only whole windows count.
        step: Steps from one start to the next.

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
    """Return the subjects of training, validation and testing; raise `ValueError` if one has none.

    `val` and `test` are numbers of subjects; the ring is rotated `seed` times by `test` subjects.

    >>> held_out([1, 2, 3, 4, 5], 1, 2, seed=1)
    ((1, 2), (5,), (3, 4))
    """
    if val < 1 or test < 1 or val + test >= len(subjects):
        raise ValueError(
            f"watch: expected val_subjects and test_subjects of 1 or more, together below "
            f"{len(subjects)}, the number of subjects, got {val} and {test}"
        )
    begin = seed * test % len(subjects)
    ring = subjects[begin:] + subjects[:begin]
    train, validate, tested = (ring[test + val :], ring[test : test + val], ring[:test])
    return tuple(sorted(train)), tuple(sorted(validate)), tuple(sorted(tested))
