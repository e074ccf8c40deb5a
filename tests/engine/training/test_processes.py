"""One run on two processes: trained to the end, agreed upon, written once."""

from __future__ import annotations

import json
import os
import runpy
import sys
from pathlib import Path

import pytest
from tests.engine.runs import COMBINATIONS, TRAIN, metrics_of, rows_of, settings_in
from tests.forked import start

from dmrnet.engine.run.folder import RunFolder

SCRIPT = """
import json, os, sys
from pathlib import Path
from lightning.pytorch.utilities import rank_zero_only
from tests.engine.runs import settings_in
from dmrnet.engine.run import folder
from dmrnet.engine.training.checkpoints import Checkpoints
from dmrnet.engine.fit import fit_run
from dmrnet.engine.training.processes import exit_process
from dmrnet.engine.training.trainee import Trainee
from dmrnet.engine.training.validation import Validation

data, run, folder_of_events = map(Path, sys.argv[1:])
events = []
for kind in (os, Path):
    replace = kind.replace
    def seen(*args, replace=replace):
        events.append(["write", str(args[-1])])
        return replace(*args)
    kind.replace = seen
add_metrics = folder.RunFolder.add_metrics
folder.RunFolder.add_metrics = lambda self, *a: (events.append(["metrics"]), add_metrics(self, *a))
select = Validation.select
def selected(self, *args):
    score = select(self, *args)
    events.append(["best", score, self.best, self.best_epoch])
    return score
Validation.select = selected
end = Trainee.on_train_epoch_end
def ended(self):
    end(self)
    events.append(["hard", self.method.hard_set().tolist()])
Trainee.on_train_epoch_end = ended

Checkpoints.every = 0.0
settings = settings_in(data, "--devices", "2", "--threads", "1")
def note(kind):
    return lambda *_: events.append([kind])
done = fit_run(settings, run, note("report"), note("start"))
events.append(["done", done, folder.RunFolder(run).read_facts()["finished"]])
(folder_of_events / f"{rank_zero_only.rank}.json").write_text(json.dumps(events))
exit_process(0)
"""


def run_script(*argv: str) -> None:
    """Run a script as Python would; the process that it starts is one of Python's."""
    sys.argv[:] = argv
    runpy.run_path(argv[0], run_name="__main__")


# Each time, test_pair.py trains with what torchrun sets, without a second start of Python.
@pytest.mark.slow
@pytest.mark.ddp
def test_two_processes(tmp_path: Path) -> None:
    settings_in(tmp_path)  # writes the data
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    root = Path(__file__).parents[3]
    path = os.pathsep.join([str(root / "src"), str(root)])
    process = start(
        "tests.engine.training.test_processes:run_script",
        *(str(script), str(tmp_path), str(tmp_path / "run"), str(tmp_path)),
        streams=tmp_path / "streams",
        environment={"PYTHONPATH": path, "GLOO_SOCKET_IFNAME": "lo"},
    )
    process.join(timeout=240)
    process.kill()
    assert process.exitcode == 0, (tmp_path / "streams.err").read_text()
    first, second = (json.loads((tmp_path / f"{rank}.json").read_text()) for rank in range(2))

    def of(events: list[list[object]], kind: str) -> list[list[object]]:
        return [event[1:] for event in events if event[0] == kind]

    assert of(first, "done") == of(second, "done") == [[True, True]]
    # One writes, one is silent.
    assert {event[0] for event in second} == {"best", "hard", "done"}
    assert len(of(first, "metrics")) == len(of(first, "report")) == 5
    assert len(of(first, "start")) == 1
    assert any(str(path).endswith("best.safetensors") for (path,) in of(first, "write"))
    # They agree on what is best and what is hard.
    assert of(first, "best") == of(second, "best")
    assert len(of(first, "best")) == 3
    assert of(first, "hard") == of(second, "hard")
    assert any(of(first, "hard")[-1][0])

    folder = RunFolder(tmp_path / "run")
    metrics = metrics_of(folder.metrics)
    assert [epoch for epoch, name, _ in metrics if name == "loss"] == list(range(5))
    losses = [value for _, name, value in metrics if name == "loss"]
    assert losses[-1] < losses[0]
    for epoch in range(5):
        rows = [row for row in rows_of(folder.variance) if row["epoch"] == epoch]
        assert sum(row["n"] for row in rows) == TRAIN
    once = {row["metric"]: row["value"] for row in folder.rows() if not row["combination"]}
    assert once["train_samples"] == 5 * TRAIN
    scored = [row["combination"] for row in folder.rows() if row["metric"] == "accuracy"]
    assert scored == COMBINATIONS
    assert folder.read_facts()["finished"] is True
