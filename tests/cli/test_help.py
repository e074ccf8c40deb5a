"""Help: there, quick, complete, and no wider than the terminal."""

from __future__ import annotations

import json
import re
import resource
import subprocess
import sys
from dataclasses import fields
from typing import TYPE_CHECKING

import pytest

from dmrnet.cli import COMMANDS
from dmrnet.cli.listing import summaries
from dmrnet.data.registry import DATASETS
from dmrnet.methods import METHODS, method
from dmrnet.settings.training import Training

if TYPE_CHECKING:
    from .conftest import Cli

HELPS = [["--help"], *([name, "--help"] for name in COMMANDS), ["data", "list"]]
HELPS += [["data", action, "--help"] for action in ("show", "check", "export", "prepare")]
HELPS += [["fit", "--data", name, "--help"] for name in DATASETS]
HELPS += [["fit", "--method", name, "--help"] for name in METHODS]
HELPS += [["fit", "--method", name, "--recipe", "paper", "--help"] for name in ("sf-md", "dmrnet")]
BOUND = 0.5
"""Seconds of a processor: how long others keep it busy is not the command's to say."""


COLD = [["--help"], ["data", "--help"], ["study", "--help"]]
COLD += [["fit", "--data", "mfeat", "--help"], ["fit", "--method", "dmrnet", "--help"]]
"""Those that are timed in a process each."""


def test_help_needs_no_torch() -> None:
    script = (
        "import json, sys; from dmrnet.cli import main\n"
        "for argv in json.load(sys.stdin):\n"
        "    assert main(argv) == 0, argv\n"
        "    assert 'torch' not in sys.modules, argv\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], input=json.dumps(HELPS), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("usage: dmrnet") >= len(HELPS) - 1


@pytest.mark.parametrize("argv", COLD, ids=" ".join)
def test_help_is_quick(argv: list[str]) -> None:
    script = "import sys; from dmrnet.cli import main; sys.exit(main(sys.argv[1:]))"
    seconds = []
    # The best of three, since a machine that is busy with others is slower too.
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run([sys.executable, "-c", script, *argv], capture_output=True, text=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
        assert done.returncode == 0, done.stderr
        assert done.stdout
        if seconds[-1] < BOUND:
            break
    assert min(seconds) < BOUND


@pytest.mark.parametrize("columns", [80, 160])
@pytest.mark.parametrize(
    "argv", [*HELPS, ["fit", "--data", "arrays", "--method", "dmrnet", "--help"]], ids=" ".join
)
def test_help_fits_the_terminal(
    cli: Cli, argv: list[str], columns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    said = cli(*argv)
    assert said.code == 0
    assert said.err == ""
    assert max(len(line) for line in said.out.splitlines()) <= columns


def test_fit_help_names_everything_that_every_run_has(cli: Cli) -> None:
    said = cli("fit", "--help").out
    for field in fields(Training):
        assert f"--{field.name.replace('_', '-')} " in said
    assert "_" not in " ".join(re.findall(r"--[\w.-]+", said))
    for name in (*DATASETS, *METHODS):
        assert re.search(rf"^ +{name}  +\w", said, re.MULTILINE)


def test_fit_help_leads_with_what_people_set(cli: Cli) -> None:
    said = cli("fit", "--help").out
    order = ["--data NAME", "--out DIR", "often set:", "--max-epochs", "--select-by", "data sets:"]
    order += ["methods:", "more settings of training:", "--continued-after", "examples:"]
    assert [said.index(words) for words in order] == sorted(said.index(words) for words in order)


@pytest.mark.parametrize("name", METHODS)
def test_fit_help_of_a_method_has_its_settings_and_recipes(cli: Cli, name: str) -> None:
    said = cli("fit", "--method", name, "--help").out
    for field in fields(method(name)):
        assert f"--method.{field.name.replace('_', '-')}" in said
    for recipe in method(name).recipes:
        assert re.search(rf"^ +{recipe}  +\w", said, re.MULTILINE)


def test_fit_help_shows_the_defaults_of_the_recipe(cli: Cli) -> None:
    def beta(*more: str) -> str:
        text = " ".join(cli("fit", "--method", "dmrnet", *more, "--help").out.split())
        found = re.search(r"--method\.beta NUM .*?\[(.*?)\]", text)
        assert found
        return found.group(1)

    assert beta("--recipe", "paper") == str(method("dmrnet").recipe("paper").beta)  # type: ignore[attr-defined]
    assert beta() == str(method("dmrnet").recipe("best").beta)  # type: ignore[attr-defined]


def test_every_name_has_a_line() -> None:
    for lines in (summaries(DATASETS), summaries(METHODS)):
        assert [name for name, line in lines.items() if len(line) < 20] == []


def test_the_version(cli: Cli) -> None:
    from dmrnet import __version__

    assert cli("--version").out == f"dmrnet {__version__}\n"
