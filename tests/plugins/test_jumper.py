"""Jumper: its card's cases, against a plain loop, at the ends of its knob, in what it costs, and trained."""

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
from elue.modeling.reading.bounds import marks_of
from elue.modeling.reading.loop import read
from elue.modeling.reading.model import ReaderModel
from elue.modeling.reading.trial import Decision
from elue.modeling.reading.units import ReaderUnit
from elue.modeling.saving import read_note
from elue.modeling.text import TextEncoder
from elue.plugins.skimming.jumper import Jumper, JumperNetwork, JumperOptions
from elue.protocol import TaskInfo
from tests import small
from tests.plugins import readers
from tests.plugins.scoring_exits import THREE
from tests.plugins.test_structural_jump_lstm import SAMPLES

pytestmark = pytest.mark.usefixtures("one_thread")
WIDTH, SIZE, FILTERS, LONGEST = 8, 12, 5, 4


def build(task: TaskInfo = THREE, **options: Any) -> ReaderModel:
    torch.manual_seed(1)
    text = TextEncoder(learn_wordpiece([sample.text for sample in SAMPLES], 60), 40)
    chosen = JumperOptions(size=SIZE, filters=FILTERS, longest=LONGEST, **options)
    network: Any = small.stir(JumperNetwork(nn.Embedding(70, WIDTH), task, chosen))
    network.marks.copy_(torch.tensor(marks_of(text)))
    return Jumper().model(network.requires_grad_(False), text, task)


class Scripted(JumperNetwork):
    """Says what it is told, and at last logits of 1 and 2 for the classes."""

    script: Sequence[int]

    def logits(self, final: Tensor) -> Tensor:
        return torch.tensor([[3.0, 1.0, 2.0]])[:, 1:]

    def units(self) -> dict[str, ReaderUnit]:
        told = iter(self.script)
        return {**super().units(), "policy": ReaderUnit(lambda _: torch.eye(3)[[next(told)]], (SIZE,), listed=True)}


@pytest.mark.parametrize(("script", "sentences"), [([0, 0, 2], 3), ([0, 0, 0], 4), ([1], 1)])
def test_the_cases_of_its_card(script: list[int], sentences: int) -> None:
    """None, none, 2: three sentences; none to the end: the likeliest class, though none is likelier; 1 at once: one."""
    options = JumperOptions(size=SIZE, filters=FILTERS, longest=LONGEST)
    network = Scripted(nn.Embedding(9, WIDTH), small.CLASSES, options).eval()
    network.marks.copy_(torch.tensor([-1, 8, -1, -1]))
    network.script = script
    (ending,) = read(network, [[1, 8, 2, 3, 8, 4, 8, 5, 8]], 1)
    assert sum(step.times for step in ending.trace if step.unit == "sentence") == sentences
    assert ending.outputs.index(max(ending.outputs)) == 1


def plain(network: Any, ids: Sequence[int], lean: float) -> tuple[list[int], int, Tensor]:
    """The lengths of the pieces read, how many decisions there were, and the probabilities of the classes."""
    marks, state, place, lengths, decisions = network.marks.tolist(), torch.zeros(1, SIZE), 0, list[int](), 0
    kernel, bias = network.convolution.weight, network.convolution.bias
    while True:
        piece = []
        while place < len(ids) and len(piece) < LONGEST and not (piece and piece[-1] in marks):
            piece.append(ids[place])
            place += 1
        lengths.append(len(piece))
        rows = [torch.zeros(WIDTH), *network.words.weight[torch.tensor(piece)], torch.zeros(WIDTH)]
        values = [sum(kernel[:, :, tap] @ rows[at + tap] for tap in range(3)) + bias for at in range(len(piece))]
        seen = torch.stack(values).clamp(min=0).amax(0)
        state = network.cell.cell(seen[None], state)
        logits = network.head.weight @ state[0] + network.head.bias
        if place == len(ids):
            break
        decisions += 1
        if logits[0] + lean <= logits[1:].max():
            break
    return lengths, decisions, logits[1:].softmax(0)


@pytest.mark.parametrize("task", [small.CLASSES, THREE], ids=lambda task: task.name)
@torch.no_grad()
def test_it_reads_as_a_plain_loop_does_and_pays_in_closed_form(task: TaskInfo) -> None:
    """Products: 6 E F a token read; 6 H (F + H) and 2 H (C + 1) a piece, the last without a decision, and a head."""
    model, classes = build(task), task.outputs + 1
    shares = set()
    for lean in (-1000.0, -1.0, 0.0, 1.5, 1000.0):
        model.configure({"lean": lean})
        for place, (sample, answer) in enumerate(zip(SAMPLES, model.predict(SAMPLES), strict=True)):
            ids = model.text.encode(sample).ids
            lengths, decisions, probabilities = plain(model.network, ids, lean)
            ran = {(step.unit, step.shape[0]): step.times for step in answer.trace}
            assert {n: times for (name, n), times in ran.items() if name == "sentence"} == {
                n: lengths.count(n) for n in lengths
            }
            assert (ran["cell", 1], ran.get(("policy", 1), 0)) == (len(lengths), decisions)
            assert answer.scores == pytest.approx(probabilities.tolist(), abs=1e-4)
            shares.add((lean, sum(lengths) / len(ids)))
            assert lean != 1000 or sum(lengths) == len(ids)
            assert lean != -1000 or len(lengths) == 1
            if place < 10:
                with Meter(modules=model.modules()) as meter:
                    (alone,) = model.predict([sample])
                assert alone.trace == answer.trace
                products = sum(lengths) * 6 * WIDTH * FILTERS + len(lengths) * 6 * SIZE * (FILTERS + SIZE)
                assert meter.matmul_flops == products + (decisions + 1) * 2 * SIZE * classes
    assert len({share for lean, share in shares if lean == 0}) > 5


def test_validation_reads_what_inference_reads() -> None:
    readers.validates_as_it_infers(build(), "sentence")


def test_the_class_that_was_drawn_is_rewarded_less_pieces_still_to_come() -> None:
    """It said class 1, and is right though class 0 is likelier: 1 less .05 for the one of two pieces not paid yet."""
    network: Any = build(small.CLASSES, reading_cost=0.05, policy_weight=0.0).network
    nn.init.zeros_(network.baseline.weight)
    nn.init.zeros_(network.baseline.bias)
    made = Decision("policy", torch.tensor([0]), torch.zeros(1), (torch.zeros(1, SIZE),), torch.ones(1))
    for says, label, reward in ((1, 1.0, 1.0), (1, 0.0, -1.0), (-1, 0.0, 1.0)):
        trial: Any = SimpleNamespace(decisions=[made], paid=[2.0], all=[SimpleNamespace(notes={"says": says})])
        told = network.lesson(trial, torch.tensor([[2.0, 1.0]]), torch.tensor([label]), torch.tensor([9]))
        assert told.item() == pytest.approx((reward - 0.05) ** 2)


def test_it_learns_to_read_in_full_and_then_to_jump(tmp_path: Path) -> None:
    given = {"epochs": "6", "learning_rate": "1e-2", "size": "16", "filters": "16", "longest": "3", "speed_epochs": "2"}
    Jumper().train(small.job(tmp_path, train=320, **small.READER, **given))
    noted = read_note(tmp_path)["validation"]["points"]
    assert [point["point"] for point in noted] == Jumper().points(small.CLASSES, tmp_path)
    shares = [point["read"] for point in noted]
    assert shares == sorted(shares)
    assert shares[-1] == 100
    assert shares[0] < 60
    assert max(point["score"] for point in noted) > 85


def test_a_regression_is_refused() -> None:
    assert "a regression has none" in str(Jumper().supports(small.SCORE))
