"""All ways out of all samples from one pass; what each of many rules would have done is told afterwards.

Every sample goes through every way out, and what these say is kept. The rules then decide on what all samples were told
at once, so that a hundred of them cost little. Where a decision is so close that float noise could have turned it, the
sample runs again by itself, as far as the rules in doubt take it, and they decide anew on what it was told alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
import torch

from elue.modeling.ladder import Rule, Way, answered, decided_by
from elue.modeling.paying import ADVANCE, LOOK, Bill, Parts, bill_of
from elue.modeling.ragged import Pack, Request
from elue.modeling.running import RaggedModel, prediction_of
from elue.modeling.signals import CHANNELS, LOGIT_NOISE, LOGITS, SCORES, Signals
from elue.protocol import Prediction, Sample, Trace

PARTS = "parts"
PROBES, PROBED_OF = 8, 3
"""So many doubtful samples tell first how large the noise is, where there are more than this many times as many."""
NOISE_OF_PROBES, LEAST_NOISE = 32.0, 2e-6
"""What a logit of other samples may differ by, times the most that one of the probes did; and that at least."""


@dataclass(slots=True)
class Everything:
    """Samples that passed all ways out: requests in order, signals, the ways rules take, from 1, (rules, samples)."""

    model: RaggedModel
    ways: Sequence[Way]
    rules: Sequence[Rule]
    requests: list[Request]
    signals: Signals
    taken: np.ndarray
    traces: dict[Bill, dict[tuple[int, int], Trace]] = field(default_factory=dict)

    def swept(self) -> list[list[Prediction]]:
        """The answers of all samples by every rule."""
        task, numbers = self.model.task, self._numbers()
        own = [[prediction_of(scores, task, ()) for scores in row] for row in self.own()]
        told: dict[Bill, dict[tuple[int, int], Prediction]] = {}
        columns = []
        for rule, taken in zip(self.rules, self.taken.tolist(), strict=True):
            bill = bill_of(self.ways, rule, task.outputs)
            if rule.answers is not None:
                said = self.model.scores(answered(self.signals, rule, torch.tensor(taken)))
                left_by = enumerate(zip(said, taken, strict=True))
                columns.append(
                    [
                        prediction_of(scores, task, self._trace(bill, numbers, place, number))
                        for place, (scores, number) in left_by
                    ]
                )
                continue
            shared = told.setdefault(bill, {})
            for left in enumerate(taken):
                if left not in shared:
                    answer = own[left[0]][left[1] - 1]
                    shared[left] = Prediction(answer.value, answer.scores, self._trace(bill, numbers, *left))
            columns.append([shared[left] for left in enumerate(taken)])
        return columns

    def climbed(self, rule: Rule | None) -> list[list[Prediction]]:
        """What every way out would answer every sample under a rule."""
        bill, numbers, told = bill_of(self.ways, rule, self.model.task.outputs), self._numbers(), self.own()
        if rule is not None and rule.answers is not None:
            by_way = [self.model.scores(said) for said in _said(rule, self.signals)]
            told = [list(row) for row in zip(*by_way, strict=True)]
        return [
            [
                prediction_of(scores, self.model.task, self._trace(bill, numbers, place, number))
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

    def _trace(self, bill: Bill, numbers: list[int], place: int, number: int) -> Trace:
        """The trace of the sample at a place that leaves by a way out, from 1."""
        traces, key = self.traces.setdefault(bill, {}), (numbers[place], number)
        if key not in traces:
            request = self.requests[place]
            traces[key] = bill.left(request.trace, request.notes[PARTS], number)
        return traces[key]


def everything(
    model: RaggedModel, ways: Sequence[Way], samples: Sequence[Sample], rules: Sequence[Rule], shown: Rule | None
) -> Everything:
    """All ways out of these samples, and what the rules would have done. Ways are shown under the rule `shown`."""
    scored = any(rule.asks(SCORES, number) for rule in rules for number in range(1, len(ways)))
    with torch.inference_mode():
        requests = _passed(model, ways, samples, scored, len(ways))
        signals = _signals(requests)
        close = _close(model, signals.of_logits())
        deep = _deepest(close)
        if shown is not None and shown.answers is not None:
            deep = np.maximum(deep, _deepest(np.stack([model.close(said) for said in _said(shown, signals)], 1)))
        taken, unsure = _all_taken(model, ways, rules, signals, close)
        alone = partial(_alone, model, ways, samples, scored, signals)
        places: list[int] = [] if len(samples) < 2 else np.flatnonzero(deep | unsure.any(0)).tolist()
        if len(places) > PROBED_OF * PROBES:
            probes, places = places[:PROBES], places[PROBES:]
            moved = max([alone(place, len(ways)) for place in probes])
            taken[:, probes] = _all_taken(model, ways, rules, signals.of_some(probes), close[probes])[0]
            quieter = float(np.clip(NOISE_OF_PROBES * moved, LEAST_NOISE, LOGIT_NOISE))
            rest = replace(signals.of_some(places), noise=quieter)
            unsure[:, places] = _all_taken(model, ways, rules, rest, close[places])[1]
        deep = np.maximum(deep, np.where(unsure, taken, 0).max(0, initial=0))
        for place in places:
            doubtful = np.flatnonzero(unsure[:, place]).tolist()
            asked = [rules[column] for column in doubtful]
            while (known := int(deep[place])) > 0:
                alone(place, known)
                taken[doubtful, place] = _all_taken(model, ways, asked, signals.of_some([place]), close[:1])[0][:, 0]
                deep[place] = len(ways) if (taken[doubtful, place] > known).any() else 0
        return Everything(model, ways, rules, requests, signals, taken)


def _alone(
    model: RaggedModel,
    ways: Sequence[Way],
    samples: Sequence[Sample],
    scored: bool,
    signals: Signals,
    place: int,
    last: int,
) -> float:
    """Ask the sample at a place by itself, up to the way out `last`, and put what it is told among the signals.

    By how much at most a logit, or that of a score, was another one among others.
    """
    (request,) = _passed(model, ways, [samples[place]], scored, last)
    moved = 0.0
    for name, channel in ((LOGITS, signals.logits), (SCORES, signals.scores)):
        if channel is not None:
            told = request.notes[name]
            before = channel[place, : len(told)]
            apart = (told.double() - before.double()).abs()
            if name == SCORES:
                slope = (told.double() * (1 - told.double())).clamp(min=1e-12)
                apart = (apart - torch.finfo(told.dtype).eps).clamp(min=0) / slope
            moved = max(moved, apart.max().item() if len(told) else 0.0)
            channel[place, : len(told)] = told
    return moved


def _all_taken(
    model: RaggedModel, ways: Sequence[Way], rules: Sequence[Rule], signals: Signals, close: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """What every rule does, (rules, samples), as `_taken` says."""
    shape = len(rules), signals.samples
    taken, unsure = np.empty(shape, np.int64), np.zeros(shape, dtype=bool)
    for column, rule in enumerate(rules):
        taken[column], unsure[column] = _taken(model, ways, rule, signals, close)
    return taken, unsure


def _passed(
    model: RaggedModel, ways: Sequence[Way], samples: Sequence[Sample], scored: bool, last: int
) -> list[Request]:
    """The requests of samples, in order, that were asked for logits, and perhaps scores, up to the way out `last`."""
    stages = [
        partial(_pass, way, scored and number < len(ways), number == last)
        for number, way in enumerate(ways[:last], start=1)
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


def _deepest(marked: np.ndarray) -> np.ndarray:
    """The last way out, from 1, that is marked, or 0, (samples,), of marks (samples, ways)."""
    numbers: np.ndarray = (marked * np.arange(1, marked.shape[1] + 1)).max(1)
    return numbers


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
