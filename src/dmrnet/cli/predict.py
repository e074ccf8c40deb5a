"""``dmrnet predict``: classes of samples, or of every pixel of images, by a finished run."""

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

    from dmrnet.data.dataset import Dataset

FORMATS = (".csv", ".npz")


def run(argv: Sequence[str]) -> int:
    """Predict, and write what was predicted."""
    parser = Arguments(
        "dmrnet predict",
        "Classify samples, each from whatever modalities it has: those of a file, laid out as "
        "for training (dmrnet fit --data arrays; labels are not needed), or the run's own. Where "
        "every pixel has a class, a label map of each image is written at full size.",
    )
    parser.add_argument("run", metavar="RUN", help="folder of a finished run")
    add = parser.options.add_argument
    add("--input", metavar="FILE", help="an .npz file of samples")
    add("--split", choices=("val", "test"), help="the run's own samples in place of a file")
    add(
        "--out",
        metavar="PATH",
        help="where to write, .csv or .npz [CSV on the terminal]; of images a folder for a PNG "
        "each, or .npz",
    )
    add("--combination", metavar="NAMES", help="see these modalities alone, e.g. rgb+ir")
    add("--batch-size", type=positive, default=512, metavar="INT", help="samples a step [512]")
    add("--tile", type=positive, metavar="INT", help="predict images in tiles of so many pixels")
    add("--device", default="auto", help="auto, cpu or cuda [auto]")
    args = parser.read(argv)
    if (args.input is None) == (args.split is None):
        raise ValueError(
            "dmrnet predict: say what to predict, either --input FILE or --split val or test"
        )
    out = None if args.out is None else Path(args.out)

    from dmrnet.cli.screen import loading, screen

    with loading():
        from dmrnet.cli.devices import device
        from dmrnet.engine.finished import open_run, predict_rows, rows_seen
        from dmrnet.engine.folder import RunFolder
        from dmrnet.modalities import name_of
        from dmrnet.storage import write_bytes

    dense = bool(RunFolder(Path(args.run)).read_facts().get("dense"))
    check_out(out, dense)
    opened = open_run(Path(args.run), device(args.device))
    if args.input is None:
        dataset = opened.part(args.split)
    else:
        dataset = opened.read(args.input, need_target=False)
    where = args.input or args.split
    found, may = rows_seen(opened, dataset, args.combination, where)
    names, classes = opened.task.modalities, opened.task.classes
    seen = (dataset.present & may)[found]
    samples = dataset.samples or [str(row) for row in range(len(dataset))]
    rows = [samples[row] for row in found.tolist()]
    notes = worth_telling(dataset)
    if len(rows) < len(dataset):
        notes.append(
            f"{len(dataset) - len(rows)} of {len(dataset)} rows have none of {args.combination}: "
            "left out"
        )
    for note in notes:
        screen(error=True).print(f"warning: {note}", style="yellow", soft_wrap=True, markup=False)
    if dense:
        from dmrnet.cli.label_maps import Maps, write_maps
        from dmrnet.engine.predict_maps import label_maps

        assert out is not None
        maps = label_maps(opened, dataset, found, may, args.batch_size, args.tile)
        write_maps(out, Maps(rows, seen, names, classes, (m for _, m in maps)))
        screen().print(
            f"{len(rows)} {'image' if len(rows) == 1 else 'images'} predicted: {out}",
            soft_wrap=True,
        )
        return 0
    probabilities = predict_rows(opened, dataset, found, may, args.batch_size)
    if out is not None and out.suffix == ".npz":
        write_bytes(out, as_npz(rows, seen, names, classes, probabilities))
    else:
        text = as_csv(rows, [name_of(mask, names) for mask in seen], classes, probabilities)
        # Names of files need not be Unicode: written as they are on the disk, shown escaped.
        content = text.encode(errors="surrogateescape")
        if out is None:
            sys.stdout.write(content.decode(errors="backslashreplace"))
        else:
            write_bytes(out, content)
    if out is not None:
        screen().print(f"{len(rows)} samples predicted: {out}", soft_wrap=True)
    return 0


def check_out(out: Path | None, dense: bool) -> None:
    """Refuse a place that does not fit what is predicted, before anything is loaded.

    Raises:
        ValueError: If it does not.
    """
    if not dense:
        if out is not None and out.suffix not in FORMATS:
            raise ValueError(f"--out {out}: expected a name that ends in .csv or .npz")
        return
    if out is None:
        raise ValueError(
            "every pixel has a class: say --out DIR, a folder for a PNG of each image, or --out "
            "FILE.npz"
        )
    if out.suffix == ".csv" or (out.suffix != ".npz" and out.exists() and not out.is_dir()):
        raise ValueError(
            f"--out {out}: every pixel has a class: expected a folder for a PNG of each image, or "
            "a name that ends in .npz"
        )


def worth_telling(dataset: Dataset) -> list[str]:
    """Return what was noted of samples, but for what they lack: that is what the command is for."""
    return [note for note in dataset.notes if " absent in " not in note]


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
