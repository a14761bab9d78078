"""Reading as inference runs it: texts side by side, each leaving as soon as it has ended."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice

import numpy as np
import torch

from elue.modeling.reading.batch import Batch
from elue.modeling.reading.company import RecurrentNetwork
from elue.modeling.reading.units import Ending, Reading, State, near
from elue.modeling.text import Encoded

BATCH_SIZE = 256
"""Samples read side by side, unless asked otherwise: a unit that few of them ask for still has many rows."""
IN_COMPANY = -1
"""Since when a text is read that was looked at beside others: before any clock."""


@torch.inference_mode()
def read(
    network: RecurrentNetwork, texts: Iterable[Sequence[int] | Encoded], batch_size: int = BATCH_SIZE
) -> Iterator[Ending]:
    """Read texts, token ids or encoded, at most `batch_size` side by side; each ending is told as soon as it is known.

    Texts are taken from `texts` only as places become free, and nothing is kept of those that ended: memory depends
    on the batch alone.
    """
    batch, waiting = Batch(network), enumerate(texts)
    stock: deque[Reading] = deque()
    ended: list[Reading] = []
    left: list[Reading] = []
    states: list[State] = []
    clock = together = 0
    while True:
        if network.ahead and not stock:
            stock.extend(_looked_at(batch, islice(waiting, batch_size), clock))
        new = [stock.popleft() for _ in range(min(len(stock), batch_size - len(batch)))]
        new += [_reading(number, text, clock) for number, text in islice(waiting, batch_size - len(batch) - len(new))]
        if new:
            batch.enter(new)
        if not len(batch):
            break
        clock += 1
        together = clock if len(batch) > 1 else together
        if all(len(reading.ids) for reading in new):  # else those without a token leave first
            batch.advance()
        over = batch.over()
        doubtful = np.zeros(len(batch), bool)
        if batch.doubted:
            unsure = batch.column("unsure") > 0
            doubtful = unsure & (batch.column("since") < together)
            batch.doubted = bool((unsure & ~doubtful).any())
        doubted, leaving = doubtful.nonzero()[0], (over & ~doubtful).nonzero()[0]
        settled = [_settled(network, batch.readings[row]) for row in doubted]
        left += [batch.readings[row] for row in (*doubted, *leaving)]
        if len(left) >= batch_size:  # what was noted is sorted by readings once for many of them
            _close(left)
            left = []
        if len(leaving):
            ended += [batch.readings[row] for row in leaving]
            states.append(batch.states_of(leaving))
        if len(leaving) or settled:
            batch.leave(np.concatenate([leaving, doubted]))
        for alone in settled:
            if alone.over().all():
                ended += alone.readings
                states.append(alone.state)
            else:
                batch.adopt(alone, clock)
        if len(ended) >= batch_size:
            _close(ended)
            yield from _answer(network, ended, states, together)
            ended, states = [], []
    if ended:
        _close(ended)
        yield from _answer(network, ended, states, together)


def _close(readings: Sequence[Reading]) -> None:
    """Keep what was noted of readings that left."""
    for reading in readings:
        reading.closed()


def _answer(
    network: RecurrentNetwork, ended: Sequence[Reading], states: Sequence[State], together: int
) -> Iterator[Ending]:
    """Ask the head for all that ended; read again alone those to which it gives two answers nearly alike."""
    final = network.final(tuple(torch.cat(parts) for parts in zip(*states, strict=True)))
    for reading, outputs in zip(ended, network.units()[network.answer_unit](final), strict=True):
        reading.ran(network.answer_unit, (1,))
        *_, second, first = [-1.0, *sorted(outputs)] if len(outputs) > 1 else (0.0, 1.0)
        if near(first, second) and (len(ended) > 1 or reading.since < together):
            yield _alone(network, reading)
        else:
            yield Ending(reading.number, outputs, reading.trace(), tuple(reading.read))


def _settled(network: RecurrentNetwork, doubted: Reading) -> Batch:
    """A text read alone for as many steps as it was in company, whose last one left something in doubt."""
    alone = Batch(network)
    alone.enter([Reading(doubted.number, doubted.ids, second=doubted.second)])
    for _ in range(doubted.turns):
        if not alone.over().all():
            alone.advance()
    return alone


def _alone(network: RecurrentNetwork, reading: Reading) -> Ending:
    text = Encoded(list(reading.ids), [], reading.second)
    return replace(next(read(network, [text], 1)), number=reading.number)


def _reading(number: int, text: Sequence[int] | Encoded, clock: int) -> Reading:
    if isinstance(text, Encoded):
        return Reading(number, text.ids, clock, second=text.second)
    return Reading(number, text, clock)


def _looked_at(batch: Batch, coming: Iterable[tuple[int, Sequence[int] | Encoded]], clock: int) -> list[Reading]:
    """Texts that will be read, after units that look ahead saw them, all at once."""
    readings = [_reading(number, text, clock) for number, text in coming]
    batch.look_ahead(readings)
    for reading in readings:
        reading.since = clock if len(readings) == 1 else IN_COMPANY
    return readings
