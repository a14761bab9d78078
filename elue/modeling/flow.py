"""Scheduling: which samples run together, so that every step of a model sees full packs.

A model is a list of stages. Before each there is a queue; the deepest one that holds a full pack runs, and only when
none does are new samples taken in (what servers of generative models call continuous batching). Samples that leave make
room at once, those that stay behind wait until there are enough of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from elue.modeling.ragged import Pack, Request, join

TOKEN_BUDGET = 4096
"""Tokens a pack may hold, unless told otherwise."""

Stage = Callable[[Pack], tuple[Pack | None, Sequence[Request]]]
"""Runs a part of the model: what goes on to the next stage, if anything, and the requests that are done."""


def flow(stages: Sequence[Stage], requests: Iterable[Request], budget: int = TOKEN_BUDGET) -> Iterator[Request]:
    """Take all requests through the stages; each comes out as soon as it is done.

    No pack holds more than `budget` tokens, but for a single longer sample; a queue of half as many is worth running.
    Memory is bounded by budget and number of stages, however many requests there are.
    """
    queues = [_Queue(budget) for _ in stages]
    source = _Source(requests)
    while True:
        full = [depth for depth, queue in enumerate(queues) if queue.tokens >= max(1, budget // 2)]
        if full:
            depth = full[-1]
        elif fresh := source.take(budget):
            queues[0].put(Pack.fresh(fresh))
            depth = 0
        else:
            waiting = [depth for depth, queue in enumerate(queues) if queue.tokens]
            if not waiting:
                return
            depth = waiting[0]
        onward, done = stages[depth](queues[depth].take())
        if onward is not None and onward.requests:
            queues[depth + 1].put(onward)
        yield from done


class _Queue:
    """Packs that wait for one stage."""

    def __init__(self, budget: int) -> None:
        self.budget = budget
        self.packs: list[Pack] = []
        self.tokens = 0

    def put(self, pack: Pack) -> None:
        self.packs.append(pack)
        self.tokens += pack.tokens

    def take(self) -> Pack:
        """As many samples as the budget allows, those that came first at the front."""
        taken: list[Pack] = []
        room = self.budget
        while self.packs and (not taken or room > 0):
            pack = self.packs.pop(0)
            if pack.tokens > room and taken and pack.lengths[0] > room:
                self.packs.insert(0, pack)
                break
            fitting, rest = pack.cut(room)
            taken.append(fitting)
            room -= fitting.tokens
            if rest is not None:
                self.packs.insert(0, rest)
                break
        self.tokens -= sum(pack.tokens for pack in taken)
        return join(taken)


class _Source:
    """Requests, taken by tokens."""

    def __init__(self, requests: Iterable[Request]) -> None:
        self.requests = iter(requests)
        self.next = next(self.requests, None)

    def take(self, budget: int) -> list[Request]:
        taken: list[Request] = []
        room = budget
        while self.next is not None and (not taken or self.next.tokens <= room):
            taken.append(self.next)
            room -= self.next.tokens
            self.next = next(self.requests, None)
        return taken
