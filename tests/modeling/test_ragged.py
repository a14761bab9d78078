"""Packs against transformers' padded forward, and leaving them against never having been there."""

from __future__ import annotations

import random
import resource
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from transformers import BertConfig, BertModel

from elue.modeling.encoder import Encoder
from elue.modeling.flow import flow
from elue.modeling.heads import Head
from elue.modeling.loading import from_state
from elue.modeling.packed import attend, attend_and_weigh, head
from elue.modeling.ragged import Pack, Request, join
from elue.modeling.running import run_encoder, run_layer
from elue.modeling.text import Encoded
from elue.modeling.tracing import Units, encoder_units
from tests import small
from tests.modeling.test_loading import MODELS, SHAPE

LENGTHS = [9, 3, 30, 9, 1, 17, 3, 9]


def requests(lengths: list[int] = LENGTHS, vocabulary: int = 50, seed: int = 0, types: int = 2) -> list[Request]:
    draw = random.Random(seed)
    made = []
    for place, n in enumerate(lengths):
        first = draw.randint(0, n) if types > 1 else n
        ids = [draw.randrange(2, vocabulary) for _ in range(n)]
        made.append(Request(place, Encoded(ids, [0] * first + [1] * (n - first))))
    return made


def minilm() -> nn.Module:
    config = BertConfig(**{**SHAPE, "hidden_size": 48, "num_attention_heads": 12, "intermediate_size": 96})
    return BertModel(config, add_pooling_layer=False)


def relu() -> nn.Module:
    return BertModel(BertConfig(**SHAPE, hidden_act="relu"), add_pooling_layer=False)


def silu() -> nn.Module:
    return BertModel(BertConfig(**SHAPE, hidden_act="silu"), add_pooling_layer=False)


@torch.inference_mode()
@pytest.mark.parametrize("make", [*MODELS, minilm, relu, silu])
def test_a_pack_equals_transformers_on_each_sample(make: Callable[[], nn.Module]):
    torch.manual_seed(0)
    theirs = make().eval()
    ours = from_state(theirs.config, theirs.state_dict()).eval()
    types = ours.config.types
    asked = requests(vocabulary=60, types=types)
    pack = run_encoder(Units(encoder_units(ours)), Pack.fresh(asked), 3)
    assert pack.lengths == sorted(LENGTHS)
    for request, rows in zip(pack.requests, pack.rows.split(pack.lengths), strict=True):
        inputs = {"input_ids": torch.tensor([request.encoded.ids])}
        if types:
            inputs["token_type_ids"] = torch.tensor([request.encoded.segments])
        expected = theirs(**inputs, attention_mask=torch.ones_like(inputs["input_ids"])).last_hidden_state[0]
        assert (rows - expected).abs().max() < 1e-5


@pytest.fixture
def embedded() -> Pack:
    torch.manual_seed(0)
    return Pack.fresh(requests()).with_rows(torch.randn(sum(LENGTHS), 16))


def samples_of(pack: Pack) -> dict[int, Tensor]:
    """The rows of each sample, by its place."""
    parts = pack.rows.split(pack.lengths)
    return {request.place: rows for request, rows in zip(pack.requests, parts, strict=True)}


def equal(found: dict[int, Tensor], expected: dict[int, Tensor]) -> None:
    assert found.keys() == expected.keys()
    for place, rows in expected.items():
        torch.testing.assert_close(found[place], rows, atol=1e-5, rtol=1e-5)


def test_groups_are_views_of_equal_length(embedded: Pack):
    groups = list(embedded.groups())
    assert [(group.tokens, group.samples) for group in groups] == [(1, 1), (3, 2), (9, 3), (17, 1), (30, 1)]
    assert [group.rows.start for group in groups] == [0, 1, 7, 34, 51]
    assert all(group.of(embedded.rows).data_ptr() == embedded.rows[group.rows].data_ptr() for group in groups)


def test_selected_samples_keep_their_rows_and_what_is_remembered_of_them(embedded: Pack):
    before = samples_of(embedded)
    places = torch.tensor([[request.place] for request in embedded.requests])
    chosen = embedded.remembering(place=places).select(np.array([0, 2, 5, 7]))
    places = [request.place for request in chosen.requests]
    assert places == [embedded.requests[index].place for index in (0, 2, 5, 7)]
    equal(samples_of(chosen), {place: before[place] for place in places})
    assert chosen.memory["place"][:, 0].tolist() == places


@torch.inference_mode()
def test_running_after_select_equals_running_without_the_others(embedded: Pack):
    units = Units(encoder_units(small.encoder()))
    every = samples_of(run_layer(units, embedded, 1))
    some = samples_of(run_layer(units, embedded.select(np.array([1, 3, 6])), 1))
    equal(some, {place: every[place] for place in some})


@torch.inference_mode()
def test_running_after_keep_equals_running_the_kept_tokens_alone(embedded: Pack):
    units, before = Units(encoder_units(small.encoder())), samples_of(embedded)
    draw = np.random.default_rng(0)
    tokens = draw.random(embedded.tokens) < 0.6
    tokens[embedded.starts()] = True
    masks = dict(zip(before, np.split(tokens, np.cumsum(embedded.lengths)[:-1]), strict=True))
    kept = embedded.keep(tokens)
    assert kept.lengths == sorted(kept.lengths)
    equal(samples_of(kept), {place: rows[torch.from_numpy(masks[place])] for place, rows in before.items()})
    for place, rows in samples_of(run_layer(units, kept, 2)).items():
        own = before[place][torch.from_numpy(masks[place])]
        alone = Pack([Request(place, Encoded([], []))], [len(own)], own)
        torch.testing.assert_close(rows, run_layer(units, alone, 2).rows, atol=1e-5, rtol=1e-5)


def test_cutting_and_joining_gives_all_samples_back(embedded: Pack):
    before = samples_of(embedded)
    parts, rest = [], embedded
    while rest is not None:
        part, rest = rest.cut(12)
        assert part.tokens <= 12 or len(part.requests) == 1
        parts.append(part)
    assert len(parts) > 3
    joined = join(parts[::-1])
    assert joined.lengths == sorted(LENGTHS)
    equal(samples_of(joined), before)


@torch.inference_mode()
def test_attention_that_weighs_is_attention(embedded: Pack):
    attention = small.encoder().layers[0].attention
    rows, received = attend_and_weigh(attention, embedded)
    torch.testing.assert_close(rows, attend(attention, embedded), atol=1e-5, rtol=1e-5)
    for own, found in zip(embedded.rows.split(embedded.lengths), received.split(embedded.lengths), strict=True):
        expected = attention.with_weights(own[None])[1].mean((1, 2))[0]
        torch.testing.assert_close(found, expected)


@torch.inference_mode()
@pytest.mark.parametrize("pooling", ["mean", "first"])
def test_heads_pool_each_sample_on_its_own(embedded: Pack, pooling: str):
    module = small.stir(Head(small.CONFIG, small.CLASSES, pooling))
    expected = torch.cat([module(rows[None]) for rows in embedded.rows.split(embedded.lengths)])
    torch.testing.assert_close(head(module, embedded), expected, atol=1e-5, rtol=1e-5)


def leaving(depth_of: Callable[[Request], int], depths: int, seen: list[tuple[int, int]]) -> list:
    """Stages that let each sample go after a depth of its own, and note what they run on."""

    def stage(depth: int, pack: Pack) -> tuple[Pack, list[Request]]:
        seen.append((depth, pack.tokens))
        stay = [place for place, request in enumerate(pack.requests) if depth_of(request) > depth]
        done = [request for request in pack.requests if depth_of(request) <= depth]
        return pack.select(np.array(stay, dtype=int)), done

    return [lambda pack, depth=depth: stage(depth, pack) for depth in range(depths)]


@pytest.mark.parametrize("budget", [1, 50, 300])
def test_packs_stay_full_and_within_the_budget(budget: int):
    draw = random.Random(0)
    asked = requests([draw.randint(1, 40) for _ in range(800)])
    depth_of = {request.place: draw.randrange(4) for request in asked}
    seen: list[tuple[int, int]] = []
    done = list(flow(leaving(lambda request: depth_of[request.place], 4, seen), iter(asked), budget))
    assert sorted(request.place for request in done) == list(range(800))
    assert sum(tokens for _, tokens in seen) == sum(request.tokens * (depth_of[request.place] + 1) for request in asked)
    assert all(tokens <= max(budget, 40) for _, tokens in seen)
    if budget == 300:
        thin = [tokens for _, tokens in seen if tokens < budget // 2 - 40]
        assert len(thin) <= 4, "only the flush at the end may run packs that are not full"


def test_a_deep_queue_runs_before_new_samples_are_taken():
    asked, taken = requests([10] * 100), []

    def source() -> Iterator[Request]:
        for request in asked:
            taken.append(request)
            yield request

    left = flow(leaving(lambda _: 2, 3, []), source(), 100)
    next(left)
    assert len(taken) <= 11


def tiny_stream(samples: int) -> tuple[int, int]:
    """How many synthetic samples came out, and how much the peak memory (KiB) grew after a tenth of them."""
    encoder = Encoder(small.CONFIG).eval()
    units = Units(encoder_units(encoder))
    draw = random.Random(0)

    def layer(number: int, pack: Pack) -> tuple[Pack, list[Request]]:
        if number == 1:
            pack = pack.with_rows(units.run("embed", pack))
        pack = run_layer(units, pack, number)
        stay = np.flatnonzero([request.place % 4 >= number for request in pack.requests])
        done = [request for request in pack.requests if request.place % 4 < number]
        return pack.select(stay), done

    def source() -> Iterator[Request]:
        for place in range(samples):
            ids = [draw.randrange(1, 50)] * draw.randint(1, 6)
            yield Request(place, Encoded(ids, [0] * len(ids)))

    stages = [lambda pack, number=number: layer(number, pack) for number in range(1, 5)]
    count, start = 0, 0
    with torch.inference_mode():
        for _ in flow(stages, source()):
            count += 1
            if count == samples // 10:
                start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return count, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - start


def test_a_stream_keeps_its_memory():
    count, growth = tiny_stream(20_000)
    assert count == 20_000
    assert growth < 8 * 1024


@pytest.mark.slow
def test_a_million_samples_stream_through_without_growth():
    count, growth = tiny_stream(1_000_000)
    print(f"memory grew by {growth / 1024:.1f} MiB over 900,000 samples")
    assert count == 1_000_000
    assert growth < 16 * 1024
