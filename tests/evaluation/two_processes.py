"""Running a script twice at once, as two processes of one group."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import torch

SECONDS = 180
"""Time limit of two processes; importing PyTorch takes most of it on a busy machine."""

START = """
import sys, torch
from dmrnet.engine.training.processes import exit_process
rank = int(sys.argv[1])
torch.distributed.init_process_group(
    "gloo", init_method="file://" + sys.argv[2], rank=rank, world_size=2
)
"""
END = """
torch.save(found, sys.argv[2] + str(rank))
exit_process(0)
"""


def two_processes(script: str, meet: Path) -> list[Any]:
    """Return what a script calls ``found`` on each process; it knows its ``rank``.

    Args:
        script: Between joining the group and leaving it.
        meet: Path of a new file through which the processes connect.

    Raises:
        AssertionError: If one of them fails, with what it wrote, or they take too long.
    """
    env = {**os.environ, "GLOO_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": "1"}
    errors = [Path(f"{meet}{rank}.stderr") for rank in range(2)]
    processes = []
    try:
        for rank, error in enumerate(errors):
            command = [sys.executable, "-c", START + script + END, str(rank), str(meet)]
            with error.open("wb") as stream:
                processes.append(subprocess.Popen(command, env=env, stderr=stream))
        end = time.monotonic() + SECONDS
        while (codes := [process.poll() for process in processes]) != [0, 0]:
            # If one has died, the other waits for it forever.
            dead = [rank for rank, code in enumerate(codes) if code]
            told = "\n".join(error.read_text() for error in errors)
            assert not dead, f"process {dead[0]} left with {codes[dead[0]]}:\n{told}"
            assert time.monotonic() < end, f"not done within {SECONDS} s:\n{told}"
            time.sleep(0.05)
    finally:
        for process in processes:
            process.kill()
            process.wait()
    return [torch.load(f"{meet}{rank}") for rank in range(2)]
