"""What tests of refused commands share: calling in a process, and what a refusal looks like."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

FIT = ["fit", "--data", "arrays", "--max-epochs", "1", "--threads", "1", "--out", "out"]
Make = Callable[[dict[str, Any]], dict[str, Any]]


def without(name: str) -> Make:
    return lambda arrays: {key: array for key, array in arrays.items() if key != name}


def put(name: str, change: Callable[[Any], Any]) -> Make:
    return lambda arrays: {**arrays, name: change(arrays[name].copy())}


def at(place: Any, value: float) -> Callable[[Any], Any]:
    def change(array: Any) -> Any:
        array[place] = value
        return array

    return change


def refused(result: Any, said: str) -> None:
    assert result.code == 2
    assert result.out == ""
    (line,) = result.err.splitlines()
    assert line.startswith("dmrnet: error: ")
    assert said in line


def in_a_process(place: Path, *words: object) -> Any:
    done = subprocess.run(
        [sys.executable, "-m", "dmrnet", *map(str, words)],
        cwd=place,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    return SimpleNamespace(code=done.returncode, out=done.stdout, err=done.stderr)
