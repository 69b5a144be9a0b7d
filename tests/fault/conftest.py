"""The page of what the faults cost is made at the end of each run."""

from __future__ import annotations

import pytest

from tests.fault import results


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if path := results.write_page():
        terminalreporter.write_line(f"what each fault cost: {path}")
