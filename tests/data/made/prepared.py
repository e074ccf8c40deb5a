"""Made data in the published layout, prepared once a process: what studies and configs train on."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path

import pytest
from tests.data.made import brats, casia_surf, crema_d, kinetics_sounds, nyuv2

from dmrnet.data.published.preparation import prepare

MADE: dict[str, Callable[[Path], Path]] = {
    "brats": brats.make,
    "casia-surf": casia_surf.make,
    "crema-d": partial(crema_d.make, how="flv"),
    "kinetics-sounds": kinetics_sounds.frames,
    "nyuv2": nyuv2.make,
}
"""The layout that is made fastest; the tests of each data set have its others."""

MORE = {
    "brats": ["--data.val-share", "0.3", "--data.patch", "16"],
    "crema-d": ["--data.val-share", "0.3"],
    "kinetics-sounds": ["--data.val-share", "0.5"],
    # Published weights are not there to be had in tests, nor of a stem so narrow.
    "nyuv2": ["--data.val-share", "0.3", "--method.network.pretrained", "false"],
}
"""So little is made that a tenth of it would lack classes."""


@cache
def prepared(name: str) -> str:
    """Return the folder of the prepared data; it goes when the process ends."""
    if name == "crema-d":
        pytest.importorskip("av", reason="video files need the extra audio-video")
    folder = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, folder, True)
    prepare(name, [MADE[name](folder / "source")], folder / "root")
    return str(folder / "root")
