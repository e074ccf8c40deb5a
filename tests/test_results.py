"""The page of results is what its rows say."""

import runpy
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_results_page_is_made_from_its_rows() -> None:
    made = runpy.run_path(str(ROOT / "tools" / "make_results.py"))["page"]()
    assert (ROOT / "docs" / "results.md").read_text() == made, (
        "docs/results.md is stale: run python tools/make_results.py page"
    )
