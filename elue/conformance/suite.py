"""All conformance checks, as a table, as a generator for pytest, and run one by one."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

from elue.conformance import compute, invariance, odd, offered, protocol
from elue.conformance.check import Check, Failed, Result, Skipped, Subject, Warned

_FUNCTIONS: dict[str, Callable[[Subject], str | None]] = {
    "names": protocol.names,
    "model": protocol.model,
    "points": protocol.points,
    "predictions": protocol.predictions,
    "modules": protocol.modules,
    "deterministic": invariance.deterministic,
    "order": invariance.order,
    "company": invariance.company,
    "points-leave-nothing": invariance.points_leave_nothing,
    "no-labels": invariance.no_labels,
    "operators-priced": compute.complete,
    "points-change-compute": compute.points_change_compute,
    "answers-cost": compute.answers_cost,
    "traces-equal-observed": compute.traces_equal_observed,
    "predict-sweep": offered.predict_sweep,
    "ladder": offered.ladder,
    "survey": offered.survey,
    "explain": offered.explain,
    "time-per-sample": compute.time_per_sample,
}

CHECKS: dict[str, Check] = {
    name: Check(name, (function.__doc__ or "").split("\n")[0], function) for name, function in _FUNCTIONS.items()
} | {
    f"survives-{name}": Check(f"survives-{name}", f"An odd text ({name}) gets an answer.", odd.survives(name))
    for name in odd.ODD
}
"""Every check by its name, in the order to run them."""


def checks() -> Iterator[Check]:
    """Every check, in order."""
    yield from CHECKS.values()


def run(name: str, subject: Subject) -> Result:
    """Run one check. Whatever the method raises is a failure that names it."""
    check = CHECKS[name]
    try:
        detail = check.function(subject)
    except Skipped as skipped:
        return Result(name, check.reason, "skip", str(skipped))
    except Warned as warned:
        return Result(name, check.reason, "warn", str(warned))
    except Failed as failed:
        return Result(name, check.reason, "fail", str(failed))
    except Exception as error:
        said = str(error).strip().splitlines()
        return Result(name, check.reason, "fail", f"{type(error).__name__}: {said[0] if said else ''}")
    return Result(name, check.reason, "pass", detail or "")


def parametrize_with_checks(make: Callable[[], Subject]) -> Any:
    """A decorator of pytest: the test runs once a check, and its argument `check` runs it on the subject.

    `make` gives the subject; it is called once, when the first check runs. A check that does not apply is skipped,
    one that fails raises Failed, and one that finds something to be looked at warns.
    """
    import pytest

    made = cache(make)

    def runner(check: Check) -> Callable[[], None]:
        def go() -> None:
            try:
                check.function(made())
            except Skipped as skipped:
                pytest.skip(str(skipped))
            except Warned as warned:
                warnings.warn(f"{check.name}: {warned}", stacklevel=2)

        return go

    return pytest.mark.parametrize("check", [pytest.param(runner(check), id=check.name) for check in checks()])
