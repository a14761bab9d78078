"""All ways out of all samples from one pass; what each of many rules would have done is told afterwards.

Every sample goes through every way out, and what these say is kept. The rules then decide on what all samples were told
at once, so that a hundred of them cost little. Where a decision is so close that float noise could have turned it, the
sample runs again by itself, and the rules in doubt decide anew on what it was told alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import torch

from elue.modeling.ladder import Rule, Way, answered, decided_by
from elue.modeling.paying import ADVANCE, LOOK, Bill, Parts, bill_of
from elue.modeling.ragged import Pack, Request
from elue.modeling.running import RaggedModel, prediction_of
from elue.modeling.signals import CHANNELS, LOGITS, SCORES, Signals
from elue.protocol import Prediction, Sample, Trace

PARTS = "parts"


@dataclass(slots=True)
class Everything:
    """Samples that passed all ways out: requests in order, signals, the ways rules take, from 1, (rules, samples)."""

    model: RaggedModel
    ways: Sequence[Way]
    rules: Sequence[Rule]
    requests: list[Request]
    signals: Signals
    taken: np.ndarray
    traces: dict[tuple[int, int, int], Trace] = field(default_factory=dict)

    def swept(self) -> list[list[Prediction]]:
        """The answers of all samples by every rule."""
        own, numbers = self.own(), self._numbers()
        bills: dict[Bill, int] = {}
        told: dict[tuple[int, int, int], Prediction] = {}
        columns = []
        for rule, taken in zip(self.rules, self.taken.tolist(), strict=True):
            bill = bill_of(self.ways, rule, self.model.task.outputs)
            kind, column = bills.setdefault(bill, len(bills)), []
            if rule.answers is not None:
                said = self.model.scores(answered(self.signals, rule, torch.tensor(taken)))
                for place, number in enumerate(taken):
                    trace = self._trace(bill, kind, numbers[place], place, number)
                    column.append(prediction_of(said[place], self.model.task, trace))
            else:
                for place, number in enumerate(taken):
                    key = place, kind, number
                    if key not in told:
                        trace = self._trace(bill, kind, numbers[place], place, number)
                        told[key] = prediction_of(own[place][number - 1], self.model.task, trace)
                    column.append(told[key])
            columns.append(column)
        return columns

    def climbed(self, rule: Rule | None) -> list[list[Prediction]]:
        """What every way out would answer every sample under a rule."""
        bill, numbers, told = bill_of(self.ways, rule, self.model.task.outputs), self._numbers(), self.own()
        if rule is not None and rule.answers is not None:
            by_way = [self.model.scores(said) for said in _said(rule, self.signals)]
            told = [list(row) for row in zip(*by_way, strict=True)]
        return [
            [
                prediction_of(scores, self.model.task, self._trace(bill, -1, numbers[place], place, number))
                for number, scores in enumerate(row, start=1)
            ]
            for place, row in enumerate(told)
        ]

    def own(self) -> list[list[tuple[float, ...]]]:
        """What each way out says by itself, a row a sample."""
        logits = self.signals.of_logits()
        scores = self.model.scores(logits.flatten(0, 1))
        return [scores[start : start + logits.shape[1]] for start in range(0, len(scores), logits.shape[1])]

    def _numbers(self) -> list[int]:
        """A number for each sample's whole trace, the same for equal ones."""
        seen: dict[Trace, int] = {}
        return [seen.setdefault(tuple(request.trace), len(seen)) for request in self.requests]

    def _trace(self, bill: Bill, kind: int, whole: int, place: int, number: int) -> Trace:
        key = whole, kind, number
        if key not in self.traces:
            request = self.requests[place]
            self.traces[key] = bill.left(request.trace, request.notes[PARTS], number)
        return self.traces[key]


def everything(
    model: RaggedModel, ways: Sequence[Way], samples: Sequence[Sample], rules: Sequence[Rule], shown: Rule | None
) -> Everything:
    """All ways out of these samples, and what the rules would have done. Ways are shown under the rule `shown`."""
    with torch.inference_mode():
        requests = _passed(model, ways, samples, rules)
        signals = _signals(requests)
        close = _close(model, signals.of_logits())
        doubt = close.any(1)
        if shown is not None and shown.answers is not None:
            doubt = doubt | np.any([model.close(said) for said in _said(shown, signals)], 0)
        taken, unsure = np.empty((len(rules), len(samples)), np.int64), np.zeros((len(rules), len(samples)), bool)
        for column, rule in enumerate(rules):
            taken[column], unsure[column] = _taken(model, ways, rule, signals, close)
        again = [] if len(samples) < 2 else np.flatnonzero(doubt | unsure.any(0)).tolist()
        for place in again:
            (requests[place],) = _passed(model, ways, [samples[place]], rules)
            alone = _signals([requests[place]])
            for column in np.flatnonzero(unsure[:, place]).tolist():
                taken[column, place] = _taken(model, ways, rules[column], alone, close[:1])[0][0]
        return Everything(model, ways, rules, requests, _signals(requests) if again else signals, taken)


def _passed(model: RaggedModel, ways: Sequence[Way], samples: Sequence[Sample], rules: Sequence[Rule]) -> list[Request]:
    """The requests of samples, in order, that were asked everything any rule asks for."""
    scored = any(rule.asks(SCORES, number) for rule in rules for number in range(1, len(ways)))
    stages = [
        partial(_pass, way, scored and number < len(ways), number == len(ways)) for number, way in enumerate(ways, 1)
    ]
    return sorted(model.run(samples, stages, noted=True), key=lambda request: request.place)


def _pass(way: Way, scored: bool, last: bool, pack: Pack) -> tuple[Pack | None, Sequence[Request]]:
    """The stage of a way out. Every unit notes one step for each sample, so parts lie alike in all traces of a pack."""
    ends, channels = [len(pack.requests[0].trace)], CHANNELS if scored else (LOGITS,)
    pack = way.advance(pack)
    ends.append(len(pack.requests[0].trace))
    pack = way.look(pack)
    ends.append(len(pack.requests[0].trace))
    for channel in channels:
        pack = way.tell(pack, [channel], None)
        ends.append(len(pack.requests[0].trace))
    parts: Parts = dict(zip((ADVANCE, LOOK, *channels), map(slice, ends, ends[1:]), strict=False))
    for request in pack.requests:
        request.notes.setdefault(PARTS, []).append(parts)
    if not last:
        return pack, []
    for name in CHANNELS:
        if name in pack.memory:
            for request, told in zip(pack.requests, pack.memory[name].unbind(), strict=True):
                request.notes[name] = told
    return None, pack.requests


def _signals(requests: Sequence[Request]) -> Signals:
    logits = torch.stack([request.notes[LOGITS] for request in requests])
    scored = SCORES in requests[0].notes
    return Signals.whole(logits, torch.stack([request.notes[SCORES] for request in requests]) if scored else None)


def _close(model: RaggedModel, logits: torch.Tensor) -> np.ndarray:
    """Where the answer of a way out hangs by a hair, (samples, ways)."""
    return model.close(logits.flatten(0, 1)).reshape(logits.shape[:2])


def _said(rule: Rule, signals: Signals) -> list[torch.Tensor]:
    """What a rule answers at each way out, (samples, outputs) each."""
    assert rule.answers is not None
    logits = signals.of_logits()
    return [rule.answers(logits[:, :number]) for number in range(1, logits.shape[1] + 1)]


def _taken(
    model: RaggedModel, ways: Sequence[Way], rule: Rule, signals: Signals, close: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The way out that each sample takes under a rule, and where that, or the answer there, was close, (samples,)."""
    size = signals.samples
    taken, doubt = np.full(size, len(ways)), np.zeros(size, dtype=bool)
    staying = np.ones(size, dtype=bool)
    for number, way in enumerate(ways[:-1], start=1):
        if not rule.concerns(number):
            continue
        leaves, unsure = decided_by(rule, number, size, partial(_seen, signals, number))
        if way.scores_of_logits and SCORES in way.asked(rule, number):
            unsure = unsure | close[:, number - 1]
        doubt |= unsure & staying
        taken[leaves & staying] = number
        staying &= ~leaves
        if not staying.any():
            break
    if rule.answers is None:
        doubt |= close[np.arange(size), taken - 1]
    else:
        doubt |= model.close(answered(signals, rule, torch.from_numpy(taken)))
    return taken, doubt


def _seen(signals: Signals, number: int, part: Rule) -> Signals:
    return part.seen(signals, number)
