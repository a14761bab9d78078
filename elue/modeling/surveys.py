"""The pass in which samples are asked at all ways out, or at those that a rule may still take them to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from elue.modeling.flow import Stage
from elue.modeling.ladder import Rule, Way, decided
from elue.modeling.paying import ADVANCE, LOOK, Parts
from elue.modeling.ragged import Pack, Request
from elue.modeling.running import RaggedModel
from elue.modeling.signals import CHANNELS, LOGITS, SCORES, Signals
from elue.protocol import Sample

PARTS, OPEN = "parts", "open"
"""What is noted of a request beside its channels: where in the trace parts lie, and which rules it may go on for."""


@dataclass(frozen=True, slots=True)
class Survey:
    """How a model's samples are asked: with `whole` at all ways out, else until all rules have surely let them go."""

    model: RaggedModel
    ways: Sequence[Way]
    rules: Sequence[Rule]
    whole: bool

    def asked(self, samples: Sequence[Sample]) -> list[Request]:
        """The requests of samples, in order, with what they were told."""
        done = self.model.run(samples, self._stages(len(self.ways), self.whole), noted=True)
        return sorted(done, key=lambda request: request.place)

    def alone(self, request: Request, last: int) -> Request:
        """The same sample asked by itself, up to the way out `last`, from 1."""
        return self.model.by_itself(request, self._stages(last, whole=True))

    def signals(self, requests: Sequence[Request]) -> Signals:
        """What all were told, 0 where a sample was not asked any more."""
        logits = _filled([request.notes[LOGITS] for request in requests], len(self.ways))
        scores = [request.notes[SCORES] for request in requests if SCORES in request.notes]
        return Signals.whole(logits, _filled(scores, len(self.ways) - 1) if scores else None)

    def _stages(self, last: int, whole: bool) -> Sequence[Stage]:
        early = range(1, len(self.ways))
        channels = CHANNELS if any(rule.asks(SCORES, number) for rule in self.rules for number in early) else (LOGITS,)
        return [
            partial(self._pass, number, channels if number in early else (LOGITS,), number == last, whole)
            for number in range(1, last + 1)
        ]

    def _pass(
        self, number: int, channels: Sequence[str], last: bool, whole: bool, pack: Pack
    ) -> tuple[Pack | None, Sequence[Request]]:
        """The stage of a way out. Every unit notes one step for each sample, so parts lie alike in all their traces."""
        way, trace = self.ways[number - 1], pack.requests[0].trace
        ends = [len(trace)]
        pack = way.advance(pack)
        ends.append(len(trace))
        pack = way.look(pack)
        ends.append(len(trace))
        for channel in channels:
            pack = way.tell(pack, [channel], None)
            ends.append(len(trace))
        parts: Parts = dict(zip((ADVANCE, LOOK, *channels), map(slice, ends, ends[1:]), strict=False))
        for request in pack.requests:
            request.notes.setdefault(PARTS, []).append(parts)
        if last:
            return None, _noted(pack)
        if whole:
            return pack, []
        goes_on = self._goes_on(number, pack)
        stay, leave = np.flatnonzero(goes_on), np.flatnonzero(~goes_on)
        done = _noted(pack.select(leave)) if len(leave) else []
        return (pack.select(stay) if len(stay) else None), done

    def _goes_on(self, number: int, pack: Pack) -> np.ndarray:
        """Which samples a rule may still keep, (samples,)."""
        way, rules = self.ways[number - 1], self.rules
        unasked = np.ones(len(rules), dtype=bool)
        is_open = np.stack([np.asarray(request.notes.get(OPEN, unasked)) for request in pack.requests])
        close_answer = self.model.close(pack.memory[LOGITS][:, -1])
        for column in np.flatnonzero(is_open.any(0)).tolist():
            leaves, close = decided(rules[column], number, pack)
            if way.scores_of_logits and SCORES in way.asked(rules[column], number):
                close = close | close_answer
            is_open[:, column] = is_open[:, column] & (close | ~leaves)
        for request, row in zip(pack.requests, is_open, strict=True):
            request.notes[OPEN] = row
        goes_on: np.ndarray = np.any(is_open, axis=1)
        return goes_on


def _noted(pack: Pack) -> Sequence[Request]:
    """The requests of a pack, with what it remembers of each."""
    for name in CHANNELS:
        if name in pack.memory:
            for request, told in zip(pack.requests, pack.memory[name].unbind(), strict=True):
                request.notes[name] = told
    return pack.requests


def _filled(told: Sequence[Tensor], ways: int) -> Tensor:
    """One channel of all samples, (samples, ways, ...), of that of each, (ways asked, ...)."""
    return torch.stack([F.pad(values, (0, 0) * (values.dim() - 1) + (0, ways - len(values))) for values in told])
