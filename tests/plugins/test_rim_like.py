"""RIM-like reading: its card's cases, against a plain loop, with and without a question, in what it costs, trained."""

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
from elue.modeling.text import Encoded, TextEncoder, pad_batch
from elue.plugins.skimming.rim_like import RimLike, RimLikeNetwork, RimLikeOptions
from elue.protocol import Sample, TaskInfo
from tests import small
from tests.plugins.scoring_exits import THREE
from tests.plugins.test_structural_jump_lstm import SAMPLES

pytestmark = pytest.mark.usefixtures("one_thread")
WIDTH, SIZE, RELEVANCE, LONGEST = 8, 12, 5, 4
PAIRS = [Sample(f"p{n}", own.text, SAMPLES[-n].text if n % 3 else None) for n, own in enumerate(SAMPLES)]


def build(task: TaskInfo = THREE, **options: Any) -> ReaderModel:
    torch.manual_seed(1)
    text = TextEncoder(learn_wordpiece([sample.text for sample in SAMPLES], 60), 40)
    chosen = RimLikeOptions(size=SIZE, relevance=RELEVANCE, longest=LONGEST, **options)
    network: Any = small.stir(RimLikeNetwork(nn.Embedding(70, WIDTH), task, chosen))
    network.marks.copy_(torch.tensor(marks_of(text)))
    return RimLike().model(network.requires_grad_(False), text, task)


class Scripted(RimLikeNetwork):
    """Decides as it is told: 1 reads a sentence, and 1 stops."""

    reads: Sequence[int]
    stops: Sequence[int]

    def units(self) -> dict[str, ReaderUnit]:
        reads, stops = iter(self.reads), iter(self.stops)
        select = ReaderUnit(lambda *_: torch.eye(2)[[next(reads)]], (WIDTH, WIDTH, RELEVANCE), listed=True)
        stop = ReaderUnit(lambda _: torch.eye(2)[[next(stops)]], (RELEVANCE,), listed=True)
        return {**super().units(), "select": select, "stop": stop}


def scripted(reads: Sequence[int], stops: Sequence[int], ids: list[int]) -> tuple[Any, dict[str, int], list[float]]:
    """The network, how often each of its units ran on a text, and what it answered; 8 is a full stop."""
    network = Scripted(nn.Embedding(9, WIDTH), small.CLASSES, RimLikeOptions(size=SIZE, relevance=RELEVANCE)).eval()
    network.marks.copy_(torch.tensor([-1, 8, -1, -1]))
    network.reads, network.stops = reads, stops
    (ending,) = read(network, [ids], 1)
    ran: dict[str, int] = {}
    for step in ending.trace:
        ran[step.unit] = ran.get(step.unit, 0) + step.times
    return network, ran, ending.outputs


@torch.no_grad()
def test_the_cases_of_its_card() -> None:
    """Skip, read, read and stop of four; all skipped: the head of the start; one read to the end of the text."""
    four = [1, 8, 2, 3, 8, 4, 8, 5, 8]
    _, ran, _ = scripted([0, 1, 1], [0, 1], four)
    assert (ran["glance"], ran["read"], ran["stop"]) == (3, 2, 2)
    network, ran, outputs = scripted([0, 0, 0, 0], [], four)
    assert "read" not in ran
    assert outputs == pytest.approx(network.head(torch.zeros(1, RELEVANCE)).softmax(1)[0].tolist())
    _, ran, _ = scripted([1], [], [1, 2, 8])
    assert (ran["glance"], ran["read"], ran.get("stop", 0)) == (1, 1, 0)


def matched(question: Tensor, other: Tensor) -> Tensor:
    return torch.cat([question * other, (question - other).abs(), other])


def plain(network: Any, text: Encoded, read_lean: float, on_lean: float) -> tuple[list[int], list[int], int, Tensor]:
    """Lengths of the sentences glanced at and read, decisions to stop, and probabilities, number by number."""
    cells, marks = network.cells, network.marks.tolist()
    vectors = network.words.weight[torch.tensor(text.ids)]
    question, asked = cells.asked
    end = text.second or len(text.ids)
    if text.second:
        state = torch.zeros(1, SIZE), torch.zeros(1, SIZE)
        for vector in vectors[end:]:
            state = cells.cell.cell(vector[None], state)
        question, asked = state[0][0], vectors[end:].mean(0)
    relevance, state = torch.zeros(1, RELEVANCE), (torch.zeros(1, SIZE), torch.zeros(1, SIZE))
    place, glanced, taken, stops = 0, list[int](), list[int](), 0
    while place < end:
        start = place
        while place < end and place - start < LONGEST and not (place > start and text.ids[place - 1] in marks):
            place += 1
        glanced.append(place - start)
        known = torch.cat([matched(asked, vectors[start:place].mean(0)), relevance[0]])
        skip, reads = (network.select.weight @ known + network.select.bias).tolist()
        if reads + read_lean <= skip:
            continue
        taken.append(place - start)
        for vector in vectors[start:place]:
            state = cells.cell.cell(vector[None], state)
        relevance = cells.relevance.cell(matched(question, state[0][0])[None], relevance)
        if place < end:
            stops += 1
            on, stop = (network.stop.weight @ relevance[0] + network.stop.bias).tolist()
            if on + on_lean < stop:
                break
    return glanced, taken, stops, (network.head.weight @ relevance[0] + network.head.bias).softmax(0)


@pytest.mark.parametrize("task", [small.CLASSES, THREE], ids=lambda task: task.name)
@torch.no_grad()
def test_it_reads_as_a_plain_loop_does_and_pays_in_closed_form(task: TaskInfo) -> None:
    """Products: 8 H (E + H) a token read, 6 R (3 H + R) a sentence read, 4 (3 E + R) a glance, 4 R a stop, a head."""
    model = build(task)
    shares = set()
    for read_lean, on_lean in ((-1000.0, 0.0), (0.0, 0.0), (1.0, 1000.0), (1000.0, -1.0), (1000.0, 1000.0)):
        model.configure({"read_lean": read_lean, "on_lean": on_lean})
        for place, (sample, answer) in enumerate(zip(PAIRS, model.predict(PAIRS), strict=True)):
            text = model.text.encode(sample)
            asked = len(text.ids) - text.second if text.second else 0
            glanced, taken, stops, probabilities = plain(model.network, text, read_lean, on_lean)
            ran = {step.unit: 0 for step in answer.trace}
            tokens = dict(ran)
            for step in answer.trace:
                ran[step.unit] += step.times
                tokens[step.unit] += step.times * step.shape[0]
            assert (ran.get("glance"), ran.get("read", 0)) == (len(glanced), len(taken))
            assert (tokens["glance"], tokens.get("read", 0), tokens.get("question", 0)) == (
                sum(glanced),
                sum(taken),
                asked,
            )
            assert (ran.get("stop", 0), ran.get("select")) == (stops, len(glanced))
            assert answer.scores == pytest.approx(probabilities.tolist(), abs=1e-4)
            shares.add((read_lean, on_lean, (sum(taken) + asked) / len(text.ids)))
            if place < 10:
                with Meter(modules=model.modules()) as meter:
                    (alone,) = model.predict([sample])
                assert alone.trace == answer.trace
                products = (sum(taken) + asked) * 8 * SIZE * (WIDTH + SIZE)
                products += len(taken) * 6 * RELEVANCE * (3 * SIZE + RELEVANCE)
                products += len(glanced) * 4 * (3 * WIDTH + RELEVANCE) + stops * 4 * RELEVANCE
                assert meter.matmul_flops == products + 2 * RELEVANCE * task.outputs
                assert meter.complete
    assert {share for *leans, share in shares if leans == [1000.0, 1000.0]} == {1.0}
    assert len({share for *leans, share in shares if leans == [0.0, 0.0]}) > 5


@torch.no_grad()
def test_validation_reads_what_inference_reads_of_pairs_as_well() -> None:
    model = build()
    encoded = [model.text.encode(sample) for sample in PAIRS]
    outputs = model.network(pad_batch(encoded, 0))
    for row, answer in enumerate(model.predict(PAIRS)):
        tokens = sum(step.times * step.shape[0] for step in answer.trace if step.unit in ("read", "question"))
        assert outputs["read"][row].item() == pytest.approx(tokens / len(encoded[row].ids))
        assert answer.scores == pytest.approx(outputs["logits"][row].softmax(-1).tolist(), abs=1e-5)


def test_a_reading_is_rewarded_against_the_other_of_its_text() -> None:
    """Losses of log 2 and log 4, shares of 1/2 and 1 at a price of .5: advantages of ± (log 2 + .25) / 2."""
    network: Any = build(small.CLASSES, reading_cost=0.5, policy_weight=1.0).network.train()
    made = Decision("select", torch.tensor([0, 1]), torch.tensor([-1.0, -3.0]), (), torch.zeros(2))

    counts = {"read": torch.tensor([2.0, 4.0]), "question": torch.zeros(2)}
    trial: Any = SimpleNamespace(decisions=[made], copies=2, counts=counts.__getitem__)
    logits = torch.tensor([[0.0, 0.0], [torch.log(torch.tensor(3.0)).item(), 0.0]])
    told = network.lesson(trial, logits, torch.tensor([1.0, 1.0]), torch.tensor([4, 4]))
    advantage = (torch.log(torch.tensor(2.0)).item() + 0.25) / 2
    assert told.item() == pytest.approx((1.0 * advantage - 3.0 * advantage) / 2)


@pytest.mark.parametrize("task", [small.CLASSES, small.SCORE], ids=["classification", "regression"])
def test_it_learns_to_read_in_full_and_then_less(task: TaskInfo, tmp_path: Path) -> None:
    given = {"epochs": "6", "learning_rate": "1e-2", "size": "16", "longest": "3", "speed_epochs": "2"}
    RimLike().train(small.job(tmp_path, task, train=320, **small.READER, **given))
    noted = read_note(tmp_path)["validation"]["points"]
    assert [point["point"] for point in noted] == RimLike().points(task, tmp_path)
    shares = [point["read"] for point in noted]
    assert shares == sorted(shares)
    assert (shares[0], shares[-1]) == (0, 100)
    assert max(point["score"] for point in noted) > 85
