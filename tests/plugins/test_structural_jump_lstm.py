"""Structural-Jump-LSTM: its card's cases, against a plain loop, at the ends of its knobs, its costs, and trained."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from elue.meter import Meter
from elue.modeling.backbone import learn_wordpiece
from elue.modeling.reading.bounds import marks_of
from elue.modeling.reading.loop import read
from elue.modeling.reading.model import ReaderModel
from elue.modeling.reading.trial import Decision
from elue.modeling.reading.units import ReaderUnit
from elue.modeling.saving import read_note
from elue.modeling.text import TextEncoder
from elue.plugins.skimming.structural_jump_lstm import (
    StructuralJumpLstm,
    StructuralJumpNetwork,
    StructuralJumpOptions,
)
from elue.protocol import Sample, TaskInfo
from tests import small
from tests.plugins import readers
from tests.plugins.scoring_exits import TASKS, unit

pytestmark = pytest.mark.usefixtures("one_thread")
WIDTH, SIZE, INNER = 8, 12, 5
READ_ALL = {"read_lean": 1000.0, "next_lean": 1000.0}


def punctuated(count: int) -> list[Sample]:
    """Texts of clauses and sentences, some with a pair."""
    draw = random.Random(0)
    words = ["paper", "door", "hill", "rain", "bread", "red", ",", ",", ".", "!", "?"]
    made = []
    for place in range(count):
        pair = "door . hill" if place % 4 == 0 else None
        made.append(Sample(str(place), " ".join(draw.choices(words, k=draw.randrange(2, 25))), pair))
    return made


SAMPLES = punctuated(200)


def build(task: TaskInfo = small.CLASSES, **options: Any) -> ReaderModel:
    torch.manual_seed(1)
    text = TextEncoder(learn_wordpiece([sample.text for sample in SAMPLES], 60), 40)
    chosen = StructuralJumpOptions(size=SIZE, inner=INNER, **options)
    network: Any = small.stir(StructuralJumpNetwork(nn.Embedding(70, WIDTH), task, chosen))
    network.marks.copy_(torch.tensor(marks_of(text)))
    return StructuralJumpLstm().model(network.requires_grad_(False), text, task)


class Scripted(StructuralJumpNetwork):
    """Acts as it is told, by pairs of actions."""

    script: Sequence[tuple[int, int]]

    def units(self) -> dict[str, ReaderUnit]:
        skips = iter([skip for skip, _ in self.script])
        jumps = iter([jump for skip, jump in self.script if skip])
        skip = ReaderUnit(lambda *_: torch.eye(2)[[next(skips)]], (SIZE, WIDTH, 6), listed=True)
        jump = ReaderUnit(lambda *_: torch.eye(4)[[next(jumps)]], (SIZE,), listed=True)
        return {**super().units(), "skip": skip, "jump": jump}


@pytest.mark.parametrize(
    ("script", "looked", "reads"),
    [
        ([(1, 1), (1, 3)], [0, 3], 2),
        ([(0, 3), (1, 2), (1, 0)], [0, 1, 6], 2),
        ([(1, 0)] * 5, [0, 1, 3, 4, 6], 5),
        ([(0, 0)] * 5, [0, 1, 3, 4, 6], 0),
    ],
)
def test_the_cases_of_its_card(script: list[tuple[int, int]], looked: list[int], reads: int) -> None:
    """a b , c d . e: read and jump to the next clause; skip, whatever the other agent would say, goes on by one."""
    network = Scripted(nn.Embedding(9, WIDTH), small.CLASSES, StructuralJumpOptions(size=SIZE, inner=INNER)).eval()
    network.marks.copy_(torch.tensor([7, 8, -1, -1]))
    network.script = script
    (ending,) = read(network, [[1, 2, 7, 3, 4, 8, 5]], 1)
    assert list(ending.read) == looked
    assert sum(step.times for step in ending.trace if step.unit == "cell") == reads


def test_the_reward_by_hand() -> None:
    """Of 10 words 3 are read and 2 skipped, w = .1: .96 if right, .36 if wrong at p(y) = .4, from the start."""
    network: Any = build(reading_cost=0.1, actor_weight=0.0).network
    for head in network.agents.values():
        nn.init.zeros_(head.critic.weight)
        nn.init.zeros_(head.critic.bias)
    known = (torch.zeros(1, SIZE), torch.zeros(1, WIDTH), torch.zeros(1, 6))
    network.progress = 1.0
    for p, reward in ((0.7, 0.96), (0.4, 0.36)):
        made = Decision("skip", torch.tensor([0]), torch.zeros(1), known, torch.zeros(1))
        trial: Any = SimpleNamespace(decisions=[made], paid=[3 * 1 + 2 * 0.5])
        logits = torch.tensor([[p, 1 - p]]).log()
        even = network.agents.pushed([made], {"skip": [0.5, 0.5]})
        told = network.lesson(trial, logits, torch.tensor([0.0]), torch.tensor([10]))
        assert told.item() == pytest.approx(reward**2 + 0.005 * even.item(), abs=1e-6)


def plain(network: Any, ids: Sequence[int], read_lean: float, next_lean: float) -> tuple[int, int, Tensor]:
    """How many words are looked at and read, and the last output, word by word."""
    commas, ends = set(network.marks[:1].tolist()), set(network.marks[1:].tolist())
    state, last, place, seen, reads = (torch.zeros(1, SIZE), torch.zeros(1, SIZE)), torch.zeros(6), 0, 0, 0
    last[1] = last[2] = 1
    while place < len(ids):
        seen, word = seen + 1, network.words.weight[ids[place]]
        logits = network.agents["skip"](state[0], word[None], last[None])[0]
        reading, jump = bool(logits[1] + read_lean > logits[0]), 0
        if reading:
            reads += 1
            state = network.cell.cell(torch.cat([word, last])[None], state)
            logits = network.agents["jump"](state[0])[0]
            logits[0] += next_lean
            jump = int(logits.argmax())
        last = torch.zeros(6)
        last[int(reading)] = last[2 + jump] = 1
        place += 1
        if jump == 3:
            break
        if jump:
            stops = ends if jump == 2 else ends | commas
            while place < len(ids) and ids[place] not in stops:
                place += 1
        while place < len(ids) and ids[place] in ends | commas:
            place += 1
    return seen, reads, state[0][0]


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
@torch.no_grad()
def test_it_reads_as_a_plain_loop_does_and_pays_in_closed_form(task: TaskInfo) -> None:
    """Products: 2 (H + E + 6) I + 4 I a word looked at, 8 H (E + 6 + H) a word read, 2 H I + 8 I its jump, 2 H C."""
    model, shares = build(task), set()
    for lean in ((0.0, 0.0), (1.0, 1.5), (1000.0, 1000.0), (-1000.0, 0.0)):
        model.configure({"read_lean": lean[0], "next_lean": lean[1]})
        for place, (sample, answer) in enumerate(zip(SAMPLES, model.predict(SAMPLES), strict=True)):
            ids = model.text.encode(sample).ids
            seen, reads, last = plain(model.network, ids, *lean)
            steps = {step.unit: step.times for step in answer.trace}
            assert (steps["skip"], steps.get("cell", 0), steps.get("jump", 0)) == (seen, reads, reads)
            logits = model.network.head(last)
            told = [unit(answer.value, task)] if task is small.SCORE else list(answer.scores)
            assert told == pytest.approx((logits if task is small.SCORE else logits.softmax(-1)).tolist(), abs=1e-4)
            shares.add((seen, reads))
            if place < 10:
                with Meter(modules=model.modules()) as meter:
                    (alone,) = model.predict([sample])
                assert alone.trace == answer.trace
                products = seen * (2 * (SIZE + WIDTH + 6) * INNER + 4 * INNER) + 2 * SIZE * len(logits)
                products += reads * (8 * SIZE * (WIDTH + 6 + SIZE) + 2 * SIZE * INNER + 8 * INNER)
                assert meter.matmul_flops == products
            if lean[0] < 0:
                assert reads == 0
            if lean[0] == 1000:
                marks = set(model.network.marks.tolist())
                assert reads == seen == 1 + sum(token not in marks for token in ids[1:])
    assert len(shares) > 30


def test_with_the_sizes_of_the_paper_a_skip_costs_five_percent_of_a_read() -> None:
    network = StructuralJumpNetwork(nn.Embedding(9, 300), small.CLASSES, StructuralJumpOptions(size=128)).eval()
    text = TextEncoder(learn_wordpiece(["a b"], 9), 8)
    model, prices = ReaderModel(network.requires_grad_(False), text, small.CLASSES), {}
    for name in ("cell", "skip", "jump"):
        with Meter(modules=[network]) as meter:
            model.rehearse(name, (1,))
        prices[name] = meter.matmul_flops
    assert prices == {"cell": 2 * 222_208, "skip": 2 * 10_900, "jump": 2 * 3_300}


def test_validation_reads_what_inference_reads() -> None:
    readers.validates_as_it_infers(build(), "cell")


@pytest.mark.parametrize(
    "task", [small.CLASSES, pytest.param(small.SCORE, marks=pytest.mark.thorough)], ids=["classification", "regression"]
)
def test_it_learns_to_read_in_full_and_then_to_read_less(task: TaskInfo, tmp_path: Path) -> None:
    given = {"epochs": "5", "learning_rate": "1e-2", "size": "16", "inner": "8", "speed_epochs": "2"}
    StructuralJumpLstm().train(small.job(tmp_path, task, train=320, **small.READER, **given))
    noted = read_note(tmp_path)["validation"]["points"]
    assert [point["point"] for point in noted] == StructuralJumpLstm().points(task, tmp_path)
    shares = [point["read"] for point in noted]
    assert shares == sorted(shares)
    assert shares[-1] == 100, "these texts have no punctuation"
    assert shares[0] < 40
    assert max(point["score"] for point in noted) > 85
    model: Any = StructuralJumpLstm().load(task, tmp_path, 0)
    assert model.network.marks.tolist() == marks_of(model.text)
