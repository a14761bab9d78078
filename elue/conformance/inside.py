"""The checks' part in a worker: what an evaluation's worker can do, and the checks on the model it has loaded."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from elue.conformance import afresh
from elue.conformance.check import Failed, Subject
from elue.conformance.suite import run
from elue.protocol import Sample
from elue.worker.inside.answers import Invalid
from elue.worker.inside.service import Service
from elue.worker.inside.serving import main


class Examiner(Service):
    """The calls of `elue check`, beside those of an evaluation."""

    def check(
        self, check: str, samples: list[dict[str, Any]], weights: str | None, seed: int, elsewhere: list[Any] | None
    ) -> dict[str, Any]:
        """Run one conformance check on the loaded model; `elsewhere` is what `ask_afresh` gave in another worker."""
        subject = self._subject(samples, weights, seed)
        if elsewhere is not None:
            subject.elsewhere = afresh.from_plain(elsewhere)
        return asdict(run(check, subject))

    def ask_afresh(self, check: str, samples: list[dict[str, Any]], weights: str | None, seed: int) -> dict[str, Any]:
        """What a conformance check compares with, by the loaded model that has been asked nothing yet."""
        try:
            return {"answers": afresh.to_plain(afresh.ask(check, self._subject(samples, weights, seed)))}
        except Failed as failed:
            raise Invalid(str(failed)) from None

    def _subject(self, samples: list[dict[str, Any]], weights: str | None, seed: int) -> Subject:
        inputs = tuple(Sample(**sample) for sample in samples)
        folder = None if weights is None else Path(weights)
        return Subject(self.method, self.task, inputs, folder, seed, self.profile, self.model)


if __name__ == "__main__":
    main(Examiner)
