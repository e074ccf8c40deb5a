"""A finished run goes on for more epochs where its schedule does, as one training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.engine.runs import result_of

import dmrnet
from dmrnet.engine.training.optim import learning_rate
from dmrnet.engine.training.trainee import Progress
from dmrnet.settings.training import Training

Y = np.arange(48) % 2
RNG = np.random.default_rng(0)
DATA = dmrnet.MultimodalDataset(
    {"a": RNG.normal(size=(48, 3)) + Y[:, None], "b": RNG.normal(size=(48, 2))}, Y
)
SHORT: dict[str, Any] = {"method": "dmrnet", "schedule": "constant", "threads": 1}
SHORT |= {"select_times": 2, "batch_size": 16}


def fit(out: Path, **changes: Any) -> dmrnet.Run:
    return dmrnet.fit(DATA, test=DATA, out=out, **{**SHORT, **changes})


@pytest.fixture(scope="module")
def five(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that went on after three epochs."""
    out = tmp_path_factory.mktemp("longer") / "run"
    fit(out, max_epochs=3).evaluate()
    seen: list[int] = []
    run = fit(out, max_epochs=5, report=lambda progress: seen.append(progress.epoch))
    assert seen == [4, 5]
    # The scores were those of other weights.
    assert {row["split"] for row in run._finished.folder.rows()} == {"val"}
    return out


def test_it_is_one_training(five: Path, tmp_path: Path) -> None:
    fit(tmp_path / "whole", max_epochs=5, continued_after=[3])
    assert result_of(five) == result_of(tmp_path / "whole")


def test_it_goes_on_again_and_is_then_finished(five: Path) -> None:
    run = dmrnet.open_run(five)
    run = dmrnet.Run(run._finished, (DATA,)).continue_training(6)
    assert [epoch["epoch"] for epoch in run.history] == list(range(6))
    assert run._finished.settings.training.continued_after == [3, 5]
    before = result_of(five)
    fit(five, max_epochs=6)
    assert result_of(five) == before
    with pytest.raises(ValueError, match=r"max_epochs \(there 6, now 4\)"):
        fit(five, max_epochs=4)


def test_a_run_that_cannot_go_on_says_why(tmp_path: Path) -> None:
    fit(tmp_path / "cosine", max_epochs=1, schedule="cosine")
    with pytest.raises(ValueError, match=r"schedule cosine is as long .* audio-visual.* --out"):
        fit(tmp_path / "cosine", max_epochs=2, schedule="cosine")
    assert not list((tmp_path / "cosine" / "checkpoints").glob("*.ckpt"))
    run = fit(tmp_path / "run", max_epochs=1)
    (kept,) = (tmp_path / "run" / "checkpoints").glob("*.ckpt")
    with pytest.raises(ValueError, match=r"max_epochs \(there 1, now 2\); batch_size"):
        fit(tmp_path / "run", max_epochs=2, batch_size=8)
    kept.unlink()
    with pytest.raises(ValueError, match="state of its optimizer was not kept"):
        run.continue_training(2)
    assert dmrnet.open_run(tmp_path / "run").best_epoch == 0


def test_a_run_that_was_stopped_keeps_its_batches(tmp_path: Path) -> None:
    def stop(progress: Progress) -> None:
        if progress.epoch == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(tmp_path / "run", max_epochs=4, report=stop)
    for change in ({"batch_size": 8}, {"max_epochs": 6}):
        with pytest.raises(ValueError, match=r"go on with its own settings \(.*config.yaml\), ch"):
            fit(tmp_path / "run", **{"max_epochs": 4, **change})


def test_the_rise_stays_that_of_the_first_part() -> None:
    short = learning_rate(Training(max_epochs=4, schedule="constant"), 5)
    longer = Training(max_epochs=9, schedule="constant", continued_after=[4])
    long = learning_rate(longer, 5)
    assert [long(step) for step in range(20)] == [short(step) for step in range(20)]
    with pytest.raises(ValueError, match="more than 4 epochs"):
        Training(max_epochs=4, schedule="constant", continued_after=[4]).sized(100)
    with pytest.raises(ValueError, match="cosine does not go on"):
        Training(continued_after=[4])
