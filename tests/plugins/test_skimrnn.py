"""Skim-RNN against a plain loop, at the ends of its threshold, in what it costs, and trained."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from elue.errors import ElueError
from elue.meter import Meter
from elue.modeling.backbone import learn_wordpiece
from elue.modeling.heads import task_loss
from elue.modeling.reading.model import ReaderModel
from elue.modeling.text import TextEncoder, pad_batch
from elue.plugins.skimming.skimrnn import SkimRnn, SkimRnnNetwork, SkimRnnOptions
from tests import small

SAMPLES = [example.sample for example in small.examples(40)]
WIDTH, SIZE, SMALL = 8, 12, 3


def build(cell: str = "lstm", **options: float) -> ReaderModel:
    torch.manual_seed(1)
    text = TextEncoder(learn_wordpiece([sample.text for sample in SAMPLES], 50), 40)
    chosen = SkimRnnOptions(cell=cell, size=SIZE, small=SMALL, **options)  # type: ignore[arg-type]
    network = small.stir(SkimRnnNetwork(nn.Embedding(60, WIDTH), small.CLASSES, chosen))
    return ReaderModel(network.requires_grad_(False), text, small.CLASSES)  # type: ignore[arg-type]


def lstm(cell: nn.LSTMCell, inputs: Tensor, recurrent: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
    """An LSTM step spelled out, from all that its gates look at."""
    gates = cell.weight_ih @ inputs + cell.bias_ih + cell.weight_hh @ recurrent + cell.bias_hh
    i, f, g, o = gates.chunk(4)
    new = f.sigmoid() * memory + i.sigmoid() * g.tanh()
    return o.sigmoid() * new.tanh(), new


def plain(network: SkimRnnNetwork, ids: Sequence[int], threshold: float) -> tuple[int, Tensor]:
    """How many tokens are read in full, and the answer, token by token as the paper's equations say."""
    h, c, full = torch.zeros(SIZE), torch.zeros(SIZE), 0
    for token in ids:
        x = network.words.weight[token]
        p = torch.softmax(network.policy.weight @ torch.cat([x, h]) + network.policy.bias, 0)
        if p[1] > threshold:
            new, memory = lstm(network.small.cell, torch.cat([x, h[SMALL:]]), h[:SMALL], c[:SMALL])  # type: ignore[arg-type]
            h, c = torch.cat([new, h[SMALL:]]), torch.cat([memory, c[SMALL:]])
        else:
            h, c = lstm(network.cell.cell, x, h, c)  # type: ignore[arg-type]
            full += 1
    return full, network.answers(h[None])[0]


@pytest.mark.parametrize("threshold", [0.0, 0.2, 0.5, 0.8, 1.0])
@torch.no_grad()
def test_it_reads_and_skims_as_a_plain_loop_does(threshold: float) -> None:
    model = build()
    model.configure({"threshold": threshold})
    mixed = 0
    for sample, answer in zip(SAMPLES, model.predict(SAMPLES), strict=True):
        ids = model.text.encode(sample).ids
        full, expected = plain(model.network, ids, threshold)  # type: ignore[arg-type]
        steps = {step.unit: step.times for step in answer.trace}
        assert steps.get("cell", 0) == full
        assert steps.get("skim", 0) == len(ids) - full
        assert steps["policy"] == len(ids)
        assert answer.scores == pytest.approx(expected.tolist(), abs=1e-5)
        mixed += 0 < full < len(ids)
        assert threshold != 0 or full == 0
        assert threshold != 1 or full == len(ids)
    assert (mixed > 20) == (0 < threshold < 1)


@torch.no_grad()
def test_a_skim_costs_what_the_small_cell_costs() -> None:
    """Closed forms: 8 n (E + H) + 9 n for a cell of n units, 4 (E + H) + 1 for the policy."""
    model = build()
    policy, head = 4 * (WIDTH + SIZE) + 1, 4 * SIZE + 10
    full, skim = (units * (8 * (WIDTH + SIZE) + 9) for units in (SIZE, SMALL))
    for threshold in (0.0, 0.5, 1.0):
        model.configure({"threshold": threshold})
        for sample in SAMPLES[:8]:
            with Meter(modules=model.modules()) as meter:
                (answer,) = model.predict([sample])
            steps = {step.unit: step.times for step in answer.trace}
            expected = steps.get("cell", 0) * full + steps.get("skim", 0) * skim + steps["policy"] * policy + head
            assert meter.flops == expected


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
@torch.no_grad()
def test_the_padded_forward_does_what_reading_does(cell: str) -> None:
    model = build(cell)
    encoded = [model.text.encode(sample) for sample in SAMPLES]
    for threshold in (0.0, 0.4, 1.0):
        model.configure({"threshold": threshold})
        outputs = model.network(pad_batch(encoded, 0))
        for row, (answer, one) in enumerate(zip(model.predict(SAMPLES), encoded, strict=True)):
            full = sum(step.times for step in answer.trace if step.unit == "cell")
            assert outputs["read"][row].item() == pytest.approx(full / len(one.ids), abs=1e-5)
            assert answer.scores == pytest.approx(outputs["logits"][row].softmax(-1).tolist(), abs=1e-5)


def test_the_loss_prices_what_is_not_skimmed() -> None:
    """With α silenced p_skim is 1/2 at every token, so that the price is γ ln 2."""
    model = build(skim_weight=0.3)
    nn.init.zeros_(model.network.policy.weight)  # type: ignore[arg-type]
    nn.init.zeros_(model.network.policy.bias)  # type: ignore[arg-type]
    batch = {**small.batch([9, 4, 7]), "labels": torch.tensor([0.0, 1.0, 1.0])}
    outputs = model.network(batch)
    expected = task_loss(outputs["logits"], batch["labels"], small.CLASSES) + 0.3 * math.log(2)
    torch.testing.assert_close(outputs["loss"], expected)


def test_the_temperature_falls_with_every_training_step(monkeypatch: pytest.MonkeyPatch) -> None:
    network, seen = build(cooling=0.1, whole=0.0).network, []
    soft = nn.functional.gumbel_softmax
    monkeypatch.setattr(nn.functional, "gumbel_softmax", lambda x, tau: (seen.append(tau), soft(x, tau=tau))[1])
    batch = {**small.batch([1]), "labels": torch.tensor([0.0])}
    network.train()
    for _ in range(9):
        network(batch)
    assert seen == pytest.approx([max(0.5, math.exp(-0.1 * step)) for step in range(9)])


@pytest.mark.parametrize(("whole", "skims"), [(0.0, True), (1.0, False)])
def test_a_batch_read_in_full_teaches_the_cell_alone(whole: float, skims: bool) -> None:
    network = build(whole=whole).network.train().requires_grad_(True)
    outputs = network({**small.batch([9, 4]), "labels": torch.tensor([0.0, 1.0])})
    outputs["loss"].backward()
    told = {part: any(p.grad is not None and p.grad.any() for p in getattr(network, part).parameters()) for part in
            ("cell", "small", "policy")}  # fmt: skip
    assert told == {"cell": True, "small": skims, "policy": skims}
    assert bool(outputs["price"].any()) == skims
    network.eval()
    assert (network({**small.batch([9, 4])})["price"] > 0).all(), "what is validated is what will be read"


def test_thresholds_rise_from_skimming_all_to_reading_all() -> None:
    assert (SkimRnn.thresholds[0], SkimRnn.thresholds[-1]) == (0, 1)
    assert 0.5 in SkimRnn.thresholds
    assert list(SkimRnn.thresholds) == sorted(set(SkimRnn.thresholds))


def test_a_small_cell_that_is_not_small_is_refused() -> None:
    with pytest.raises(ElueError, match="'small' can't be 12"):
        SkimRnnNetwork(nn.Embedding(60, WIDTH), small.CLASSES, SkimRnnOptions(size=SIZE, small=SIZE))


@pytest.mark.parametrize(
    "task", [small.CLASSES, pytest.param(small.SCORE, marks=pytest.mark.thorough)], ids=["classification", "regression"]
)
def test_it_trains_skims_and_answers(task: object, tmp_path: Path) -> None:
    given = {"epochs": "4", "learning_rate": "1e-2", "size": "16", "small": "4", "skim_weight": "0.1"}
    job = small.job(tmp_path, task, train=320, **small.READER, **given)  # type: ignore[arg-type]
    method = SkimRnn()
    assert method.supports(job.task) is None
    method.train(job)
    model, points = method.load(job.task, tmp_path, 0), method.points(job.task, tmp_path)
    assert {"threshold": 0.5} in points
    model.configure({"threshold": 0.5})
    samples = [example.sample for example in job.validation]
    answers = model.predict(samples)
    middle = (job.task.low + job.task.high) / 2
    right = [(a.value > middle) == (e.label > middle) for a, e in zip(answers, job.validation, strict=True)]
    assert sum(right) / len(right) > 0.9
    full = sum(step.times for answer in answers for step in answer.trace if step.unit == "cell")
    assert full < 0.8 * sum(len(model.text.encode(sample).ids) for sample in samples)
    assert [model.predict([sample])[0].trace for sample in samples] == [answer.trace for answer in answers]
