"""``dmrnet predict``: classify the samples of a file by a finished run."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dmrnet.cli.arguments import Arguments, positive

if TYPE_CHECKING:
    from torch import Tensor

FORMATS = (".csv", ".npz")


def run(argv: Sequence[str]) -> int:
    """Predict, and write what was predicted."""
    parser = Arguments(
        "dmrnet predict",
        "Classify the samples of a file, each from whatever modalities it has. The file is "
        "laid out as for training (dmrnet fit --data arrays); labels are not needed.",
    )
    parser.add_argument("run", metavar="RUN", help="folder of a finished run")
    add = parser.options.add_argument
    add("--input", metavar="FILE", required=True, help="an .npz file of samples")
    add("--out", metavar="FILE", help="where to write, .csv or .npz [CSV on the terminal]")
    add("--combination", metavar="NAMES", help="see these modalities alone, e.g. rgb+ir")
    add("--batch-size", type=positive, default=512, metavar="INT", help="samples a step [512]")
    add("--device", default="auto", help="auto, cpu or cuda [auto]")
    args = parser.read(argv)
    out = None if args.out is None else Path(args.out)
    if out is not None and out.suffix not in FORMATS:
        raise ValueError(f"--out {out}: expected a name that ends in .csv or .npz")

    from dmrnet.cli.screen import loading, screen

    with loading():
        from dmrnet.cli.devices import device
        from dmrnet.engine.finished import open_run, predict_run
        from dmrnet.engine.folder import write_bytes
        from dmrnet.modalities import name_of, parse

    opened = open_run(Path(args.run), device(args.device))
    dataset, found, probabilities = predict_run(
        opened, args.input, args.combination, args.batch_size
    )
    names, classes = opened.task.modalities, opened.task.classes
    seen = dataset.present
    if args.combination is not None:
        seen = seen & parse(args.combination, names)
    seen = seen[found]
    samples = getattr(dataset, "samples", None) or [str(row) for row in range(len(dataset))]
    rows = [samples[row] for row in found.tolist()]
    notes = [note for note in getattr(dataset, "notes", ()) if note.endswith("left out")]
    if len(rows) < len(dataset):
        notes.append(
            f"{len(dataset) - len(rows)} of {len(dataset)} rows have none of {args.combination}: "
            "left out"
        )
    for note in notes:
        screen(error=True).print(f"warning: {note}", style="yellow", soft_wrap=True, markup=False)
    if out is not None and out.suffix == ".npz":
        write_bytes(out, as_npz(rows, seen, names, classes, probabilities))
    else:
        text = as_csv(rows, [name_of(mask, names) for mask in seen], classes, probabilities)
        if out is None:
            sys.stdout.write(text)
        else:
            write_bytes(out, text.encode())
    if out is not None:
        screen().print(f"{len(rows)} samples predicted: {out}", soft_wrap=True)
    return 0


def as_csv(
    samples: Sequence[str], seen: Sequence[str], classes: Sequence[str], probabilities: Tensor
) -> str:
    """Return a line a sample: its name, what was seen of it, the class, every probability."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["sample", "seen", "predicted", *(f"p({name})" for name in classes)])
    best = probabilities.argmax(1).tolist()
    writer.writerows(
        [name, mask, classes[label], *(f"{value:.6g}" for value in row)]
        for name, mask, label, row in zip(samples, seen, best, probabilities.tolist(), strict=True)
    )
    return stream.getvalue()


def as_npz(
    samples: Sequence[str],
    seen: Tensor,
    modalities: Sequence[str],
    classes: Sequence[str],
    probabilities: Tensor,
) -> bytes:
    """Return the same as arrays, with `seen` bool ``(n, V)`` in the order of `modalities`."""
    import numpy as np

    stream = io.BytesIO()
    np.savez_compressed(
        stream,
        sample=np.array(samples),
        seen=seen.numpy(),
        modalities=np.array(modalities),
        predicted=np.array(classes)[probabilities.argmax(1).numpy()],
        probabilities=probabilities.numpy(),
        classes=np.array(classes),
    )
    return stream.getvalue()
