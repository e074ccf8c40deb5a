"""Generated pages are up to date."""

import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.usefixtures("no_pictures")
def test_results_pages_are_made_from_their_rows() -> None:
    tool = runpy.run_path(str(ROOT / "tools" / "make_results.py"))
    made = tool["pages"]()
    pages = {path.name: path.read_text() for path in (ROOT / "docs" / "results").glob("*.md")}
    assert pages.keys() == made.keys()
    for name, text in made.items():
        assert pages[name] == text, (
            f"docs/results/{name} is stale: run python tools/make_results.py pages"
        )
    quotes = runpy.run_path(str(ROOT / "tools" / "quotes.py"))["quoted"](made)
    stale = [path.name for path, text in quotes.items() if path.read_text() != text]
    assert not stale, f"{stale} are stale: run python tools/make_results.py pages"


@pytest.mark.parametrize("folder", sorted((ROOT / "results").iterdir()), ids=lambda path: path.name)
def test_an_experiment_starts_with_a_short_summary(folder: Path) -> None:
    page = (ROOT / "docs" / "results" / f"{folder.name}.md").read_text()
    summary = page.partition("\n## ")[0]
    assert "<details>" not in summary
    assert len(summary.splitlines()) <= 40


def test_page_of_errors_is_made_from_the_tables_that_are_tested() -> None:
    made = runpy.run_path(str(ROOT / "tools" / "make_errors.py"))["page"]()
    assert (ROOT / "docs" / "reference" / "errors.md").read_text() == made, (
        "docs/reference/errors.md is stale: run python tools/make_errors.py"
    )
