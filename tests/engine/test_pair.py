"""Two processes against one: the same sums, sets and scores; killed, broken and interrupted."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from tests.engine.runs import metrics_of, result_of, rows_of, settings_in
from tests.forked import start

from dmrnet.engine.run.folder import RunFolder

pytestmark = pytest.mark.ddp

ROOT = Path(__file__).parents[2]
PAIR = str(Path(__file__).with_name("pair.py"))
TORCHRUN = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
ENDS_WITHIN = 60
"""Seconds, on a loaded machine, from the end of one process to that of all."""


def environment(**more: str) -> dict[str, str]:
    path = os.pathsep.join([str(ROOT / "src"), str(ROOT)])
    quiet = {"OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}
    return {**os.environ, "PYTHONPATH": path, **quiet, **more}


@contextmanager
def starting(*words: str, **more: str) -> Iterator[subprocess.Popen[str]]:
    """Start Python in a session of its own; whatever is left of it ends with the test."""
    process = subprocess.Popen(
        [sys.executable, *words],
        env=environment(**more),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def ran(*words: str, code: int | None = 0, **more: str) -> tuple[str, str]:
    with starting(*words, **more) as process:
        out, err = process.communicate(timeout=180)
        assert code is None or process.returncode == code, err
        return out, err


def free_port() -> str:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return str(listening.getsockname()[1])


def pair(run: Path, *flags: str, code: int = 0, **more: str) -> tuple[str, str]:
    """Train on two processes with what torchrun sets; return what they print together."""
    return forked(run, flags, group_of_two(**more), code)


def group_of_two(**more: str) -> list[dict[str, str]]:
    """Return the variables that torchrun sets for each of two processes, and others."""
    shared = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": free_port(), "WORLD_SIZE": "2", **more}
    shared |= {"TORCHELASTIC_RUN_ID": "test", "LOCAL_WORLD_SIZE": "2", "GROUP_RANK": "0"}
    return [{**shared, "RANK": r, "LOCAL_RANK": r} for r in "01"]


def single(run: Path, *flags: str) -> None:
    """Train on one process."""
    forked(run, flags, [{}], 0)


def forked(
    run: Path, flags: Sequence[str], environments: Sequence[dict[str, str]], code: int
) -> tuple[str, str]:
    with forking(run, flags, environments) as processes:
        for process in processes:
            process.join(timeout=180)
        streams = [run.with_name(f"{run.name}-{rank}") for rank in range(len(environments))]
        printed = [
            "".join(Path(f"{stream}.{kind}").read_text() for stream in streams)
            for kind in ("out", "err")
        ]
        assert {process.exitcode for process in processes} == {code}, printed[1]
    return printed[0], printed[1]


@contextmanager
def forking(
    run: Path, flags: Sequence[str], environments: Sequence[dict[str, str]]
) -> Iterator[list[BaseProcess]]:
    """Start a process in each environment; whatever is left of them ends with the test."""
    processes = [
        start(
            "tests.engine.pair:main",
            *(str(run), *flags),
            streams=run.with_name(f"{run.name}-{rank}"),
            environment={"GLOO_SOCKET_IFNAME": "lo", **more},
        )
        for rank, more in enumerate(environments)
    ]
    try:
        yield processes
    finally:
        for process in processes:
            process.kill()


def own_lines(err: str) -> list[str]:
    """Return our own lines, without those of torchrun."""
    return [line for line in err.splitlines() if line.startswith("dmrnet: ")]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pair")
    settings_in(folder)
    return folder


@pytest.fixture(scope="module")
def two(data: Path) -> Path:
    """An undisturbed run of two processes."""
    out, err = pair(data / "two", "--sync-batch-norm", "--logger", "csv")
    # One process writes.
    assert out.splitlines() == [f"epoch {i}" for i in range(1, 7)]
    assert own_lines(err) == []
    return data / "two"


def test_two_processes_train_as_one(data: Path, two: Path) -> None:
    """Batches of 13 and 12 rows, so that the processes differ by a row, with absent modalities."""
    single(data / "one", "--sync-batch-norm")
    one = RunFolder(data / "one")
    alone, shared = rows_of(one.variance), rows_of(RunFolder(two).variance)
    for key in ("epoch", "combination", "n", "hard"):
        assert [row[key] for row in alone] == [row[key] for row in shared], key
    assert any(row["hard"] for row in alone)
    for key in ("mean_variance", "mean_loss"):
        assert [row[key] for row in shared] == pytest.approx([r[key] for r in alone], rel=1e-4)
    expected, got = metrics_of(one.metrics), metrics_of(RunFolder(two).metrics)
    assert [entry[:2] for entry in got] == [entry[:2] for entry in expected]
    assert [e[2] for e in got] == pytest.approx([e[2] for e in expected], rel=1e-3, abs=1e-5)
    times = ("train_seconds", "train_cpu_seconds")
    rows = ([r for r in run.rows() if r["metric"] not in times] for run in (RunFolder(two), one))
    for mine, theirs in zip(*rows, strict=True):
        assert (mine["combination"], mine["n"]) == (theirs["combination"], theirs["n"])
        assert mine["value"] == pytest.approx(theirs["value"], rel=1e-3), mine["metric"]
    weights = load_file(one.weights)
    for name, value in load_file(RunFolder(two).weights).items():
        torch.testing.assert_close(value, weights[name], atol=1e-4, rtol=1e-3, msg=name)


def test_the_first_of_two_processes_alone_logs(two: Path) -> None:
    (log,) = two.glob("logs/**/metrics.csv")
    header, *epochs = log.read_text().splitlines()
    assert len(epochs) == 6
    assert "val_average" in header.split(",")


def test_a_teacher_and_a_ranking_on_validation_are_those_of_one_process(data: Path) -> None:
    """The teacher lies in the run of two processes; the first process sends the predictions."""
    ranked = ("--method.rank_on", "val", "--method.rank_from", "0", "--method.start", "1")
    # Similarities are between the samples of one process.
    flags = ("--method", "mmanet", *ranked, "--method.margin_weight", "0", "--sync-batch-norm")
    flags = (*flags, "--max-epochs", "2")
    pair(data / "taught-two", *flags)
    single(data / "taught-one", *flags)
    assert (data / "taught-two" / "teacher").is_dir()
    assert not (data / "taught-one" / "teacher").exists()
    one, two = (RunFolder(data / f"taught-{name}") for name in ("one", "two"))
    hard = [[row["hard"] for row in rows_of(run.variance)] for run in (one, two)]
    assert hard[0] == hard[1]
    assert any(hard[0])
    values = [[value for _, _, value in metrics_of(run.metrics)] for run in (one, two)]
    assert values[1] == pytest.approx(values[0], rel=1e-3, abs=1e-5)


def children_of(pid: int) -> list[int]:
    listed = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(word) for word in listed.read_text().split()]


def begun(alive: Callable[[], bool], run: Path, epoch: int) -> None:
    """Wait until an epoch is recorded."""
    metrics, until = RunFolder(run).metrics, time.monotonic() + 120
    while not metrics.is_file() or f"\n{epoch}," not in metrics.read_text():
        assert alive()
        assert time.monotonic() < until
        time.sleep(0.02)


def test_the_first_ends_if_the_second_is_killed_and_the_run_goes_on(data: Path, two: Path) -> None:
    run = data / "killed"
    with forking(run, ["--sync-batch-norm"], group_of_two(PAIR_SLOW="0.1")) as (first, second):
        begun(first.is_alive, run, 2)
        second.kill()
        first.join(ENDS_WITHIN)
        assert first.exitcode not in (0, None)
    out, err = pair(run, "--sync-batch-norm")
    assert "going on after epoch" in own_lines(err)[0]
    assert "epoch 1" not in out.splitlines()
    assert result_of(run) == result_of(two)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="finds the processes in /proc")
@pytest.mark.parametrize("by", ["torchrun", "devices"])
def test_one_of_two_is_killed_and_the_run_goes_on(data: Path, two: Path, by: str) -> None:
    run = data / f"killed-{by}"
    command = [PAIR, str(run), "--sync-batch-norm"]
    command = [*TORCHRUN, *command] if by == "torchrun" else [*command, "--devices", "2"]
    with starting(*command, PAIR_SLOW="0.1") as process:
        begun(lambda: process.poll() is None, run, 2)
        victim = children_of(process.pid)[-1]
        os.kill(victim, signal.SIGKILL)
        started = time.monotonic()
        _, err = process.communicate(timeout=ENDS_WITHIN)
        assert time.monotonic() - started < ENDS_WITHIN
        assert process.returncode != 0
    assert len(own_lines(err)) <= 1
    if own_lines(err):
        assert "another process of this run failed or was killed" in own_lines(err)[0]
    out, err = pair(run, "--sync-batch-norm") if by == "torchrun" else ran(*command)
    assert "going on after epoch" in own_lines(err)[0]
    assert len(own_lines(err)) == 1
    assert out.splitlines()[-1] == "epoch 6"
    assert "epoch 1" not in out.splitlines()
    assert result_of(run) == result_of(two)


def test_a_broken_loss_on_one_process_is_reported_once(data: Path) -> None:
    _, err = pair(data / "nan", code=2, PAIR_BREAK="1")
    (line,) = own_lines(err)
    assert "training stopped in epoch 2, step 3" in line


def test_an_error_on_validation_ends_both_processes_with_one_line(data: Path) -> None:
    _, err = pair(data / "no-class", code=2, PAIR_NO_CLASS="1")
    (line,) = own_lines(err)
    assert "training stopped at the end of epoch" in line
    assert "on validation: expected finite logits, got NaN or infinite ones for sample 3," in line
    assert "only with age shown" in line


@pytest.mark.slow
def test_an_error_on_one_process_is_reported_and_ends_both(data: Path) -> None:
    _, err = ran(PAIR, str(data / "raised"), "--devices", "2", code=None, PAIR_RAISE="1")
    lines = own_lines(err)
    assert any("the disk of the second process is gone" in line for line in lines)
    assert len(lines) <= 2


@pytest.mark.slow
def test_ctrl_c_ends_both_with_one_line(data: Path) -> None:
    run = data / "stopped"
    with starting(PAIR, str(run), "--devices", "2", PAIR_SLOW="0.1") as process:
        begun(lambda: process.poll() is None, run, 1)
        os.killpg(process.pid, signal.SIGINT)
        _, err = process.communicate(timeout=ENDS_WITHIN)
    assert process.returncode == 130
    assert own_lines(err) == ["dmrnet: stopped"]


@pytest.mark.slow
def test_the_command_line_reports_contradictions(data: Path) -> None:
    words = ["-m", "dmrnet", "fit", "--out", str(data / "no"), "--devices", "3"]
    _, err = ran(*TORCHRUN, *words, code=1)
    (line,) = own_lines(err)
    assert "devices 3 (--devices), but torchrun started this with 2 processes per machine" in line
