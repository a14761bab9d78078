"""Reading networks with rules of their own, and texts for them."""

from __future__ import annotations

import random
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from elue.modeling.reading.batch import Batch
from elue.modeling.reading.loop import read
from elue.modeling.reading.network import ReaderNetwork, ReaderOptions
from elue.modeling.reading.units import Ending, ReaderUnit
from elue.protocol import TaskInfo
from tests import small

WORDS, WIDTH, SIZE = 50, 6, 8

STOP = 7


def make(
    kind: type[ReaderNetwork] = ReaderNetwork, task: TaskInfo = small.CLASSES, cell: str = "lstm"
) -> ReaderNetwork:
    torch.manual_seed(0)
    network = kind(nn.Embedding(WORDS, WIDTH), task, ReaderOptions(cell=cell, size=SIZE))
    return small.stir(network)  # type: ignore[return-value]


def texts(count: int, seed: int = 0, longest: int = 30) -> list[list[int]]:
    draw = random.Random(seed)
    return [[draw.randrange(WORDS) for _ in range(draw.randrange(1, longest))] for _ in range(count)]


def endings(network: ReaderNetwork, given: Sequence[Sequence[int]], batch_size: int = 8) -> list[Ending]:
    found = list(read(network, given, batch_size))
    assert sorted(ending.number for ending in found) == list(range(len(given)))
    return sorted(found, key=lambda ending: ending.number)


class Hopping(ReaderNetwork):
    """Goes by the token: stops at STOP, goes back at most once where it is 1, else jumps 1 to 4 on."""

    def step(self, batch: Batch) -> None:
        batch.update("cell")
        moves = []
        for reading in batch.readings:
            token = reading.ids[reading.at]
            if token == 1 and not reading.notes.get("back"):
                reading.notes["back"] = True
                moves.append(-2)
            else:
                moves.append(0 if token == STOP else 1 + token % 4)
        batch.move(moves)


def hops(ids: Sequence[int]) -> list[int]:
    """The places that Hopping reads."""
    at, back, places = 0, False, []
    while at < len(ids):
        places.append(at)
        if ids[at] == STOP:
            break
        if ids[at] == 1 and not back:
            back, at = True, max(0, at - 2)
        else:
            at += 1 + ids[at] % 4
    return places


class Skimming(ReaderNetwork):
    """As Skim-RNN: a policy lets a small cell update the first dimensions only, or the full one all of them."""

    def __init__(self, *parts: object) -> None:
        super().__init__(*parts)  # type: ignore[arg-type]
        self.choice = nn.Linear(WIDTH + SIZE, 2)
        self.small = nn.GRUCell(WIDTH, 3)

    def choose(self, inputs: Tensor, output: Tensor) -> Tensor:
        return self.choice(torch.cat([inputs, output], 1)).argmax(-1)

    def units(self) -> dict[str, ReaderUnit]:
        skim = ReaderUnit(lambda inputs, output: (self.small(inputs, output[:, :3]),), (WIDTH, SIZE))
        return {**super().units(), "policy": ReaderUnit(self.choose, (WIDTH, SIZE), listed=True), "skim": skim}

    def step(self, batch: Batch) -> None:
        skims = batch.ask("policy", batch.inputs, batch.state[0])
        full, part = ([row for row, skim in enumerate(skims) if skim == choice] for choice in (0, 1))
        batch.update("cell", full)
        batch.update("skim", part)
        batch.move(1)


class Partial(ReaderNetwork):
    """As VCRNN: an update of the first dimensions, as many as the token says; the size is part of the shape."""

    def __init__(self, *parts: object) -> None:
        super().__init__(*parts)  # type: ignore[arg-type]
        self.inner, self.outer = nn.Linear(WIDTH, SIZE), nn.Linear(SIZE, SIZE)

    def part(self, inputs: Tensor, output: Tensor, size: int) -> tuple[Tensor, ...]:
        new = inputs @ self.inner.weight[:size].T + output[:, :size] @ self.outer.weight[:size, :size].T
        return (new.tanh(),)

    def units(self) -> dict[str, ReaderUnit]:
        return {**super().units(), "part": ReaderUnit(self.part, (WIDTH, SIZE))}

    def step(self, batch: Batch) -> None:
        sizes = [1 + reading.ids[reading.at] % SIZE for reading in batch.readings]
        for size in sorted(set(sizes)):
            batch.update("part", [row for row, one in enumerate(sizes) if one == size], (size,))
        batch.move(1)


METHODS = {
    "all": (ReaderNetwork, "lstm"),
    "hop": (Hopping, "lstm"),
    "skim": (Skimming, "gru"),
    "part": (Partial, "rnn"),
}
