"""HashEE: depths by hand, answers against plain words, costs in closed form, a training and its sweep."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from elue.errors import ElueError
from elue.meter import Meter
from elue.modeling.hashing import depths_of, information
from elue.modeling.heads import EncoderWithHead
from elue.modeling.inference import batched_outputs
from elue.modeling.parked import ParkedModel, ParkedNetwork
from elue.modeling.saving import read_note
from elue.plugins.early_exit.hashee import HashEE
from elue.protocol import Example, Point, TaskInfo
from tests import small
from tests.plugins import costs, scoring_exits, test_traces
from tests.plugins.scoring_exits import SAMPLES, TASKS
from tests.plugins.test_traces import TEXT, THREE

pytestmark = pytest.mark.usefixtures("one_thread")
SHIFTS = range(-3, 4)


def hashed(task: TaskInfo, text: Any = TEXT) -> tuple[ParkedModel, list[Point]]:
    """Ids of depths 1 to 4, and some of none, on random weights."""
    network = small.stir(ParkedNetwork(small.encoder(), task, "mean"))
    assert isinstance(network, ParkedNetwork)
    network.depths.copy_(torch.arange(50) % 5)
    return ParkedModel(network.requires_grad_(False), text, task), [{"shift": shift} for shift in SHIFTS]


def test_depths_by_hand() -> None:
    """D = 3, b = 3, ids by frequency: two a bucket; D = 12, b = 6: every second depth; what is left over has none."""
    assert depths_of([7, 9, 1, 4, 8, 3], 3, 3) == {7: 1, 9: 1, 1: 2, 4: 2, 8: 3, 3: 3}
    assert sorted(set(depths_of(range(60), 6, 12).values())) == [1, 3, 5, 7, 9, 11]
    assert depths_of([5, 6, 7, 8, 9], 2, 4) == {5: 1, 6: 1, 7: 3, 8: 3}
    assert depths_of([5], 2, 4) == {}


def test_mutual_information_by_hand() -> None:
    """Five tokens of eight are of label 0: id 1, once, there alone; id 2 twice there and once in label 1."""
    shares = information([([1, 2, 3], 0.0), ([2, 4], 1.0), ([3], 1.0), ([2, 3], 0.0)])
    assert shares[1] == pytest.approx(1 / 8 * math.log(8 / 5))
    assert shares[2] == pytest.approx(2 / 8 * math.log(16 / 15) + 1 / 8 * math.log(8 / 9))
    assert shares[4] == pytest.approx(1 / 8 * math.log(8 / 3))
    assert shares[3] == shares[2]
    assert sum(shares.values()) > 0


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_answers_as_a_plain_implementation_does(task: TaskInfo) -> None:
    """Head by head: who stands still keeps its state, and is a key of everybody."""
    model, points = hashed(task, scoring_exits.TEXT)
    encoder, head = model.network.encoder, model.network.head
    moved = set()
    for point in points[::2]:
        model.configure(point)
        for sample, answer in zip(SAMPLES, model.predict(SAMPLES), strict=True):
            ids, segments = scoring_exits.TEXT.tensors(sample)
            depths = [
                4 if place == 0 or id % 5 == 0 else min(4, max(1, id % 5 + int(point["shift"])))
                for place, id in enumerate(ids[0].tolist())
            ]
            states = encoder.embed(ids, segments)[0]
            for number, layer in enumerate(encoder.layers, 1):
                going = [place for place, depth in enumerate(depths) if depth >= number]
                states = states.index_copy(0, torch.tensor(going), plain(layer, states, going))
                rows = next(step.shape[0] for step in answer.trace if step.unit == f"ffn.{number}")
                assert rows == len(going)
                moved.add(rows)
            logits = head.output(torch.tanh(head.dense(states.mean(0))))
            said = scoring_exits.answer(logits[None])
            told = list(answer.scores) or [scoring_exits.unit(answer.value, task)]
            assert told == pytest.approx(said, abs=1e-4)
    assert len(moved) > 8


def plain(layer: Any, states: Tensor, going: list[int]) -> Tensor:
    """What a layer makes of the tokens at these places among all."""
    attention, width = layer.attention, states.shape[1] // layer.attention.heads
    query, key, value = attention.query(states)[going], attention.key(states), attention.value(states)
    heads = []
    for head in range(attention.heads):
        part = slice(head * width, (head + 1) * width)
        heads.append((query[:, part] @ key[:, part].T / math.sqrt(width)).softmax(1) @ value[:, part])
    return layer.feed_forward(attention.norm(states[going] + attention.output(torch.cat(heads, 1))))


def test_at_full_depth_it_is_the_plain_model() -> None:
    model, _ = hashed(THREE)
    whole = EncoderWithHead(model.network.encoder, THREE)
    whole.head = model.network.head
    model.configure({"shift": 3})
    for sample, answer in zip(test_traces.SAMPLES, model.predict(test_traces.SAMPLES), strict=True):
        expected = whole.eval().logits(*TEXT.tensors(sample)).softmax(-1)[0].tolist()
        assert answer.scores == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("task", [THREE, small.SCORE], ids=lambda task: task.name)
def test_training_sees_in_padded_batches_what_inference_does(task: TaskInfo) -> None:
    model, points = hashed(task)
    for point in points:
        model.configure(point)
        model.network.shift = point["shift"]
        told = batched_outputs(model.network, [Example(sample, 0.0) for sample in test_traces.SAMPLES], TEXT)
        for answer, logits, moved in zip(
            model.predict(test_traces.SAMPLES), told["logits"], told["moved"].tolist(), strict=True
        ):
            said = list(answer.scores) or [scoring_exits.unit(answer.value, task)]
            assert said == pytest.approx(scoring_exits.answer(logits[None]), abs=1e-4)
            rows = sum(step.shape[0] for step in answer.trace if step.unit.startswith("ffn"))
            assert moved == pytest.approx(rows / (4 * answer.trace[0].shape[0]))


@pytest.mark.parametrize("task", [THREE, small.SCORE], ids=lambda task: task.name)
def test_what_a_sample_costs_in_closed_form(task: TaskInfo) -> None:
    """Keys and values for all n tokens, all else for the r that move: H = 16, four heads, 32 inside."""
    model, points = hashed(task)
    for point in points:
        model.configure(point)
        for sample in test_traces.SAMPLES[:10]:
            with Meter(modules=model.modules()) as meter:
                model.predict([sample])
            depths = model.depths_of(TEXT.encode(sample))
            tokens, cost = len(depths), costs.embedded(len(depths), 16)
            for number in range(1, 5):
                moving = int((depths >= number).sum())
                cost += costs.product(2 * tokens, 16, 16) + costs.product(moving, 16, 16)
                cost += costs.attended(moving, tokens, 16, 4) + costs.merged(moving, 16)
                cost += costs.fed_forward(moving, 16, 32)
            assert meter.flops == cost + costs.headed(tokens, 16, task.outputs) + costs.answered(task.outputs)


@pytest.mark.parametrize("task", [THREE, small.SCORE], ids=lambda task: task.name)
@pytest.mark.parametrize(
    "check",
    [
        test_traces.test_the_priced_trace_is_what_runs,
        test_traces.test_prices_do_not_depend_on_the_point_in_force,
        test_traces.test_explanations_fit_the_answers,
    ],
    ids=lambda check: check.__name__,
)
def test_what_holds_of_every_model(check: Callable[..., None], task: TaskInfo) -> None:
    check(hashed, task)


def test_company_changes_nothing() -> None:
    test_traces.test_company_and_order_change_nothing(hashed, THREE, 100)


def test_explanations_have_the_tokens_that_each_layer_moved() -> None:
    model, points = hashed(THREE)
    model.configure(points[2])
    for answer, shown in zip(model.predict(test_traces.SAMPLES), model.explain(test_traces.SAMPLES), strict=True):
        rows = [step.shape[0] for step in answer.trace if step.unit.startswith("ffn")]
        assert [len(kept) for kept in shown.kept] == rows


@pytest.mark.parametrize("kind", ["frequency", "mutual_information", "random"])
def test_training_hashes_its_own_texts_alone(kind: str, tmp_path: Path) -> None:
    job = small.job(tmp_path, train=160, hash=kind, epochs="1")
    HashEE().train(job)
    model: Any = HashEE().load(job.task, tmp_path, 0)
    texts = model.text.encode_all([example.sample for example in job.train])
    special = {model.text.tokenizer.token_to_id(name) for name in ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")}
    seen = {id for text in texts for id in text.ids} - special
    depths = model.network.depths.tolist()
    size = len(seen) // 3
    assert {id for id, depth in enumerate(depths) if depth} <= seen
    assert [depths.count(depth) for depth in (1, 2, 3)] == [size] * 3
    counts = {id: sum(text.ids.count(id) for text in texts) for id in seen}
    if kind == "frequency":
        assert min(counts[id] for id in seen if depths[id] == 1) >= max(counts[id] for id in seen if depths[id] == 2)
        assert min(counts[id] for id in seen if depths[id] == 2) >= max(counts[id] for id in seen if depths[id] == 3)
    if kind == "mutual_information":
        colours = [model.text.tokenizer.token_to_id(word) for word in ("red", "blue", "green", "orange")]
        others = [depths[id] for id in seen - set(colours) if depths[id]]
        assert max(depths[id] for id in colours) <= min(others)


def test_it_learns_and_sweeps_from_depth_one_to_all(tmp_path: Path) -> None:
    job = small.job(tmp_path, train=320, epochs="4", learning_rate="1e-2")
    HashEE().train(job)
    note, points = read_note(tmp_path), HashEE().points(job.task, tmp_path)
    assert note["options"]["buckets"] == 3
    assert {"shift": 0} in points
    assert note["validation"]["shift"]["0"]["score"] > 90
    moved = [note["validation"]["shift"][str(point["shift"])]["moved"] for point in points]
    assert moved == sorted(moved)
    assert moved[-1] == 100


@pytest.mark.parametrize(
    ("task", "options", "says"),
    [
        (small.CLASSES, {"buckets": "4"}, "4 buckets were asked for, the backbone has 3 layers"),
        (small.SCORE, {"hash": "mutual_information"}, "'hash' can't be mutual_information for 'warmth'"),
    ],
)
def test_what_it_refuses(task: TaskInfo, options: dict[str, str], says: str, tmp_path: Path) -> None:
    with pytest.raises(ElueError, match=says):
        HashEE().train(small.job(tmp_path, task, **options))


def test_the_random_hash_is_the_same_in_every_order(tmp_path: Path) -> None:
    depths = []
    for folder, shuffled in (("one", False), ("other", True)):
        job = small.job(tmp_path / folder, hash="random", epochs="1")
        if shuffled:
            random.Random(3).shuffle(job.train)  # type: ignore[arg-type]
        HashEE().train(job)
        depths.append(HashEE().load(job.task, tmp_path / folder, 0).network.depths)  # type: ignore[attr-defined]
    assert torch.equal(*depths)
