"""The notebook of the examples runs as it stands, and shows what it computed."""

from __future__ import annotations

import ast
import base64
import contextlib
import io
import re
from pathlib import Path
from typing import Any

import pytest

nbformat = pytest.importorskip("nbformat")
nbclient = pytest.importorskip("nbclient")
DisplayFormatter = pytest.importorskip("IPython.core.formatters").DisplayFormatter

NOTEBOOK = Path(__file__).parents[1] / "examples" / "quickstart.ipynb"


def shown(cell: Any) -> list[str]:
    """Return what a cell shows, numbers aside, which differ in their last digits by machine."""
    texts = []
    for output in cell.get("outputs", []):
        data = output.get("data", {})
        assert output.output_type != "error", output
        if output.get("name") == "stderr" and "site-packages" in output.text:
            continue  # another package warns of what the environment lacks
        texts.append(
            "image" if "image/png" in data else output.get("text") or data.get("text/plain", "")
        )
    return [re.sub(r"\d+(\.\d+)?", "0", text) for text in texts]


def run_here(cells: list[Any]) -> None:
    """Run code cells in this process, with what each shows as its outputs."""
    formats, space = DisplayFormatter(), {"__name__": "__main__"}
    for cell in cells:
        *lines, last = ast.parse(cell.source).body
        result, out = None, io.StringIO()
        with contextlib.redirect_stdout(out):
            exec(compile(ast.Module(lines, []), "cell", "exec"), space)
            if isinstance(last, ast.Expr):
                result = eval(compile(ast.Expression(last.value), "cell", "eval"), space)
            else:
                exec(compile(ast.Module([last], []), "cell", "exec"), space)
        outputs = [{"output_type": "stream", "text": out.getvalue()}] if out.getvalue() else []
        if result is not None:
            outputs.append({"output_type": "execute_result", "data": formats.format(result)[0]})
        cell.outputs = [nbformat.from_dict(output) for output in outputs]


@pytest.mark.parametrize("kernel", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_it_runs_and_shows_what_is_stored(
    kernel: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = nbformat.read(NOTEBOOK, 4)
    fresh = nbformat.read(NOTEBOOK, 4)
    of = [[cell for cell in one.cells if cell.cell_type == "code"] for one in (stored, fresh)]
    cells, again = of
    if kernel:
        monkeypatch.setenv("PYTHONPATH", str(NOTEBOOK.parents[1] / "src"))
        monkeypatch.setenv("JUPYTER_PLATFORM_DIRS", "1")
        nbclient.NotebookClient(
            fresh, timeout=300, resources={"metadata": {"path": str(tmp_path)}}
        ).execute()
    else:
        monkeypatch.chdir(tmp_path)
        run_here(again)
    for old, new in zip(cells, again, strict=True):
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
