"""VCRNN: its card's cases, against a plain loop, at the ends of its knob, in what it costs, and trained."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from elue.meter import Meter
from elue.modeling.backbone import learn_wordpiece
from elue.modeling.reading.loop import read
from elue.modeling.reading.model import ReaderModel
from elue.modeling.saving import read_note
from elue.modeling.text import TextEncoder, pad_batch
from elue.plugins.skimming.vcrnn import VcRnn, VcRnnNetwork, VcRnnOptions
from elue.protocol import TaskInfo
from tests import small
from tests.plugins.scoring_exits import SAMPLES, TASKS, unit

pytestmark = pytest.mark.usefixtures("one_thread")
WIDTH, SIZE, LEVELS = 8, 12, 6


def build(task: TaskInfo = small.CLASSES, width: int = WIDTH, **options: Any) -> ReaderModel:
    torch.manual_seed(1)
    text = TextEncoder(learn_wordpiece([sample.text for sample in SAMPLES], 50), 40)
    chosen = VcRnnOptions(**{"size": SIZE, "levels": LEVELS, **options})
    network = small.stir(VcRnnNetwork(nn.Embedding(60, width), task, chosen))
    return VcRnn().model(network.requires_grad_(False), text, task)


def test_six_tenths_of_four_dimensions_are_two() -> None:
    network: Any = build(size=4, levels=4).network
    nn.init.zeros_(network.scheduler.weight)
    nn.init.constant_(network.scheduler.bias, math.log(0.6 / 0.4))
    (ending,) = read(network, [[5, 6]], 1)
    assert [(step.shape, step.times) for step in ending.trace if step.unit == "cell"] == [((1, 2), 2)]


@pytest.mark.parametrize("cell", ["gru", "rnn"])
def test_what_lies_beyond_is_neither_read_nor_changed(cell: str) -> None:
    network: Any = build(size=4, cell=cell).network
    word, state = torch.randn(1, WIDTH), torch.randn(1, 4)
    (before,) = network.cell.first(word, state, 2)
    word[0, 2:], state[0, 2:] = 9.0, 9.0
    (after,) = network.cell.first(word, state, 2)
    assert after.shape == (1, 2)
    torch.testing.assert_close(after, before, rtol=0, atol=0)


@pytest.mark.parametrize(
    ("sharpness", "expected"), [(0.1, [0.535, 0.510, 0.485, 0.460]), (1.0, [0.802, 0.599, 0.354, 0.168])]
)
def test_the_mask_of_its_card(sharpness: float, expected: list[float]) -> None:
    """σ(λ (2.4 - i)) of four dimensions, seen in what is left of a state of 1 where the cell makes 0."""
    network: Any = build(size=4, cell="rnn").network
    for parameter in network.cell.parameters():
        nn.init.zeros_(parameter)
    network.progress = (sharpness - 0.1) / 0.9
    (state,) = network.taken(torch.zeros(1, WIDTH), torch.ones(1, 4), torch.tensor([[0.6]]))
    assert (1 - state[0]).tolist() == pytest.approx(expected, abs=5e-4)


@pytest.mark.parametrize(("cell", "width"), [("gru", 8), ("rnn", 8), ("gru", 16)])
def test_a_hard_mask_is_a_cut(cell: str, width: int) -> None:
    """Where λ is high the mask of m D = 6.5 is 1 up to the sixth dimension and 0 from there."""
    network: Any = build(cell=cell, width=width).network
    network.progress = 1000.0
    word, state = torch.randn(5, width), torch.randn(5, SIZE)
    (masked,) = network.taken(word, state, torch.full((5, 1), 6.5 / SIZE))
    (cut,) = network.cell.first(word, state, 6)
    torch.testing.assert_close(masked, torch.cat([cut, state[:, 6:]], 1))


def step(network: Any, x: Tensor, h: Tensor, d: int) -> Tensor:
    """One step on the first d dimensions, spelled out by masks and torch's own cell."""
    kept, seen = (torch.arange(len(part)) < d for part in (h, x))
    new = network.cell.cell((x * seen)[None], (h * kept)[None])[0]
    return torch.where(kept, new, h)


def plain(network: Any, ids: Sequence[int], lean: float) -> tuple[list[int], Tensor]:
    """How many dimensions each token updates, and the last state."""
    h, taken = torch.zeros(SIZE), []
    for token in ids:
        x = network.words.weight[token]
        share = (network.scheduler.weight[0] @ torch.cat([h, x]) + network.scheduler.bias[0] + lean).double().sigmoid()
        taken.append(math.floor(share.item() * LEVELS) * SIZE // LEVELS)
        h = step(network, x, h, taken[-1])
    return taken, h


@pytest.mark.parametrize("cell", ["gru", "rnn"])
@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
@torch.no_grad()
def test_it_reads_as_a_plain_loop_does_and_pays_in_closed_form(task: TaskInfo, cell: str) -> None:
    """Products: 2 G d (d + min(d, E)) of d dimensions and G gates, 2 (E + H) a token, and the head's."""
    model, gates = build(task, cell=cell), 3 if cell == "gru" else 1
    seen = set()
    for lean in (-1000.0, -1.0, 0.0, 1.0, 1000.0):
        model.configure({"lean": lean})
        for place, (sample, answer) in enumerate(zip(SAMPLES, model.predict(SAMPLES), strict=True)):
            ids = model.text.encode(sample).ids
            taken, last = plain(model.network, ids, lean)
            steps = {step.shape: step.times for step in answer.trace if step.unit == "cell"}
            assert steps == {(1, d): taken.count(d) for d in taken if d}
            assert {step.unit: step.times for step in answer.trace}["scheduler"] == len(ids)
            logits = model.network.head(last)
            told = [unit(answer.value, task)] if task is small.SCORE else list(answer.scores)
            assert told == pytest.approx((logits if task is small.SCORE else logits.softmax(-1)).tolist(), abs=1e-4)
            seen |= set(taken)
            assert abs(lean) != 1000 or set(taken) == {SIZE if lean > 0 else 0}
            if place < 6:
                with Meter(modules=model.modules()) as meter:
                    (alone,) = model.predict([sample])
                assert alone.trace == answer.trace
                products = sum(2 * gates * d * (d + min(d, WIDTH)) for d in taken)
                assert meter.matmul_flops == products + len(ids) * 2 * (WIDTH + SIZE) + 2 * SIZE * task.outputs
    assert seen == {0, 2, 4, 6, 8, 10, 12}


@torch.no_grad()
def test_validation_reads_what_inference_reads() -> None:
    model = build()
    encoded = [model.text.encode(sample) for sample in SAMPLES]
    outputs = model.network(pad_batch(encoded, 0))
    for row, (answer, one) in enumerate(zip(model.predict(SAMPLES), encoded, strict=True)):
        taken = [(step.shape[1], step.times) for step in answer.trace if step.unit == "cell"]
        products = sum(times * d * (d + min(d, WIDTH)) for d, times in taken)
        assert outputs["read"][row].item() == pytest.approx(products / (len(one.ids) * SIZE * (SIZE + WIDTH)), abs=1e-5)
        assert answer.scores == pytest.approx(outputs["logits"][row].softmax(-1).tolist(), abs=1e-5)


def test_the_price_is_the_distance_from_the_share_of_every_token() -> None:
    """m is 1/2 at every token: .15 from .35, twice .15 times the length."""
    network: Any = build(share_weight=2.0).network.train()
    nn.init.zeros_(network.scheduler.weight)
    nn.init.zeros_(network.scheduler.bias)
    outputs = network(small.batch([9, 4, 7]))
    assert outputs["price"].tolist() == pytest.approx([2 * 0.15 * length for length in (9, 4, 7)])


def test_it_learns_to_update_all_and_then_less(tmp_path: Path) -> None:
    given = {"epochs": "5", "learning_rate": "1e-2", "size": "16", "levels": "8", "speed_epochs": "3"}
    VcRnn().train(small.job(tmp_path, train=320, **small.READER, **given))
    noted = read_note(tmp_path)["validation"]["points"]
    assert [point["point"] for point in noted] == VcRnn().points(small.CLASSES, tmp_path)
    shares = [point["read"] for point in noted]
    assert shares == sorted(shares)
    assert shares[-1] == 100
    assert shares[0] < 40
    trained = next(point for point in noted if point["point"] == {"lean": 0.0})
    assert trained["read"] < 60
    assert trained["score"] > 85
