"""A data set that is larger than memory: rows are read from files when they are taken."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from dmrnet.data.dataset import Dataset
from dmrnet.data.files.cache import Array
from dmrnet.data.split import generator
from dmrnet.data.transforms import Transform
from dmrnet.modalities import Batch, Task


class Mapped:
    """An array on the disk, opened anew in every process that reads it.

    Args:
        array: A memory map, or an array in memory.
    """

    def __init__(self, array: Array) -> None:
        self.array = array
        self.path = getattr(array, "filename", None)

    def take(self, rows: Tensor) -> Tensor:
        """Return some rows, copied.

        Args:
            rows: int64 ``(b,)``.
        """
        taken = np.ascontiguousarray(self.array[rows.numpy()])
        # Torch does little with uint16.
        return torch.from_numpy(taken.astype(np.int32) if taken.dtype == np.uint16 else taken)

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.path, "array": None if self.path else self.array}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.path, self.array = state["path"], state["array"]
        if self.path:
            self.array = np.load(self.path, mmap_mode="r")


class View(Protocol):
    """What makes inputs of rows as they stand on the disk."""

    def __call__(self, raw: dict[str, Tensor], rows: Tensor, epoch: int) -> dict[str, Tensor]:
        """Return float32 inputs ``(b, ...)``.

        Args:
            raw: Rows of each array, as stored.
            rows: int64 ``(b,)``: their numbers in the data set.
            epoch: The training epoch.
        """
        ...


@dataclass(frozen=True)
class Pictures:
    """Pictures, changed at random in training, then ``(x - mean) / deviation``.

    What is drawn follows from (seed, epoch, row) alone.

    Attributes:
        names: Arrays that are pictures; others are handed on.
        mean: One number, or one a channel, on the scale 0 to 255.
        deviation: The same.
        transform: In training; None elsewhere.
        seed: Of the run.
    """

    names: tuple[str, ...]
    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    transform: Transform | None = None
    seed: int = 0

    def __call__(self, raw: dict[str, Tensor], rows: Tensor, epoch: int) -> dict[str, Tensor]:
        """Return pictures as float32, the rest as it came."""
        seen = dict(raw)
        if self.transform is not None:
            changed = [
                self.transform(
                    {name: raw[name][place] for name in self.names},
                    generator(self.seed, "augment", epoch, row),
                )
                for place, row in enumerate(rows.tolist())
            ]
            seen |= {name: torch.stack([one[name] for one in changed]) for name in self.names}
        mean, deviation = (
            torch.tensor(values).reshape(1, -1, 1, 1) for values in (self.mean, self.deviation)
        )
        for name in self.names:
            seen[name] = seen[name].float().sub_(mean).div_(deviation)
        return seen


class MappedDataset(Dataset):
    """Rows of a prepared data set, all of whose modalities are there.

    Args:
        task: The modalities in order, and the classes.
        arrays: What each modality is stored in, by its name.
        rows: int64 ``(n,)``: the rows of those arrays that belong to this split.
        target: int64 ``(n,)``.
        samples: Their names.
        view: Makes inputs of what is stored.
        content: Letters that follow from the content of the arrays.
        attack_types: Names of the types of attack, if this is known of some sample.
        attack_type: int64 ``(n,)``: the type of each sample; -1 where there is none.

    Raises:
        ValueError: If there is no row, or a target is no class.
    """

    samples: tuple[str, ...]

    def __init__(
        self,
        task: Task,
        arrays: Mapping[str, Mapped],
        rows: Tensor,
        target: Tensor,
        samples: Sequence[str],
        view: View,
        content: str,
        attack_types: tuple[str, ...] = (),
        attack_type: Tensor | None = None,
    ) -> None:
        if not len(rows) == len(target) == len(samples) or not len(rows):
            raise ValueError(
                f"expected as many targets and names as rows and one at least, got {len(rows)} "
                f"rows, {len(target)} targets and {len(samples)} names"
            )
        low, high = int(target.min()), int(target.max())
        if low < 0 or high >= len(task.classes):
            raise ValueError(f"expected targets below {len(task.classes)}, got {low} to {high}")
        self.task, self.arrays, self.rows, self.target = task, dict(arrays), rows, target
        self.present = torch.ones(len(rows), len(task.modalities), dtype=torch.bool)
        self.samples, self.view, self._content = tuple(samples), view, content
        self.attack_types, self.attack_type = attack_types, attack_type

    def seen(self, rows: Tensor, epoch: int) -> dict[str, Tensor]:
        """Return all that the view makes of some rows."""
        stored = self.rows.index_select(0, rows)
        raw = {name: array.take(stored) for name, array in self.arrays.items()}
        return self.view(raw, rows, epoch)

    def take(self, rows: Tensor, epoch: int = 0) -> Batch:
        """Read some samples.

        Args:
            rows: int64, ``(b,)``.
            epoch: What is drawn at random in training follows from it.
        """
        inputs = self.seen(rows, epoch)
        return Batch(
            inputs={name: inputs[name] for name in self.task.modalities},
            present=self.present.index_select(0, rows),
            target=self.target.index_select(0, rows),
            index=rows,
        )


class PixelDataset(MappedDataset):
    """Rows with a class for every pixel, which stands in the array ``labels``.

    `target` says the most frequent class of each sample; the target of a batch that is taken is
    int64 ``(b, H, W)``, -1 where a pixel has no label.

    Args:
        task: The modalities in order, and the classes.
        arrays: What each modality, and the labels, are stored in, by name.
        rows: int64 ``(n,)``: the rows of those arrays that belong to this split.
        pixels: int64 ``(n, M)``: pixels of each class in each of them.
        samples: Their names.
        view: Makes inputs and labels of what is stored.
        content: Letters that follow from the content of the arrays.
    """

    def __init__(
        self,
        task: Task,
        arrays: Mapping[str, Mapped],
        rows: Tensor,
        pixels: Tensor,
        samples: Sequence[str],
        view: View,
        content: str,
    ) -> None:
        super().__init__(task, arrays, rows, pixels.argmax(1), samples, view, content)
        self.pixels = pixels

    def take(self, rows: Tensor, epoch: int = 0) -> Batch:
        """Read some samples and their labels.

        Args:
            rows: int64, ``(b,)``.
            epoch: What is drawn at random in training follows from it.
        """
        seen = self.seen(rows, epoch)
        return Batch(
            inputs={name: seen[name] for name in self.task.modalities},
            present=self.present.index_select(0, rows),
            target=seen["labels"],
            index=rows,
        )
