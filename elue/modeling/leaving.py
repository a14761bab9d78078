"""The model that leaves by the first way out that satisfies the rule of the point."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from torch import Tensor

from elue.modeling.everything import everything
from elue.modeling.flow import Stage
from elue.modeling.ladder import Rule, Way, answer_unit, decided, extended, rule_unit, steps_of
from elue.modeling.ragged import Pack, Request
from elue.modeling.running import RaggedModel, doubt, prediction_of
from elue.modeling.signals import LOGITS, SCORES
from elue.modeling.text import TextEncoder
from elue.protocol import Explanation, Point, Prediction, Sample, TaskInfo


class LadderModel(RaggedModel):
    """Leaves by the first way out that satisfies the rule of the point.

    `rule_of` makes a rule of an operating point; without one, only the last way out is asked. A method sets `ways`.
    """

    ways: Sequence[Way]

    def __init__(
        self, network: Any, text: TextEncoder, task: TaskInfo, rule_of: Callable[[Point, TaskInfo], Rule]
    ) -> None:
        super().__init__(network, text, task)
        self.rule_of = rule_of
        self.rule: Rule | None = None

    def configure(self, point: Point) -> None:
        self.rule = self._rule(point)

    def _rule(self, point: Point) -> Rule:
        """The rule of a point, its units among the model's."""
        rule = self.rule_of(point, self.task)
        self.units.units |= {part.name: rule_unit(part) for part in rule.parts if part.margin is not None}
        if rule.answers is not None:
            self.units.units[rule.answer_unit] = answer_unit(rule)
        return rule

    def stages(self) -> Sequence[Stage]:
        return [partial(self._leave, number) for number in range(1, len(self.ways) + 1)]

    def predict_sweep(self, samples: Sequence[Sample], points: Sequence[Point]) -> list[list[Prediction]]:
        """Answer many points from one pass, in which a sample goes as far as any of them wants."""
        rules = [self._rule(point) for point in points]
        return everything(self, self.ways, samples, rules, whole=False).swept()

    def ladder(self, samples: Sequence[Sample]) -> list[list[Prediction]]:
        """What each way out would answer, first to last, at the cost of leaving there under the rule in force."""
        rules = [] if self.rule is None else [self.rule]
        return everything(self, self.ways, samples, rules, self.rule).climbed(self.rule)

    def survey(
        self, samples: Sequence[Sample], points: Sequence[Point]
    ) -> tuple[list[list[Prediction]], list[list[Prediction]]]:
        """Both from one pass: the answers at many points, and every way out under the rule of the first of them."""
        rules = [self._rule(point) for point in points]
        told = everything(self, self.ways, samples, rules, rules[0])
        return told.swept(), told.climbed(rules[0])

    def explain(self, samples: Sequence[Sample]) -> list[Explanation]:
        """The tokens of each sample, and what each way out up to the one it took says by itself."""
        rules = [] if self.rule is None else [self.rule]
        told = everything(self, self.ways, samples, rules, self.rule)
        lasts = told.taken[0].tolist() if rules else [len(self.ways)] * len(samples)
        explained = []
        for sample, said, last in zip(samples, told.own(), lasts, strict=True):
            answers = [prediction_of(scores, self.task, ()) for scores in said[:last]]
            exits = tuple(answer.scores or (answer.value,) for answer in answers)
            explained.append(self.explanation(sample, exits, last))
        return explained

    def explanation(self, sample: Sample, exits: tuple[tuple[float, ...], ...], last: int) -> Explanation:
        """How what the ways out said, up to the one taken, from 1, is shown."""
        return Explanation(self.text.tokens(sample), exits=exits)

    def _leave(self, number: int, pack: Pack) -> tuple[Pack | None, Sequence[Request]]:
        """The stage of a way out, from 1."""
        way, rule = self.ways[number - 1], self.rule
        pack = way.advance(pack)
        if number == len(self.ways):
            pack = way.look(pack)
            return None, self._answered(pack, way.channels[LOGITS](pack))
        if rule is None or not rule.concerns(number):
            return pack, []
        asked = way.asked(rule, number)
        if asked:
            pack = way.tell(way.look(pack), asked, way.memory([rule]))
        for step in steps_of(rule, number, self.task.outputs):
            for request in pack.requests:
                request.trace.append(step)
        leaves, close = decided(rule, number, pack)
        if SCORES in asked and way.scores_of_logits:
            close = close | self.close(pack.memory[LOGITS][:, -1])
        doubtful = close & (not pack.requests[0].alone)
        doubt(pack.requests, doubtful)
        leaving = leaves & ~doubtful
        done = [pack.requests[place] for place in np.flatnonzero(doubtful)]
        if leaving.any():
            gone = pack.select(np.flatnonzero(leaving))
            if not asked:
                gone = way.look(gone)
            done += self._answered(gone, None if LOGITS in asked else way.channels[LOGITS](gone))
        stay = np.flatnonzero(~(leaving | doubtful))
        return (pack.select(stay) if len(stay) else None), done

    def _answered(self, pack: Pack, logits: Tensor | None) -> Sequence[Request]:
        """Let a pack leave: by these logits (samples, outputs), or those that its way out told before."""
        if self.rule is None or self.rule.answers is None:
            return self.answer(pack.requests, pack.memory[LOGITS][:, -1] if logits is None else logits)
        if logits is not None:
            pack = pack.remembering(logits=extended(pack.memory.get(LOGITS), logits, None))
        return self.answer(pack.requests, self.units.run(self.rule.answer_unit, pack))
