"""The Reader against plain loops and torch's own networks, and every sample against itself in other company."""

from __future__ import annotations

import gc
import random
import tracemalloc
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

from elue.errors import ElueError
from elue.meter import Meter
from elue.modeling.backbone import learn_wordpiece
from elue.modeling.reading.batch import Batch
from elue.modeling.reading.loop import read
from elue.modeling.reading.model import ReaderModel
from elue.modeling.reading.network import ReaderNetwork
from elue.modeling.reading.units import near
from elue.modeling.text import TextEncoder
from elue.protocol import Step, TaskInfo
from tests import small
from tests.modeling.reading.readers import (
    METHODS,
    SIZE,
    STOP,
    WIDTH,
    WORDS,
    Hopping,
    Skimming,
    endings,
    hops,
    make,
    texts,
)


@pytest.mark.parametrize(("cell", "whole"), [("lstm", nn.LSTM), ("gru", nn.GRU), ("rnn", nn.RNN)])
@pytest.mark.parametrize("task", [small.CLASSES, small.SCORE], ids=["classification", "regression"])
@torch.no_grad()
def test_reading_every_token_is_torchs_own_network(cell: str, whole: type[nn.RNNBase], task: TaskInfo) -> None:
    network, given = make(task=task, cell=cell), texts(40)
    other = whole(WIDTH, SIZE, batch_first=True)  # type: ignore[call-arg]
    other.load_state_dict({f"{name}_l0": tensor for name, tensor in network.cell.cell.state_dict().items()})
    for ids, ending in zip(given, endings(network, given), strict=True):
        last = other(network.words(torch.tensor([ids])))[0][:, -1]
        logits = network.head(last)[0]
        expected = logits.softmax(-1) if task is small.CLASSES else 1 + 4 * logits
        torch.testing.assert_close(torch.tensor(ending.outputs), expected, atol=1e-6, rtol=1e-5)
        assert ending.read == tuple(range(len(ids)))
        looked = Step("embed", (len(ids), len(set(ids))))
        assert ending.trace == (looked, Step("cell", (1,), len(ids)), Step("head", (1,)))


@torch.no_grad()
def test_jumps_returns_and_stops_are_those_of_a_plain_loop() -> None:
    network, given = make(Hopping), texts(60)
    seen = endings(network, given)
    for ids, ending in zip(given, seen, strict=True):
        assert list(ending.read) == hops(ids)
        state = network.start(1)
        for place in hops(ids):
            state = network.cell(network.words(torch.tensor([ids[place]])), *state)
        torch.testing.assert_close(torch.tensor([ending.outputs]), network.answers(state[0]), atol=1e-6, rtol=1e-5)
    assert any(list(e.read) != sorted(e.read) for e in seen)
    assert any(ids[e.read[-1]] == STOP and e.read[-1] < len(ids) - 1 for ids, e in zip(given, seen, strict=True))


@torch.no_grad()
def test_part_of_a_state_is_updated_and_the_rest_kept() -> None:
    network, given = make(Skimming, cell="gru"), texts(40)
    both = 0
    for ids, ending in zip(given, endings(network, given), strict=True):
        (state,), used = network.start(1), {"cell": 0, "skim": 0}
        for token in ids:
            inputs = network.words(torch.tensor([token]))
            if network.choose(inputs, state).item():
                state, used["skim"] = (
                    torch.cat([network.small(inputs, state[:, :3]), state[:, 3:]], 1),
                    used["skim"] + 1,
                )
            else:
                (state,), used["cell"] = network.cell(inputs, state), used["cell"] + 1
        torch.testing.assert_close(torch.tensor([ending.outputs]), network.answers(state), atol=1e-6, rtol=1e-5)
        steps = {step.unit: step.times for step in ending.trace}
        assert {name: steps.get(name, 0) for name in used} == used
        assert steps["policy"] == len(ids)
        both += all(used.values())
    assert both > 20


@pytest.mark.parametrize("method", METHODS)
def test_company_and_order_change_nothing(method: str) -> None:
    network, given = make(*(METHODS[method][0],), cell=METHODS[method][1]), texts(70)
    alone = endings(network, given, 1)
    for batch_size, seed in ((2, 1), (9, 2), (64, 3), (200, 4)):
        order = list(range(len(given)))
        random.Random(seed).shuffle(order)
        found = endings(network, [given[place] for place in order], batch_size)
        for place, ending in zip(order, found, strict=True):
            assert (ending.trace, ending.read) == (alone[place].trace, alone[place].read)
            assert ending.outputs == pytest.approx(alone[place].outputs, abs=1e-5)


@pytest.mark.parametrize("method", METHODS)
def test_the_trace_priced_by_rehearsal_is_what_the_meter_counts_at_batch_1(method: str) -> None:
    samples = [example.sample for example in small.examples(25)]
    text = TextEncoder(learn_wordpiece([sample.text for sample in samples], WORDS), 40)
    model = ReaderModel(make(METHODS[method][0], cell=METHODS[method][1]), text, small.CLASSES)
    model.configure = lambda point: None  # type: ignore[method-assign]
    together = model.predict(samples)
    prices: dict[tuple[str, tuple[int, ...]], Meter] = {}
    for sample, company in zip(samples, together, strict=True):
        with Meter(modules=model.modules()) as counted:
            (answer,) = model.predict([sample])
        assert answer.trace == company.trace
        assert answer.value == company.value
        flops, products, touched = 0, 0, {}
        for step in answer.trace:
            if (step.unit, step.shape) not in prices:
                with Meter(modules=model.modules()) as prices[step.unit, step.shape]:
                    model.rehearse(step.unit, step.shape)
            price = prices[step.unit, step.shape]
            flops += step.times * price.flops
            products += step.times * price.matmul_flops
            touched[step.unit] = max(touched.get(step.unit, 0), price.params_touched)
        assert counted.complete
        assert (flops, products) == (counted.flops, counted.matmul_flops)
        assert sum(touched.values()) == counted.params_touched
    assert len({tuple(answer.trace) for answer in together}) > 5


def test_rows_run_only_for_samples_that_are_still_reading() -> None:
    """Rows of the cell, step by step: texts of 5, 2 and 1 tokens in two places."""
    network, rows = make(), []
    network.cell.register_forward_pre_hook(lambda _, inputs: rows.append(len(inputs[0])))
    list(read(network, [[2] * 5, [3] * 2, [4]], 2))
    assert rows == [2, 2, 2, 1, 1]


def test_the_batch_stays_full_and_texts_are_taken_only_when_there_is_room() -> None:
    taken, rows = [0], []
    network = make()

    def coming() -> Iterator[list[int]]:
        for ids in texts(100, longest=20):
            taken[0] += 1
            yield ids

    network.cell.register_forward_pre_hook(lambda _, inputs: rows.append(len(inputs[0])))
    stream = read(network, coming(), 8)
    next(stream)
    # 8 endings go to the head together: by then at most that many left, and as many are being read
    assert taken[0] <= 8 + 8 + 8
    total = sum(1 for _ in stream)
    assert total == 99
    assert set(rows[: len(rows) - 20]) == {8}


def test_a_text_without_tokens_gets_the_answer_of_a_fresh_state() -> None:
    network = make()
    given = [[], [3, 4], [], [5]]
    fresh = network.answers(network.start(1)[0])[0].tolist()
    for batch_size in (1, 2, 8):
        found = endings(network, given, batch_size)
        assert found[0].outputs == pytest.approx(fresh)
        assert found[2].trace == (Step("head", (1,)),)
        assert found[1].read == (0, 1)


class Doubting(ReaderNetwork):
    """Is never sure where the token is 3."""

    def step(self, batch: Batch) -> None:
        batch.update("cell")
        batch.doubt(row for row, reading in enumerate(batch.readings) if reading.ids[reading.at] == 3)
        batch.move(1)


def test_who_is_in_doubt_is_read_again_alone_up_to_there_and_only_then() -> None:
    given = texts(50, seed=5)
    doubted = [number for number, ids in enumerate(given) if 3 in ids]
    assert 5 < len(doubted) < 45
    sure, network, singles = endings(make(), given), make(Doubting), []
    network.cell.register_forward_pre_hook(lambda _, inputs: singles.append(len(inputs[0])))
    for one, other in zip(endings(network, given, 16), sure, strict=True):
        assert (one.trace, one.read) == (other.trace, other.read)
        assert one.outputs == pytest.approx(other.outputs, abs=1e-6)
    alone = sum(place + 1 for number in doubted for place, token in enumerate(given[number]) if token == 3)
    assert alone <= singles.count(1) < alone + 30, "up to each doubt, and the last text where it is left by itself"
    singles.clear()
    endings(network, given, 1)
    assert len(singles) == sum(map(len, given))


def test_answers_nearly_alike_are_given_alone() -> None:
    network, given, calls = make(), texts(20), []
    nn.init.zeros_(network.head.weight)
    nn.init.zeros_(network.head.bias)
    network.head.register_forward_pre_hook(lambda _, inputs: calls.append(len(inputs[0])))
    endings(network, given, 20)
    assert calls == [20] + [1] * 20


def test_near_is_relative_to_large_limits_and_never_of_unreachable_ones() -> None:
    assert near(0.50005, 0.5)
    assert not near(0.5002, 0.5)
    assert near(30.002, 30)
    assert not near(30.004, 30)
    assert not near(1e9, float("inf"))
    assert not near(-1e9, float("-inf"))


def test_an_unknown_unit_is_named() -> None:
    model = ReaderModel(make(), TextEncoder(learn_wordpiece(["a b"], 50), 8), small.CLASSES)
    with pytest.raises(ElueError, match=r"Unknown unit 'cel'. Did you mean 'cell'\?"):
        model.rehearse("cel", (1,))


def test_what_was_read_is_explained() -> None:
    samples = [example.sample for example in small.examples(10)]
    text = TextEncoder(learn_wordpiece([sample.text for sample in samples], WORDS), 40)
    model = ReaderModel(make(Hopping), text, small.CLASSES)
    for sample, told in zip(samples, model.explain(samples), strict=True):
        ids = text.encode(sample).ids
        assert [text.tokenizer.token_to_id(token) for token in told.tokens] == ids
        assert told.kept == (tuple(sorted(set(hops(ids)))),)


def memory_grown(samples: int) -> int:
    """Bytes of Python and the objects alive that reading so many short texts adds after a first thousand."""
    network = make(Hopping)
    draw = random.Random(0)
    stream = read(network, ([draw.randrange(WORDS) for _ in range(draw.randrange(2, 9))] for _ in range(samples)), 256)
    for _ in range(1000):
        next(stream)
    gc.collect()
    tracemalloc.start()
    tensors = sum(type(each) is Tensor for each in gc.get_objects())
    before = tracemalloc.get_traced_memory()[0]
    answered = sum(1 for _ in zip(range(samples - 2000), stream, strict=False))
    gc.collect()
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert answered == samples - 2000
    assert sum(type(each) is Tensor for each in gc.get_objects()) <= tensors + 20
    return grown


def test_a_stream_of_short_texts_leaves_memory_flat() -> None:
    assert memory_grown(6000) < 400_000


@pytest.mark.slow
def test_a_stream_of_a_million_short_texts_leaves_memory_flat() -> None:
    import resource

    network = make(Hopping)
    draw = random.Random(0)
    stream = read(
        network, ([draw.randrange(WORDS) for _ in range(draw.randrange(2, 9))] for _ in range(1_000_000)), 256
    )
    peaks = []
    for number, _ in enumerate(stream, 1):
        if number % 100_000 == 0:
            peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
    assert len(peaks) == 10
    assert peaks[-1] - peaks[0] < 8_000
