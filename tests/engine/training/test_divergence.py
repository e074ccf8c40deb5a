"""A rising loss is reported in training and on the page; with the defaults it does not rise."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest
from tests.engine.runs import metrics_of, settings_in

from dmrnet.engine.fit import fit_run
from dmrnet.engine.run.folder import RunFolder
from dmrnet.engine.training.divergence import DivergenceMonitor
from dmrnet.settings.config import parse_run
from dmrnet.settings.training import Training


def small_set(folder: Path, rows: int) -> list[str]:
    """Write three files of three weak vectors; return the flags that name them."""
    rng = np.random.default_rng(rows)
    means = rng.normal(size=(3, 3, 8))
    flags = []
    for part, n in (("train", rows), ("val", 40), ("test", 20)):
        y = np.arange(n) % 3
        arrays = {f"m{k}": means[k, y] + 1.5 * rng.normal(size=(n, 8)) for k in range(3)}
        np.savez(folder / f"{part}.npz", y=y, **arrays)
        flags.append(f"--data.{part}={folder / part}.npz")
    return flags


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "recipe", "rows"),
    [
        ("dmrnet", "best", 60),
        ("dmr", "best", 8),
        ("dmrnet", "paper", 60),
        ("dmr", "best", 60),
        ("dmr", "best", 100),
        ("dmrnet", "paper", 100),
    ],
)
def test_the_defaults_learn_from_few_rows(
    tmp_path: Path, method: str, recipe: str, rows: int, caplog: pytest.LogCaptureFixture
) -> None:
    flags = ["--data", "arrays", *small_set(tmp_path, rows), "--accelerator", "cpu"]
    settings = parse_run([*flags, "--method", method, "--recipe", recipe])
    with caplog.at_level(logging.WARNING, "dmrnet"):
        fit_run(settings, tmp_path / "run")
    losses = RunFolder(tmp_path / "run").losses()
    assert len(losses) == settings.training.sized(rows).max_epochs
    assert max(losses) < 4 * losses[0]
    assert losses[-1] < losses[0]
    assert not any("diverges" in record.getMessage() for record in caplog.records)


def test_a_rising_loss_is_reported_and_recorded(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    flags = ["--data", "arrays", *small_set(tmp_path, 60), "--accelerator", "cpu"]
    # Former defaults, with which the loss rose a thousandfold on this data.
    settings = parse_run(
        [
            *(*flags, "--method", "dmrnet", "--recipe", "paper", "--clip", "0"),
            *("--batch-size", "8", "--max-epochs", "12"),
        ]
    )
    with caplog.at_level(logging.WARNING, "dmrnet"):
        fit_run(settings, tmp_path / "run")
    warnings = [r.getMessage() for r in caplog.records if "training diverges" in r.getMessage()]
    assert len(warnings) == 1
    folder = RunFolder(tmp_path / "run")
    losses = folder.losses()
    (row,) = [row for row in folder.rows() if row["metric"] == "loss_rise"]
    assert row["value"] == pytest.approx(max(losses) / losses[0])
    assert row["value"] > 10


def test_the_losses_of_the_folder_are_those_of_the_epochs(tmp_path: Path) -> None:
    fit_run(settings_in(tmp_path), tmp_path / "run")
    folder = RunFolder(tmp_path / "run")
    wanted = [value for _, name, value in metrics_of(folder.metrics) if name == "loss"]
    assert folder.losses() == wanted
    assert len(wanted) == 5


def test_it_warns_once_and_from_the_first_epoch_on(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "dmrnet"):
        monitor = DivergenceMonitor([2.0, 1.0])
        monitor.add(2, 20.0)
        assert not caplog.records
        assert not monitor.diverged
        monitor.add(3, 21.0)
        monitor.add(4, 2100.0)
    assert monitor.diverged
    assert monitor.highest == 1050
    (record,) = caplog.records
    assert "from 2 in the first epoch to 21 in epoch 4" in record.getMessage()


@pytest.mark.parametrize("rows", [1, 20, 60, 100, 200, 256, 400, 1200, 20_000])
def test_small_data_are_seen_in_enough_steps_of_enough_rows(rows: int) -> None:
    sized = Training().sized(rows)
    assert sized.batch_size is not None
    assert sized.max_epochs is not None
    assert sized.batch_size >= min(rows, 32)
    assert -(-rows // sized.batch_size) * sized.max_epochs >= 300
