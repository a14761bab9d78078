"""Several ways out in a row, exits after layers or the models of a cascade, and the rules by which samples leave.

A rule is shown the signals of the ways out so far and says by how much a sample is past the point of leaving. What any
rule would have done at any point follows from the signals of all ways out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from elue.modeling.ragged import Pack
from elue.modeling.running import is_close
from elue.modeling.signals import CHANNELS, LOGITS, SCORES, Signals
from elue.modeling.tracing import Shape, Unit, blank, step
from elue.protocol import Step


@dataclass(frozen=True, slots=True)
class Rule:
    """When to leave: where `margin`, (samples,), is above 0.

    `close` says where noise could have turned that; without it, margins are in units of the noise of a logit.

    It `needs` channels of the last `window` ways out (None: of all so far), and is asked from way out `first` on, never
    at the last; one without a margin, and with no needs, lets all go there. `name` is its unit in traces: what a margin
    costs may depend on the shape of its signals alone, not on its settings. `answers` says what is answered, as logits
    (samples, outputs), by the logits (samples, ways, outputs) of all ways out so far; without it those of the way out
    taken. Where one of the rules in `others` says so, a sample leaves as well.
    """

    name: str
    margin: Callable[[Signals], Tensor] | None = None
    needs: tuple[str, ...] = (LOGITS,)
    window: int | None = 1
    first: int = 1
    answers: Callable[[Tensor], Tensor] | None = None
    others: tuple[Rule, ...] = ()
    close: Callable[[Signals], np.ndarray] | None = None

    def decide(self, signals: Signals) -> tuple[np.ndarray, np.ndarray]:
        """Which samples leave, (samples,), and for which that was close."""
        assert self.margin is not None
        margins = self.margin(signals)
        if self.close is not None:
            return (margins > 0).numpy(), self.close(signals)
        return (margins > 0).numpy(), is_close(margins.numpy(), 2 * signals.noise)

    @property
    def answer_unit(self) -> str:
        """What working out the answer is called in traces, where it isn't the way's own."""
        return f"{self.name}.answer"

    def concerns(self, number: int) -> bool:
        """Whether a way out, from 1 and not the last, is looked at, or left by."""
        asks = any(self.asks(channel, number) for channel in CHANNELS)
        return asks or any(number >= part.first for part in self.parts)

    @property
    def parts(self) -> tuple[Rule, ...]:
        """The rule and the others, any of which lets a sample leave."""
        return (replace(self, others=()), *self.others) if self.others else (self,)

    @property
    def memory(self) -> int | None:
        """Of how many ways out signals are kept; None for all."""
        windows = [part.window for part in self.parts if part.needs]
        if self.answers is not None or None in windows:
            return None
        return max([window for window in windows if window is not None], default=0)

    def asks(self, channel: str, number: int) -> bool:
        """Whether a way out, from 1 and not the last, must tell this channel."""
        if channel == LOGITS and self.answers is not None:
            return True
        return any(
            channel in part.needs and (part.window is None or number > part.first - part.window) for part in self.parts
        )

    def seen(self, signals: Signals, number: int) -> Signals:
        """What the rule looks at of the signals of all ways out up to one."""
        seen = signals.up_to(number, self.window)
        logits, scores = (getattr(seen, name) if name in self.needs else None for name in CHANNELS)
        return Signals(number, logits, scores, signals.noise)


@dataclass(frozen=True, slots=True)
class Way:
    """A way out: `advance` brings a pack up to it, and `look` to where it can be asked.

    `channels` tell, of a pack that looked, its logits (samples, outputs) and, where it learned one, its score
    (samples,). With `scores_of_logits` the score is made of the logits so far, which are told with it, and may turn
    where the answer does.
    """

    advance: Callable[[Pack], Pack]
    channels: Mapping[str, Callable[[Pack], Tensor]]
    look: Callable[[Pack], Pack] = lambda pack: pack
    scores_of_logits: bool = False

    def asked(self, rule: Rule, number: int) -> list[str]:
        """The channels that a rule asks it for, way out `number` and not the last, in the order they are told."""
        logits, scores = (rule.asks(name, number) for name in CHANNELS)
        return [LOGITS] * (logits or (scores and self.scores_of_logits)) + [SCORES] * scores

    def tell(self, pack: Pack, channels: Iterable[str], memory: int | None) -> Pack:
        """A pack that looked, with what this way out says on some channels after what those before it said."""
        for name in channels:
            said = self.channels[name](pack)
            pack = pack.remembering(**{name: extended(pack.memory.get(name), said, memory)})
        return pack

    def memory(self, rules: Iterable[Rule]) -> int | None:
        """Of how many ways out signals are kept for these rules; None for all."""
        kept = [rule.memory for rule in rules]
        if self.scores_of_logits or None in kept:
            return None
        return max([windows for windows in kept if windows], default=1)


def extended(earlier: Tensor | None, latest: Tensor, memory: int | None) -> Tensor:
    """A channel of the ways out so far, at most `memory` of them (None: all): (samples, ways, ...)."""
    if earlier is None or memory == 1:
        return latest[:, None]
    return torch.cat([earlier if memory is None else earlier[:, 1 - memory :], latest[:, None]], 1)


def decided(rule: Rule, number: int, pack: Pack) -> tuple[np.ndarray, np.ndarray]:
    """Which samples of a pack any part of a rule lets go at a way out, (samples,), and for which that was close."""
    return decided_by(rule, number, len(pack.requests), lambda part: signals_of(part, number, pack))


def decided_by(rule: Rule, number: int, samples: int, seen: Callable[[Rule], Signals]) -> tuple[np.ndarray, np.ndarray]:
    """The same of so many samples, by what each part sees of them."""
    leaves = close = np.zeros(samples, dtype=bool)
    for part in rule.parts:
        if number >= part.first:
            says, unsure = np.ones_like(leaves), np.zeros_like(close)
            if part.margin is not None:
                says, unsure = part.decide(seen(part))
            leaves, close = leaves | says, close | unsure
    return leaves, close


def steps_of(rule: Rule, number: int, outputs: int) -> Iterator[Step]:
    """What asking a rule at a way out adds to a trace."""
    for part in rule.parts:
        if number >= part.first and part.margin is not None:
            ways = number if part.window is None else min(part.window, number)
            logits = (outputs,) if LOGITS in part.needs else ()
            yield step(part.name, (ways, *logits, *((1,) if logits and SCORES in part.needs else ())))


def signals_of(rule: Rule, number: int, pack: Pack) -> Signals:
    """What a rule looks at of what a pack remembers."""
    logits, scores = (_recent(pack.memory[name], rule.window) if name in rule.needs else None for name in CHANNELS)
    return Signals(number, logits, scores)


def _recent(channel: Tensor, window: int | None) -> Tensor:
    return channel if window is None else channel[:, -window:]


def rule_unit(rule: Rule) -> Unit:
    """A rule as a unit, to be priced: its shape is that of one sample's signals, and `steps_of` notes it.

    It looks at all ways of the shape: another point of the same rule may have had a longer window.
    """
    whole = replace(rule, window=None)

    def run(pack: Pack) -> tuple[np.ndarray, np.ndarray]:
        return rule.decide(signals_of(whole, len(pack.memory[rule.needs[0]][0]), pack))

    def example(shape: Shape) -> Pack:
        shapes = {LOGITS: shape[:2], SCORES: shape[:1]}
        return blank((1,), 1).remembering(**{name: torch.zeros(1, *shapes[name]) for name in rule.needs})

    return Unit(run, lambda pack: (), example)


def answer_unit(rule: Rule) -> Unit:
    """What a rule answers by the logits of all ways out so far, as a unit; its shape is (ways, outputs)."""
    assert rule.answers is not None
    answers = rule.answers

    def shapes(pack: Pack) -> list[Shape]:
        return [tuple(pack.memory[LOGITS].shape[1:])] * len(pack.requests)

    def example(shape: Shape) -> Pack:
        return blank((1,), 1).remembering(logits=torch.zeros(1, *shape))

    return Unit(lambda pack: answers(pack.memory[LOGITS]), shapes, example)


def simulate(signals: Signals, rule: Rule) -> Tensor:
    """The way out, from 1, that each sample takes, (samples,), by the signals of all ways out."""
    return (margins(signals, rule) > 0).int().argmax(1) + 1


def margins(signals: Signals, rule: Rule) -> Tensor:
    """The largest margin of a rule's parts, (samples, ways), by the signals of all; minus infinity where not asked.

    The last way out counts as one that everybody leaves by, with a margin of infinity.
    """
    by_way = torch.full((signals.samples, signals.ways), -torch.inf)
    for part in rule.parts:
        for number in range(part.first, signals.ways):
            by_part = torch.inf if part.margin is None else part.margin(part.seen(signals, number))
            by_way[:, number - 1] = torch.maximum(by_way[:, number - 1], torch.as_tensor(by_part))
    by_way[:, -1] = torch.inf
    return by_way


def answered(signals: Signals, rule: Rule, taken: Tensor) -> Tensor:
    """The logits (samples, outputs) that samples answer with, by the signals of all ways out and the way each took."""
    logits = signals.of_logits()
    if rule.answers is None:
        return logits[torch.arange(len(logits)), taken - 1]
    by_way = torch.stack([rule.answers(logits[:, :number]) for number in range(1, signals.ways + 1)], 1)
    return by_way[torch.arange(len(logits)), taken - 1]
