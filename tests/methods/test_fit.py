"""`dmrnet fit --method NAME` for every name, on arrays of which some rows lack a modality."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from dmrnet.cli import main
from dmrnet.methods import METHODS

CLASSIFYING = [name for name in METHODS if name != "esanet-md"]
"""All but the one whose network is by default one for labels by pixel."""

EARLY = {"mmanet": ["--method.start", "0"], "dmrnet": ["--method.hard_start", "0"]}
"""So that terms which start late act in two epochs."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    rng = np.random.default_rng(0)
    for role, n in {"train": 40, "val": 16}.items():
        y = np.arange(n) % 2
        radar, camera = rng.normal(size=(n, 5)), rng.normal(size=(n, 1, 8, 8))
        radar[::5] = np.nan
        camera[1::5] = np.nan
        np.savez(folder / f"{role}.npz", radar=radar, camera=camera, y=y)
    return folder


@pytest.mark.parametrize("name", CLASSIFYING)
def test_every_method_is_fitted_by_the_command(name: str, made: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    files = [f"--data.{role}={made / role}.npz" for role in ("train", "val")]
    quick = ["--max-epochs", "2", "--batch-size", "20", "--method.network.width", "8"]
    where = ["--threads", "1", "--accelerator", "cpu", "--out", str(out)]
    assert (
        main(
            [
                "fit",
                "--data",
                "arrays",
                "--method",
                name,
                *files,
                *quick,
                *where,
                *EARLY.get(name, []),
            ]
        )
        == 0
    )
    rows = [json.loads(line) for line in (out / "results.jsonl").read_text().splitlines()]
    assert {row["combination"] for row in rows} >= {"radar", "camera", "radar+camera"}
    assert {row["method"] for row in rows} == {name}
    assert all(np.isfinite(row["value"]) for row in rows)


def test_a_teacher_is_said_and_both_trainings_are_shown(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = [f"--data.{role}={made / role}.npz" for role in ("train", "val")]
    quick = ["--max-epochs", "2", "--batch-size", "20", "--method.network.width", "8"]
    where = ["--threads", "1", "--accelerator", "cpu", "--out", str(tmp_path / "run")]
    assert main(["fit", "--data", "arrays", "--method", "mmanet", *files, *quick, *where]) == 0
    said = capsys.readouterr().err
    assert (
        f"training full first, as the teacher, into {tmp_path / '.teachers' / 'arrays-full-'}"
        in said
    )
    assert said.count("epoch 1/2") == said.count("epoch 2/2") == 2
