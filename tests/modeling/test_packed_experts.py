"""Experts in packs, any number a row: against loops over samples, rows and experts, with prices in closed form."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from elue.errors import ElueError
from elue.meter import Meter
from elue.modeling.backbone import learn_wordpiece
from elue.modeling.encoder import Encoder
from elue.modeling.experts import Assignment, AssignRule, ExpertsModel, capacity, upcycle, within_capacity
from elue.modeling.heads import Head
from elue.modeling.routing import margin_of_choices
from elue.modeling.text import TextEncoder
from elue.protocol import Prediction, Sample, Step, TaskInfo
from tests import small

pytestmark = pytest.mark.usefixtures("one_thread")
THREE = TaskInfo("three", "classification", ("a", "b", "c"))
WORDS = "paper door hill rain bread red orange blue green slow quick".split()  # noqa: SIM905
TEXT = TextEncoder(learn_wordpiece([" ".join(WORDS)] * 3, 50), 40)
EXPERTS, HIDDEN, INNER = 4, 16, 32
DRAW = random.Random(0)
SAMPLES = [Sample(str(i), " ".join(DRAW.choices(WORDS, k=DRAW.choice([1, 2, 3, 5, 8, 13, 34])))) for i in range(40)]


class Network(nn.Module):
    """The small encoder with experts in its layers 2 and 4, and a head."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder: Encoder = small.encoder()
        self.head = Head(self.encoder.config, THREE, "mean")
        upcycle(self.encoder, (1, 3), EXPERTS, jitter=0.0, scale=1.0)


NETWORK: Any = small.stir(Network()).requires_grad_(False)

Plain = Callable[[list[list[float]]], list[tuple[int, int, float]]]
"""A rule in plain Python: from the probabilities of one sample's rows to (row, expert, weight)."""


def top2(probabilities: Tensor, mask: Tensor, factor: float) -> Assignment:
    """The two most probable experts of each row, while they have room: all first choices, then all second ones."""
    samples, tokens = mask.shape
    weight, expert = probabilities.topk(2)
    weight, expert = (one.view(samples, tokens, 2).transpose(1, 2).flatten(1) for one in (weight, expert))
    limit = capacity(mask.sum(1), EXPERTS, factor)
    kept = within_capacity(expert, limit, EXPERTS, mask.repeat(1, 2)).flatten()
    row = torch.arange(samples * tokens).view(samples, tokens).repeat(1, 2).flatten()
    place = kept.nonzero().squeeze(-1)
    return Assignment(row[place], expert.flatten()[place], weight.flatten()[place])


def plain_top2(rows: list[list[float]], factor: float) -> list[tuple[int, int, float]]:
    room = [min(math.ceil(len(rows) * min(factor, EXPERTS) / EXPERTS - 1e-9), len(rows))] * EXPERTS
    pairs = []
    for choice in (0, 1):
        for row, p in enumerate(rows):
            expert = sorted(range(EXPERTS), key=lambda e: -p[e])[choice]
            if room[expert]:
                room[expert] -= 1
                pairs.append((row, expert, p[expert]))
    return pairs


def expert_choice(probabilities: Tensor, mask: Tensor) -> Assignment:
    """Each expert takes the half of a sample's rows, rounded up, that like it best."""
    samples, tokens = mask.shape
    weight, taken = probabilities.view(samples, tokens, EXPERTS).topk((tokens + 1) // 2, dim=1)
    row = taken + torch.from_numpy(np.arange(samples) * tokens)[:, None, None]
    return Assignment(row.flatten(), torch.arange(EXPERTS).expand_as(row).flatten(), weight.flatten())


def plain_expert_choice(rows: list[list[float]]) -> list[tuple[int, int, float]]:
    pairs = []
    for e in range(EXPERTS):
        best = sorted(range(len(rows)), key=lambda row: -rows[row][e])
        pairs += [(row, e, rows[row][e]) for row in best[: (len(rows) + 1) // 2]]
    return pairs


def everywhere(probabilities: Tensor, mask: Tensor) -> Assignment:
    """All rows to all experts, and the pairs in an order that is nobody's."""
    pairs = torch.arange(mask.numel() * EXPERTS).flip(0)
    return Assignment(pairs // EXPERTS, pairs % EXPERTS, probabilities.flatten()[pairs])


def plain_everywhere(rows: list[list[float]]) -> list[tuple[int, int, float]]:
    return [(row, e, p[e]) for row, p in enumerate(rows) for e in range(EXPERTS)]


def nowhere(probabilities: Tensor, mask: Tensor) -> Assignment:
    """No row to any expert."""
    none = torch.zeros(0, dtype=torch.long)
    return Assignment(none, none, torch.zeros(0))


RULES: dict[str, tuple[AssignRule, Plain]] = {
    "top-2 without limit": (partial(top2, factor=math.inf), partial(plain_top2, factor=math.inf)),
    "top-2 with capacity": (partial(top2, factor=1.0), partial(plain_top2, factor=1.0)),
    "top-2 with hardly any room": (partial(top2, factor=0.3), partial(plain_top2, factor=0.3)),
    "experts choose rows": (expert_choice, plain_expert_choice),
    "all rows to all experts": (everywhere, plain_everywhere),
    "no row to any expert": (nowhere, lambda rows: []),
}
ANY = pytest.mark.parametrize("name", RULES)


def model_of(name: str, **given: Any) -> ExpertsModel:
    return ExpertsModel(NETWORK, TEXT, THREE, RULES[name][0], **given)


@torch.no_grad()
def plainly(sample: Sample, rule: Plain) -> tuple[list[float], dict[int, list[tuple[int, int, float]]]]:
    """Probabilities of the classes, row by row and expert by expert, and the pairs of each layer with experts."""
    ids, segments = TEXT.tensors(sample)
    hidden, taken = NETWORK.encoder.embed(ids, segments), {}
    for number, layer in enumerate(NETWORK.encoder.layers, start=1):
        hidden = layer.attention(hidden)
        if number % 2:
            hidden = layer.feed_forward(hidden)
            continue
        experts = layer.feed_forward
        rows = hidden[0]
        pairs = rule([(experts.router.weight @ x).softmax(-1).tolist() for x in rows])
        total = [x.clone() for x in rows]
        for row, expert, weight in pairs:
            total[row] = total[row] + weight * experts.experts[expert](rows[row])
        hidden = torch.stack([experts.norm(x) for x in total])[None]
        taken[number] = pairs
    return NETWORK.head(hidden)[0].softmax(-1).tolist(), taken


def counts(pairs: list[tuple[int, int, float]], of: int) -> dict[int, int]:
    """How many pairs each row (of = 0) or expert (of = 1) has."""
    found: dict[int, int] = {}
    for pair in pairs:
        found[pair[of]] = found.get(pair[of], 0) + 1
    return found


@ANY
def test_answers_and_expert_rows_are_those_of_plain_loops(name: str):
    model = model_of(name)
    for sample, answer in zip(SAMPLES, model.predict(SAMPLES), strict=True):
        scores, taken = plainly(sample, RULES[name][1])
        assert answer.scores == pytest.approx(scores, abs=1e-5)
        steps: dict[str, int] = {}
        for step in answer.trace:
            steps[step.unit] = steps.get(step.unit, 0) + step.shape[0]
        tokens = answer.trace[0].shape[0]
        for number, pairs in taken.items():
            ran = {e: steps.pop(f"expert.{number}.{e + 1}", 0) for e in range(EXPERTS)}
            assert {e: rows for e, rows in ran.items() if rows} == counts(pairs, 1)
            further = len(pairs) - len(counts(pairs, 0))
            assert steps.pop(f"sum.{number}", 0) == further
            assert (steps.pop(f"router.{number}"), steps.pop(f"combine.{number}")) == (tokens, tokens)
        assert not [unit for unit in steps if unit.startswith(("expert", "sum", "router", "combine"))]


@ANY
def test_what_runs_alone_is_what_the_trace_says_and_what_a_pack_did(name: str):
    """Expert rows as modules see them, and FLOPs as a Meter does."""
    model, seen = model_of(name), []
    experts = [layer.feed_forward.experts for layer in NETWORK.encoder.layers if hasattr(layer.feed_forward, "experts")]
    hooks = [
        expert.inner.register_forward_pre_hook(lambda _, args: seen.append(args[0].shape[0]))
        for layer in experts
        for expert in layer
    ]
    together = model.predict(SAMPLES)
    for sample, packed in zip(SAMPLES, together, strict=True):
        seen.clear()
        with Meter(modules=model.modules()) as meter:
            (alone,) = model.predict([sample])
        same(packed, alone)
        assert seen == [step.shape[0] for step in alone.trace if step.unit.startswith("expert")]
        assert (meter.complete, meter.flops) == (True, sum(price(model, step) for step in alone.trace))
    for hook in hooks:
        hook.remove()


def same(one: Prediction, other: Prediction) -> None:
    assert one.trace == other.trace
    assert one.value == other.value
    assert one.scores == pytest.approx(other.scores, abs=1e-5)


def price(model: ExpertsModel, step: Step) -> int:
    with Meter(modules=model.modules()) as meter:
        model.rehearse(step.unit, step.shape)
    return step.times * meter.flops


@ANY
@pytest.mark.parametrize("budget", [1, 100, 4096])
def test_company_and_order_change_nothing(name: str, budget: int):
    model = model_of(name)
    alone = {sample.id: model.predict([sample])[0] for sample in SAMPLES}
    model.budget = budget
    for some in (SAMPLES, random.Random(budget).sample(SAMPLES, len(SAMPLES)), SAMPLES[7:20]):
        for sample, answer in zip(some, model.predict(some), strict=True):
            same(answer, alone[sample.id])


@pytest.mark.parametrize("rows", [1, 2, 7, 2000])
def test_prices_in_closed_form(rows: int):
    model = model_of("top-2 without limit")
    two_maps = 2 * rows * HIDDEN * INNER * 2
    assert price(model, Step("expert.2.3", (rows,))) == two_maps + rows * INNER + rows * HIDDEN  # gelu, weight
    assert price(model, Step("sum.2", (rows,))) == rows * HIDDEN
    assert price(model, Step("combine.2", (rows,))) == rows * HIDDEN + 7 * rows * HIDDEN  # residual, norm


def test_two_experts_a_row_cost_twice_one_and_an_addition():
    def top(k: int) -> int:
        def assign(probabilities: Tensor, mask: Tensor) -> Assignment:
            pairs = torch.arange(mask.numel() * k)
            return Assignment(pairs // k, pairs % k, torch.ones(len(pairs)))

        model = ExpertsModel(NETWORK, TEXT, THREE, assign)
        with Meter() as meter:
            (answer,) = model.predict(SAMPLES[:1])
        router = [step for step in answer.trace if step.unit.startswith("router")]
        return meter.flops - sum(price(model, step) for step in router)

    tokens = len(TEXT.tokens(SAMPLES[0]))
    expert = tokens * (2 * HIDDEN * INNER * 2 + INNER + HIDDEN)
    assert top(2) - top(1) == 2 * (expert + tokens * HIDDEN)
    assert top(4) - top(2) == 2 * 2 * (expert + tokens * HIDDEN)


def test_an_expert_twice_for_a_row_counts_twice():
    def twice(probabilities: Tensor, mask: Tensor) -> Assignment:
        row = torch.arange(mask.numel()).repeat(2)
        return Assignment(row, torch.full_like(row, 2), torch.full(row.shape, 0.5))

    def once(probabilities: Tensor, mask: Tensor) -> Assignment:
        row = torch.arange(mask.numel())
        return Assignment(row, torch.full_like(row, 2), torch.ones(row.shape))

    answers = [ExpertsModel(NETWORK, TEXT, THREE, rule).predict(SAMPLES) for rule in (once, twice)]
    for one, two in zip(*answers, strict=True):
        assert one.scores == pytest.approx(two.scores, abs=1e-5)
        rows = [sum(step.shape[0] for step in each.trace if step.unit == "expert.2.3") for each in (one, two)]
        assert rows[1] == 2 * rows[0] > 0


def test_an_assignment_that_cannot_be_carried_ends_the_prediction():
    def beyond(probabilities: Tensor, mask: Tensor) -> Assignment:
        row = torch.arange(mask.numel())
        return Assignment(row, torch.full_like(row, EXPERTS), torch.ones(row.shape))

    with pytest.raises(ElueError, match="names expert 4, and there are 4"):
        ExpertsModel(NETWORK, TEXT, THREE, beyond).predict(SAMPLES)


@ANY
def test_explanations_tell_every_pair_the_heaviest_first(name: str):
    for sample, shown in zip(SAMPLES, model_of(name).explain(SAMPLES), strict=True):
        _, taken = plainly(sample, RULES[name][1])
        expected = {}
        for number, pairs in taken.items():
            for choice in range(EXPERTS):
                chosen = []
                for row in range(len(shown.tokens)):
                    own = sorted((-weight, expert) for place, expert, weight in pairs if place == row)
                    chosen.append(own[choice][1] if choice < len(own) else -1)
                if choice == 0 or max(chosen) >= 0:
                    expected[f"{number}.{choice + 1}" if choice else str(number)] = tuple(chosen)
        assert shown.experts == expected


def rerun(model: ExpertsModel, monkeypatch: pytest.MonkeyPatch) -> set[int]:
    """The samples that a prediction in packs leaves to themselves."""
    again: set[int] = set()
    before = model._again
    monkeypatch.setattr(model, "_again", lambda request, *rest: (again.add(request.place), before(request, *rest))[1])
    model.predict(SAMPLES)
    return again


@torch.no_grad()
@pytest.mark.parametrize(("tied", "choices", "doubtful"), [((0, 1), 1, 1), ((1, 2), 1, 0), ((1, 2), 2, 1)])
def test_a_near_tie_at_the_last_choice_is_left_to_the_sample_alone(
    tied: tuple[int, int], choices: int, doubtful: int, monkeypatch: pytest.MonkeyPatch
):
    """The router sees rows of its own making: experts in falling order, but two of them within noise."""
    model = model_of("top-2 without limit", margin=partial(margin_of_choices, choices=choices))
    logits = torch.tensor([3.0, 2.0, 1.0, 0.0])
    logits[tied[1]] = logits[tied[0]] - 1e-6
    for layer in NETWORK.encoder.layers[1::2]:
        monkeypatch.setattr(layer.feed_forward.router, "forward", lambda rows: logits.softmax(-1).expand(len(rows), -1))
    assert len(rerun(model, monkeypatch)) == doubtful * len(SAMPLES)


def test_without_a_margin_of_its_own_any_near_tie_in_a_sample_counts(monkeypatch: pytest.MonkeyPatch):
    near = rerun(model_of("experts choose rows"), monkeypatch)
    far = rerun(model_of("experts choose rows", margin=lambda p: np.full(len(p), math.inf)), monkeypatch)
    assert far < near
