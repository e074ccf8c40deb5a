"""``dmrnet data ampute``: make modalities of a file absent, by a mechanism."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dmrnet.cli.arguments import Arguments, positive, probabilities, probability, seed_of
from dmrnet.storage import check_outputs
from dmrnet.text import shell

PROG = "dmrnet data ampute"


def run(argv: Sequence[str]) -> int:
    """Write the file with modalities made absent."""
    parser = Arguments(
        PROG,
        "Make modalities of some samples of a .npz file absent, never all of a sample, and write "
        "the rest to another file.",
        usage=f"{PROG} FILE --rate R [--mechanism NAME] --out OUT.npz [--overwrite]",
    )
    parser.add_argument("file", metavar="FILE", help="file in the layout of --data arrays")
    add = parser.options.add_argument
    add(
        "--rate",
        type=_rate,
        required=True,
        metavar="R",
        help="share of its samples that a modality loses: .3, or by name: camera=.3,radar=.1",
    )
    add(
        "--mechanism",
        default="mcar",
        metavar="NAME",
        help="mcar: at random; mar: by the value of a modality that is kept; mnar: by its own "
        "value; block: runs of rows [mcar]",
    )
    add("--out", required=True, metavar="OUT.npz", help="file to write")
    add("--overwrite", action="store_true", help="replace OUT.npz if it exists")
    add("--seed", type=seed_of, default=0, metavar="INT", help="seed of the draws [0]")
    add("--strength", type=float, default=2.0, metavar="S", help="slope of mar and mnar [2]")
    add("--block", type=positive, metavar="INT", help="rows of an outage [a twentieth of all]")
    args = parser.read(argv)
    out = Path(args.out)
    if out.suffix != ".npz":
        raise ValueError(f"--out: expected a name that ends in .npz, got {args.out}")
    check_outputs(out, overwrite=args.overwrite, sources=[args.file])
    from dmrnet.cli.screen import percent, plain_table, screen
    from dmrnet.data.ampute import ampute
    from dmrnet.data.files.archive import Archive
    from dmrnet.data.files.arrays.source import GROUPS, PRESENT, SAMPLES, TARGET
    from dmrnet.data.files.cache import write_arrays
    from dmrnet.data.python.given import MultimodalDataset
    from dmrnet.settings.flags import naming

    archive = Archive(args.file)
    more = {name: archive.read(name) for name in archive.reserved}
    arrays = {name: archive.read(name) for name in archive.names}
    with naming(args.file):
        data = MultimodalDataset(
            arrays,
            more.get(TARGET),
            present=more.get(PRESENT),
            samples=more.get(SAMPLES),
            groups=more.get(GROUPS),
            lengths=archive.read_lengths(arrays),
            name=args.file,
        )
        made = ampute(
            data,
            args.rate,
            args.mechanism,
            args.seed,
            strength=args.strength,
            block=args.block,
        )
    write_arrays(out, {name: made.read(name) for name in (*made.names, *made.reserved)})
    console, rows = screen(), len(data)
    table = plain_table(["modality"], ["before", "after"])
    for name, old, new in zip(data.names, data.present.T, made.present.T, strict=True):
        table.add_row(name, percent(old.sum() / rows), percent(new.sum() / rows))
    console.print(table)
    check = shell("dmrnet", "data", "check", out)
    console.print(f"\nwritten: {out}; next: {check}", soft_wrap=True)
    return 0


def _rate(text: str) -> float | dict[str, float]:
    return probabilities(text) if "=" in text else probability(text)
