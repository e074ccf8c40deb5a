"""``dmrnet predict``: predict classes of samples, or of every pixel, with a finished run."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dmrnet.cli.arguments import Arguments, positive

if TYPE_CHECKING:
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

    from dmrnet.cli.screen import counted, loading, screen

    with loading():
        import numpy as np

        from dmrnet.cli.devices import device
        from dmrnet.cli.predictions import as_npz, classes_as_csv, write_label_maps
        from dmrnet.engine.finished import open_run
        from dmrnet.engine.folder import RunFolder
        from dmrnet.engine.predict import predict_rows, predictable_rows
        from dmrnet.modalities import name_of
        from dmrnet.storage import write_bytes
        from dmrnet.text import escaped

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
        from dmrnet.engine.predict_maps import label_maps

        assert out is not None
        predicted = label_maps(opened, dataset, found, may, args.batch_size, args.tile)
        maps = (batch for _, batch in predicted)
        if out.suffix == ".npz":
            array = np.concatenate([batch.numpy() for batch in maps])
            write_bytes(out, as_npz(rows, seen, names, classes, predicted=array))
        else:
            write_label_maps(out, rows, seen, names, classes, maps)
        screen().print(f"{counted(len(rows), 'image')} predicted: {out}", soft_wrap=True)
        return 0
    probabilities = predict_rows(opened, dataset, found, may, args.batch_size)
    if out is not None and out.suffix == ".npz":
        best = np.array(classes)[probabilities.argmax(1).numpy()]
        arrays = {"predicted": best, "probabilities": probabilities.numpy()}
        write_bytes(out, as_npz(rows, seen, names, classes, **arrays))
    else:
        text = classes_as_csv(rows, [name_of(mask, names) for mask in seen], classes, probabilities)
        # File names need not be Unicode: written as on the disk, shown escaped.
        content = text.encode(errors="surrogateescape")
        if out is None:
            text = content.decode(errors="backslashreplace")
            sys.stdout.write(escaped(text, keep="\n") if sys.stdout.isatty() else text)
        else:
            write_bytes(out, content)
    if out is not None:
        screen().print(f"{len(rows)} samples predicted: {out}", soft_wrap=True)
    return 0


def check_out(out: Path | None, dense: bool) -> None:
    """Refuse an output that does not fit the predictions, before anything is loaded."""
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
