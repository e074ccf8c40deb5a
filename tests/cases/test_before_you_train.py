"""Pages on data: what they print is what the commands print."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from dmrnet.cli import main

PAGES = Path(__file__).parents[2] / "docs" / "how-to"


@pytest.mark.parametrize(
    ("page", "commands"), [("before-you-train.md", 6), ("how-arrays-are-read.md", 6)]
)
def test_outputs_are_real(
    page: str,
    commands: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("COLUMNS", raising=False)
    text = (PAGES / page).read_text(encoding="utf-8")
    files = re.search(r"```python\n(.*?)```", text, re.DOTALL)
    assert files is not None
    exec(compile(files[1], page, "exec"), {})
    blocks = re.findall(r"```console\n\$ dmrnet (.*?)\n(.*?)```", text, re.DOTALL)
    assert len(blocks) == commands
    for command, printed in blocks:
        capsys.readouterr()
        assert main(command.split()) == 0
        lines = [line.rstrip() for line in capsys.readouterr().out.strip().splitlines()]
        assert lines == [line.rstrip() for line in printed.strip().splitlines()], command
