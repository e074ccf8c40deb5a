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

from dmrnet.data.files.arrays.bad_rows import SkippedRow
from dmrnet.data.files.arrays.numbers import Array
from dmrnet.modalities import name_of
from dmrnet.storage import check_outputs, npz_bytes, write_bytes, write_text
from dmrnet.targets import Target
from dmrnet.text import csv_text

LONGEST = 80
"""Longest file name, in characters."""


def classes_as_csv(
    samples: Sequence[str],
    seen: Sequence[str],
    classes: Sequence[str],
    probabilities: Tensor,
    named: Sequence[str],
    abstains: Sequence[bool] = (),
    more: Mapping[str, Sequence[str]] | None = None,
) -> str:
    """Return one line per sample: name, modalities used, class, probabilities, further columns.

    Args:
        samples: Names of the n samples.
        seen: Names of the modalities that each is predicted from.
        classes: Names of the M classes.
        probabilities: float ``(n, M)``.
        named: What is predicted for each sample; see `decided_names`.
        abstains: Whether a sample gets no class; none abstains by default.
        more: Further columns by name, n texts each.
    """
    more = more or {}
    rows = [["sample", "seen", "predicted", *(f"p({name})" for name in classes), *more]]
    if abstains:
        named = ["" if left else name for name, left in zip(named, abstains, strict=True)]
    texts = [[f"{value:.6g}" for value in row] for row in probabilities.tolist()]
    columns = zip(*more.values(), strict=True) if more else ([] for _ in named)
    rows += [
        [name, mask, label, *values, *others]
        for name, mask, label, values, others in zip(
            samples, seen, named, texts, columns, strict=True
        )
    ]
    return csv_text(rows)


def numbers_as_csv(
    samples: Sequence[str], seen: Sequence[str], targets: Sequence[str], values: Tensor
) -> str:
    """Return one line per sample: name, modalities used, and the predicted numbers ``(n, D)``."""
    rows = [["sample", "seen", *(f"predicted({name})" for name in targets)]]
    if len(targets) == 1:
        rows[0][-1] = "predicted"
    rows += [
        [name, mask, *(f"{value:.9g}" for value in row)]
        for name, mask, row in zip(samples, seen, values.tolist(), strict=True)
    ]
    return csv_text(rows)


def decided_names(kind: Target, classes: Sequence[str], decided: Tensor) -> list[str]:
    """Return what is predicted for each sample as text: a class, or labels joined by semicolons.

    Args:
        kind: What is predicted, with classes or labels.
        classes: Their M names.
        decided: What `Target.decide` returned: int64 ``(n,)``, or bool ``(n, M)``.
    """
    if kind.counts:
        return [classes[label] for label in decided.tolist()]
    return [
        ";".join(name for name, has in zip(classes, row, strict=True) if has)
        for row in decided.tolist()
    ]


def as_npz(
    samples: Sequence[str],
    seen: Tensor,
    modalities: Sequence[str],
    classes: Sequence[str],
    **predicted: Array,
) -> bytes:
    """Return predictions as arrays, with `seen`, bool ``(n, V)``, in the order of `modalities`."""
    arrays: dict[str, Any] = {
        "sample": np.array(samples),
        "seen": seen.numpy(),
        "modalities": np.array(modalities),
        **predicted,
        "classes": np.array(classes),
    }
    return npz_bytes(arrays)


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


def skipped_arrays(skipped: Sequence[SkippedRow]) -> dict[str, Array]:
    """Return the names of skipped rows and what is wrong with them, if there are any."""
    if not skipped:
        return {}
    return {
        "skipped": np.array([one.name for one in skipped]),
        "skipped_reason": np.array([one.reason for one in skipped]),
    }


def skipped_lines(skipped: Sequence[SkippedRow], columns: int) -> list[list[str]]:
    """Return lines of a list of files for skipped samples, which have none.

    >>> skipped_lines([SkippedRow(1, "p1", "NaN")], 3)
    [['', 'p1', '']]
    """
    return [["", one.name, *[""] * (columns - 2)] for one in skipped]


def write_label_maps(
    folder: Path,
    samples: Sequence[str],
    seen: Tensor,
    modalities: Sequence[str],
    classes: Sequence[str],
    batches: Iterable[Tensor],
    overwrite: bool = False,
    skipped: Sequence[SkippedRow] = (),
) -> None:
    """Write each image's PNG as soon as it is predicted, ``classes.csv`` and ``images.csv``.

    Batches are uint8 ``(b, H, W)``, of the images in order; `seen` is bool ``(n, V)``.
    A pixel's value is the number of its class, coloured by the palette. ``images.csv`` is written
    last; `skipped` images have a line without a file there.

    Raises:
        FileExistsError: If one of these files exists, unless `overwrite`; nothing is predicted.
    """
    from dmrnet.report.figures.label_maps import palette

    colours = (palette(len(classes))[:-1] * 255).round().astype(np.uint8)
    rows = [
        [str(number), name, "#{:02x}{:02x}{:02x}".format(*colour)]
        for number, (name, colour) in enumerate(zip(classes, colours.tolist(), strict=True))
    ]
    made = file_names(samples)
    check_outputs(
        *(folder / name for name in ("classes.csv", "images.csv", *made)), overwrite=overwrite
    )
    write_text(folder / "classes.csv", csv_text([["value", "class", "colour"], *rows]))
    listed = [["file", "sample", "seen", *(f"share({name})" for name in classes)]]
    files = iter(zip(made, samples, seen, strict=True))
    for maps in batches:
        for labels, (file, sample, seen) in zip(maps.numpy(), files, strict=False):
            write_bytes(folder / file, as_png(labels, colours))
            share = np.bincount(labels.ravel(), minlength=len(classes)) / labels.size
            names = name_of(seen, modalities)
            listed.append([file, sample, names, *(f"{value:.6g}" for value in share)])
    listed += skipped_lines(skipped, len(listed[0]))
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
