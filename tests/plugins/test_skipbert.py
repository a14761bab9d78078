"""SkipBERT: tri-grams and their table by hand, answers against plain words, costs in closed form, a training."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from elue.errors import ElueError
from elue.meter import Meter
from elue.modeling.exits.distillation import from_teacher
from elue.modeling.exits.heads import SharedPoolerHeads
from elue.modeling.exits.model import ExitModel
from elue.modeling.exits.network import ExitNetwork, Lesson
from elue.modeling.exits.skipping import SkipModel
from elue.modeling.inference import batched_outputs
from elue.modeling.rules.knobs import KNOBS
from elue.modeling.saving import read_note
from elue.modeling.trigrams import TrigramEmbeddings, TrigramTable, grams_of, skipping, triples_of
from elue.plugins.early_exit.skipbert import SkipBert
from elue.protocol import Example, Point, TaskInfo
from tests import small
from tests.plugins import costs, scoring_exits, test_traces
from tests.plugins.scoring_exits import SAMPLES
from tests.plugins.test_traces import TEXT, THREE

pytestmark = pytest.mark.usefixtures("one_thread")
A, B, C, D = 7, 8, 9, 10
SOURCES = ("table", "computed")


def made(task: TaskInfo, text: Any = TEXT, samples: Any = test_traces.SAMPLES, entries: int = 200) -> SkipModel:
    """One layer on tri-grams and three with exits, at random, and a table of the most frequent grams."""
    encoder = skipping(small.encoder(), 1)
    network = ExitNetwork(encoder, task, SharedPoolerHeads(encoder.config, task, "mean"))
    small.stir(network)
    below: Any = network.encoder.embed
    nn.init.normal_(below.segment.weight), nn.init.normal_(below.position.weight)
    below.fill([encoded.ids for encoded in text.encode_all(samples)], entries)
    return SkipModel(network.requires_grad_(False), text, task)


def skipbert(task: TaskInfo) -> tuple[SkipModel, list[Point]]:
    tolerance = {"tolerance": 0.5} if task.kind == "regression" else {}
    rules: list[Point] = [{"rule": "patience", "patience": t, **tolerance} for t in (1, 2)]
    if task.kind == "classification":
        rules += [{"rule": "entropy", "threshold": t} for t in (0.0, 0.3, 0.7, math.inf)]
    return made(task), [{"trigrams": source, **rule} for source in SOURCES for rule in rules] + rules[:1]


def embeddings(entries: dict[tuple[int, int, int], float]) -> TrigramEmbeddings:
    """Embeddings whose table holds rows of these numbers, the second three and the third nine times as large."""
    below: Any = skipping(small.encoder(), 1).embed
    rows = torch.tensor([[0.0] * 48] + [[n] * 16 + [3 * n] * 16 + [9 * n] * 16 for n in entries.values()])
    below.table.hold(torch.tensor([(-1, -1, -1), *entries]), rows)
    below.source = "table"
    return below


def test_tri_grams_by_hand() -> None:
    assert triples_of([A, B, C], 0).tolist() == [[0, A, B], [A, B, C], [B, C, 0]]
    assert triples_of([A], 0).tolist() == [[0, A, 0]]


def test_a_row_is_the_middle_of_its_own_with_the_ends_of_its_neighbours(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tokens a, b, c, d: b is the middle of abc, the last of 0ab and the first of bcd."""
    below = embeddings({(0, A, B): 1.0, (A, B, C): 2.0, (B, C, D): 4.0, (C, D, 0): 8.0})
    monkeypatch.setattr(below, "placed", lambda hidden, *_: hidden)
    rows = below(torch.tensor([[A, B, C, D, 0], [A, B, 0, 0, 0]]))[..., 0]
    assert rows[0, :4].tolist() == [3 * 1 + 2, 3 * 2 + 9 * 1 + 4, 3 * 4 + 9 * 2 + 8, 3 * 8 + 9 * 4]


def test_what_is_not_known_is_looked_up_in_part() -> None:
    table = TrigramTable(4)
    grams = [(-1, -1, -1), (0, B, 0), (0, B, C), (A, B, C)]
    table.hold(torch.tensor(grams), torch.zeros(4, 12))
    asked = [(A, B, C), (D, B, C), (D, B, A), (0, B, 0), (A, C, B), (0, A, 0)]
    assert table.places(np.array(asked), 0).tolist() == [3, 2, 1, 1, 0, 0]
    assert TrigramTable(4).places(np.array(asked), 0).tolist() == [0] * 6, "an empty table has zeros"


def test_the_most_frequent_grams_whatever_the_order() -> None:
    texts = [[A, B, C], [D, B, C], [A, B]]
    ranked = grams_of(texts, 0, 100)
    assert ranked == grams_of(texts[::-1], 0, 100)
    assert ranked[0] == (0, B, 0), "three times, and nothing else as often"
    assert {(A, B, C), (0, B, C), (0, C, 0), (B, C, 0)} <= set(ranked)
    assert grams_of(texts, 0, 4) == ranked[:4]
    assert not any(gram[1] == 0 for gram in ranked)


def test_no_shallow_layers_leave_the_encoder_as_it_is(tmp_path: Path) -> None:
    SkipBert().train(small.job(tmp_path, train=32, epochs="1", teacher_epochs="1", shallow_layers="0"))
    model: Any = SkipBert().load(small.CLASSES, tmp_path, 0)
    assert type(model) is ExitModel
    model.configure(SkipBert().points(small.CLASSES, tmp_path)[-1])
    (answer,) = model.predict(SAMPLES[:1])
    assert answer.trace[0].unit == "embed"
    assert sum(step.unit.startswith("ffn") for step in answer.trace) == 3


def plain(below: Any, ids: list[int], segments: list[int], table: bool) -> Tensor:
    """Rows of a text, gram by gram, each computed by itself without what is outside."""
    known = {tuple(gram) for gram in below.table.grams.tolist()}

    def rows_of(gram: tuple[int, int, int]) -> list[Tensor]:
        _, middle, after = gram
        if table:
            stands_in = [gram, (0, middle, after), (0, middle, 0)]
            gram = next((one for one in stands_in if one in known), (0, 0, 0))
        real = [place for place in range(3) if gram[place]]
        rows = [torch.zeros(16)] * 3
        if real:
            embed = below.embed
            hidden = embed.word.weight[[gram[place] for place in real]] + embed.position.weight[real]
            hidden = embed.norm(hidden + embed.segment.weight[0])[None]
            for layer in below.layers:
                hidden = layer(hidden)
            for place, row in zip(real, hidden[0], strict=True):
                rows[place] = row * torch.sigmoid(below.gate.weight[0] @ row + below.gate.bias)
        return rows

    grams = [rows_of(gram) for gram in zip([0, *ids[:-1]], ids, [*ids[1:], 0], strict=True)]
    made = []
    for place in range(len(ids)):
        row = grams[place][1]
        row = row + grams[place - 1][2] if place else row
        row = row + grams[place + 1][0] if place + 1 < len(ids) else row
        row = row + below.position.weight[place] + below.segment.weight[segments[place]]
        made.append(below.norm(row))
    return torch.stack(made)


def entropy(shares: list[float]) -> float:
    return -sum(share * math.log(share) for share in shares if share)


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("task", [small.CLASSES, THREE, small.SCORE], ids=lambda task: task.name)
def test_answers_as_a_plain_implementation_does(task: TaskInfo, source: str) -> None:
    model = made(task, scoring_exits.TEXT, SAMPLES[:40], entries=12)
    below, heads = model.below, model.network.heads
    told = []
    for sample in SAMPLES:
        encoded = scoring_exits.TEXT.encode(sample)
        states, ways = plain(below, encoded.ids, encoded.segments, source == "table")[None], []
        for number, layer in enumerate(model.network.encoder.layers, 1):
            states = layer(states)
            ways.append(scoring_exits.answer(heads.output[str(number)](torch.tanh(heads.dense(states.mean(1))))))
        told.append(ways)
    seen = set()
    for threshold in (0.0, 0.2, 0.4, 0.6, 1.2) if task.outputs > 1 else (1, 2):
        rule = {"rule": "entropy", "threshold": threshold}
        if task.outputs == 1:
            rule = {"rule": "fixed", "exit": threshold}
        for ways, (exit, said) in zip(told, scoring_exits.taken(model, {"trigrams": source, **rule}), strict=True):
            sure = [n for n, p in enumerate(ways[:-1], 1) if task.outputs > 1 and entropy(p) < threshold]
            sure = sure if task.outputs > 1 else [threshold]
            assert exit == (sure[0] if sure else 3)
            assert said == pytest.approx(ways[exit - 1], abs=1e-4)
            seen.add(exit)
    assert len(seen) >= 2
    places = [below.table.places(triples_of(text.ids, 0), 0) for text in scoring_exits.TEXT.encode_all(SAMPLES)]
    assert {0} < set(np.concatenate(places).tolist()), "some are known and some are not"


@pytest.mark.parametrize("source", SOURCES)
def test_training_sees_in_padded_batches_what_inference_does(source: Any) -> None:
    model = made(THREE, entries=60)
    model.configure({"trigrams": source, "rule": "fixed", "exit": 3})
    model.below.source = source
    told = batched_outputs(model.network, [Example(sample, 0.0) for sample in test_traces.SAMPLES], TEXT)["logits"]
    for answer, logits in zip(model.predict(test_traces.SAMPLES), told[:, -1], strict=True):
        assert answer.scores == pytest.approx(logits.softmax(-1).tolist(), abs=1e-4)


@pytest.mark.parametrize("task", [THREE, small.SCORE], ids=lambda task: task.name)
@pytest.mark.parametrize("check", test_traces.CHECKS, ids=lambda check: check.__name__)
def test_what_holds_of_every_model(check: Callable[..., None], task: TaskInfo) -> None:
    check(skipbert, task)


def test_company_changes_nothing() -> None:
    test_traces.test_company_and_order_change_nothing(skipbert, THREE, 100)


def test_the_table_and_what_it_spares_in_closed_form() -> None:
    """Warm: two sums, position, segment, norm. Cold: a layer more on three rows a token, gates and masks."""
    model = made(THREE)
    for sample in test_traces.SAMPLES[:8]:
        encoded = TEXT.encode(sample)
        tokens, flops, touched, read = len(encoded.ids), [], [], []
        for source in SOURCES:
            model.configure({"trigrams": source, "rule": "entropy", "threshold": math.inf})
            with Meter(modules=model.modules(), traffic=True) as meter:
                model.predict([sample])
            assert meter.complete
            flops.append(meter.flops)
            touched.append(meter.params_touched)
            read.append(meter.bytes_read)
        merge = (2 + 2 + costs.NORM) * tokens * 16
        above = costs.layer(tokens, 16, 32, 4) + costs.headed(tokens, 16, 3) + costs.by_entropy(3) + costs.answered(3)
        assert flops[0] == merge + above
        rows = 3 * tokens
        lower = costs.embedded(rows, 16) + 3 * costs.product(rows, 16, 16) + tokens * costs.attended(3, 3, 16, 4)
        lower += costs.merged(rows, 16) + costs.fed_forward(rows, 16, 32)
        gates = costs.product(rows, 16, 1) + rows + 2 * rows * 16
        masks = rows + tokens + 2 * rows + rows
        assert flops[1] - flops[0] - lower - gates == masks
        places = set(model.below.table.places(triples_of(encoded.ids, 0), 0).tolist())
        own = sum(p.numel() for p in [*model.below.embed.norm.parameters(), *model.below.layers.parameters()])
        words = 16 * (len({0, *encoded.ids}) + 3 + 1)
        assert touched[0] - 48 * len(places) == touched[1] - own - words - 17
        assert read[0] > 4 * 48 * tokens


def test_parameters_are_the_tables_or_the_lower_layers() -> None:
    model = made(THREE)
    totals = []
    for source in SOURCES:
        model.configure({"trigrams": source, "rule": "entropy", "threshold": 0.1})
        totals.append(sum(parameter.numel() for module in model.modules() for parameter in module.parameters()))
    assert totals[0] - model.below.table.rows.numel() == totals[1] - sum(
        parameter.numel()
        for module in (model.below.embed, model.below.layers, model.below.gate)
        for parameter in module.parameters()
    )


def test_the_teacher_by_hand() -> None:
    """Teacher (.9, .1), exits (.6, .4) and (.5, .5): cross-entropies .5514 and ln 2, of weights 1 and 2 of 3."""
    logits = torch.tensor([[[0.6, 0.4], [0.5, 0.5]]]).log()
    columns = {"teacher.0": torch.tensor([0.9]).log(), "teacher.1": torch.tensor([0.1]).log()}
    loss = from_teacher(Lesson(small.CLASSES, logits, torch.tensor([0.0]), columns=columns))["distilled"]
    first = -(0.9 * math.log(0.6) + 0.1 * math.log(0.4))
    assert loss.item() == pytest.approx((first + 2 * math.log(2)) / 3)
    numbers = Lesson(
        small.SCORE, torch.tensor([[[0.2], [0.7]]]), torch.zeros(1), columns={"teacher.0": torch.tensor([0.5])}
    )
    assert from_teacher(numbers)["distilled"].item() == pytest.approx((0.09 + 2 * 0.04) / 3)


@pytest.mark.parametrize("task", [small.CLASSES, small.SCORE], ids=lambda task: task.name)
def test_training_fills_the_table_from_its_own_texts(task: TaskInfo, tmp_path: Path) -> None:
    options = {"epochs": "3", "teacher_epochs": "3", "learning_rate": "6e-3", "tiny_layers": "4", "entries": "300"}
    job = small.job(tmp_path, task, train=200, **options)
    SkipBert().train(job)
    model: Any = SkipBert().load(task, tmp_path, 0)
    grams = model.below.table.grams
    texts = model.text.encode_all([example.sample for example in job.train])
    assert list(map(tuple, grams[1:].tolist())) == grams_of([text.ids for text in texts], 0, 300)
    rows = model.below.computed(grams[1:]).flatten(1)
    assert torch.allclose(model.below.table.rows[1:], rows, atol=1e-5), "what is frozen makes what is held"
    assert not model.below.table.rows[0].any()
    points, note = SkipBert().points(task, tmp_path), read_note(tmp_path)["validation"]
    warm = [point for point in points if "trigrams" not in point]
    cold = min(3, len(warm))
    assert [point.get("trigrams", "table") for point in points] == ["table"] * len(warm) + ["computed"] * cold
    exits = [noted["exit"] for noted in note["points"][: len(warm)]]
    assert (min(exits), max(exits)) == (1, 2)
    assert note["table"]["grams"] == len(grams) - 1
    assert note["table"]["bytes"] == model.below.table.rows.nbytes
    assert note["table"]["whole"] + note["table"]["in_part"] + note["table"]["unknown"] == pytest.approx(100)
    assert task is small.SCORE or max(point["score"] for point in note["points"]) > 85
    held = model.below.table.rows.clone()
    model.predict_sweep(SAMPLES, points)
    assert torch.equal(held, model.below.table.rows), "answering writes nothing"


def test_its_knobs_are_those_of_rules_and_one_more() -> None:
    assert {name: knob for name, knob in SkipBert.knobs.items() if name != "trigrams"} == KNOBS


def test_too_many_shallow_layers_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ElueError, match="2 shallow layers of 3 leave no exit"):
        SkipBert().train(small.job(tmp_path, shallow_layers="2"))
