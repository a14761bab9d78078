"""Training reads as inference does: the same paths where nothing is drawn, and gradients to all that decided."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor, nn

from elue.modeling.reading.batch import Batch
from elue.modeling.reading.learning import TrialNetwork
from elue.modeling.reading.loop import read
from elue.modeling.reading.network import ReaderOptions
from elue.modeling.reading.trial import Trial
from elue.modeling.reading.units import ReaderUnit, Reading
from tests import small
from tests.modeling.reading.readers import SIZE, WIDTH, WORDS, texts


class Leaping(TrialNetwork):
    """Chooses at every token how far to jump, 0 to stop, told by what looks ahead; pays a tenth for every token."""

    ahead = ("later",)

    def __init__(self, *parts: object) -> None:
        super().__init__(*parts)  # type: ignore[arg-type]
        self.jump = nn.Linear(SIZE + 2, 4)
        self.later = nn.Linear(WIDTH, 2)

    def units(self) -> dict[str, ReaderUnit]:
        jump = ReaderUnit(lambda state, ahead: self.jump(torch.cat([state, ahead], 1)), (SIZE, 2), listed=True)
        return {**super().units(), "jump": jump, "later": ReaderUnit(self.ahead_of, (WIDTH,), chunked=True)}

    def ahead_of(self, given: Sequence[Tensor]) -> list[Tensor]:
        """The mean of all tokens from here on."""
        counts = [torch.arange(len(words), 0, -1)[:, None] for words in given]
        return [self.later(words.flip(0).cumsum(0).flip(0) / n) for words, n in zip(given, counts, strict=True)]

    def step(self, batch: Batch) -> None:
        batch.update("cell")
        batch.pay([0.1] * len(batch))
        jumps = batch.choose("jump", batch.state[0], batch.ahead)
        batch.go([reading.at + jump if jump else -1 for reading, jump in zip(batch.readings, jumps, strict=True)])


def made() -> Leaping:
    torch.manual_seed(0)
    return small.stir(Leaping(nn.Embedding(WORDS, WIDTH), small.CLASSES, ReaderOptions(size=SIZE)))  # type: ignore[return-value]


def padded(given: list[list[int]]) -> tuple[Tensor, Tensor]:
    longest = max(map(len, given))
    ids = torch.tensor([text + [0] * (longest - len(text)) for text in given])
    return ids, torch.arange(longest) < torch.tensor([len(text) for text in given])[:, None]


@torch.no_grad()
def test_what_is_validated_is_what_is_read() -> None:
    network, given = made(), texts(60)
    trial = Trial(network, *padded(given))
    logits = network.head(network.final(trial.run()))
    lengths = set()
    for ending in read(network, given, 16):
        reading = trial.all[ending.number]
        assert reading.trace() == ending.trace[:-1]
        assert tuple(reading.read) == ending.read
        assert logits[ending.number].softmax(-1).tolist() == pytest.approx(ending.outputs, abs=1e-5)
        lengths.add(len(ending.read) / len(given[ending.number]))
    assert len(lengths) > 10


def test_readings_of_one_text_are_drawn_apart_and_tell_how_likely_they_were() -> None:
    network, given = made().train(), texts(5, longest=9)
    torch.manual_seed(0)
    trial = Trial(network, *padded(given), copies=40)
    state = trial.run()
    assert state[0].shape == (200, SIZE)
    assert len({tuple(reading.read) for reading in trial.all[::5]}) > 1
    for number in (0, 7, 199):
        reading = trial.all[number]
        assert list(reading.ids) == given[number % 5]
        assert trial.paid[number] == pytest.approx(0.1 * len(reading.read))
        taken = [
            (step, row) for step in trial.decisions for row in range(len(step.numbers)) if step.numbers[row] == number
        ]
        assert len(taken) == len(reading.read)
        replayed, words = network.start(1), network.words(torch.tensor(reading.ids))
        (ahead,) = network.ahead_of([words])
        for (step, row), place, after in zip(taken, reading.read, [*reading.read[1:], None], strict=True):
            replayed = network.cell(words[place][None], *replayed)
            log_p = network.jump(torch.cat([replayed[0][0], ahead[place]])).log_softmax(-1)
            if after is not None:
                assert step.log_p[row].item() == pytest.approx(log_p[after - place].item(), abs=1e-5)
        torch.testing.assert_close(state[0][number], replayed[0][0])
    (-torch.cat([step.log_p for step in trial.decisions]).mean()).backward()
    for part in (network.jump, network.later, network.cell.cell, network.words):
        assert all(parameter.grad is not None and parameter.grad.abs().sum() > 0 for parameter in part.parameters())


class Endless(TrialNetwork):
    """Never gets on."""

    def step(self, batch: Batch) -> None:
        batch.update("cell")
        batch.go([reading.at for reading in batch.readings])

    def bound(self, tokens: int) -> int:
        return 3 * tokens


def test_every_reading_ends() -> None:
    torch.manual_seed(0)
    network = Endless(nn.Embedding(WORDS, WIDTH), small.CLASSES, ReaderOptions(size=SIZE)).eval()
    for ending, ids in zip(sorted(read(network, given := texts(9)), key=lambda end: end.number), given, strict=True):
        assert ending.read == (0,) * 3 * len(ids)
    trial = Trial(network, *padded(texts(9)))
    trial.run()
    assert [len(reading.read) for reading in trial.all] == [3 * len(ids) for ids in given]


@pytest.mark.parametrize(("places", "at"), [([-1, 4], [3, 4]), ([0, 5], [0, 5]), ([3, 2], [3, 2])])
def test_a_place_outside_of_the_text_ends_the_reading(places: list[int], at: list[int]) -> None:
    batch = Batch(made())
    batch.enter([Reading(0, [1, 2, 3]), Reading(1, [1, 2, 3, 4, 5])])
    batch.go(places)
    assert [reading.at for reading in batch.readings] == at


@torch.no_grad()
def test_texts_that_wait_are_looked_at_at_once_and_answered_as_alone() -> None:
    network, given = made(), texts(50)
    sizes: list[int] = []
    looks = network.ahead_of
    network.ahead_of = lambda chunks: (sizes.append(len(chunks)), looks(chunks))[1]  # type: ignore[method-assign]
    together = sorted(read(network, given, 16), key=lambda ending: ending.number)
    assert max(sizes) == 16
    assert len(sizes) < len(given)
    for ending, ids in zip(together, given, strict=True):
        (alone,) = read(network, [ids], 1)
        assert (ending.read, ending.trace) == (alone.read, alone.trace)
        assert ending.outputs == pytest.approx(alone.outputs, abs=1e-5)
