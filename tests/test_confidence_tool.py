"""tools/confidence.py on a run that was made before."""

from __future__ import annotations

import importlib.util
import json
import math
import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def test_it_measures_a_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec = importlib.util.spec_from_file_location("tool", ROOT / "tools" / "confidence.py")
    assert spec is not None
    assert spec.loader is not None
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    runs = Path(shutil.copytree(ROOT / "tests" / "engine" / "old_runs", tmp_path / "runs"))
    tool.main([str(runs / "mfeat-dmrnet")])
    first, *table = capsys.readouterr().out.splitlines()
    found = json.loads(first)
    assert found["ece change"] == pytest.approx(found["ece after"] - found["ece before"])
    assert 0.6 < found["sets hold the true class"] <= 1
    assert 0 <= found["auroc variance"] <= 1
    assert all(not math.isnan(value) for key, value in found.items() if key != "run")
    assert any("advice gains" in line for line in table)
