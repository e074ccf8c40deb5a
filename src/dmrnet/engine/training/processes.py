"""The processes that train a run together: who started them, which one reports, how they end.

Imports no torch: the command line asks here which process it is.
"""

from __future__ import annotations

import atexit
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NoReturn

from dmrnet.settings.training import Training

if TYPE_CHECKING:
    import lightning.pytorch as pl

PATIENCE = 10.0
"""Seconds that processes started here have to end by themselves when this one fails."""


class LostProcessError(RuntimeError):
    """Another process of the run ended before its time."""

    on_all_ranks = True
    """Raised on all ranks; rank 0 reports it."""


@dataclass(frozen=True)
class Launch:
    """Processes that a launcher started.

    Attributes:
        by: Name of the launcher.
        devices: Processes on each machine, one for each device.
        nodes: Machines.
    """

    by: str
    devices: int
    nodes: int


def launch() -> Launch | None:
    """Return what torchrun or SLURM started this process with; None if neither did.

    Raises:
        ValueError: If the machines have different numbers of processes, or SLURM was asked for
            several and ``srun`` was forgotten.
    """
    if _by_torchrun():
        by, world = "torchrun", int(os.environ["WORLD_SIZE"])
        nodes = max(1, world // int(os.environ["LOCAL_WORLD_SIZE"]))
    elif _by_slurm():
        by, world = "SLURM", int(os.environ["SLURM_NTASKS"])
        nodes = int(os.environ.get("SLURM_NNODES", 1))
        if world > 1 and "SLURM_STEP_ID" not in os.environ:
            raise ValueError(
                f"SLURM was asked for {world} tasks, but this one would wait for the others for "
                "ever; write srun before the command"
            )
    else:
        return None
    if world % nodes:
        raise ValueError(
            f"expected as many processes on each machine, got {world} on {nodes} from {by}; ask "
            "for a multiple"
        )
    return Launch(by, world // nodes, nodes)


def with_launch(training: Training) -> Training:
    """Return training settings with devices and nodes filled in, as the launcher has them.

    Raises:
        ValueError: If the settings contradict the launcher, more processes are asked for than
            there are cores, or several machines without a launcher.
    """
    launcher = launch()
    if launcher is None:
        if (training.nodes or 1) > 1:
            raise ValueError(
                f"nodes {training.nodes} (--nodes) needs torchrun or srun, which start processes "
                "on every machine; without them a run has one machine"
            )
        cores = os.cpu_count() or 1
        if (training.devices or 1) > cores:
            raise ValueError(
                f"devices {training.devices} (--devices) asks for a process each, but this machine "
                f"has {cores} cores; ask for as many or fewer"
            )
        return replace(training, devices=training.devices or 1, nodes=1)
    for name, unit in (("devices", "processes per machine"), ("nodes", "machines")):
        requested, started = getattr(training, name), getattr(launcher, name)
        if requested not in (None, started):
            raise ValueError(
                f"{name} {requested} (--{name}), but {launcher.by} started this with {started} "
                f"{unit}; leave it out, or start it with {requested}"
            )
    return replace(training, devices=launcher.devices, nodes=launcher.nodes)


def rank() -> int:
    """Return the number of this process among those of the run; number 0 writes."""
    if _by_torchrun():
        return int(os.environ["RANK"])
    if _by_slurm():
        return int(os.environ.get("SLURM_PROCID", 0))
    # Processes that Lightning started are on one machine.
    return int(os.environ.get("LOCAL_RANK", 0))


def reports(error: BaseException) -> bool:
    """Return whether this process is to report an error.

    The first process always does. Before the processes have met, all of a machine fail alike, so
    one of each machine does. Afterwards a process that fails by itself does, and those that end
    because of it do not.
    """
    if rank() == 0:
        return True
    torch = sys.modules.get("torch")
    if torch is None or not torch.distributed.is_initialized():
        return int(os.environ.get("LOCAL_RANK", os.environ.get("SLURM_LOCALID", 0))) == 0
    return not getattr(error, "on_all_ranks", False)


@contextmanager
def ending_together(trainer: pl.Trainer) -> Iterator[None]:
    """If this process fails, end those that it started, and say whether it lost another one.

    Raises:
        LostProcessError: If the failure is that another process is gone.
    """
    try:
        yield
    except BaseException as error:
        for child in getattr(trainer.strategy.launcher, "procs", ()):
            with suppress(subprocess.TimeoutExpired):
                child.wait(PATIENCE)
            child.kill()
        if trainer.world_size > 1 and _is_loss(error):
            raise LostProcessError(
                "another process of this run failed or was killed; the same command goes on after "
                "the last checkpoint"
            ) from error
        raise


def exit_process(code: int) -> NoReturn:
    """End this process with an exit code, as `sys.exit` does.

    A process that shared gradients by gloo ends without shutting the interpreter down. Gloo's
    threads may still release their last tensors, which needs the interpreter, and would abort a
    process that has done all its work.
    """
    torch = sys.modules.get("torch")
    distributed = getattr(torch, "distributed", None)
    if distributed is None or not distributed.is_available() or not distributed.is_initialized():
        sys.exit(code)
    if distributed.get_backend() != "gloo":
        sys.exit(code)
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        # Whoever read it may be gone.
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


def _is_loss(error: BaseException) -> bool:
    """Return whether a collective operation failed, by gloo or NCCL."""
    import torch

    if isinstance(error, torch.distributed.DistError):
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and ("gloo" in text or "closed by peer" in text)


def _by_torchrun() -> bool:
    return "TORCHELASTIC_RUN_ID" in os.environ


def _by_slurm() -> bool:
    # As Lightning sees it: a shell in an allocation is no job step.
    interactive = os.environ.get("SLURM_JOB_NAME") in ("bash", "interactive")
    return "SLURM_NTASKS" in os.environ and not interactive
