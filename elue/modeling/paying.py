"""What leaving by a way out puts into a trace: signals are paid where the rule asks, the answer by the leaver."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from elue.modeling.ladder import Rule, Way, steps_of
from elue.modeling.signals import LOGITS
from elue.modeling.tracing import step
from elue.protocol import Step, Trace

ADVANCE, LOOK = "advance", "look"
Parts = Mapping[str, slice]
"""Where in a trace the parts of a way out lie: `ADVANCE`, `LOOK` and its channels."""


@dataclass(frozen=True, slots=True)
class Bill:
    """Of every way out in a row the channels that a rule asks and the steps of deciding; and the steps of answering."""

    asked: tuple[tuple[str, ...], ...]
    decides: tuple[tuple[Step, ...], ...]
    answer_unit: str | None
    outputs: int

    def left(self, trace: Sequence[Step], ways: Sequence[Parts], number: int) -> Trace:
        """The trace of a sample that leaves by way out `number`, from 1, of that of one which was asked everything."""
        steps: list[Step] = []
        for here, (parts, asked) in enumerate(zip(ways[:number], self.asked, strict=False), start=1):
            steps += trace[parts[ADVANCE]]
            if asked or here == number:
                steps += trace[parts[LOOK]]
            for channel in asked:
                steps += trace[parts[channel]]
            steps += self.decides[here - 1]
            if here == number and LOGITS not in asked:
                steps += trace[parts[LOGITS]]
        if self.answer_unit is not None:
            steps.append(step(self.answer_unit, (number, self.outputs)))
        steps.append(step("answer", (self.outputs,)))
        return tuple(steps)


def bill_of(ways: Sequence[Way], rule: Rule | None, outputs: int) -> Bill:
    """What a rule asks and does at each of these ways out; at the last, and without a rule, nothing."""
    early = [] if rule is None else list(enumerate(ways[:-1], start=1))
    asked = [tuple(way.asked(rule, number)) for number, way in early if rule is not None]
    decides = [tuple(steps_of(rule, number, outputs)) for number, _ in early if rule is not None]
    rest = len(ways) - len(early)
    answers = None if rule is None or rule.answers is None else rule.answer_unit
    return Bill((*asked, *[()] * rest), (*decides, *[()] * rest), answers, outputs)
