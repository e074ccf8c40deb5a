"""Predictions as files: CSV or ``.npz``, and label maps as one PNG per image."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor

from dmrnet.cli.predict.how_sure import HowSure
from dmrnet.data.files.arrays.bad_rows import SkippedRow
from dmrnet.data.files.arrays.numbers import Array
from dmrnet.engine.predict import Predictable
from dmrnet.modalities import Task, name_of
from dmrnet.storage import check_outputs, npz_bytes, write_bytes, write_text
from dmrnet.targets import target_of
from dmrnet.text import csv_text

LONGEST = 80
"""Longest file name, in characters."""


def classes_as_csv(of: Predictable, probabilities: Tensor, decided: Tensor, sure: HowSure) -> str:
    """Return one line per sample: name, modalities used, class, probabilities, further columns.

    Args:
        of: The n samples.
        probabilities: float ``(n, M)``.
        decided: What `Target.decide` returned: int64 ``(n,)``, or bool ``(n, M)``.
        sure: Who gets no class, and the further columns.
    """
    task, more = of.run.task, sure.columns
    rows = [["sample", "seen", "predicted", *(f"p({name})" for name in task.classes), *more]]
    named = _decided_names(task, decided)
    if sure.abstains:
        named = ["" if left else name for name, left in zip(named, sure.abstains, strict=True)]
    texts = [[f"{value:.6g}" for value in row] for row in probabilities.tolist()]
    columns = zip(*more.values(), strict=True) if more else ([] for _ in named)
    rows += [
        [name, mask, label, *values, *others]
        for name, mask, label, values, others in zip(
            of.names, _seen_names(of), named, texts, columns, strict=True
        )
    ]
    return csv_text(rows)


def numbers_as_csv(of: Predictable, values: Tensor) -> str:
    """Return one line per sample: name, modalities used, and the predicted numbers ``(n, D)``."""
    targets = of.run.task.classes
    rows = [["sample", "seen", *(f"predicted({name})" for name in targets)]]
    if len(targets) == 1:
        rows[0][-1] = "predicted"
    rows += [
        [name, mask, *(f"{value:.9g}" for value in row)]
        for name, mask, row in zip(of.names, _seen_names(of), values.tolist(), strict=True)
    ]
    return csv_text(rows)


def _seen_names(of: Predictable) -> list[str]:
    return [name_of(mask, of.run.task.modalities) for mask in of.seen]


def _decided_names(task: Task, decided: Tensor) -> list[str]:
    """Return what is predicted for each sample as text: a class, or labels joined by semicolons."""
    if target_of(task).counts:
        return [task.classes[label] for label in decided.tolist()]
    return [
        ";".join(name for name, has in zip(task.classes, row, strict=True) if has)
        for row in decided.tolist()
    ]


def as_npz(of: Predictable, predicted: Mapping[str, Array]) -> bytes:
    """Return predictions as arrays, with names of samples, what they are from, and skipped rows."""
    arrays: dict[str, Any] = {
        "sample": np.array(of.names),
        "seen": of.seen.numpy(),
        "modalities": np.array(of.run.task.modalities),
        **predicted,
    }
    if skipped := of.dataset.skipped:
        arrays["skipped"] = np.array([one.name for one in skipped])
        arrays["skipped_reason"] = np.array([one.reason for one in skipped])
    return npz_bytes({**arrays, "classes": np.array(of.run.task.classes)})


def with_skipped(text: str, rows: Sequence[int], skipped: Sequence[SkippedRow]) -> str:
    r"""Return a CSV of predictions with a line for each skipped row, of its name alone.

    Args:
        text: CSV with a line for each prediction.
        rows: Row numbers in the file of those predictions, ascending.
        skipped: Rows of the file that have no prediction.

    >>> with_skipped("sample,predicted\n0,a\n2,b\n", [0, 2], [SkippedRow(1, "1", "NaN")])
    'sample,predicted\n0,a\n1,\n2,b\n'
    """
    if not skipped:
        return text
    head, *lines = csv.reader(io.StringIO(text, newline=""))
    by_row = dict(zip(rows, lines, strict=True))
    by_row |= {one.row: [one.name, *[""] * (len(head) - 1)] for one in skipped}
    return csv_text([head, *(by_row[row] for row in sorted(by_row))])


def skipped_lines(skipped: Sequence[SkippedRow], columns: int) -> list[list[str]]:
    """Return lines of a list of files for skipped samples, which have none.

    >>> skipped_lines([SkippedRow(1, "p1", "NaN")], 3)
    [['', 'p1', '']]
    """
    return [["", one.name, *[""] * (columns - 2)] for one in skipped]


def write_label_maps(
    folder: Path, of: Predictable, batches: Iterable[Tensor], overwrite: bool = False
) -> None:
    """Write each image's PNG as soon as it is predicted, ``classes.csv`` and ``images.csv``.

    Batches are uint8 ``(b, H, W)``, of the images in order.
    A pixel's value is the number of its class, coloured by the palette. ``images.csv`` is written
    last; skipped images have a line without a file there.

    Raises:
        FileExistsError: If one of these files exists, unless `overwrite`; nothing is predicted.
    """
    from dmrnet.report.figures.label_maps import palette

    classes, modalities = of.run.task.classes, of.run.task.modalities
    colours = (palette(len(classes))[:-1] * 255).round().astype(np.uint8)
    rows = [
        [str(number), name, "#{:02x}{:02x}{:02x}".format(*colour)]
        for number, (name, colour) in enumerate(zip(classes, colours.tolist(), strict=True))
    ]
    made = file_names(of.names)
    check_outputs(
        *(folder / name for name in ("classes.csv", "images.csv", *made)), overwrite=overwrite
    )
    write_text(folder / "classes.csv", csv_text([["value", "class", "colour"], *rows]))
    listed = [["file", "sample", "seen", *(f"share({name})" for name in classes)]]
    files = iter(zip(made, of.names, of.seen, strict=True))
    for maps in batches:
        for labels, (file, sample, seen) in zip(maps.numpy(), files, strict=False):
            write_bytes(folder / file, as_png(labels, colours))
            share = np.bincount(labels.ravel(), minlength=len(classes)) / labels.size
            names = name_of(seen, modalities)
            listed.append([file, sample, names, *(f"{value:.6g}" for value in share)])
    listed += skipped_lines(of.dataset.skipped, len(listed[0]))
    # Names of samples need not be Unicode.
    write_bytes(folder / "images.csv", csv_text(listed).encode(errors="surrogateescape"))


def as_png(
    labels: Array,
    colours: Array,
) -> bytes:
    """Return labels ``(H, W)`` as a PNG with a palette."""
    stream = io.BytesIO()
    image = Image.fromarray(labels, mode="L")
    image.putpalette(colours.tobytes())
    image.save(stream, "PNG")
    return stream.getvalue()


def file_names(samples: Sequence[str]) -> list[str]:
    """Return a file name for each image, unique also when case is ignored.

    >>> file_names(["image 28", "a/b.png", "a_b.png"])
    ['image_28.png', '1-a_b.png', '2-a_b.png']
    """
    plain = [
        re.sub(r"[^\w.-]+", "_", name).strip("._")[:LONGEST].removesuffix(".png")
        for name in samples
    ]
    times = Counter(name.lower() for name in plain)
    # A numbered name may equal another name; then all are numbered.
    unique = [bool(name) and times[name.lower()] == 1 for name in plain]
    names = [
        name if own else f"{row}-{name}"
        for row, (name, own) in enumerate(zip(plain, unique, strict=True))
    ]
    if len({name.lower() for name in names}) < len(names):
        names = [f"{row}-{name}" for row, name in enumerate(plain)]
    return [f"{name}.png" for name in names]
