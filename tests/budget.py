"""Keeps `make test` quick: what each test used of the processor, and which unmarked ones used too much.

Processor time rather than time on the clock, so that a busy machine names nobody: a test's own and that of the
processes it started and waited for. A fixture that several tests share counts to the first of them.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import pytest

SECONDS = 6.0  # of processor time, for a test in the quick tier
MARKED = {"slow", "thorough", "benchmark"}


class Budget:
    """A pytest plugin. Each worker under xdist reads its own clock; what it read travels with the reports."""

    def __init__(self) -> None:
        self._read = _processor_seconds()
        self._used: dict[str, float] = defaultdict(float)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self) -> Iterator[Any]:
        """Note with each phase of a test what went by since the phase before."""
        report = yield
        now = _processor_seconds()
        report.processor_seconds = now - self._read
        self._read = now
        return report

    def pytest_collection_finish(self) -> None:
        """Collecting is nobody's."""
        self._read = _processor_seconds()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Add a phase to its test, unless the test is outside of the quick tier."""
        if not MARKED & set(report.keywords):
            self._used[report.nodeid] += getattr(report, "processor_seconds", 0.0)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Name the tests that used too much, dearest first."""
        dear = sorted(((used, test) for test, used in self._used.items() if used > SECONDS), reverse=True)
        if not dear:
            return
        terminalreporter.section(f"over {SECONDS:g} seconds of processor time: mark it thorough or make it cheaper")
        for used, test in dear:
            terminalreporter.line(f"{used:6.1f} s  {test}")


def _processor_seconds() -> float:
    """This process's time, user and system, and that of the children it waited for."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system
