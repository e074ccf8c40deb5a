"""`dmrnet fit --method NAME` for every name, on arrays of which some rows lack a modality."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from dmrnet.cli import main
from dmrnet.methods import METHODS, method
from dmrnet.settings.config import dump, parse_run

CLASSIFYING = [name for name in METHODS if name != "esanet-md"]
"""All but the one whose network is by default one for labels by pixel."""

OFTEN = ("sf-md", "dmrnet", "experts", "mmanet", "mutual", "separate", "shaspec", "unimodal")
"""Methods that are fitted each time; the contracts hold all of them to what differs."""

EARLY = {"mmanet": ["--method.start", "0"], "dmrnet": ["--method.hard_start", "0"]}
"""So that terms which start late act in two epochs; the others are trained for one."""


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


def terms(run: Path) -> set[str]:
    """Return what was recorded of the training of a run."""
    lines = (run / "metrics.csv").read_text().splitlines()
    return {line.split(",")[1] for line in lines}


@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=() if n in OFTEN else pytest.mark.slow) for n in CLASSIFYING],
)
def test_every_method_is_fitted_by_the_command(
    name: str, made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The training of a teacher is announced and reported; a mutual term is that of one method."""
    out = tmp_path / "run"
    epochs = 2 if name in EARLY else 1
    files = [f"--data.{role}={made / role}.npz" for role in ("train", "val")]
    quick = [f"--max-epochs={epochs}", "--batch-size", "20", "--method.network.width", "8"]
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
    assert ("mutual" in terms(out)) == (name == "mutual")
    output, teachers = capsys.readouterr().err, tmp_path / ".teachers" / "arrays-full-"
    taught = f"training full first, as the teacher, into {teachers}" in output
    assert taught == (name == "mmanet")
    for epoch in range(1, epochs + 1):
        assert output.count(f"epoch {epoch}/{epochs}") == 1 + taught


MASKED = [name for name in METHODS if hasattr(method(name)(), "mutual")]
"""All but those that drop nothing."""


@pytest.mark.parametrize("name", MASKED)
def test_the_mutual_term_is_switched_on_by_flags_and_by_a_file(name: str, tmp_path: Path) -> None:
    flags = ["--data", "mfeat", "--method", name]
    asked = ["--method.mutual", "0.5", "--method.temperature", "3", "--method.encodes", "present"]
    file = tmp_path / "run.yaml"
    file.write_text(
        f"data: {{name: mfeat}}\n"
        f"method: {{name: {name}, mutual: 0.5, temperature: 3, encodes: present}}\n"
    )
    by_flags, by_file = parse_run([*flags, *asked]), parse_run(["--config", str(file)])
    assert by_flags == by_file
    found = by_flags.method
    assert (found.mutual, found.temperature, found.encodes) == (0.5, 3.0, "present")
    file.write_text(dump(by_flags))
    assert parse_run(["--config", str(file)]) == by_flags
    # Off by default, and off again over a file.
    assert parse_run(flags).method.mutual == (1.0 if name == "mutual" else None)
    off = parse_run(["--config", str(file), "--method.mutual", "null"])
    assert off.method.mutual is None


def test_the_mutual_term_of_another_method_is_learnt_and_recorded(
    made: Path, tmp_path: Path
) -> None:
    files = [f"--data.{role}={made / role}.npz" for role in ("train", "val")]
    quick = ["--max-epochs", "1", "--batch-size", "20", "--method.network.width", "8"]
    where = ["--threads", "1", "--accelerator", "cpu", "--out"]
    asked = ["--method.mutual", "1", "--method.encodes", "present"]
    start = ["fit", "--data", "arrays", "--method", "hemis", *files, *quick]
    assert main([*start, *asked, *where, str(tmp_path / "on")]) == 0
    # Unless it is asked for, no method but one has it, as each one's own test says.
    assert "mutual" in terms(tmp_path / "on")
