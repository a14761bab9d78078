"""Checks that a method author runs against their own method, alone or as tests of pytest.

    from elue.conformance import parametrize_with_checks, subject

    @parametrize_with_checks(lambda: subject("my_method.py"))
    def test_it_conforms(check):
        check()

`elue check METHOD` runs the same ones in a confined worker. They hold what the standard rests on: an answer that
depends on the text alone, compute that is what the trace says, points that change something.
"""

from elue.conformance.check import Check, Failed, Result, Skipped, Subject, Warned, subject
from elue.conformance.suite import CHECKS, checks, parametrize_with_checks, run

__all__ = [
    "CHECKS",
    "Check",
    "Failed",
    "Result",
    "Skipped",
    "Subject",
    "Warned",
    "checks",
    "parametrize_with_checks",
    "run",
    "subject",
]
