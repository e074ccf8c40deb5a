"""``dmrnet predict``: predict classes of samples, or of every pixel, with a finished run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dmrnet.cli.arguments import Arguments, constants, positive, share

FORMATS = (".csv", ".npz")


def run(argv: Sequence[str]) -> int:
    """Predict samples and write the predictions."""
    args = _parser().read(argv)
    if (args.input is None) == (args.split is None):
        raise ValueError("dmrnet predict: expected either --input FILE or --split val or test")
    if args.input is None and (args.absent or args.bad_rows == "skip"):
        raise ValueError("--data.absent and --bad-rows need --input FILE")
    out = None if args.out is None else Path(args.out)

    from dmrnet.cli.screen import loading

    with loading():
        from dmrnet.cli.predict.predictions import print_notes, write_maps, write_predictions
        from dmrnet.engine.predict import predictable
        from dmrnet.engine.run.devices import device_of
        from dmrnet.engine.run.finished import open_run
        from dmrnet.engine.run.folder import RunFolder
        from dmrnet.storage import check_outputs

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
    samples = predictable(opened, dataset, args.combination, args.input or args.split)
    print_notes(samples, args.combination)
    if dense:
        assert out is not None
        write_maps(samples, args, out)
    else:
        write_predictions(samples, args, out)
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


def _parser() -> Arguments:
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
    return parser
