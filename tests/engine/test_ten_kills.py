"""Ten real kills of one run at random moments."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.engine.runs import metrics_of, result_of, rows_of, settings_in

from dmrnet.engine.fit import fit_run
from dmrnet.engine.run.folder import RunFolder

EPOCHS, KILLS = 200, 10

SCRIPT = """
import sys
from pathlib import Path
from tests.engine.runs import settings_in
from dmrnet.engine.training.checkpoints import Checkpoints
from dmrnet.engine.fit import fit_run
Checkpoints.every = 0.05
fit_run(settings_in(Path(sys.argv[1]), epochs=int(sys.argv[2])), Path(sys.argv[1]) / "run")
"""


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1])
def test_ten_kills_at_random_moments_change_nothing(tmp_path: Path, seed: int) -> None:
    draw = random.Random(seed)
    fit_run(settings_in(tmp_path, epochs=EPOCHS), tmp_path / "whole")
    root = Path(__file__).parents[2]
    folder = RunFolder(tmp_path / "run")
    # Some kills fall into the start, some into an epoch, some between records and checkpoint.
    reached = sorted(draw.randrange(EPOCHS - 20) for _ in range(KILLS))
    kills = 0
    for epoch in reached:
        process = subprocess.Popen(
            [sys.executable, "-c", SCRIPT, str(tmp_path), str(EPOCHS)],
            env={**os.environ, "PYTHONPATH": f"{root / 'src'}{os.pathsep}{root}"},
            stderr=subprocess.PIPE,
        )
        until = time.monotonic() + 120
        while len(folder.losses()) < epoch:
            assert process.poll() is None, process.stderr.read().decode()
            assert time.monotonic() < until
            time.sleep(0.002)
        time.sleep(draw.random() * 0.05)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        kills += process.returncode == -signal.SIGKILL
        assert not (folder.facts.is_file() and folder.read_facts().get("finished"))
    assert kills == KILLS
    fit_run(settings_in(tmp_path, epochs=EPOCHS), tmp_path / "run")
    assert result_of(tmp_path / "run") == result_of(tmp_path / "whole")
    epochs = [epoch for epoch, name, _ in metrics_of(folder.metrics) if name == "loss"]
    assert epochs == list(range(EPOCHS))
    pairs = [(row["epoch"], row["combination"]) for row in rows_of(folder.variance)]
    assert len(set(pairs)) == len(pairs)
