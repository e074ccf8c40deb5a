"""``dmrnet predict``: predict classes of samples, or of every pixel, with a finished run."""

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
    """Predict samples and write the predictions."""
    parser = Arguments(
        "dmrnet predict",
        "Predict samples from the modalities they have: those of a file, laid out as for training "
        "(dmrnet fit --data arrays; labels are not needed), or the run's own. With a class for "
        "every pixel, a label map of each image is written at full size.",
    )
    parser.add_argument("run", metavar="RUN", help="folder of a finished run")
    add = parser.options.add_argument
    add("--input", metavar="FILE", help="an .npz file of samples")
    add("--split", choices=("val", "test"), help="the run's own samples instead of a file")
    add(
        "--out",
        metavar="PATH",
        help="output, .csv or .npz [CSV to the terminal]; for label maps a folder of PNGs, or .npz",
    )
    add("--combination", metavar="NAMES", help="use only these modalities, e.g. rgb+ir")
    add("--batch-size", type=positive, default=512, metavar="INT", help="samples per step [512]")
    add("--tile", type=positive, metavar="INT", help="predict images in tiles of this size")
    add("--device", default="auto", help="auto, cpu or cuda [auto]")
    args = parser.read(argv)
    if (args.input is None) == (args.split is None):
        raise ValueError("dmrnet predict: expected either --input FILE or --split val or test")
    out = None if args.out is None else Path(args.out)

    from dmrnet.cli.screen import loading, screen

    with loading():
        from dmrnet.cli.devices import device
        from dmrnet.engine.finished import open_run
        from dmrnet.engine.folder import RunFolder
        from dmrnet.engine.predict import predict_rows, predictable_rows
        from dmrnet.modalities import name_of
        from dmrnet.storage import write_bytes

    dense = bool(RunFolder(Path(args.run)).read_facts().get("dense"))
    check_out(out, dense)
    opened = open_run(Path(args.run), device(args.device))
    if args.input is None:
        dataset = opened.samples(args.split)
    else:
        dataset = opened.read(args.input, need_target=False)
    where = args.input or args.split
    found, may = predictable_rows(opened, dataset, args.combination, where)
    names, classes = opened.task.modalities, opened.task.classes
    seen = (dataset.present & may)[found]
    samples = dataset.samples or [str(row) for row in range(len(dataset))]
    rows = [samples[row] for row in found.tolist()]
    notes = notes_to_show(dataset)
    if len(rows) < len(dataset):
        notes.append(
            f"{len(dataset) - len(rows)} of {len(dataset)} rows have none of {args.combination}: "
            "left out"
        )
    for note in notes:
        screen(error=True).print(f"warning: {note}", style="yellow", soft_wrap=True, markup=False)
    if dense:
        from dmrnet.cli.label_maps import PredictedMaps, write_maps
        from dmrnet.engine.predict_maps import label_maps

        assert out is not None
        maps = label_maps(opened, dataset, found, may, args.batch_size, args.tile)
        write_maps(out, PredictedMaps(rows, seen, names, classes, (m for _, m in maps)))
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
        # File names need not be Unicode: written as on the disk, shown escaped.
        content = text.encode(errors="surrogateescape")
        if out is None:
            sys.stdout.write(content.decode(errors="backslashreplace"))
        else:
            write_bytes(out, content)
    if out is not None:
        screen().print(f"{len(rows)} samples predicted: {out}", soft_wrap=True)
    return 0


def check_out(out: Path | None, dense: bool) -> None:
    """Refuse an output that does not fit the predictions, before anything is loaded.

    Raises:
        ValueError: If `out` does not fit.
    """
    if not dense:
        if out is not None and out.suffix not in FORMATS:
            raise ValueError(f"--out {out}: expected a name that ends in .csv or .npz")
        return
    if out is None:
        raise ValueError(
            "label maps need --out DIR, a folder for a PNG of each image, or --out FILE.npz"
        )
    if out.suffix == ".csv" or (out.suffix != ".npz" and out.exists() and not out.is_dir()):
        raise ValueError(
            f"--out {out}: expected a folder for PNGs of label maps, or a name that ends in .npz"
        )


def notes_to_show(dataset: Dataset) -> list[str]:
    """Return the notes on samples, except those on absent modalities, which are expected here."""
    return [note for note in dataset.notes if " absent in " not in note]


def as_csv(
    samples: Sequence[str], seen: Sequence[str], classes: Sequence[str], probabilities: Tensor
) -> str:
    """Return one line per sample: name, modalities used, class, probabilities."""
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
    """Return the same as arrays, with `seen`, bool ``(n, V)``, in the order of `modalities`."""
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
