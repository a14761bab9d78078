"""Skim, re-read and stop: its card's cases, against a plain loop, at the ends of its knobs, its costs, and trained."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from elue.meter import Meter
from elue.modeling.backbone import learn_wordpiece
from elue.modeling.reading.loop import read
from elue.modeling.reading.model import ReaderModel
from elue.modeling.reading.trial import Decision
from elue.modeling.reading.units import ReaderUnit
from elue.modeling.saving import read_note
from elue.modeling.text import TextEncoder
from elue.plugins.skimming.skim_reread import SkimReread, SkimRereadNetwork, SkimRereadOptions
from elue.protocol import TaskInfo
from tests import small
from tests.plugins import readers
from tests.plugins.scoring_exits import SAMPLES, TASKS, unit

pytestmark = pytest.mark.usefixtures("one_thread")
WIDTH, SIZE, FILTERS, INNER, CHUNK = 8, 12, 5, 6, 4


def build(task: TaskInfo = small.CLASSES, **options: Any) -> ReaderModel:
    torch.manual_seed(2)
    text = TextEncoder(learn_wordpiece([sample.text for sample in SAMPLES], 50), 40)
    chosen = SkimRereadOptions(size=SIZE, filters=FILTERS, inner=INNER, chunk=CHUNK, **options)
    network = small.stir(SkimRereadNetwork(nn.Embedding(60, WIDTH), task, chosen))
    return SkimReread().model(network.requires_grad_(False), text, task)


class Scripted(SkimRereadNetwork):
    """Goes by as many chunks as it is told; -1 stops."""

    script: Sequence[int]

    def units(self) -> dict[str, ReaderUnit]:
        stops, steps = iter([by < 0 for by in self.script]), iter([by for by in self.script if by >= 0])
        stop = ReaderUnit(lambda _: torch.eye(2)[[int(next(stops))]], (SIZE,), listed=True)
        on = ReaderUnit(lambda _: torch.eye(4)[[next(steps)]], (SIZE,), listed=True)
        return {**super().units(), "stop": stop, "next": on}


@pytest.mark.parametrize(
    ("script", "chunks"),
    [
        ([2, 0, 1, -1], [0, 2, 2, 3]),
        ([2, 3, 1], [0, 2, 5]),
        ([1, 3, 1, 1], [0, 1, 4, 5]),
        ([-1], [0]),
        ([0] * 11, [0] * 12),
    ],
)
def test_the_cases_of_its_card(script: list[int], chunks: list[int]) -> None:
    """Of six chunks: from the third 0 stays, 1 and 3 go on; 1 from the last classifies; again and again has an end."""
    options = SkimRereadOptions(size=SIZE, filters=FILTERS, inner=INNER, chunk=CHUNK)
    network = Scripted(nn.Embedding(60, WIDTH), small.CLASSES, options).eval()
    network.script = script
    (ending,) = read(network, [list(range(22))], 1)
    assert [place // CHUNK for place in ending.read if place % CHUNK == 0] == chunks
    assert ending.read[-1] == min(chunks[-1] * CHUNK + CHUNK, 22) - 1


def plain(network: Any, ids: Sequence[int], on_lean: float, next_lean: float) -> tuple[list[int], list[int], Tensor]:
    """The lengths of the chunks read, how often each policy was asked, and the last output."""
    kernel, bias, asked, lengths = network.convolution.weight, network.convolution.bias, [0, 0], list[int]()
    at, state, most = 0, (torch.zeros(1, SIZE), torch.zeros(1, SIZE)), 2 * -(-len(ids) // CHUNK)
    while at < len(ids):
        words = list(network.words.weight[torch.tensor(ids[at : at + CHUNK])])
        lengths.append(len(words))
        words += [torch.zeros(WIDTH)] * (3 - len(words))
        for place in range(len(words) - 2):
            seen = sum(kernel[:, :, tap] @ words[place + tap] for tap in range(3)) + bias
            state = network.cell.cell(seen.clamp(min=0)[None], state)
        if len(lengths) == most:
            break
        asked[0] += 1
        logits = network.stop(state[0])[0]
        if logits[1] > logits[0] + on_lean:
            break
        asked[1] += 1
        logits = network.next(state[0])[0].clone()
        logits[1] += next_lean
        at += int(logits.argmax()) * CHUNK
    return lengths, asked, state[0][0]


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
@torch.no_grad()
def test_it_reads_as_a_plain_loop_does_and_pays_in_closed_form(task: TaskInfo) -> None:
    """Products a position: 6 E F and 8 H (F + H); a policy of n: 2 H I + 4 I² + 2 I n; the head: 2 H I + 2 I C."""
    model, shares, again = build(task), set(), 0
    for lean in ((0.0, 0.0), (2.0, 0.0), (1000.0, 0.5), (1000.0, 1000.0), (-1000.0, 0.0)):
        model.configure({"on_lean": lean[0], "next_lean": lean[1]})
        for place, (sample, answer) in enumerate(zip(SAMPLES, model.predict(SAMPLES), strict=True)):
            ids = model.text.encode(sample).ids
            lengths, asked, last = plain(model.network, ids, *lean)
            ran = {(step.unit, step.shape[0]): step.times for step in answer.trace}
            chunks = {n: times for (name, n), times in ran.items() if name == "chunk"}
            assert chunks == {n: lengths.count(n) for n in lengths}
            assert [ran.get(("stop", 1), 0), ran.get(("next", 1), 0)] == asked
            logits = model.network.head(last)
            told = [unit(answer.value, task)] if task is small.SCORE else list(answer.scores)
            assert told == pytest.approx((logits if task is small.SCORE else logits.softmax(-1)).tolist(), abs=1e-4)
            assert lean[1] != 1000 or sum(lengths) == len(ids)
            assert lean[0] != -1000 or len(lengths) == 1
            shares.add(sum(lengths) / len(ids))
            again += sum(lengths) > len(ids)
            if place < 10:
                with Meter(modules=model.modules()) as meter:
                    (alone,) = model.predict([sample])
                assert alone.trace == answer.trace
                positions = sum(max(1, length - 2) for length in lengths)
                products = positions * (6 * WIDTH * FILTERS + 8 * SIZE * (FILTERS + SIZE))
                products += sum(asked) * (2 * SIZE * INNER + 4 * INNER**2) + asked[0] * 4 * INNER + asked[1] * 8 * INNER
                assert meter.matmul_flops == products + 2 * SIZE * INNER + 2 * INNER * len(logits)
    assert len(shares) > 10
    assert again > 0 or task is small.SCORE


def test_validation_reads_what_inference_reads() -> None:
    model = build()
    model.configure({"on_lean": 2.0, "next_lean": 0.0})
    readers.validates_as_it_infers(model, "chunk")


def test_the_price_has_an_effect() -> None:
    """Costs of .4, .1 of them paid before, at α = .5, and a loss of .5: -.65 is still to come. Without α, -.5."""
    for alpha, gain in ((0.5, -0.65), (0.0, -0.5)):
        network: Any = build(small.SCORE, reading_cost=alpha, policy_weight=0.0).network
        for parameter in network.critic.parameters():
            nn.init.zeros_(parameter)
        made = Decision("stop", torch.tensor([0]), torch.zeros(1), (torch.zeros(1, SIZE),), torch.tensor([0.1]))
        trial: Any = SimpleNamespace(decisions=[made], paid=[0.4])
        told = network.lesson(trial, torch.tensor([[0.5**0.5]]), torch.tensor([0.0]), torch.tensor([9]))
        assert told.item() == pytest.approx(gain**2, abs=1e-6)


@pytest.mark.parametrize(
    "task", [small.CLASSES, pytest.param(small.SCORE, marks=pytest.mark.thorough)], ids=["classification", "regression"]
)
def test_it_learns_to_read_in_full_and_then_to_read_less(task: TaskInfo, tmp_path: Path) -> None:
    given = {"epochs": "8", "learning_rate": "1e-2", "size": "16", "filters": "16", "chunk": "3", "speed_epochs": "2"}
    SkimReread().train(small.job(tmp_path, task, train=320, **small.READER, **given))
    noted = read_note(tmp_path)["validation"]["points"]
    assert [point["point"] for point in noted] == SkimReread().points(task, tmp_path)
    shares = [point["read"] for point in noted]
    assert shares == sorted(shares)
    assert shares[0] < 60
    assert 100 in shares
    assert max(point["score"] for point in noted) > 85
