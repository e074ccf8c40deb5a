"""The notebook of the examples runs as it stands, and shows what it computed."""

from __future__ import annotations

import base64
import re
from pathlib import Path
from typing import Any

import pytest

nbformat = pytest.importorskip("nbformat")
nbclient = pytest.importorskip("nbclient")

NOTEBOOK = Path(__file__).parents[1] / "examples" / "quickstart.ipynb"


def shown(cell: Any) -> list[str]:
    """Return what a cell shows, numbers aside, which differ in their last digits by machine."""
    texts = []
    for output in cell.get("outputs", []):
        data = output.get("data", {})
        assert output.output_type != "error", output
        texts.append(
            "image" if "image/png" in data else output.get("text") or data.get("text/plain", "")
        )
    return [re.sub(r"\d+(\.\d+)?", "0", text) for text in texts]


def test_it_runs_and_shows_what_is_stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(NOTEBOOK.parents[1] / "src"))
    monkeypatch.setenv("JUPYTER_PLATFORM_DIRS", "1")
    stored = nbformat.read(NOTEBOOK, 4)
    fresh = nbformat.read(NOTEBOOK, 4)
    nbclient.NotebookClient(
        fresh, timeout=300, resources={"metadata": {"path": str(tmp_path)}}
    ).execute()
    cells = [cell for cell in stored.cells if cell.cell_type == "code"]
    for old, new in zip(stored.cells, fresh.cells, strict=True):
        if old.cell_type == "code":
            assert shown(old) == shown(new)
    assert sum(bool(cell.outputs) for cell in cells) == len(cells) - 1
    # The figure is a file of the report.
    (image,) = (
        output["data"]["image/png"]
        for cell in fresh.cells
        for output in cell.get("outputs", [])
        if "image/png" in output.get("data", {})
    )
    (file,) = (tmp_path / "report" / "figures").glob("*combinations.png")
    assert base64.b64decode(image) == file.read_bytes()
