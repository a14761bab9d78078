"""Models with several ways out in a row: exits after layers, or the models of a cascade.

A rule is shown the logits of the last few ways out and says by how much a sample is past the point of leaving. What
any rule would have done at any point follows from the logits of all ways out, so one pass answers many points.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from elue.modeling.flow import Stage
from elue.modeling.ragged import Pack, Request
from elue.modeling.running import RaggedModel, doubt, is_close, prediction_of
from elue.modeling.text import TextEncoder
from elue.modeling.tracing import state_unit, step
from elue.protocol import Explanation, Point, Prediction, Sample, Step, TaskInfo


@dataclass(frozen=True, slots=True)
class Rule:
    """When to leave: where `margin` is above 0.

    `margin` maps the logits of the last `window` ways out, (samples, window, outputs), to (samples,), in units of the
    noise of a logit; before there are as many, nobody leaves, and at the last way out it is not asked. `unit` names it
    in traces: what a margin costs may depend on the shape of its input, not on its settings.
    """

    unit: str
    window: int
    margin: Callable[[Tensor], Tensor]

    def decide(self, logits: Tensor) -> tuple[np.ndarray, np.ndarray]:
        """Which samples leave, (samples,), and for which that was close."""
        margins = self.margin(logits)
        return (margins > 0).numpy(), is_close(margins.numpy())


@dataclass(frozen=True, slots=True)
class Way:
    """A way out: `advance` brings a pack up to it, `ask` gives its logits (samples, outputs)."""

    advance: Callable[[Pack], Pack]
    ask: Callable[[Pack], Tensor]


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
        rule = self.rule_of(point, self.task)
        self.units.units[rule.unit] = state_unit(rule.decide)
        return rule

    def stages(self) -> Sequence[Stage]:
        return [partial(self._leave, number) for number in range(len(self.ways))]

    def predict_sweep(self, samples: Sequence[Sample], points: Sequence[Point]) -> list[list[Prediction]]:
        """Answer many points from one pass, in which a sample goes as far as any of them wants."""
        rules = [self._rule(point) for point in points]
        return self._swept(self._survey(samples, rules, whole=False), rules)

    def ladder(self, samples: Sequence[Sample]) -> list[list[Prediction]]:
        """What each way out would answer, first to last, at the cost of leaving there under the rule in force."""
        return self._climbed(self._survey(samples, [], whole=True), self.rule)

    def survey(
        self, samples: Sequence[Sample], points: Sequence[Point]
    ) -> tuple[list[list[Prediction]], list[list[Prediction]]]:
        """Both from one pass: the answers at many points, and every way out under the rule of the first of them."""
        rules = [self._rule(point) for point in points]
        surveyed = self._survey(samples, rules, whole=True)
        return self._swept(surveyed, rules), self._climbed(surveyed, rules[0])

    def explain(self, samples: Sequence[Sample]) -> list[Explanation]:
        """The tokens of each sample, and what the ways out answered up to the one it took."""
        explained = []
        surveyed = self._survey(samples, [] if self.rule is None else [self.rule], whole=self.rule is None)
        for request, sample in zip(surveyed, samples, strict=True):
            last = len(self.ways) - 1 if self.rule is None else int(request.notes["left"][0])
            exits = tuple(self._as_left(request, self.rule, way) for way in range(last + 1))
            shown = tuple(prediction.scores or (prediction.value,) for prediction in exits)
            explained.append(self.explanation(sample, shown, last))
        return explained

    def explanation(self, sample: Sample, exits: tuple[tuple[float, ...], ...], last: int) -> Explanation:
        """How what the ways out said is shown."""
        return Explanation(self.text.tokens(sample), exits=exits)

    def _leave(self, number: int, pack: Pack) -> tuple[Pack | None, Sequence[Request]]:
        """The stage of a way out."""
        way = self.ways[number]
        pack = way.advance(pack)
        if number == len(self.ways) - 1:
            return None, self.answer(pack.requests, way.ask(pack))
        if self.rule is None:
            return pack, []
        logits = way.ask(pack)
        pack.state = _extended(pack.state, logits, self.rule.window)
        if pack.state.shape[1] < self.rule.window:
            return pack, []
        leaves, close = self.units.run(self.rule.unit, pack)
        doubtful = close & (not pack.requests[0].alone)
        doubt(pack.requests, doubtful)
        leaving = leaves & ~doubtful
        done = [pack.requests[place] for place in np.flatnonzero(doubtful)]
        if leaving.any():
            gone = [pack.requests[place] for place in np.flatnonzero(leaving)]
            done += self.answer(gone, logits if len(gone) == len(logits) else logits[leaving])
        stay = np.flatnonzero(~(leaving | doubtful))
        return (pack.select(stay) if len(stay) else None), done

    def _survey(self, samples: Sequence[Sample], rules: Sequence[Rule], whole: bool) -> list[Request]:
        """Requests in order, with what every way out said: all of them if `whole`, else as far as any rule goes.

        Notes: `scores` of each way out, `ends` of its advance and of its asking in the trace, and `left`, the way out
        that each rule took, (rules,).
        """
        stages = [partial(self._ask, number, rules, whole) for number in range(len(self.ways))]
        return sorted(self.run(samples, stages, noted=True), key=lambda request: request.place)

    def _ask(
        self, number: int, rules: Sequence[Rule], whole: bool, pack: Pack
    ) -> tuple[Pack | None, Sequence[Request]]:
        """The stage of a way out in a survey."""
        way, last = self.ways[number], number == len(self.ways) - 1
        pack = way.advance(pack)
        ends = [len(request.trace) for request in pack.requests]
        logits = way.ask(pack)
        scores = self.scores(logits)
        close = self.close(logits)
        pack.state = _extended(pack.state, logits, max([rule.window for rule in rules], default=1))
        undecided = np.full(len(rules), -1)
        left = np.stack([request.notes.setdefault("left", undecided) for request in pack.requests])
        doubtful = close & whole
        for column, rule in enumerate(rules):
            remaining = left[:, column] < 0
            if last:
                leaves = remaining
            elif number + 1 >= rule.window and remaining.any():
                leaves, unsure = rule.decide(pack.state[:, -rule.window :])
                leaves &= remaining
                doubtful |= remaining & unsure
            else:
                continue
            left[leaves, column] = number
            doubtful |= leaves & close
        alone = pack.requests[0].alone
        for place, request in enumerate(pack.requests):
            request.notes["left"] = left[place]
            request.notes.setdefault("scores", []).append(scores[place])
            request.notes.setdefault("ends", []).append((ends[place], len(request.trace)))
            request.doubtful = bool(doubtful[place]) and not alone
        over = np.full(len(left), last) if whole else (left >= 0).all(1)
        done = over | (doubtful & (not alone))
        stay = np.flatnonzero(~done)
        return (pack.select(stay) if len(stay) else None), [pack.requests[place] for place in np.flatnonzero(done)]

    def _swept(self, surveyed: Sequence[Request], rules: Sequence[Rule]) -> list[list[Prediction]]:
        """The answers of surveyed requests by every rule."""
        return [
            [self._as_left(request, rule, int(request.notes["left"][number])) for request in surveyed]
            for number, rule in enumerate(rules)
        ]

    def _climbed(self, surveyed: Sequence[Request], rule: Rule | None) -> list[list[Prediction]]:
        """What every way out would answer surveyed requests."""
        ways = range(len(self.ways))
        return [[self._as_left(request, rule, way) for way in ways] for request in surveyed]

    def _as_left(self, request: Request, rule: Rule | None, way: int) -> Prediction:
        """The answer of a surveyed request that leaves by a way out, as it would be under a rule."""
        scores, ends, last = request.notes["scores"], request.notes["ends"], len(self.ways) - 1
        trace: list[Step] = []
        begin = 0
        for number, (advanced, asked) in enumerate(ends[: way + 1]):
            trace += request.trace[begin:advanced]
            if rule is not None or number == way:
                trace += request.trace[advanced:asked]
            if rule is not None and rule.window <= number + 1 <= last:
                trace.append(step(rule.unit, (rule.window, len(scores[way]))))
            begin = asked
        trace.append(step("answer", (len(scores[way]),)))
        return prediction_of(scores[way], self.task, trace)


def _extended(state: Tensor | None, logits: Tensor, window: int) -> Tensor:
    """The logits of the last ways out, at most `window` of them: (samples, window, outputs)."""
    if state is None or window == 1:
        return logits[:, None]
    return torch.cat([state[:, 1 - window :], logits[:, None]], 1)


def window_margins(rule: Rule, logits: Tensor) -> Tensor:
    """Margins (samples, ways) from the logits (samples, ways, outputs) of all ways out; minus infinity where not asked.

    The last way out counts as one that everybody leaves by, with a margin of infinity.
    """
    margins = torch.full(logits.shape[:2], -torch.inf)
    for way in range(rule.window - 1, logits.shape[1] - 1):
        margins[:, way] = rule.margin(logits[:, way + 1 - rule.window : way + 1])
    margins[:, -1] = torch.inf
    return margins


def simulate(logits: Tensor, rule: Rule) -> Tensor:
    """The way out, from 1, that each sample takes, (samples,), by the logits (samples, ways, outputs) of all."""
    return (window_margins(rule, logits) > 0).int().argmax(1) + 1
