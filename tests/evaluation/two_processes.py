"""Running a script twice at once, as two processes of one group."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch

START = """
import sys, torch
from dmrnet.engine.processes import leave
rank = int(sys.argv[1])
torch.distributed.init_process_group(
    "gloo", init_method="file://" + sys.argv[2], rank=rank, world_size=2
)
"""
END = """
torch.save(found, sys.argv[2] + str(rank))
leave(0)
"""


def two_processes(script: str, meet: Path) -> list[Any]:
    """Return what a script calls ``found`` on each process; it knows its ``rank``.

    Args:
        script: Between joining the group and leaving it.
        meet: A file that is not there, where the processes find each other.
    """
    env = {**os.environ, "GLOO_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": "1"}
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", START + script + END, str(rank), str(meet)], env=env
        )
        for rank in range(2)
    ]
    try:
        assert [process.wait(timeout=90) for process in processes] == [0, 0]
    finally:
        for process in processes:
            process.kill()
    return [torch.load(f"{meet}{rank}") for rank in range(2)]
