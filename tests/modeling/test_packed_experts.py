"""Experts in packs, any number a row: against loops over samples, rows and experts, with prices in closed form."""

from __future__ import annotations

import math
import random
from functools import partial

import numpy as np
import pytest
import torch
from torch import Tensor

from elue.errors import ElueError
from elue.meter import Meter
from elue.modeling.experts import Assignment, ExpertsModel
from elue.modeling.routing import margin_of_choices
from elue.protocol import Prediction, Step
from tests.modeling.plain_experts import (
    EXPERTS,
    HIDDEN,
    INNER,
    NETWORK,
    RULES,
    SAMPLES,
    TEXT,
    THREE,
    counts,
    model_of,
    plainly,
)

pytestmark = pytest.mark.usefixtures("one_thread")


ANY = pytest.mark.parametrize("name", RULES)


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
