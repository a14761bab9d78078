"""Units on many chunks at once against the same on each by itself."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from elue.meter import Meter
from elue.modeling.reading import chunks as reading_chunks
from elue.modeling.reading.chunks import by_length, convolved, in_turn, packed

WIDTH, SIZE = 5, 4
LENGTHS = [3, 1, 7, 3, 4, 1]


def chunks(lengths: list[int]) -> list[Tensor]:
    torch.manual_seed(0)
    return [torch.randn(length, WIDTH) for length in lengths]


@pytest.mark.parametrize("lengths", [LENGTHS, [3, 3], [2]])
@torch.no_grad()
def test_stacks_by_length_say_of_each_chunk_what_it_says_alone(lengths: list[int]) -> None:
    given, states = chunks(lengths), torch.arange(len(lengths) * 1.0)[:, None]
    runs = []

    def run(stack: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        runs.append(stack.shape[:2])
        return stack.sum((1, 2))[:, None] + state, 2 * state

    sums, doubled = by_length(run)(given, states)
    expected = torch.stack([chunk.sum() for chunk in given])[:, None] + states
    torch.testing.assert_close(sums, expected)
    torch.testing.assert_close(doubled, 2 * states)
    assert sorted(runs) == sorted((lengths.count(length), length) for length in set(lengths))
    means = by_length(lambda stack: stack.mean(1))(given)
    torch.testing.assert_close(means, torch.stack([chunk.mean(0) for chunk in given]))


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU])
@pytest.mark.parametrize("both", [True, False])
@torch.no_grad()
def test_a_recurrent_network_starts_anew_on_each_chunk(kind: type[nn.RNNBase], both: bool) -> None:
    network, given = kind(WIDTH, SIZE, bidirectional=both), chunks(LENGTHS)
    for made, chunk in zip(packed(network, given), given, strict=True):
        torch.testing.assert_close(made, network(chunk)[0])
    with Meter() as together:
        packed(network, given[2:3])
    with Meter() as alone:
        network(given[2])
    assert together.flops == alone.flops > 0


@pytest.mark.filterwarnings("ignore:Using padding='same'")
@pytest.mark.parametrize("span", [1, 3, 4, 5])
@pytest.mark.parametrize("most", [1, 8, 2048])
@torch.no_grad()
def test_a_convolution_does_not_see_across_chunks(span: int, most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading_chunks, "IN_CACHE", most)
    convolution, given = nn.Conv1d(WIDTH, SIZE, span, padding="same"), chunks(LENGTHS)
    for made, chunk in zip(convolved(convolution, given), given, strict=True):
        torch.testing.assert_close(made, convolution(chunk.T[None])[0].T)


@torch.no_grad()
def test_steps_go_through_chunks_of_any_lengths_together_and_rows_are_those_that_are_left() -> None:
    cell, given, rows = nn.LSTMCell(WIDTH, SIZE), chunks(LENGTHS), []
    start = torch.randn(2, len(given), SIZE)

    def step(word: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        rows.append(len(word))
        output, memory = cell(word, state)
        return output, memory

    together = in_turn(step, given, tuple(start))
    assert rows == [sum(length > turn for length in LENGTHS) for turn in range(max(LENGTHS))]
    for row, chunk in enumerate(given):
        state: tuple[Tensor, ...] = tuple(part[row : row + 1] for part in start)
        for word in chunk:
            state = cell(word[None], state)
        for made, wanted, own in zip(
            together, state, in_turn(step, [chunk], tuple(start[:, row : row + 1])), strict=True
        ):
            torch.testing.assert_close(made[row], wanted[0])
            torch.testing.assert_close(own, wanted)
