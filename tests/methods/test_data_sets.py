"""Every method is fitted on a data set that the tables are over, some on all of them, small.

`digits` and `watch` are made in the layout of the published files; `test_fit` has the user's own
arrays, of which rows lack modalities.
"""

from __future__ import annotations

import atexit
import math
import shutil
import tempfile
from functools import cache
from pathlib import Path

import pytest
from tests.data.made import cwfid, digits, watch

from dmrnet.data.published.preparation import prepare
from dmrnet.engine.fit import fit_run
from dmrnet.engine.run.folder import RunFolder
from dmrnet.methods import METHODS
from dmrnet.settings.config import parse_run

CLASSIFYING = [name for name in METHODS if name != "esanet-md"]
EARLY = {
    "mmanet": ("--method.start", "0", "--method.rank_from", "0"),
    "dmrnet": ("--method.hard_start", "0"),
    "ogm-md": ("--method.modulation", "ogm-ge"),
    "lcr": ("--method.correlation", "0.1"),
}
"""So that in one epoch everything acts that a method has."""


@cache
def made(name: str) -> tuple[str, ...]:
    """Return the flags of a small data set, made once."""
    if name == "mfeat":
        few = ("--data.train", "0.06", "--data.val", "0.03")
        return (*few, "--data.modalities", "fou,pix,mor")
    folder = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, folder, True)
    make = {"digits": digits.make, "watch": watch.make, "cwfid": cwfid.make}[name]
    with digits.fewer():
        prepare(name, [make(folder / "source")], folder / "root", allow_pickle=name == "watch")
    small = {
        "digits": [
            *(f"--data.{part}-triples=20" for part in ("train", "val", "test")),
            "--data.val-share=0.2",
        ],
        "cwfid": ["--data.tile", "32", "--data.tiles", "8"],
        "watch": ["--data.step", "128", "--data.test-subjects", "7", "--data.val-subjects", "1"],
    }[name]
    return ("--data.root", str(folder / "root"), *small)


EVERYWHERE = ("sf-md", "mmformer", "mmanet", "dmrnet")
"""Methods that are fitted on each of the data sets; the others on one of them."""

ONCE = {("sf-md", "digits"), ("mmanet", "mfeat"), ("dmrnet", "watch")}
"""What is fitted each time; `test_fit` fits every method."""

ON_PIXELS = ("dmrnet", "experts", "esanet-md")
"""Methods that are fitted to pixels each time; contracts hold all others to what differs."""


def seldom(*case: str, often: bool) -> object:
    """Mark a case slow, unless it runs often."""
    return pytest.param(*case, marks=() if often else pytest.mark.slow)


COMBINATIONS = {"mfeat": 7, "digits": 7, "watch": 3}
PIXELS = [name for name in METHODS if name not in ("pe", "pcme", "ogm-md", "lcr", "esanet-md")]
ON_ESANET = ("--method.network.family", "esanet", "--method.network.stem", "8")
SMALL = ("--method.network.layout", "r18")


@pytest.mark.parametrize(
    ("name", "data"),
    [
        seldom(name, data, often=(name, data) in ONCE)
        for k, name in enumerate(CLASSIFYING)
        for j, data in enumerate(COMBINATIONS)
        if k % 3 == j or name in EVERYWHERE
    ],
)
def test_it_is_fitted(name: str, data: str, tmp_path: Path) -> None:
    settings = parse_run(
        [
            *("--data", data, *made(data), "--method", name, *EARLY.get(name, ())),
            *("--method.network.width", "8", "--max-epochs", "1", "--select-times", "1"),
            *("--batch-size", "16", "--threads", "1", "--accelerator", "cpu"),
        ]
    )
    assert fit_run(settings, tmp_path / "run")
    rows = RunFolder(tmp_path / "run").rows()
    scores = {r["combination"]: r["value"] for r in rows if r["metric"] == "accuracy"}
    assert len(scores) == COMBINATIONS[data]
    assert all(0 <= value <= 1 for value in scores.values())
    book = {r["metric"]: r["value"] for r in rows if not r["combination"]}
    costs = ("parameters", "inference_parameters", "inference_flops", "train_seconds")
    assert all(book[cost] > 0 and math.isfinite(book[cost]) for cost in costs)


@pytest.mark.parametrize(
    "name",
    [
        seldom(name, often=name in ON_PIXELS)
        for name in (*PIXELS, "esanet-md", "rfnet on esanet", "mmformer on esanet")
    ],
)
def test_pixels_are_fitted_and_whole_images_scored(name: str, tmp_path: Path) -> None:
    """On tiles of 32 x 32, of images that are larger and whose sides 16 does not divide."""
    method, _, other = name.partition(" on ")
    early = EARLY.get(method, ())
    width = ("--method.network.width", "16")
    network = (*ON_ESANET, *SMALL) if other or name == "esanet-md" else width
    settings = parse_run(
        [
            *("--data", "cwfid", *made("cwfid"), "--method", method, *network, *early),
            *("--max-epochs", "1", "--select-times", "1", "--batch-size", "8"),
            *("--threads", "1", "--accelerator", "cpu"),
        ]
    )
    assert fit_run(settings, tmp_path / "run")
    rows = RunFolder(tmp_path / "run").rows()
    scores = {r["combination"]: r["value"] for r in rows if r["metric"] == "miou"}
    assert set(scores) == {"red", "nir", "red+nir"}
    assert all(0 <= value <= 1 for value in scores.values())
