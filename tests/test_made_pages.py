"""Pages that are made from something say what that says."""

import runpy
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_results_page_is_made_from_its_rows() -> None:
    made = runpy.run_path(str(ROOT / "tools" / "make_results.py"))["page"]()
    assert (ROOT / "docs" / "results.md").read_text() == made, (
        "docs/results.md is stale: run python tools/make_results.py page"
    )


def test_page_of_errors_is_made_from_the_tables_that_are_tested() -> None:
    made = runpy.run_path(str(ROOT / "tools" / "make_errors.py"))["page"]()
    assert (ROOT / "docs" / "reference" / "errors.md").read_text() == made, (
        "docs/reference/errors.md is stale: run python tools/make_errors.py"
    )
