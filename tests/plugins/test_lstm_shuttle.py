"""LSTM-Shuttle: its card's cases, against a plain loop, at the ends of its knobs, in what it costs, and trained."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from elue.meter import Meter
from elue.modeling.backbone import learn_wordpiece
from elue.modeling.reading.loop import read
from elue.modeling.reading.model import ReaderModel
from elue.modeling.reading.trial import Decision
from elue.modeling.reading.units import ReaderUnit
from elue.modeling.saving import read_note
from elue.modeling.text import TextEncoder
from elue.plugins.skimming.lstm_shuttle import LstmShuttle, LstmShuttleNetwork, LstmShuttleOptions
from elue.protocol import TaskInfo
from tests import small
from tests.plugins import readers
from tests.plugins.scoring_exits import SAMPLES, TASKS, unit

pytestmark = pytest.mark.usefixtures("one_thread")
WIDTH, SIZE, FARTHEST = 8, 12, 3
READ_ALL = {"chunks": 10_000, "lean": 1000.0}


def build(task: TaskInfo = small.CLASSES, **options: Any) -> ReaderModel:
    torch.manual_seed(1)
    text = TextEncoder(learn_wordpiece([sample.text for sample in SAMPLES], 50), 40)
    chosen = LstmShuttleOptions(size=SIZE, chunk=2, farthest=FARTHEST, **options)
    network = small.stir(LstmShuttleNetwork(nn.Embedding(60, WIDTH), task, chosen))
    return LstmShuttle().model(network.requires_grad_(False), text, task)


class Scripted(LstmShuttleNetwork):
    """Goes as it is told."""

    script: Sequence[int]

    def units(self) -> dict[str, ReaderUnit]:
        left = iter(self.script)
        told = ReaderUnit(lambda state: torch.eye(2 * FARTHEST + 1)[[next(left)]], (SIZE,), listed=True)
        return {**super().units(), "shuttle": told}


@pytest.mark.parametrize(
    ("script", "chunks", "places"),
    [
        ([6, 4, 4, 3], 9, [0, 1, 4, 5, 6, 7, 8]),
        ([6, 6], 9, [0, 1, 4, 5, 8]),
        ([6, 3], 9, [0, 1, 4, 5]),
        ([6, 2], 3, [0, 1, 4, 5, 3, 4]),
        ([6, 0], 3, [0, 1, 4, 5, 1, 2]),
        ([4, 0], 9, [0, 1, 2, 3]),
        ([0], 9, [0, 1]),
        ([2], 1, [0, 1]),
    ],
)
def test_the_cases_of_its_card(script: list[int], chunks: int, places: list[int]) -> None:
    """R = 2, K = 3, n = 9. From p = 4: class 4 goes to 6, 6 to 8, 3 stops, 2 to 3, 0 to 1; before the start it ends."""
    options = LstmShuttleOptions(size=SIZE, chunk=2, farthest=FARTHEST, chunks=chunks)
    network = Scripted(nn.Embedding(60, WIDTH), small.CLASSES, options).eval()
    network.script = [*script, 3]
    (ending,) = read(network, [list(range(9))], 1)
    assert list(ending.read) == places


def plain(network: Any, ids: Sequence[int], chunks: int, lean: float) -> tuple[list[int], int, torch.Tensor]:
    """The places read, how many decisions there were, and the last output, chunk by chunk as the notebook says."""
    state, start, done, decisions, places = (torch.zeros(1, SIZE), torch.zeros(1, SIZE)), 0, 0, 0, list[int]()
    while True:
        end = min(start + 2, len(ids))
        for place in range(start, end):
            state = network.cell.cell(network.words.weight[ids[place]][None], state)
            places.append(place)
        done += 1
        if done == chunks:
            break
        logits = network.shuttle.weight @ state[0][0] + network.shuttle.bias
        logits[FARTHEST + 1] += lean
        by, decisions = int(logits.argmax()) - FARTHEST, decisions + 1
        start = end + by - 1 if by > 0 else start + by
        if by == 0 or not 0 <= start < len(ids):
            break
    return places, decisions, state[0][0]


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
@torch.no_grad()
def test_it_reads_as_a_plain_loop_does_and_pays_in_closed_form(task: TaskInfo) -> None:
    """8 H (E + H) a token, 2 H (2K + 1) a decision and 2 H C the head, in products."""
    model = build(task)
    backwards, shares = 0, set()
    for point in ({"chunks": 9, "lean": 0.0}, {"chunks": 5, "lean": 1.5}, {"chunks": 1, "lean": 0.0}, READ_ALL):
        model.configure(point)
        for place, (sample, answer) in enumerate(zip(SAMPLES, model.predict(SAMPLES), strict=True)):
            ids = model.text.encode(sample).ids
            places, decisions, last = plain(model.network, ids, int(point["chunks"]), point["lean"])
            steps = {step.unit: step.times for step in answer.trace}
            assert (steps["cell"], steps.get("shuttle", 0)) == (len(places), decisions)
            assert answer.trace[0].shape == (len(places), len({ids[place] for place in places}))
            logits = model.network.head(last)
            told = [unit(answer.value, task)] if task is small.SCORE else list(answer.scores)
            assert told == pytest.approx((logits if task is small.SCORE else logits.softmax(-1)).tolist(), abs=1e-4)
            assert point is not READ_ALL or places == list(range(len(ids)))
            assert point["chunks"] != 1 or len(places) == 2
            backwards += places != sorted(places)
            shares.add(len(places))
            if place < 20:
                with Meter(modules=model.modules()) as meter:
                    (alone,) = model.predict([sample])
                assert alone.trace == answer.trace
                products = len(places) * 8 * SIZE * (WIDTH + SIZE) + decisions * 2 * SIZE * 7 + 2 * SIZE * len(logits)
                assert meter.matmul_flops == products
    assert backwards > 20
    assert len(shares) > 5


def test_validation_reads_what_inference_reads() -> None:
    readers.validates_as_it_infers(build(), "cell")


def test_the_baseline_is_the_running_mean_of_the_batches_rewards() -> None:
    """Batches of mean rewards 1 and 0: baselines 1 and .5; every decision in the batch weighs alike."""
    network: Any = build().network.train()
    log_p = torch.tensor([-0.5, -1.0])
    trial: Any = SimpleNamespace(decisions=[Decision("shuttle", torch.tensor([0, 1]), log_p, (), torch.zeros(2))])
    right, wrong = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]])
    labels = torch.tensor([0.0, 0.0])
    assert network.lesson(trial, torch.cat([right, right]), labels, labels).item() == 0
    told = network.lesson(trial, torch.cat([right, wrong]), labels, labels)
    assert told.item() == pytest.approx((0.5 * 0.5 + 1.0 * -1.5) / 2)
    assert network.rewards.tolist() == [1.0, 2.0]


@pytest.mark.parametrize(
    "task", [small.CLASSES, pytest.param(small.SCORE, marks=pytest.mark.thorough)], ids=["classification", "regression"]
)
def test_it_trains_shuttles_and_answers(task: TaskInfo, tmp_path: Path) -> None:
    given = {"epochs": "6", "learning_rate": "1e-2", "size": "16", "chunk": "2", "farthest": "3", "chunks": "7"}
    LstmShuttle().train(small.job(tmp_path, task, train=320, **small.READER, **given))
    noted = read_note(tmp_path)["validation"]["points"]
    assert [point["point"] for point in noted] == LstmShuttle().points(task, tmp_path)
    shares = [point["read"] for point in noted]
    assert shares == sorted(shares)
    assert shares[0] < 40
    assert shares[-1] >= 100
    assert max(point["score"] for point in noted) > 85
