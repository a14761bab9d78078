"""Focused hierarchical RNN: its card's cases, against a plain loop, at the ends of its knob, its costs, and trained."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from elue.meter import Meter
from elue.modeling.backbone import learn_wordpiece
from elue.modeling.reading.model import ReaderModel
from elue.modeling.reading.trial import Decision
from elue.modeling.saving import read_note
from elue.modeling.text import Encoded, TextEncoder, pad_batch
from elue.plugins.skimming.focused import Focused, FocusedNetwork, FocusedOptions
from elue.protocol import Sample, TaskInfo
from tests import small
from tests.plugins.scoring_exits import SAMPLES, TASKS, unit

pytestmark = pytest.mark.usefixtures("one_thread")
WIDTH, SIZE, INNER = 8, 12, 5
PAIRS = [Sample(f"p{n}", own.text, SAMPLES[-n].text if n % 3 else None) for n, own in enumerate(SAMPLES)]


def build(task: TaskInfo = small.CLASSES, **options: Any) -> ReaderModel:
    torch.manual_seed(1)
    text = TextEncoder(learn_wordpiece([sample.text for sample in SAMPLES], 50), 40)
    network = FocusedNetwork(nn.Embedding(60, WIDTH), task, FocusedOptions(size=SIZE, inner=INNER, **options))
    return Focused().model(small.stir(network).requires_grad_(False), text, task)


@pytest.mark.parametrize(("passed", "excess"), [(5.0, 2.0), (2.0, 0.0)])
def test_only_what_passes_beyond_the_share_costs(passed: float, excess: float) -> None:
    """γ = .3 of 10 tokens: 5 that pass are 2 too many, 2 are none: .2 less reward than the other reading's, or 0."""
    network: Any = build(let=0.3, excess_cost=1.0, gate_weight=1.0).network.train()
    trial: Any = SimpleNamespace(
        counts={"upper": torch.tensor([passed, 0.0]), "lower": torch.tensor([10.0, 10.0])}.__getitem__,
        copies=2,
        decisions=[Decision("gate", torch.tensor([0]), torch.tensor([-1.0]), (), torch.zeros(1))],
    )
    told = network.lesson(trial, torch.zeros(2, 2), torch.zeros(2), torch.tensor([10, 10]))
    assert told.item() == pytest.approx(-excess / 10 / 2 / 2)


def plain(network: Any, text: Encoded, lean: float) -> tuple[int, Tensor]:
    """How many tokens pass, and what the head looks at: attention over the upper states that were made."""
    lower = upper = (torch.zeros(1, SIZE), torch.zeros(1, SIZE))
    question, made = network.question, []
    if text.second:
        within = lower
        for token in text.ids[text.second :]:
            within = network.cell.cell(network.words.weight[token][None], within)
        question = within[0][0]
    for token in text.ids[: text.second or None]:
        lower = network.cell.cell(network.words.weight[token][None], lower)
        known = torch.cat([question * lower[0][0], lower[0][0], question])
        inner = (network.gate[0].weight @ known + network.gate[0].bias).clamp(min=0)
        rest, take = network.gate[2].weight @ inner + network.gate[2].bias
        if take + lean > rest:
            upper = network.upper.cell(lower[0], upper)
            made.append(upper[0][0])
    if not made:
        return 0, lower[0][0]
    states = torch.stack(made)
    return len(made), (states @ question).softmax(0) @ states


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
@torch.no_grad()
def test_it_reads_as_a_plain_loop_does_and_pays_in_closed_form(task: TaskInfo) -> None:
    """Products: 8 H (E + H) + 6 H I + 4 I a token, 8 H (E + H) one of a question, 16 H² one that passes, the head's."""
    model, mixed = build(task), 0
    for lean in (-1000.0, -0.5, 0.0, 0.5, 1000.0):
        model.configure({"lean": lean})
        for place, (sample, answer) in enumerate(zip(PAIRS, model.predict(PAIRS), strict=True)):
            text = model.text.encode(sample)
            passed, known = plain(model.network, text, lean)
            ids = text.ids[: text.second or None]
            steps = {step.unit: step.times for step in answer.trace}
            assert (steps["lower"], steps["gate"], steps.get("upper", 0)) == (len(ids), len(ids), passed)
            logits = model.network.head(known)
            told = [unit(answer.value, task)] if task is small.SCORE else list(answer.scores)
            assert told == pytest.approx((logits if task is small.SCORE else logits.softmax(-1)).tolist(), abs=1e-4)
            mixed += 0 < passed < len(ids)
            assert abs(lean) != 1000 or passed == (len(ids) if lean > 0 else 0)
            if place < 6:
                with Meter(modules=model.modules()) as meter:
                    (alone,) = model.predict([sample])
                assert alone.trace == answer.trace
                lower = 8 * SIZE * (WIDTH + SIZE)
                always = lower + 6 * SIZE * INNER + 4 * INNER
                paid = len(ids) * always + (len(text.ids) - len(ids)) * lower + passed * 16 * SIZE**2
                paid += 2 * SIZE * task.outputs
                assert meter.matmul_flops == paid
    assert mixed > 100


@torch.no_grad()
def test_validation_reads_what_inference_reads() -> None:
    model = build()
    encoded = [model.text.encode(sample) for sample in PAIRS]
    outputs = model.network(pad_batch(encoded, 0))
    for row, (answer, text) in enumerate(zip(model.predict(PAIRS), encoded, strict=True)):
        passed = sum(step.times for step in answer.trace if step.unit == "upper")
        assert outputs["read"][row].item() == pytest.approx(passed / (text.second or len(text.ids)))
        assert answer.scores == pytest.approx(outputs["logits"][row].softmax(-1).tolist(), abs=1e-5)


@pytest.mark.parametrize(
    "task", [small.CLASSES, pytest.param(small.SCORE, marks=pytest.mark.thorough)], ids=["classification", "regression"]
)
def test_it_learns_to_pass_all_and_then_less(task: TaskInfo, tmp_path: Path) -> None:
    given = {"epochs": "5", "learning_rate": "1e-2", "size": "16", "inner": "8", "speed_epochs": "2"}
    Focused().train(small.job(tmp_path, task, train=240, **small.READER, **given))
    noted = read_note(tmp_path)["validation"]["points"]
    assert [point["point"] for point in noted] == Focused().points(task, tmp_path)
    shares = [point["read"] for point in noted]
    assert shares == sorted(shares)
    assert (shares[0], shares[-1]) == (0, 100)
    assert max(point["score"] for point in noted) > 85
