"""Peak memory of one subject, in a process of its own: ``python -m benchmarks.memory``."""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

import torch

from benchmarks.clock import Row, Setting
from benchmarks.parts import cases
from benchmarks.subjects import Case, Pair

SUBJECTS: dict[str, dict[str, Callable[[Pair], Callable[[], object]]]] = {
    "step": {
        "released": lambda pair: pair.released_step(),
        "dmrnet, mask": lambda pair: pair.step("mask"),
        "dmrnet, present": lambda pair: pair.step("present"),
    },
    "evaluation": {
        "released": lambda pair: pair.released_evaluation(),
        "dmrnet": lambda pair: pair.evaluation(),
    },
}


def memories(setting: Setting) -> Iterator[Row]:
    """Measure the peak of every subject, and of all combinations of 2, 6 and 10 modalities."""
    chosen = cases(setting)
    for case in chosen[:1] if setting.quick else chosen:
        for kind, subjects in SUBJECTS.items():
            for name in subjects:
                yield _measured(setting, kind, case, name)
    for v in () if setting.quick else (2, 6, 10):
        yield _measured(setting, "evaluation", Case("surf", ((3, 56, 56),) * v, 16, 32), "dmrnet")


def _measured(setting: Setting, kind: str, case: Case, name: str) -> Row:
    arguments = json.dumps({"kind": kind, "name": name, "case": asdict(case)})
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.memory", arguments, str(setting.threads)],
        capture_output=True,
        text=True,
        check=True,
    )
    return Row(f"memory, {kind}", case.name, name, memory=float(done.stdout))


def peak() -> float:
    """Return the peak memory of this process so far, in MiB."""
    status = Path("/proc/self/status")
    if status.exists():
        # On Linux `ru_maxrss` is inherited from the parent process.
        lines = status.read_text(encoding="utf-8").splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2


def main() -> None:
    """Build a subject, run it twice, and print the rise of the peak."""
    parser = argparse.ArgumentParser()
    parser.add_argument("subject")
    parser.add_argument("threads", type=int)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    asked = json.loads(given.subject)
    case = Case(**{**asked["case"], "inputs": tuple(map(tuple, asked["case"]["inputs"]))})
    work = SUBJECTS[asked["kind"]][asked["name"]](Pair(case))
    before = peak()
    for _ in range(2):
        work()
    sys.stdout.write(f"{peak() - before}\n")


if __name__ == "__main__":
    main()
