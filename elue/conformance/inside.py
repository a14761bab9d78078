"""The checks' part in a worker: what an evaluation's worker can do, and the checks on the model it has loaded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from elue.conformance import afresh
from elue.conformance.check import Answer, Failed, Subject
from elue.conformance.suite import run
from elue.protocol import Sample
from elue.worker.frames import Call
from elue.worker.inside.answers import Invalid
from elue.worker.inside.service import Service
from elue.worker.inside.serving import main


@dataclass(frozen=True, slots=True)
class Checked:
    """How a check ended: see `elue.conformance.Result`."""

    outcome: Literal["pass", "warn", "fail", "skip"]
    detail: str


@dataclass(frozen=True, slots=True)
class CheckOne(Call[Checked]):
    """Run one conformance check; `elsewhere` is what `AskAfresh` gave in another worker."""

    check: str
    samples: tuple[Sample, ...]
    weights: str | None
    seed: int
    elsewhere: tuple[tuple[Answer, ...], ...] | None


@dataclass(frozen=True, slots=True)
class Asked:
    """What a check compares with: for each of a few points an answer a sample."""

    answers: tuple[tuple[Answer, ...], ...]


@dataclass(frozen=True, slots=True)
class AskAfresh(Call[Asked]):
    """Ask for what a check compares with."""

    check: str
    samples: tuple[Sample, ...]
    weights: str | None
    seed: int


class Examiner(Service):
    """The calls of `elue check`, beside those of an evaluation."""

    def check_one(self, asked: CheckOne) -> Checked:
        """Run one conformance check on the loaded model."""
        subject = self._subject(asked.samples, asked.weights, asked.seed)
        subject.elsewhere = asked.elsewhere
        result = run(asked.check, subject)
        return Checked(result.outcome, result.detail)

    def ask_afresh(self, asked: AskAfresh) -> Asked:
        """What a check compares with, by the loaded model that has been asked nothing yet."""
        try:
            answers = afresh.ask(asked.check, self._subject(asked.samples, asked.weights, asked.seed))
        except Failed as failed:
            raise Invalid(str(failed)) from None
        return Asked(tuple(tuple(map(afresh.to_plain, row)) for row in answers))

    def _subject(self, samples: Sequence[Sample], weights: str | None, seed: int) -> Subject:
        folder = None if weights is None else Path(weights)
        return Subject(self.method, self.task, tuple(samples), folder, seed, self.profile, self.model)


if __name__ == "__main__":
    main(Examiner)
