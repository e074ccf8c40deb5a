"""The job template: bash reads it, and dmrnet has its flags."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from dmrnet.cli.arguments import take
from dmrnet.engine.config import parse_run

JOB = Path(__file__).parents[1] / "examples" / "slurm.sh"


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_bash_reads_the_job() -> None:
    done = subprocess.run(["bash", "-n", str(JOB)], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_its_command_is_one_of_dmrnet() -> None:
    text = JOB.read_text(encoding="utf-8").replace("\\\n", " ")
    (line,) = (line for line in text.splitlines() if line.startswith("srun "))
    words = shlex.split(line)
    fit = words.index("fit")
    assert words[fit - 1] == "dmrnet"
    out, flags = take(words[fit + 1 :], "--out")
    assert out == "$OUT"
    training = parse_run(flags).training
    assert training.sync_batch_norm
    # They follow from SLURM.
    assert training.devices is training.nodes is None


def test_it_has_one_task_for_each_gpu() -> None:
    asked = dict(re.findall(r"^#SBATCH --([a-z-]+)=(\S+)", JOB.read_text(encoding="utf-8"), re.M))
    assert asked["ntasks-per-node"] == asked["gpus-per-node"]
