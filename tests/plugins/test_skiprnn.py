"""Skip RNN by hand, against a plain loop over all tokens, at the ends of its threshold, and trained."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from torch import nn

from elue.errors import ElueError
from elue.meter import Meter
from elue.modeling.backbone import learn_wordpiece
from elue.modeling.heads import task_loss
from elue.modeling.reading.batch import Batch
from elue.modeling.reading.model import ReaderModel
from elue.modeling.reading.units import Reading
from elue.modeling.saving import read_note
from elue.modeling.text import Encoded, TextEncoder, pad_batch
from elue.plugins.skimming.skiprnn import SkipRnn, SkipRnnNetwork, SkipRnnOptions
from elue.protocol import Sample, Step
from tests import small

SAMPLES = [example.sample for example in small.examples(60)]
TOKENS = 45


def build(cell: str = "lstm", **options: float) -> ReaderModel:
    torch.manual_seed(1)
    text = TextEncoder(learn_wordpiece([sample.text for sample in SAMPLES], 50), 40)
    network = SkipRnnNetwork(nn.Embedding(60, 8), small.CLASSES, SkipRnnOptions(cell=cell, size=12, **options))
    small.stir(network).requires_grad_(False)
    nn.init.constant_(network.policy.bias, options.get("bias", -1.0))
    return ReaderModel(network, text, small.CLASSES)


def updates_by_hand(increments: Sequence[float], tokens: int, threshold: float) -> list[int]:
    """Where p reaches the threshold, as the paper's equations 2-6 say; `increments` is Δp after each update."""
    p, places, told = 1.0, [], iter(increments)
    increment = 0.0
    for place in range(tokens):
        if place == 0 or p >= threshold:
            places.append(place)
            increment = next(told)
            p = increment
        else:
            p = p + min(increment, 1 - p)
    return places


def plain(network: SkipRnnNetwork, ids: Sequence[int], threshold: float) -> tuple[list[int], torch.Tensor]:
    """All tokens in turn, the state copied where p is too small: places of updates, and the answer."""
    state, p, places = network.start(1), 1.0, []
    for place, token in enumerate(ids):
        if place == 0 or p >= threshold:
            state = network.cell(network.words(torch.tensor([token])), *state)
            places.append(place)
            delta = torch.sigmoid(state[-1][0] @ network.policy.weight[0] + network.policy.bias[0]).item()
            p = delta
        else:
            p += min(delta, 1 - p)
    return places, network.answers(state[0])[0]


def jumps(delta: float, threshold: float) -> int:
    """To which of many tokens a reading goes on from the first, where Δp is the same for any state."""
    network = build().network
    nn.init.zeros_(network.policy.weight)
    nn.init.constant_(network.policy.bias, math.log(delta / (1 - delta)))
    network.threshold = threshold
    batch = Batch(network)
    batch.enter([Reading(0, range(5, 5 + TOKENS), 0)])
    batch.advance()
    return batch.readings[0].at


@pytest.mark.parametrize(
    ("delta", "threshold", "expected"),
    [(0.7, 0.5, 1), (0.3, 0.5, 2), (0.2, 0.5, 3), (0.15, 0.5, 4), (0.3, 0.0, 1), (0.3, 0.95, 4), (0.03, 1.0, 34)],
)
def test_jumps_by_hand(delta: float, threshold: float, expected: int) -> None:
    assert jumps(delta, threshold) == expected
    assert updates_by_hand([delta] * 9, expected + 1, threshold) in ([0, expected], list(range(expected + 1)))


def test_never_reached_thresholds_stop() -> None:
    assert jumps(0.9, 1.01) == TOKENS
    assert updates_by_hand([0.9], 50, 1.01) == [0]


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
@pytest.mark.parametrize("threshold", [0.0, 0.1, 0.5, 0.83, 1.0, 1.5])
@torch.no_grad()
def test_it_reads_what_a_plain_loop_updates_at(cell: str, threshold: float) -> None:
    model = build(cell)
    model.configure({"threshold": threshold})
    counts = set()
    for sample, answer, told in zip(SAMPLES, model.predict(SAMPLES), model.explain(SAMPLES), strict=True):
        ids = model.text.encode(sample).ids
        places, expected = plain(model.network, ids, threshold)
        assert told.kept == (tuple(places),)
        assert answer.scores == pytest.approx(expected.tolist(), abs=1e-5)
        read = len(places)
        counts.add(read)
        one, distinct = (1,), len({ids[place] for place in places})
        assert answer.trace == (
            Step("embed", (read, distinct)),
            Step("start", one),
            Step("cell", one, read),
            Step("policy", one, read),
            Step("head", one),
        )
    if threshold == 0:
        assert counts == {len(model.text.encode(sample).ids) for sample in SAMPLES}
    if threshold > 1:
        assert counts == {1}
    if threshold == 0.5:
        assert len(counts) > 4


@torch.no_grad()
def test_threshold_0_is_the_plain_lstm() -> None:
    model = build()
    model.configure({"threshold": 0})
    lstm = nn.LSTM(8, 12, batch_first=True)
    lstm.load_state_dict({f"{name}_l0": tensor for name, tensor in model.network.cell.cell.state_dict().items()})
    for sample, answer in zip(SAMPLES, model.predict(SAMPLES), strict=True):
        first = tuple(part[None] for part in model.network.start(1))
        output, _ = lstm(model.network.words(torch.tensor([model.text.encode(sample).ids])), first)
        assert answer.scores == pytest.approx(model.network.answers(output[:, -1])[0].tolist(), abs=1e-5)


@torch.no_grad()
def test_tokens_that_are_skipped_cost_nothing() -> None:
    """The closed form of the profile: 8 H (E + H) + 9 H a cell, 2 H + 3 a policy, then head and softmax.

    The policy's 3 are sigmoid, reciprocal and product.
    """
    model, size, width = build(), 12, 8
    for threshold in (0.0, 0.5, 1.5):
        model.configure({"threshold": threshold})
        for sample in SAMPLES[:10]:
            with Meter(modules=model.modules()) as meter:
                (answer,) = model.predict([sample])
            read = answer.trace[0].shape[0]
            cell, policy, head = 8 * size * (width + size) + 9 * size, 2 * size + 3, 2 * size * 2 + 5 * 2
            assert meter.flops == read * (cell + policy) + head
            assert meter.complete


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_a_trace_rehearsed_is_priced_as_the_sample_alone(cell: str) -> None:
    """Parameters are touched by a unit's first run alone; the learned state at the start is among them."""
    model = build(cell)
    for sample in SAMPLES[:6]:
        with Meter(modules=model.modules()) as alone:
            (answer,) = model.predict([sample])
        flops = 0
        touched: dict[str, int] = {}
        for step in answer.trace:
            with Meter(modules=model.modules()) as priced:
                model.rehearse(step.unit, step.shape)
            flops += step.times * priced.flops
            touched[step.unit] = priced.params_touched
        assert flops == alone.flops
        assert sum(touched.values()) == alone.params_touched
        assert touched["start"] == model.network.initial.numel()


@pytest.mark.parametrize("cell", ["lstm", "gru"])
@pytest.mark.parametrize("training", [True, False])
@torch.no_grad()
def test_training_does_what_reading_does(cell: str, training: bool) -> None:
    model = build(cell)
    model.network.train(training)
    encoded = [model.text.encode(sample) for sample in SAMPLES]
    for threshold in (0.3, 0.5, 0.9) if training else (0.0, 0.3, 0.5, 0.9, 1.0, 1.5):
        model.configure({"threshold": threshold})
        outputs = model.network(pad_batch(encoded, 0))
        for row, answer in enumerate(model.predict(SAMPLES)):
            read = answer.trace[0].shape[0] / len(encoded[row].ids)
            assert outputs["read"][row].item() == pytest.approx(read, abs=1e-5)
            assert answer.scores == pytest.approx(outputs["logits"][row].softmax(-1).tolist(), abs=1e-5)


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_training_learns_as_a_plain_loop_over_all_tokens_does(cell: str) -> None:
    """Gradients of the loss in all weights, where gates are straight-through and p adds up token by token."""
    network = build(cell, cost=0.25).network.requires_grad_(True).train()
    batch = {**small.batch([9, 4, 7]), "labels": torch.tensor([0.0, 1.0, 1.0])}
    losses = []
    for row, tokens in enumerate((9, 4, 7)):
        state, p, updates = network.start(1), torch.ones(1), torch.zeros(1)
        delta = torch.zeros(1)
        for token in batch["ids"][row, :tokens]:
            u = (p >= 0.5).float() + p - p.detach()
            new = network.cell(network.words(token[None]), *state)
            state = tuple(u * after + (1 - u) * before for after, before in zip(new, state, strict=True))
            updates = updates + u
            delta = u * network.policy(state[-1])[0].sigmoid() + (1 - u) * delta
            p = u * delta + (1 - u) * (p + torch.minimum(delta, 1 - p))
        logits = network.head(state[0])
        losses.append(task_loss(logits, batch["labels"][row : row + 1], small.CLASSES) + 0.25 * updates)
    plain = torch.autograd.grad(torch.cat(losses).mean(), list(network.parameters()))
    ours = torch.autograd.grad(network(batch)["loss"], list(network.parameters()))
    for expected, gradient in zip(plain, ours, strict=True):
        torch.testing.assert_close(gradient, expected, rtol=1e-4, atol=1e-6)


def test_the_loss_is_the_tasks_and_the_price_of_updates() -> None:
    model = build(cost=0.25)
    batch = {**small.batch([9, 4, 7]), "labels": torch.tensor([0.0, 1.0, 1.0])}
    outputs = model.network(batch)
    updates = outputs["read"] * torch.tensor([9, 4, 7])
    expected = task_loss(outputs["logits"], batch["labels"], small.CLASSES) + 0.25 * updates.mean()
    torch.testing.assert_close(outputs["loss"], expected)


def test_a_price_lowers_the_chance_of_updates() -> None:
    """With the task's loss silenced, only the budget speaks: its gradient on b is positive, so b falls."""
    model = build(cost=1.0, bias=1.0)
    model.network.requires_grad_(True).train()
    batch = {**small.batch([9, 4, 7]), "labels": torch.tensor([0.0, 1.0, 1.0])}
    model.network(batch)["read"].mean().backward()
    gradient = model.network.policy.bias.grad
    assert gradient is not None
    assert gradient.item() > 0


def test_it_starts_by_reading_everything() -> None:
    torch.manual_seed(0)
    network = SkipRnnNetwork(nn.Embedding(60, 8), small.CLASSES, SkipRnnOptions(size=12))
    assert network.policy.bias.item() == 1.0
    outputs = network(pad_batch([Encoded([5, 6, 7, 8], [0] * 4)], 0))
    assert outputs["read"].item() == pytest.approx(1.0)


@pytest.mark.parametrize("value", [-0.1, "often", math.nan])
def test_a_bad_threshold_is_refused(value: object) -> None:
    with pytest.raises(ElueError, match="threshold can't be") as caught:
        build().configure({"threshold": value})  # type: ignore[dict-item]
    assert caught.value.code == "bad_point"


@pytest.mark.usefixtures("two_threads")
@pytest.mark.parametrize(
    "task", [small.CLASSES, pytest.param(small.SCORE, marks=pytest.mark.thorough)], ids=["classification", "regression"]
)
def test_it_trains_skips_and_answers(task: object, tmp_path: Path) -> None:
    given = {"epochs": "8", "learning_rate": "1e-2", "cost": "0.006", "size": "16"}
    job = small.job(tmp_path, task, train=320, **small.READER, **given)  # type: ignore[arg-type]
    method = SkipRnn()
    assert method.supports(job.task) is None
    method.train(job)
    assert torch.get_num_threads() == 2
    model, points = method.load(job.task, tmp_path, 0), method.points(job.task, tmp_path)
    assert {"threshold": 0.5} in points
    noted = read_note(tmp_path)["validation"]["threshold"]
    shares = [noted[str(point["threshold"])]["read"] for point in points]
    assert len(noted) == len(points)
    assert shares == sorted(set(shares))
    assert (points[0], shares[-1]) == ({"threshold": 1.5}, 100)
    model.configure({"threshold": 0.5})
    samples = [example.sample for example in job.validation]
    answers = model.predict(samples)
    middle = (job.task.low + job.task.high) / 2
    right = [(a.value > middle) == (e.label > middle) for a, e in zip(answers, job.validation, strict=True)]
    assert sum(right) / len(right) > 0.9
    read = sum(answer.trace[0].shape[0] for answer in answers)
    assert read < 0.97 * sum(len(model.text.encode(sample).ids) for sample in samples)
    for sample, answer in zip(samples, answers, strict=True):
        (alone,) = model.predict([sample])
        assert (alone.value, alone.trace) == (pytest.approx(answer.value, abs=1e-4), answer.trace)
    pair = Sample("p", "paper red", "hill rain")
    assert model.predict([pair])[0].trace[0].shape[0] <= len(model.text.encode(pair).ids)
