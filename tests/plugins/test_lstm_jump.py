"""LSTM-Jump: its card's cases, against a plain loop, at the ends of its knobs, in what it costs, and trained."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from elue.meter import Meter
from elue.modeling.backbone import learn_wordpiece
from elue.modeling.reading.loop import read
from elue.modeling.reading.model import ReaderModel
from elue.modeling.reading.units import ReaderUnit
from elue.modeling.saving import read_note
from elue.modeling.text import TextEncoder
from elue.plugins.skimming.lstm_jump import LstmJump, LstmJumpNetwork, LstmJumpOptions
from elue.protocol import TaskInfo
from tests import small
from tests.plugins import readers
from tests.plugins.scoring_exits import SAMPLES, TASKS, unit

pytestmark = pytest.mark.usefixtures("one_thread")
WIDTH, SIZE, FARTHEST = 8, 12, 3
READ_ALL = {"jumps": 10_000, "lean": 1000.0}


def build(task: TaskInfo = small.CLASSES, **options: Any) -> ReaderModel:
    torch.manual_seed(1)
    text = TextEncoder(learn_wordpiece([sample.text for sample in SAMPLES], 50), 40)
    chosen = LstmJumpOptions(size=SIZE, chunk=2, farthest=FARTHEST, **options)
    network = small.stir(LstmJumpNetwork(nn.Embedding(60, WIDTH), task, chosen))
    return LstmJump().model(network.requires_grad_(False), text, task)


class Scripted(LstmJumpNetwork):
    """Jumps as it is told."""

    script: Sequence[int]

    def units(self) -> dict[str, ReaderUnit]:
        left = iter(self.script)
        told = ReaderUnit(lambda state: torch.eye(FARTHEST + 1)[[next(left)]], (SIZE,), listed=True)
        return {**super().units(), "jump": told}


@pytest.mark.parametrize(
    ("script", "jumps", "places", "decisions"),
    [
        ([3, 2], 5, [0, 1, 4, 5, 7, 8], 2),
        ([1, 0], 5, [0, 1, 2, 3], 2),
        ([1, 1], 1, [0, 1, 2, 3], 1),
        ([], 0, [0, 1], 0),
    ],
)
def test_the_cases_of_its_card(script: list[int], jumps: int, places: list[int], decisions: int) -> None:
    """R = 2, K = 3, n = 9: κ of 1 skips nothing, 0 stops; N jumps make N + 1 chunks; the end asks for no decision."""
    options = LstmJumpOptions(size=SIZE, chunk=2, farthest=FARTHEST, jumps=jumps)
    network = Scripted(nn.Embedding(60, WIDTH), small.CLASSES, options).eval()
    network.script = script
    (ending,) = read(network, [list(range(9))], 1)
    assert list(ending.read) == places
    assert sum(step.times for step in ending.trace if step.unit == "jump") == decisions


def plain(network: Any, ids: Sequence[int], jumps: int, lean: float) -> tuple[list[int], int, torch.Tensor]:
    """The places read, how many decisions there were, and the last output, chunk by chunk as the paper says."""
    state, start, taken, read_at = (torch.zeros(1, SIZE), torch.zeros(1, SIZE)), 0, 0, list[int]()
    while True:
        for place in range(start, min(start + 2, len(ids))):
            state = network.cell.cell(network.words.weight[ids[place]][None], state)
            read_at.append(place)
        if start + 2 >= len(ids) or taken == jumps:
            break
        logits = network.jump.weight @ state[0][0] + network.jump.bias
        logits[1] += lean
        jump, taken = int(logits.argmax()), taken + 1
        start += 2 + jump - 1
        if jump == 0 or start >= len(ids):
            break
    return read_at, taken, state[0][0]


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
@torch.no_grad()
def test_it_reads_as_a_plain_loop_does(task: TaskInfo) -> None:
    model = build(task)
    shares = set()
    for point in ({"jumps": 5, "lean": 0.0}, {"jumps": 2, "lean": 1.5}, {"jumps": 0, "lean": 0.0}, READ_ALL):
        model.configure(point)
        company = model.predict(SAMPLES)
        for sample, answer, shown in zip(SAMPLES, company, model.explain(SAMPLES), strict=True):
            ids = model.text.encode(sample).ids
            places, decisions, last = plain(model.network, ids, int(point["jumps"]), point["lean"])
            steps = {step.unit: step.times for step in answer.trace}
            assert (steps["cell"], steps.get("jump", 0)) == (len(places), decisions)
            assert shown.kept == (tuple(places),)
            logits = model.network.head(last)
            told = [unit(answer.value, task)] if task is small.SCORE else list(answer.scores)
            assert told == pytest.approx((logits if task is small.SCORE else logits.softmax(-1)).tolist(), abs=1e-4)
            assert model.predict([sample])[0].trace == answer.trace
            shares.add(len(places) / len(ids))
            assert point is not READ_ALL or len(places) == len(ids)
            assert point["jumps"] != 0 or len(places) == 2
    assert len(shares) > 20


@torch.no_grad()
def test_what_is_read_and_what_is_decided_is_paid_in_closed_form() -> None:
    """8 H (E + H) + 9 H a token, 2 H (K + 1) a decision, 4 H + 10 the head with its softmax."""
    model = build()
    for point in ({"jumps": 5, "lean": 0.0}, READ_ALL):
        model.configure(point)
        for sample in SAMPLES[:20]:
            with Meter(modules=model.modules()) as meter:
                model.predict([sample])
            places, decisions, _ = plain(model.network, model.text.encode(sample).ids, point["jumps"], point["lean"])
            cell, jump = 8 * SIZE * (WIDTH + SIZE) + 9 * SIZE, 2 * SIZE * (FARTHEST + 1)
            assert meter.flops == len(places) * cell + decisions * jump + 4 * SIZE + 10


def test_validation_reads_what_inference_reads() -> None:
    readers.validates_as_it_infers(build(), "cell")


@pytest.mark.parametrize(
    "task", [small.CLASSES, pytest.param(small.SCORE, marks=pytest.mark.thorough)], ids=["classification", "regression"]
)
def test_it_trains_jumps_and_answers(task: TaskInfo, tmp_path: Path) -> None:
    given = {"epochs": "5", "learning_rate": "1e-2", "size": "16", "chunk": "2", "farthest": "4", "jumps": "6"}
    LstmJump().train(small.job(tmp_path, task, train=320, **small.READER, **given))
    noted = read_note(tmp_path)["validation"]["points"]
    assert [point["point"] for point in noted] == LstmJump().points(task, tmp_path)
    shares = [point["read"] for point in noted]
    assert shares == sorted(shares)
    assert shares[-1] == 100
    assert shares[0] < 40
    assert max(point["score"] for point in noted) > 85
