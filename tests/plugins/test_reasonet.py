"""ReasoNet: its card's cases, against a plain loop, at the ends of its knob, in what it costs, and trained."""

from __future__ import annotations

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
from elue.modeling.reading.policy import mixture
from elue.modeling.reading.units import ReaderUnit
from elue.modeling.saving import read_note
from elue.modeling.text import TextEncoder, pad_batch
from elue.plugins.skimming.reasonet import ReasoNet, ReasoNetNetwork, ReasoNetOptions
from elue.protocol import TaskInfo
from tests import small
from tests.plugins.scoring_exits import SAMPLES, TASKS, THREE, unit

pytestmark = pytest.mark.usefixtures("one_thread")
WIDTH, SIZE, KEYS, TURNS = 8, 12, 5, 4
HALF = SIZE // 2


def build(task: TaskInfo = small.CLASSES) -> ReaderModel:
    torch.manual_seed(1)
    text = TextEncoder(learn_wordpiece([sample.text for sample in SAMPLES], 50), 40)
    chosen = ReasoNetOptions(size=SIZE, keys=KEYS, turns=TURNS)
    network = small.stir(ReasoNetNetwork(nn.Embedding(60, WIDTH), task, chosen))
    return ReasoNet().model(network.requires_grad_(False), text, task)


GATES = torch.tensor([0.2, 0.5, 0.9]).logit()


def test_the_contrastive_reward_of_its_card() -> None:
    """g = .2, .5: P = .2, .4, .4; π(y) = .3, .6, .8: b = .62, and right answers weigh .6129, wrong ones -1."""
    right = torch.tensor([0.3, 0.6, 0.8])
    says = torch.stack([right, 1 - right], 1).log()[:, None].requires_grad_()
    reward = -mixture([GATES[:1], GATES[1:2]], says, torch.tensor([0.0]), small.CLASSES)
    stop = torch.tensor([0.2, 0.4, 0.4])
    assert reward.item() == pytest.approx((stop * (0.612903 * right - (1 - right))).sum().item(), abs=1e-5)
    assert reward.item() == pytest.approx(0, abs=1e-6)


def test_the_reward_teaches_what_the_mixtures_likelihood_does() -> None:
    torch.manual_seed(0)
    gates = [torch.randn(6, requires_grad=True) for _ in range(3)]
    says, labels = torch.randn(4, 6, 3, requires_grad=True), torch.tensor([0.0, 1.0, 2.0, 0.0, 1.0, 2.0])
    learned = torch.autograd.grad(mixture(gates, says, labels, THREE), [*gates, says])
    g = torch.stack(gates).sigmoid()
    two, three = 1 - g[0], (1 - g[0]) * (1 - g[1])
    stop = torch.stack([g[0], two * g[1], three * g[2], three * (1 - g[2])])
    likely = (stop[:, :, None] * says.softmax(2)).sum(0)[torch.arange(6), labels.long()]
    for told, expected in zip(learned, torch.autograd.grad(-likely.log().mean(), [*gates, says]), strict=True):
        torch.testing.assert_close(told, expected)


def test_a_number_is_off_by_the_chance_of_each_turn() -> None:
    """P = .2, .4, .4 of distances .5, .1, 0."""
    says = torch.tensor([0.0, 0.4, 0.5])[:, None, None]
    lost = mixture([GATES[:1], GATES[1:2]], says, torch.tensor([0.5]), small.SCORE)
    assert lost.item() == pytest.approx(0.2 * 0.25 + 0.4 * 0.01)


@pytest.mark.parametrize(("bias", "turns"), [(0.0, 2), (-2.0, 3), (-9.0, 4), (2.0, 1)])
def test_it_stops_at_the_first_gate_that_is_open(bias: float, turns: int) -> None:
    """Gates of .2, .5 and .9, and then the last turn, which needs none."""

    class Scripted(ReasoNetNetwork):
        def units(self) -> dict[str, ReaderUnit]:
            told = iter([-1.386, 0.0, 2.197])
            stop = ReaderUnit(lambda _: torch.tensor([[next(told), 0.0]]), (SIZE,), listed=True)
            return {**super().units(), "stop": stop}

    network = Scripted(nn.Embedding(60, WIDTH), small.CLASSES, ReasoNetOptions(size=SIZE, keys=KEYS, turns=TURNS))
    network.stop_lean = bias
    (ending,) = read(network.eval(), [[3, 4, 5]], 1)
    assert {step.unit: step.times for step in ending.trace}["turn"] == turns


def gru(weights: Sequence[Tensor], x: Tensor, h: Tensor) -> Tensor:
    """A GRU step spelled out, of weights and biases of inputs and states."""
    told, known = weights[0] @ x + weights[2], weights[1] @ h + weights[3]
    (r, z, n), (r_h, z_h, n_h) = told.chunk(3), known.chunk(3)
    z = (z + z_h).sigmoid()
    return (1 - z) * (n + (r + r_h).sigmoid() * n_h).tanh() + z * h


def plain(network: Any, ids: Sequence[int], lean: float) -> tuple[int, Tensor]:
    """How many turns are taken, and the last state."""
    names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    ways = [[getattr(network.encoder, f"{name}_l0{way}") for name in names] for way in ("", "_reverse")]
    memory = [[torch.zeros(HALF)] * len(ids) for _ in ways]
    for way, places in enumerate((list(range(len(ids))), list(reversed(range(len(ids)))))):
        h = torch.zeros(HALF)
        for place in places:
            memory[way][place] = h = gru(ways[way], network.words.weight[ids[place]], h)
    m = torch.cat([torch.stack(own) for own in memory], 1)
    s, taken = torch.cat([memory[0][-1], memory[1][0]]), 0
    while True:
        taken += 1
        query, keys = network.query.weight @ s, m @ network.key.weight.T
        alike = torch.cosine_similarity(query[None], keys, dim=1)
        x = (10 * alike).softmax(0) @ m
        s = gru([getattr(network.cell.cell, name) for name in names], x, s)
        if taken == TURNS or (network.gate.weight[0] @ s + lean).sigmoid() >= 0.5:
            return taken, s


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
@torch.no_grad()
def test_it_reads_as_a_plain_loop_does_and_pays_in_closed_form(task: TaskInfo) -> None:
    """Products of n tokens: n (6 H (E + H / 2) + 2 H K) to encode, 2 H K + 2 n (K + H) + 12 H² a turn, 2 H a gate."""
    model, seen = build(task), set()
    encoding, comparing = 6 * SIZE * (WIDTH + HALF), 2 * SIZE * KEYS
    for lean in (-1000.0, -1.0, -0.5, -0.2, 0.0, 0.2, 0.5, 1.0, 1000.0):
        model.configure({"stop_lean": lean})
        for place, (sample, answer) in enumerate(zip(SAMPLES, model.predict(SAMPLES), strict=True)):
            ids = model.text.encode(sample).ids
            n = len(ids)
            turns, last = plain(model.network, ids, lean)
            ran = {step.unit: (step.shape, step.times) for step in answer.trace}
            gates = min(turns, TURNS - 1)
            assert (ran["encode"], ran["turn"], ran["stop"]) == (((n,), 1), ((n,), turns), ((1,), gates))
            logits = model.network.head(last)
            told = [unit(answer.value, task)] if task is small.SCORE else list(answer.scores)
            assert told == pytest.approx((logits if task is small.SCORE else logits.softmax(-1)).tolist(), abs=1e-4)
            seen.add(turns)
            assert abs(lean) != 1000 or turns == (1 if lean > 0 else TURNS)
            if place < 6:
                with Meter(modules=model.modules()) as meter:
                    (alone,) = model.predict([sample])
                assert alone.trace == answer.trace
                turn = comparing + 2 * n * (KEYS + SIZE) + 12 * SIZE**2
                paid = n * (encoding + comparing) + turns * turn + gates * 2 * SIZE + 2 * SIZE * task.outputs
                assert meter.matmul_flops == paid
    assert {1, TURNS} < seen


@torch.no_grad()
def test_validation_reads_what_inference_reads() -> None:
    model = build()
    encoded = [model.text.encode(sample) for sample in SAMPLES]
    outputs = model.network(pad_batch(encoded, 0))
    for row, answer in enumerate(model.predict(SAMPLES)):
        turns = sum(step.times for step in answer.trace if step.unit == "turn")
        assert outputs["read"][row].item() == pytest.approx(turns / TURNS)
        assert answer.scores == pytest.approx(outputs["logits"][row].softmax(-1).tolist(), abs=1e-5)


@pytest.mark.parametrize(
    "task", [small.CLASSES, pytest.param(small.SCORE, marks=pytest.mark.thorough)], ids=["classification", "regression"]
)
def test_it_learns_to_answer_and_when_to_stop(task: TaskInfo, tmp_path: Path) -> None:
    given = {"epochs": "5", "learning_rate": "1e-2", "size": "16", "keys": "8", "turns": "3"}
    ReasoNet().train(small.job(tmp_path, task, train=240, **small.READER, **given))
    noted = read_note(tmp_path)["validation"]["points"]
    assert [point["point"] for point in noted] == ReasoNet().points(task, tmp_path)
    shares = [point["read"] for point in noted]
    assert (shares[0], shares[-1]) == (pytest.approx(100 / 3), pytest.approx(100))
    assert max(point["score"] for point in noted) > 85
