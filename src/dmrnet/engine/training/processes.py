"""How many processes train a run together, who started them, and that they end together.

Imports no torch: the command line asks here which process speaks.
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

    of_all = True
    """Every process has it, and the first one tells."""


@dataclass(frozen=True)
class Launch:
    """What a launcher started.

    Attributes:
        by: Who it is.
        devices: Processes on this machine, one a device.
        nodes: Machines.
    """

    by: str
    devices: int
    nodes: int


def launch() -> Launch | None:
    """Return what torchrun or SLURM started this process with; None where neither did.

    Raises:
        ValueError: If the machines have different numbers of processes, or SLURM was to start
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
            f"{by} started {world} processes on {nodes} machines; expected as many on each"
        )
    return Launch(by, world // nodes, nodes)


def settled(training: Training) -> Training:
    """Return the settings with devices and nodes filled in, as the launcher has them.

    Raises:
        ValueError: If the settings say otherwise, more processes are asked for than there are
            cores, or several machines were asked for and nobody started a process on each.
    """
    found = launch()
    if found is None:
        if (training.nodes or 1) > 1:
            raise ValueError(
                f"--nodes {training.nodes} needs torchrun or srun, which start processes on every "
                "machine; without them a run has one machine"
            )
        cores = os.cpu_count() or 1
        if (training.devices or 1) > cores:
            raise ValueError(
                f"--devices {training.devices} asks for a process each, but this machine has "
                f"{cores} cores; ask for as many or fewer"
            )
        return replace(training, devices=training.devices or 1, nodes=1)
    for name, of in (("devices", "processes a machine"), ("nodes", "machines")):
        asked, there = getattr(training, name), getattr(found, name)
        if asked not in (None, there):
            raise ValueError(
                f"--{name} {asked}, but {found.by} started this with {there} {of}; leave --{name} "
                f"out, or start it with {asked}"
            )
    return replace(training, devices=found.devices, nodes=found.nodes)


def rank() -> int:
    """Return the number of this process among those of the run; 0 is the one that writes."""
    if _by_torchrun():
        return int(os.environ["RANK"])
    if _by_slurm():
        return int(os.environ.get("SLURM_PROCID", 0))
    # Lightning's own children are on one machine.
    return int(os.environ.get("LOCAL_RANK", 0))


def speaks(error: BaseException) -> bool:
    """Return whether this process is the one that tells of an error.

    The first process always does. Before the processes have met, all of a machine fail alike, so
    one of each machine does. Afterwards one that fails alone does, and those that end because of
    it do not.
    """
    if rank() == 0:
        return True
    torch = sys.modules.get("torch")
    if torch is None or not torch.distributed.is_initialized():
        return int(os.environ.get("LOCAL_RANK", os.environ.get("SLURM_LOCALID", 0))) == 0
    return not getattr(error, "of_all", False)


@contextmanager
def together(trainer: pl.Trainer) -> Iterator[None]:
    """End the processes that this one started where it fails, and say where it lost one.

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


def leave(code: int) -> NoReturn:
    """End this process with an exit code, as `sys.exit` does.

    One that shared gradients by gloo does not take the interpreter down first. Gloo's threads may
    still be letting go of their last tensors, for which they need it, and where it is gone they
    abort a process that has done all its work.
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
