"""Leap-LSTM: its card's cases, against a plain loop, at the ends of its threshold, in what it costs, and trained."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from elue.meter import Meter
from elue.modeling.backbone import learn_wordpiece
from elue.modeling.reading.model import ReaderModel
from elue.modeling.saving import read_note
from elue.modeling.text import TextEncoder, pad_batch
from elue.plugins.skimming.leap_lstm import LeapLstm, LeapLstmNetwork, LeapLstmOptions
from elue.protocol import TaskInfo
from tests import small
from tests.plugins.scoring_exits import SAMPLES, TASKS, unit

pytestmark = pytest.mark.usefixtures("one_thread")
WIDTH, SIZE, FILTERS, REVERSE, HIDDEN = 8, 12, 3, 2, 5


def build(task: TaskInfo = small.CLASSES, **options: Any) -> ReaderModel:
    torch.manual_seed(1)
    text = TextEncoder(learn_wordpiece([sample.text for sample in SAMPLES], 50), 40)
    chosen = LeapLstmOptions(size=SIZE, filters=FILTERS, reverse=REVERSE, hidden=HIDDEN, **options)
    network = small.stir(LeapLstmNetwork(nn.Embedding(60, WIDTH), task, chosen))
    return LeapLstm().model(network.requires_grad_(False), text, task)


@pytest.mark.parametrize(
    ("skips", "lengths", "loss"), [([0.0, 2.0], [4, 2], (2 / 6 - 0.6) ** 2), ([1.0, 2.0], [3, 3], 0.01)]
)
def test_the_share_is_that_of_the_whole_batch(skips: list[float], lengths: list[int], loss: float) -> None:
    """Of texts of 4 and 2 words, of which 0 and 2 are skipped, it is 2/6, not the mean of 0 and 1: .0711."""
    network: Any = build(skipped=0.6, rate_weight=1.0).network
    trial: Any = SimpleNamespace(totals=lambda name: (torch.tensor(skips), None))
    told = network.lesson(trial, torch.zeros(2, 2), torch.zeros(2), torch.tensor(lengths))
    assert told.item() == pytest.approx(loss)


def test_where_all_is_skipped_the_answer_is_the_heads_own() -> None:
    model: Any = build()
    model.configure({"threshold": 0.0})
    for answer in model.predict(SAMPLES[:10]):
        assert answer.scores == pytest.approx(model.network.head.bias.softmax(-1).tolist(), abs=1e-6)
        assert all(step.unit != "cell" for step in answer.trace)


def looked(network: Any, words: Tensor) -> Tensor:
    """What follows each word, spelled out: (tokens, REVERSE + 3 · FILTERS)."""
    cell, hidden, memory = network.reverse, torch.zeros(REVERSE), torch.zeros(REVERSE)
    after = torch.zeros(len(words), REVERSE)
    for place in range(len(words) - 1, -1, -1):
        gates = cell.weight_ih_l0 @ words[place] + cell.bias_ih_l0 + cell.weight_hh_l0 @ hidden + cell.bias_hh_l0
        i, f, g, o = gates.chunk(4)
        memory = f.sigmoid() * memory + i.sigmoid() * g.tanh()
        hidden = o.sigmoid() * memory.tanh()
        if place:
            after[place - 1] = hidden
    around = []
    for convolve, before in zip(network.context, (1, 1, 2), strict=True):
        values = []
        for place in range(len(words)):
            total = convolve.bias.clone()
            for tap in range(convolve.weight.shape[2]):
                if 0 <= place - before + tap < len(words):
                    total += convolve.weight[:, :, tap] @ words[place - before + tap]
            values.append(total.clamp(min=0))
        around.append(torch.stack(values))
    return torch.cat([after, *around], 1)


def plain(network: Any, ids: Sequence[int], threshold: float) -> tuple[int, Tensor]:
    """How many words are read, and the last output."""
    words = network.words.weight[torch.tensor(ids)]
    seen, state, read = looked(network, words), (torch.zeros(1, SIZE), torch.zeros(1, SIZE)), 0
    for place in range(len(ids)):
        inner = network.inner(torch.cat([state[0][0], words[place], seen[place]])).clamp(min=0)
        if network.outer(inner).softmax(0)[1].item() <= threshold:
            state, read = network.cell.cell(words[place][None], state), read + 1
    return read, state[0][0]


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
@torch.no_grad()
def test_it_reads_as_a_plain_loop_does(task: TaskInfo) -> None:
    model = build(task)
    mixed = 0
    for threshold in (0.0, 0.3, 0.6, 0.9, 1.0):
        model.configure({"threshold": threshold})
        for sample, answer in zip(SAMPLES, model.predict(SAMPLES), strict=True):
            ids = model.text.encode(sample).ids
            read, last = plain(model.network, ids, threshold)
            steps = {step.unit: (step.shape, step.times) for step in answer.trace}
            assert steps.get("cell", ((1,), 0))[1] == read
            assert steps["decide"] == ((1,), len(ids))
            assert steps["reverse"] == steps["context"] == ((len(ids),), 1)
            assert steps["embed"][0] == (len(ids), len(set(ids)))
            logits = model.network.head(last)
            told = [unit(answer.value, task)] if task is small.SCORE else list(answer.scores)
            assert told == pytest.approx((logits if task is small.SCORE else logits.softmax(-1)).tolist(), abs=1e-4)
            mixed += 0 < read < len(ids)
            assert threshold != 0 or read == 0
            assert threshold != 1 or read == len(ids)
    assert mixed > 200


@torch.no_grad()
def test_what_looks_ahead_and_decides_is_paid_for_every_word_in_closed_form() -> None:
    """Products: 8 H (E + H) a word read; 8 R (E + R) + 24 E F + 2 (H + E + R + 3 F) I + 4 I a word; 4 H the head."""
    model = build()
    always = 8 * REVERSE * (WIDTH + REVERSE) + 24 * WIDTH * FILTERS
    always += 2 * (SIZE + WIDTH + REVERSE + 3 * FILTERS) * HIDDEN + 4 * HIDDEN
    for threshold in (0.0, 0.6, 1.0):
        model.configure({"threshold": threshold})
        for sample in SAMPLES[:10]:
            with Meter(modules=model.modules()) as meter:
                model.predict([sample])
            ids = model.text.encode(sample).ids
            read, _ = plain(model.network, ids, threshold)
            assert meter.matmul_flops == read * 8 * SIZE * (WIDTH + SIZE) + len(ids) * always + 4 * SIZE


def test_with_the_sizes_of_the_paper_a_skip_still_costs_43_percent_of_a_step() -> None:
    network = LeapLstmNetwork(nn.Embedding(9, 300), small.CLASSES, LeapLstmOptions(size=300)).eval()
    model = ReaderModel(network.requires_grad_(False), TextEncoder(learn_wordpiece(["a b"], 9), 8), small.CLASSES)
    prices = {}
    for name in ("cell", "reverse", "context", "decide"):
        with Meter(modules=[network]) as meter:
            model.rehearse(name, (1,))
        prices[name] = meter.matmul_flops
    assert prices == {"cell": 2 * 720_000, "reverse": 2 * 12_400, "context": 2 * 216_000, "decide": 2 * 79_200}
    assert 0.42 < (sum(prices.values()) - prices["cell"]) / prices["cell"] < 0.43


@torch.no_grad()
def test_validation_reads_what_inference_reads() -> None:
    model = build()
    encoded = [model.text.encode(sample) for sample in SAMPLES]
    for threshold in (0.0, 0.5, 1.0):
        model.configure({"threshold": threshold})
        outputs = model.network(pad_batch(encoded, 0))
        for row, (answer, ids) in enumerate(zip(model.predict(SAMPLES), encoded, strict=True)):
            read = sum(step.times for step in answer.trace if step.unit == "cell")
            assert outputs["read"][row].item() == pytest.approx(read / len(ids.ids))
            assert answer.scores == pytest.approx(outputs["logits"][row].softmax(-1).tolist(), abs=1e-5)


def test_training_mixes_states_by_what_was_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """One word, skipped by a quarter: the state is three quarters of the cell's."""
    network: Any = build().network.train()
    monkeypatch.setattr(network, "relaxed", lambda name, leaning: torch.full_like(leaning, 0.25))
    batch = {"ids": torch.tensor([[7]]), "mask": torch.tensor([[True]]), "segments": torch.tensor([[0]])}
    state = network.cell(network.words.weight[[7]], *network.start(1))
    torch.testing.assert_close(network(batch)["logits"], network.head(0.75 * state[0]))
    loss = network({**batch, "labels": torch.tensor([0.0])})["loss"]
    entropy = -network.head(0.75 * state[0]).log_softmax(-1)[0, 0].item()
    assert loss.item() == pytest.approx(entropy + (0.25 - 0.6) ** 2, abs=1e-6)
    assert not math.isnan(loss.item())


@pytest.mark.parametrize(
    "task", [small.CLASSES, pytest.param(small.SCORE, marks=pytest.mark.thorough)], ids=["classification", "regression"]
)
def test_it_trains_skips_and_answers(task: TaskInfo, tmp_path: Path) -> None:
    given = {"epochs": "5", "learning_rate": "1e-2", "size": "16", "filters": "4", "hidden": "8"}
    LeapLstm().train(small.job(tmp_path, task, train=320, **small.READER, **given))
    noted = read_note(tmp_path)["validation"]["threshold"]
    assert (noted["0.0"]["read"], noted["1.0"]["read"]) == (0, 100)
    assert noted["0.5"]["read"] < 80
    assert noted["0.5"]["score"] > 85
