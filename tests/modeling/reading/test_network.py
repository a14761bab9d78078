"""What reading methods are built of, against torch's own networks and by hand."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from elue.modeling.heads import task_loss
from elue.modeling.reading.batch import Batch
from elue.modeling.reading.cells import PartialCell
from elue.modeling.reading.learning import TrialNetwork
from elue.modeling.reading.network import ReaderOptions
from elue.modeling.reading.trial import Trial
from tests import small

WIDTH, SIZE, PART = 6, 8, 3
LENGTHS = [9, 4, 7]


@pytest.mark.parametrize(("cell", "whole"), [("lstm", nn.LSTM), ("gru", nn.GRU), ("rnn", nn.RNN)])
def test_training_as_it_stands_reads_every_token_for_nothing(cell: str, whole: type[nn.RNNBase]) -> None:
    torch.manual_seed(0)
    network = TrialNetwork(nn.Embedding(50, WIDTH), small.CLASSES, ReaderOptions(cell=cell, size=SIZE))
    recurrent = whole(WIDTH, SIZE, batch_first=True)
    recurrent.load_state_dict({f"{name}_l0": tensor for name, tensor in network.cell.cell.state_dict().items()})
    batch = {**small.batch(LENGTHS), "labels": torch.tensor([0.0, 1.0, 1.0])}
    outputs = network(batch)
    hidden, _ = recurrent(network.words(batch["ids"]))
    last = hidden[torch.arange(3), torch.tensor(LENGTHS) - 1]
    torch.testing.assert_close(outputs["logits"], network.head(last))
    torch.testing.assert_close(outputs["loss"], task_loss(network.head(last), batch["labels"], small.CLASSES))
    assert outputs["read"].tolist() == [1.0, 1.0, 1.0]


class Dear(TrialNetwork):
    """Takes in nothing but the first token, at a price of so many eighths as its text's place in the batch."""

    def step(self, batch: Batch) -> None:
        batch.update("cell")
        batch.move(0)

    def price(self, trial: Trial, lengths: Tensor) -> Tensor:
        return torch.arange(1.0, len(lengths) + 1) / 8


def test_what_reading_costs_is_added_to_the_loss_and_not_to_answers() -> None:
    torch.manual_seed(0)
    network = Dear(nn.Embedding(50, WIDTH), small.SCORE, ReaderOptions(size=SIZE))
    batch = {**small.batch(LENGTHS), "labels": torch.tensor([1.0, 2.0, 4.0])}
    outputs = network(batch)
    assert "loss" not in network(small.batch(LENGTHS))
    expected = task_loss(outputs["logits"], batch["labels"], small.SCORE) + 0.25
    torch.testing.assert_close(outputs["loss"], expected)
    torch.testing.assert_close(outputs["read"], 1 / torch.tensor([9.0, 4.0, 7.0]))
    assert outputs["price"].tolist() == [0.125, 0.25, 0.375]


@pytest.mark.parametrize("kind", ["lstm", "gru", "rnn"])
def test_a_partial_cell_updates_its_part_from_all_of_the_output(kind: str) -> None:
    torch.manual_seed(0)
    partial = PartialCell(kind, WIDTH, SIZE, PART)
    inputs = torch.randn(2, WIDTH)
    state = tuple(torch.randn(2, SIZE) for _ in range(partial.parts))
    plain = partial.cell(torch.cat([inputs, state[0][:, PART:]], 1), *_for(kind, [part[:, :PART] for part in state]))
    updated = plain if isinstance(plain, tuple) else (plain,)
    for new, whole, part, old in zip(
        partial.update(inputs, *state), partial.whole(inputs, *state), updated, state, strict=True
    ):
        torch.testing.assert_close(new, part)
        torch.testing.assert_close(whole, torch.cat([part, old[:, PART:]], 1))


def _for(kind: str, state: list[Tensor]) -> tuple[object, ...]:
    """The state as torch's cell takes it: an LSTM's in one tuple."""
    return (tuple(state),) if kind == "lstm" else tuple(state)
