"""``dmrnet predict``: predict classes of samples, or of every pixel, with a finished run."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dmrnet.cli.arguments import Arguments, constants, positive, share

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
    add(
        "--bad-rows",
        choices=("refuse", "skip"),
        default="refuse",
        help="rows of the file that cannot be used, such as NaN in part of a modality: an error, "
        "or named without a prediction [refuse]",
    )
    add(
        "--data.absent",
        dest="absent",
        type=constants,
        metavar="NAME=NUM,...",
        help="a modality that is this number throughout is absent",
    )
    add("--overwrite", action="store_true", help="replace an existing output")
    add("--combination", metavar="NAMES", help="use only these modalities, e.g. rgb+ir")
    add("--batch-size", type=positive, default=512, metavar="INT", help="samples per step [512]")
    add("--tile", type=positive, metavar="INT", help="predict images in tiles of this size")
    add("--uncalibrated", action="store_true", help="probabilities as the network gives them")
    add("--abstain-below", type=share, metavar="P", help="no class where its probability is lower")
    add(
        "--conformal",
        type=share,
        metavar="LEVEL",
        help="sets that hold the true class at this rate",
    )
    add("--advise", action="store_true", help="the missing modality that would help most")
    add("--device", default="auto", help="auto, cpu or cuda [auto]")
    args = parser.read(argv)
    if (args.input is None) == (args.split is None):
        raise ValueError("dmrnet predict: expected either --input FILE or --split val or test")
    if args.input is None and (args.absent or args.bad_rows == "skip"):
        raise ValueError("--data.absent and --bad-rows need --input FILE")
    out = None if args.out is None else Path(args.out)

    from dmrnet.cli.screen import counted, loading, screen

    with loading():
        import numpy as np

        from dmrnet.cli.predict.files import (
            as_npz,
            classes_as_csv,
            decided_names,
            numbers_as_csv,
            skipped_arrays,
            with_skipped,
            write_label_maps,
        )
        from dmrnet.cli.predict.how_sure import HowSure
        from dmrnet.engine.predict import predict_rows, predictable_rows
        from dmrnet.engine.run.devices import device_of
        from dmrnet.engine.run.finished import open_run
        from dmrnet.engine.run.folder import RunFolder
        from dmrnet.engine.scores.confidence import confidence_of, read_confidence
        from dmrnet.engine.scores.thresholds import decided as decided_by
        from dmrnet.modalities import name_of
        from dmrnet.storage import check_outputs, write_bytes
        from dmrnet.targets import target_of
        from dmrnet.text import escaped

    dense = bool(RunFolder(Path(args.run)).read_facts().get("dense"))
    if args.uncalibrated and (args.conformal or args.advise):
        raise ValueError(
            "--conformal and --advise need calibrated probabilities: no --uncalibrated"
        )
    if dense and (args.abstain_below or args.conformal or args.advise):
        raise ValueError(
            "expected a run with one class per sample for --abstain-below, --conformal and "
            f"--advise, got a class for every pixel in {args.run}"
        )
    check_out(out, dense)
    if out is not None and (out.suffix == ".npz" or not dense):
        check_outputs(out, overwrite=args.overwrite, sources=[args.input] if args.input else ())
    opened = open_run(Path(args.run), device_of(args.device))
    if args.input is None:
        dataset = opened.samples(args.split)
    else:
        dataset = opened.read(args.input, False, args.absent, args.bad_rows)
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
        from dmrnet.cli.predict.volumes import write_volumes
        from dmrnet.data.volumes.rows import VolumeRows
        from dmrnet.engine.predict_maps import label_maps

        assert out is not None
        predicted = label_maps(opened, dataset, found, may, args.batch_size, args.tile)
        maps = (batch for _, batch in predicted)
        if isinstance(dataset, VolumeRows):
            write_volumes(out, dataset, found.tolist(), rows, seen, maps, args.overwrite)
            screen().print(f"{counted(len(rows), 'volume')} predicted: {out}", soft_wrap=True)
            return 0
        if out.suffix == ".npz":
            array = np.concatenate([batch.numpy() for batch in maps])
            skipped = skipped_arrays(dataset.skipped)
            write_bytes(out, as_npz(rows, seen, names, classes, predicted=array, **skipped))
        else:
            write_label_maps(out, rows, seen, names, classes, maps, args.overwrite, dataset.skipped)
        screen().print(f"{counted(len(rows), 'image')} predicted: {out}", soft_wrap=True)
        return 0
    kind, numbers = target_of(opened.task), opened.task.target == "regression"
    if opened.task.target != "classes" and (args.abstain_below or args.conformal or args.advise):
        raise ValueError(
            "expected a run with one class per sample for --abstain-below, --conformal and "
            f"--advise, got {opened.task.target} in {args.run}"
        )
    confidence = None if args.uncalibrated else read_confidence(opened.folder)
    if args.conformal or args.advise:
        confidence = confidence_of(opened)
    probabilities = predict_rows(
        opened, dataset, found, may, args.batch_size, confidence=confidence
    )
    decided = decided_by(opened, probabilities, seen, confidence)
    sure = HowSure()
    if args.abstain_below:
        sure.abstain(probabilities, decided, args.abstain_below)
    if confidence is not None and args.conformal:
        sure.add_sets(confidence.sets(probabilities, seen, args.conformal), classes, args.conformal)
    if confidence is not None and args.advise:
        sure.add_advice(confidence.advise(probabilities, seen), names)
    for note in sure.notes:
        screen(error=True).print(note, style="dim", soft_wrap=True, markup=False)
    if out is not None and out.suffix == ".npz":
        values = decided.numpy()
        arrays = {"predicted": np.array(classes)[values] if kind.counts else values}
        if not numbers:
            arrays |= {"probabilities": probabilities.numpy(), **sure.arrays}
        arrays |= skipped_arrays(dataset.skipped)
        write_bytes(out, as_npz(rows, seen, names, classes, **arrays))
    else:
        shown = [name_of(mask, names) for mask in seen]
        if numbers:
            text = numbers_as_csv(rows, shown, classes, probabilities)
        else:
            named = decided_names(kind, classes, decided)
            text = classes_as_csv(
                rows, shown, classes, probabilities, named, sure.abstains, sure.columns
            )
        positions = found if dataset.file_rows is None else dataset.file_rows[found]
        text = with_skipped(text, positions.tolist(), dataset.skipped)
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
            "label maps need --out DIR, a folder for a file of each image or volume, or "
            "--out FILE.npz"
        )
    if out.suffix == ".csv" or (out.suffix != ".npz" and out.exists() and not out.is_dir()):
        raise ValueError(
            f"--out {out}: expected a folder for PNGs of label maps, or a name that ends in .npz"
        )


def notes_to_show(dataset: Dataset) -> list[str]:
    """Return the notes on samples, except what is expected here: absent modalities, lengths."""
    expected = (" absent in ", " steps, ")
    return [note for note in dataset.notes if not any(words in note for words in expected)]
