"""Labels of pixels: the numbers in a file, and the classes that they stand for."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from dmrnet.modalities import Task

BRATS = (0, 1, 2, 4)
"""Labels of BraTS until 2020, which have no 3."""

VOID = 255
"""Number that many data sets use for pixels without a class."""

MOST_CLASSES = 255
"""Most classes of pixels, whose numbers are stored as bytes."""

MOST_SHOWN = 8
"""Number of labels that a sentence names."""


def numbers_of_training(
    path: str, labels: Tensor, names: Sequence[str] | None, stated: Sequence[int] | None
) -> tuple[tuple[int, ...], str]:
    """Return the number in the file of each class, and a note where numbers are left out.

    Args:
        path: Path of the training file, for messages.
        labels: int64 labels of its pixels, negative where one has no class.
        names: Names of the classes; None to name them by their numbers.
        stated: The numbers, where settings state them.

    Raises:
        ValueError: If no pixel has a class, or the numbers could be read in two ways.

    >>> numbers_of_training("a.npz", torch.tensor([0, 1, 2, 4]), None, None)[0]
    (0, 1, 2, 4)
    """
    numbers = [number for number in labels.unique().tolist() if number >= 0]
    shown = _shown(numbers)
    if not numbers:
        raise ValueError(f"{path}: no pixel has a class, so there is nothing to learn")
    if stated is not None:
        if names is not None and len(names) != len(stated):
            raise ValueError(
                f"expected a number in labels for each of {len(names)} classes, got {len(stated)}"
            )
        if len({*stated}) != len(stated) or min(stated, default=-1) < 0:
            raise ValueError(f"expected different labels of 0 or more, got {_shown(stated)}")
        return tuple(stated), ""
    if names is not None:
        if numbers[-1] < len(names):
            return tuple(range(len(names))), ""
        if len(numbers) == len(names):
            raise ValueError(
                f"{path}: the labels are {shown}, and classes names {len(names)}: {numbers[-1]} is "
                f"the {ordinal(len(numbers))} class; if so, say it "
                f"(labels, --data.labels {_listed(numbers)})"
            )
        raise ValueError(
            f"{path}: the labels are {shown}, which are {len(numbers)} classes, but classes names "
            f"{len(names)}; name every class, and their numbers in "
            f"labels (--data.labels){_void(numbers)}"
        )
    if numbers[-1] == len(numbers) - 1:
        return tuple(numbers), ""
    if numbers[-1] == VOID and len(numbers) > 2:
        raise ValueError(
            f"{path}: the labels are {shown}: is {VOID} a class, or does it stand for none? Set "
            f"labels or ignore (--data.labels {_listed(numbers)}, or --data.ignore {VOID})"
        )
    if len(numbers) > MOST_CLASSES:
        raise ValueError(f"{path}: expected at most {MOST_CLASSES} classes, got {len(numbers)}")
    brats = (
        " (BraTS has 0,1,2,4)"
        if len(numbers) < 4 and 4 in numbers and {*numbers} < {*BRATS}
        else ""
    )
    return tuple(numbers), (
        f"the labels are {shown}: read as {len(numbers)} classes, {numbers[-1]} is the "
        f"{ordinal(len(numbers))}; labels (--data.labels) says if there are others{brats}"
    )


def label_numbers(
    task: Task, names: Sequence[str] | None, stated: Sequence[int] | None
) -> tuple[int, ...]:
    """Return the number in labels of each class of a training.

    Args:
        task: Task of the training.
        names: Names of the classes, where settings name them; else their numbers are their names.
        stated: The numbers, where settings state them.
    """
    if stated is not None:
        return tuple(stated)
    named = names is not None or not all(name.isdecimal() for name in task.classes)
    return tuple(range(len(task.classes)) if named else map(int, task.classes))


def class_numbers(path: str, labels: Tensor, numbers: Sequence[int]) -> Tensor:
    """Return the class of each pixel, int64, -1 where it has none.

    Args:
        path: Path of the file, for messages.
        labels: int64 labels ``(n, H, W)`` of the file, negative where a pixel has no class.
        numbers: Number in the file of each class.

    Raises:
        ValueError: If a label is that of no class.

    >>> class_numbers("a.npz", torch.tensor([[[0, 4, -1]]]), (0, 4)).tolist()
    [[[0, 1, -1]]]
    """
    known = torch.tensor(numbers)
    others = labels[labels >= 0].unique()
    others = others[~torch.isin(others, known)].tolist()
    if others:
        row = int((labels == others[-1]).flatten(1).any(1).nonzero()[0])
        raise ValueError(
            f"{path}: row {row}: expected labels {_shown(numbers)}, got {others[-1]}; if it is a "
            f"class, training must know it (labels, --data.labels "
            f"{_listed([*numbers, *others])}), with a name in classes if they are named"
            f"{_void(others)}"
        )
    order = known.argsort()
    place = torch.searchsorted(known[order], labels.clamp(min=0).contiguous())
    return order[place.clamp(max=len(known) - 1)].where(labels >= 0, -1)


def _void(numbers: Sequence[int]) -> str:
    return (
        f"; or ignore {VOID} (--data.ignore) if {VOID} stands for no class"
        if VOID in numbers
        else ""
    )


def _shown(numbers: Sequence[int]) -> str:
    more = f", ... {numbers[-1]}" if len(numbers) > MOST_SHOWN else ""
    return ", ".join(map(str, numbers[:MOST_SHOWN])) + more


def _listed(numbers: Sequence[int]) -> str:
    return ",".join(map(str, sorted({*numbers})))


def ordinal(number: int) -> str:
    """Return a number of order as a word, or as digits above eight.

    >>> [ordinal(number) for number in (2, 4, 11)]
    ['second', 'fourth', 'number 11']
    """
    words = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth")
    if 1 <= number <= len(words):
        return words[number - 1]
    return f"number {number}"
