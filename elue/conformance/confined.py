"""The parent's side of `elue check`: the checks run one by one in a confined worker."""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from elue.conformance.afresh import PASSES
from elue.conformance.check import Answer, Result
from elue.conformance.inside import AskAfresh, CheckOne
from elue.conformance.suite import CHECKS
from elue.errors import ElueError
from elue.meter.profile import Profile
from elue.methods.reaching import reaches, told
from elue.methods.registry import MethodSource
from elue.methods.trained import check_task
from elue.methods.uncounted import told as uncounted_words
from elue.methods.uncounted import uncounted
from elue.protocol import Sample
from elue.record.bounds import check_seed
from elue.tasks import TaskData
from elue.worker import frames
from elue.worker.failure import WorkerFailure
from elue.worker.session import START_SECONDS, Worker

CHECK_SECONDS = 600.0
"""How long one check may take."""
INSIDE = "elue.conformance.inside"
"""What runs in the worker."""


@dataclass(frozen=True, slots=True)
class Examination:
    """A method to check, and the inputs to check it on. `data` comes with labels; they stay here."""

    method: MethodSource
    data: TaskData
    profile: Profile
    weights: Path | None = None
    seed: int = 0
    seconds: float = CHECK_SECONDS


def examine(examination: Examination) -> Iterator[Result]:
    """Run every check and yield its result as it comes.

    A check that kills the worker or hangs fails, and the next one gets a fresh worker. A method that cannot be opened
    or loaded fails once, and the rest is skipped. Raises ElueError where the method does not serve the task, or
    reports a mistake of the user's.
    """
    check_seed(examination.seed)
    if examination.weights is not None:
        check_task(examination.weights, examination.data.spec.info())
    samples = tuple(replace(sample, id=secrets.token_hex(8)) for sample in examination.data.samples)
    worker: Worker | None = None
    reaching = reaches(examination.method)
    said = told(reaching) if reaching else ""
    yield Result("source", "No line reaches for what measures it.", "fail" if reaching else "pass", said)
    beside = [] if reaching else uncounted(examination.method)
    said = uncounted_words(beside) if beside else ""
    yield Result("beside-torch", "Nothing computes beside torch, uncounted.", "warn" if beside else "pass", said)
    if reaching:
        yield from (Result(c.name, c.reason, "skip", "the method is forbidden") for c in CHECKS.values())
        return
    with tempfile.TemporaryDirectory(prefix="elue-check-") as folder:
        log = Path(folder) / "log"
        try:
            for number, check in enumerate(CHECKS.values()):
                if worker is None:
                    try:
                        worker = _started(examination, log)
                    except WorkerFailure as failure:
                        yield Result("loads", "The method can be imported and loaded.", "fail", failure.reason)
                        rest = list(CHECKS.values())[number:]
                        yield from (Result(c.name, c.reason, "skip", "the method does not load") for c in rest)
                        return
                try:
                    elsewhere = _elsewhere(examination, check.name, samples, log) if check.name in PASSES else None
                    asked = CheckOne(check.name, samples, _path(examination.weights), examination.seed, elsewhere)
                    checked = worker.call(asked, examination.seconds)
                    yield Result(check.name, check.reason, checked.outcome, checked.detail)
                except WorkerFailure as failure:
                    yield Result(check.name, check.reason, "fail", f"{failure.status}: {failure.reason}")
                    worker.close()
                    worker = None
        finally:
            if worker is not None:
                worker.close()


def _elsewhere(
    examination: Examination, check: str, samples: tuple[Sample, ...], log: Path
) -> tuple[tuple[Answer, ...], ...]:
    """What a check compares with, from a worker of its own. Raises WorkerFailure where there is nothing to be had."""
    worker = _started(examination, log, apart=True)
    try:
        asked = AskAfresh(check, samples, _path(examination.weights), examination.seed)
        return worker.call(asked, examination.seconds).answers
    except WorkerFailure as failure:
        raise WorkerFailure(failure.status, f"loaded anew: {failure.reason}") from None
    finally:
        worker.close()


def _started(examination: Examination, log: Path, apart: bool = False) -> Worker:
    """A worker with the method loaded. Raises WorkerFailure, the worker gone, where that does not work."""
    sees = [*examination.method.code, *([examination.weights] if examination.weights else [])]
    threads, own = examination.profile.conditions.threads, examination.method.comes_with_elue
    worker = Worker(log, threads, sees=sees, module=INSIDE, own=own, apart=apart)
    try:
        info = examination.data.spec.info()
        worker.call(frames.Open(examination.method.address, info, examination.profile), START_SECONDS)
        weights = _path(examination.weights)
        unsupported = worker.call(frames.Points(weights), START_SECONDS).unsupported
        if unsupported:
            message = f"'{examination.method.name}' does not serve '{info.name}': {unsupported}"
            raise ElueError("unsupported", message, "Choose another --task.")
        worker.call(frames.Load(weights, examination.seed), START_SECONDS)
    except BaseException:
        worker.close()
        raise
    return worker


def _path(weights: Path | None) -> str | None:
    return None if weights is None else str(weights.resolve())
