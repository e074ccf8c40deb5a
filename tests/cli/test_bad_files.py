"""Files that are refused, through the command: one line that says what, no traceback, code 2."""

from __future__ import annotations

import io
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from tests.cli.calls import FIT, Make, at, in_a_process, put, refused, without

if TYPE_CHECKING:
    from .conftest import Cli

# What is done to the training file, and what is said of it.
BAD_FILES: dict[str, tuple[Make, str]] = {
    "no labels": (without("y"), "expected the labels as an array named 'y'"),
    "one class": (put("y", lambda y: y * 0), "every label is '0'; expected at least two"),
    "a label missing": (
        put("y", lambda y: at(5, np.nan)(y.astype(float))),
        "row 5 has no label (1 such rows); leave such rows out",
    ),
    "a label without text": (
        put("y", lambda y: np.where(np.arange(60) == 7, "", y.astype(str))),
        "row 7 has no label",
    ),
    "present as numbers": (
        lambda arrays: {**arrays, "present": np.ones((60, 3), int)},
        "expected present as bool, got int64",
    ),
    "names of other rows": (
        lambda arrays: {**arrays, "samples": np.arange(59)},
        "expected samples of shape (60,), got (59,)",
    ),
    "a number too large": (
        put("radar", at((4, 2), 1e300)),
        "modality radar, row 4: a number is too large for float32",
    ),
    "labels as float": (
        put("y", lambda y: y.astype(float)),
        "y holds whole numbers stored as float, which may be classes or regression",
    ),
    "one-hot labels": (
        put("y", lambda y: np.eye(3)[y]),
        "exactly one 1, which may be classes or multi-label",
    ),
    "a class for every pixel": (
        put("y", lambda y: y[:, None, None].repeat(8, 1).repeat(8, 2)),
        "y (n, 8, 8) is a class for every pixel",
    ),
    "NaN in part of a row": (
        put("radar", at((4, 2), np.nan)),
        "modality radar, row 4: it holds NaN in part",
    ),
    "infinity": (put("sound", at((9, 0, 0), np.inf)), "modality sound, row 9: it holds infinity"),
    "rows that do not agree": (put("camera", lambda a: a[:-1]), "camera has 59 rows but y has 60"),
    "nothing present": (
        lambda arrays: {
            name: at(3, np.nan)(array.copy()) if name != "y" else array
            for name, array in arrays.items()
        },
        "row 3 has none of radar, camera, sound",
    ),
    "a modality never there": (
        put("radar", lambda a: a * np.nan),
        "modality radar is absent in every row",
    ),
    "a name with a plus": (
        lambda arrays: {**arrays, "a+b": arrays["radar"]},
        "holds '+', which joins",
    ),
    "text for numbers": (put("radar", lambda a: a.astype(str)), "modality radar: expected numbers"),
    "Python objects": (
        put("radar", lambda a: np.array([Path()] * len(a))),
        "no other Python objects: save numbers",
    ),
    "too many axes": (
        put("camera", lambda a: a.reshape(60, 1, 2, 4, 2, 4)),
        "modality camera: a sample of shape",
    ),
    "no rows": (lambda arrays: {n: a[:0] for n, a in arrays.items()}, "at least one row"),
}


@pytest.mark.parametrize(("make", "said"), BAD_FILES.values(), ids=BAD_FILES)
def test_a_bad_file(
    cli: Cli,
    made: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    make: Make,
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    with np.load(made / "train.npz") as arrays:
        np.savez("bad.npz", **make(dict(arrays)))
    result = cli(*FIT, "--data.train", "bad.npz", "--data.val", made / "val.npz")
    refused(result, said)
    assert "bad.npz" in result.err
    assert not Path("out").exists()


def twice(file: bytes) -> bytes:
    """Return an archive in which one array stands twice."""
    stream = io.BytesIO(file)
    warning = pytest.warns(UserWarning, match="Duplicate name")
    with zipfile.ZipFile(stream, "a") as archive, warning:
        archive.writestr("radar.npy", archive.read("radar.npy"))
    return stream.getvalue()


# What is done to the bytes of the training file, and what is said of it.
BAD_ARCHIVES: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "no .npz file": (lambda _: b"radar,y", "expected an .npz file as numpy.savez writes it"),
    "an empty file": (lambda _: b"", "expected an .npz file as numpy.savez writes it"),
    "a file cut short": (
        lambda file: file[: len(file) // 2],
        "expected an .npz file as numpy.savez writes it",
    ),
    "an array twice": (twice, "expected one array 'radar', got 2; save it once"),
}


@pytest.mark.parametrize(("damage", "said"), BAD_ARCHIVES.values(), ids=BAD_ARCHIVES)
@pytest.mark.parametrize("role", ["train", "val"])
def test_a_bad_archive(
    cli: Cli,
    made: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    role: str,
    damage: Callable[[bytes], bytes],
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("bad.npz").write_bytes(damage((made / "train.npz").read_bytes()))
    files = {"train": made / "train.npz", "val": made / "val.npz"} | {role: Path("bad.npz")}
    result = cli(*FIT, "--data.train", files["train"], "--data.val", files["val"])
    refused(result, said)
    assert "bad.npz" in result.err
    assert not Path("out").exists()


# What is done to a test file, and what `dmrnet evaluate RUN --test` says of it.
BAD_TESTS: dict[str, tuple[Make, str]] = {
    "a modality that training never had": (
        lambda arrays: {**arrays, "lidar": arrays["radar"]},
        "training had no modality 'lidar'",
    ),
    "a label that training never had": (
        put("y", lambda y: y + 9),
        "row 0 has the label '9', which training never had; known: 0, 1, 2",
    ),
    "another size than in training": (
        put("radar", lambda a: a[:, :4]),
        "modality radar: expected samples of shape (5,) as in training (vector), got (4,)",
    ),
    "no labels to test with": (without("y"), "expected the labels as an array named 'y'"),
    "present with too few columns": (
        lambda arrays: {**arrays, "present": np.ones((30, 2), bool)},
        "expected present of shape (30, 3), a column for each of radar, camera, sound",
    ),
    "present against a row of NaN": (
        lambda arrays: {**arrays, "present": np.ones((30, 3), bool)},
        "present says it is there, but it is all NaN; correct one of them",
    ),
}


@pytest.mark.parametrize(("make", "said"), BAD_TESTS.values(), ids=BAD_TESTS)
def test_a_bad_test_file(
    cli: Cli, made: Path, finished: Path, tmp_path: Path, make: Make, said: str
) -> None:
    run = Path(shutil.copytree(finished, tmp_path / "run"))
    before = (run / "results.jsonl").read_bytes()
    with np.load(made / "test.npz") as arrays:
        np.savez(tmp_path / "bad.npz", **make(dict(arrays)))
    refused(cli("evaluate", run, "--test", tmp_path / "bad.npz"), said)
    assert (run / "results.jsonl").read_bytes() == before


def test_what_a_test_file_lacks_is_absent(
    cli: Cli, made: Path, finished: Path, tmp_path: Path
) -> None:
    run = Path(shutil.copytree(finished, tmp_path / "run"))
    with np.load(made / "test.npz") as arrays:
        np.savez(tmp_path / "less.npz", **without("sound")(dict(arrays)))
    assert cli("evaluate", run, "--test", tmp_path / "less.npz").code == 0


def test_fewer_rows_than_a_batch_is_no_mistake(cli: Cli, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "few.npz", a=rng.normal(size=(8, 3)), y=np.arange(8) % 2)
    flags = ["--data.train", tmp_path / "few.npz", "--batch-size", "64"]
    assert cli(*FIT[:-1], tmp_path / "out", *flags).code == 0


# The same rows once more, each in a process of its own, as a shell starts it.


@pytest.mark.slow
@pytest.mark.parametrize(("make", "said"), BAD_FILES.values(), ids=BAD_FILES)
def test_a_bad_file_in_a_process(made: Path, tmp_path: Path, make: Make, said: str) -> None:
    with np.load(made / "train.npz") as arrays:
        np.savez(tmp_path / "bad.npz", **make(dict(arrays)))
    refused(in_a_process(tmp_path, *FIT, "--data.train", "bad.npz"), said)
