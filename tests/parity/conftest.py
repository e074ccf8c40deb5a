"""Prints the largest difference that each test of parity saw."""

from __future__ import annotations

import pytest
from tests.parity.fixtures import LARGEST


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print them if tests ran in this process and `-v` is given."""
    if LARGEST and terminalreporter.verbosity > 0:
        terminalreporter.section("largest difference from the released code")
        for test, value in sorted(LARGEST.items()):
            terminalreporter.write_line(f"{value:.1e}  {test}")
