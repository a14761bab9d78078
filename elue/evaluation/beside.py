"""What shares of an evaluation that go on side by side have in common."""

from __future__ import annotations

from dataclasses import dataclass

from elue.evaluation.passes.audit import Calibrations
from elue.evaluation.request import Evaluation
from elue.evaluation.stages import Stages


@dataclass(frozen=True, slots=True)
class Beside:
    """The stage that all are in, and what the machine takes."""

    stages: Stages
    calibrations: Calibrations

    @classmethod
    def of(cls, evaluation: Evaluation) -> Beside:
        """That of the shares of an evaluation, all new."""
        return cls(Stages(), Calibrations(evaluation))
