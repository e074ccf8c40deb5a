"""Processes forked from a server that has imported PyTorch and Lightning, which takes seconds.

For tests of what several processes do together. How a process starts and ends is not that of the
command line: tests of that start Python anew.
"""

from __future__ import annotations

import importlib
import multiprocessing
import os
import sys
import time
from collections.abc import Mapping, Sequence
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist

from dmrnet.engine.training.processes import exit_process

ROOT = Path(__file__).parents[1]
SECONDS = 180
"""Longest time for processes of a group on a busy machine."""

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["dmrnet.engine.fit"])


def start(
    function: str, *args: object, streams: Path, environment: Mapping[str, str] | None = None
) -> BaseProcess:
    """Start a function in a process and session of its own.

    Args:
        function: Module and name, as ``tests.engine.pair:train``. What it raises or returns is as
            of a script: an exit code of 1, or of 0.
        args: Its arguments.
        streams: Path without suffix of the files of what it prints, ``.out`` and ``.err``.
        environment: Variables that are set.
    """
    if str(ROOT) not in sys.path:
        sys.path.insert(0, str(ROOT))
    process = _context.Process(
        target=_run, args=(function, args, str(streams), dict(environment or {})), daemon=True
    )
    process.start()
    return process


def _run(function: str, args: Sequence[object], streams: str, more: Mapping[str, str]) -> None:
    os.setsid()
    os.environ.update(more)
    for number, suffix in ((1, ".out"), (2, ".err")):
        file = os.open(streams + suffix, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(file, number)
        os.close(file)
    torch.set_num_threads(1)
    module, name = function.split(":")
    getattr(importlib.import_module(module), name)(*args)


def group(function: str, *args: object, meet: Path) -> list[Any]:
    """Return what a function returns on each of two processes of a gloo group.

    Args:
        function: Module and name; called with the rank, the number of processes and ``args``.
        args: Further arguments.
        meet: Path that does not exist, where the processes meet.

    Raises:
        AssertionError: If one of them fails, with what it wrote, or they take too long.
    """
    streams = [Path(f"{meet}.{rank}") for rank in range(2)]
    processes = [
        start(
            "tests.forked:_member",
            *(function, rank, str(meet), *args),
            streams=streams[rank],
            environment={"GLOO_SOCKET_IFNAME": "lo"},
        )
        for rank in range(2)
    ]
    end = time.monotonic() + SECONDS
    try:
        while (codes := [process.exitcode for process in processes]) != [0, 0]:
            # Where one has died the other would wait for it in vain.
            dead = [rank for rank, code in enumerate(codes) if code]
            errors = "\n".join(Path(f"{stream}.err").read_text() for stream in streams if dead)
            assert not dead, f"process {dead[0]} left with {codes[dead[0]]}:\n{errors}"
            assert time.monotonic() < end, f"not done within {SECONDS} s"
            time.sleep(0.02)
    finally:
        for process in processes:
            process.kill()
            process.join()
    return [torch.load(f"{stream}.pt", weights_only=True) for stream in streams]


def _member(function: str, rank: int, meet: str, *args: object) -> None:
    dist.init_process_group("gloo", f"file://{meet}", rank=rank, world_size=2)
    module, name = function.split(":")
    returned = getattr(importlib.import_module(module), name)(rank, 2, *args)
    torch.save(returned, f"{meet}.{rank}.pt")
    dist.barrier()
    exit_process(0)
