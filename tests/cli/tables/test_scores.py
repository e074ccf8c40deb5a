"""What the terminal says of a run's scores."""

from __future__ import annotations

import pytest
from rich.console import Console

from dmrnet.cli.screen import screen
from dmrnet.cli.tables.scores import show_scores


def said(counts, each=False):
    """Return what is printed for ``{combination: samples}``, each of accuracy one half."""
    rows = [
        {"combination": name, "split": "test", "metric": "accuracy", "value": 0.5, "n": n}
        for name, n in counts.items()
    ]
    names = [name for name in counts if "+" not in name]
    console = Console(width=160)
    with console.capture() as captured:
        show_scores(console, rows, "test", {"modalities": names}, each)
    return captured.get()


@pytest.mark.parametrize(
    ("counts", "words"),
    [
        ({"a": 40, "b": 40, "a+b": 40}, "(40 samples)"),
        (
            {"a": 40, "b": 30, "a+b": 25},
            "(25 to 40 samples, those that have all modalities of a combination)",
        ),
    ],
)
def test_samples_are_the_least_and_the_most_of_a_combination(counts, words):
    assert f"accuracy on test {words}" in said(counts)


def test_one_combination_has_one_line():
    text = said({"a": 40})
    assert text.count("50.0") == 1
    assert "average" not in text


def test_names_with_brackets_are_shown_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [
        {"combination": name, "split": "test", "metric": "accuracy", "value": 0.5, "n": 4}
        for name in ("[bold]x", "[/y]", "[bold]x+[/y]")
    ]
    for each in (True, False):
        show_scores(screen(), rows, "test", {"modalities": ["[bold]x", "[/y]"]}, each)
    shown = capsys.readouterr().out
    assert shown.count("worst: [bold]x") == 2
    assert "[/y] alone" in shown
    assert "[bold]x  [/y]  accuracy" in shown
