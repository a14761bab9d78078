"""Experts in packs, any number a row: against loops over samples, rows and experts, with prices in closed form."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch

from elue.errors import ElueError
from elue.meter import Meter
from elue.modeling.experts.choices import best, fixed
from elue.modeling.experts.model import ExpertsModel
from elue.modeling.text import pad_batch
from elue.protocol import Prediction, Step
from tests.modeling.experts.plain import (
    EXPERTS,
    HIDDEN,
    INNER,
    RULES,
    SAMPLES,
    TEXT,
    counts,
    halves,
    model_of,
    network_of,
    plainly,
)

pytestmark = pytest.mark.usefixtures("one_thread")

QUICK = ("two with capacity", "experts choose rows")
ANY = pytest.mark.parametrize(
    "name", [name if name in QUICK else pytest.param(name, marks=pytest.mark.thorough) for name in RULES]
)


@ANY
def test_answers_and_expert_rows_are_those_of_plain_loops(name: str):
    model = model_of(name)
    for sample, answer in zip(SAMPLES[:20], model.predict(SAMPLES)[:20], strict=True):
        scores, taken = plainly(model.network, sample, RULES[name].plain)
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
@torch.no_grad()
def test_a_padded_batch_answers_as_packs_do(name: str):
    model = model_of(name)
    together = model.network({**pad_batch(TEXT.encode_all(SAMPLES), TEXT.pad)})
    for answer, logits, ran in zip(model.predict(SAMPLES), together["logits"], together["ran"], strict=True):
        assert answer.scores == pytest.approx(logits.softmax(-1).tolist(), abs=1e-5)
        rows = sum(step.shape[0] for step in answer.trace if step.unit.startswith("expert"))
        assert ran.item() == pytest.approx(rows / (2 * answer.trace[0].shape[0]))


@ANY
def test_what_runs_alone_is_what_the_trace_says_and_what_a_pack_did(name: str):
    """Expert rows as modules see them, and FLOPs as a Meter does."""
    model, seen = model_of(name), []
    for half in halves(model.network):
        for expert in half.experts:
            expert.inner.register_forward_pre_hook(lambda _, args: seen.append(args[0].shape[0]))
    for sample, packed in zip(SAMPLES[:12], model.predict(SAMPLES), strict=False):
        seen.clear()
        with Meter(modules=model.modules()) as meter:
            (alone,) = model.predict([sample])
        same(packed, alone)
        assert seen == [step.shape[0] for step in alone.trace if step.unit.startswith("expert")]
        assert (meter.complete, meter.flops) == (True, sum(price(model, step) for step in alone.trace))


def same(one: Prediction, other: Prediction) -> None:
    assert one.trace == other.trace
    assert one.value == other.value
    assert one.scores == pytest.approx(other.scores, abs=1e-5)


def price(model: ExpertsModel, step: Step) -> int:
    with Meter(modules=model.modules()) as meter:
        model.rehearse(step.unit, step.shape)
    return step.times * meter.flops


@ANY
@pytest.mark.parametrize(
    "budget", [100, pytest.param(1, marks=pytest.mark.thorough), pytest.param(4096, marks=pytest.mark.thorough)]
)
def test_company_and_order_change_nothing(name: str, budget: int):
    model = model_of(name)
    alone = {sample.id: model.predict([sample])[0] for sample in SAMPLES}
    model.budget = budget
    for some in (random.Random(budget).sample(SAMPLES, len(SAMPLES)), SAMPLES[7:20]):
        for sample, answer in zip(some, model.predict(some), strict=True):
            same(answer, alone[sample.id])


@pytest.mark.parametrize("rows", [1, 2, 7, 2000])
def test_prices_in_closed_form(rows: int):
    model = model_of("the best")
    two_maps = 2 * rows * HIDDEN * INNER * 2
    assert price(model, Step("expert.2.3", (rows,))) == two_maps + rows * INNER + rows * HIDDEN  # gelu, weight
    assert price(model, Step("sum.2", (rows,))) == rows * HIDDEN
    assert price(model, Step("combine.2", (rows,))) == rows * HIDDEN + 7 * rows * HIDDEN  # residual, norm
    assert price(model, Step("router.2", (rows,))) == rows * EXPERTS * (2 * HIDDEN + 5 + 1)  # map, softmax, best


def test_an_expert_twice_for_a_row_counts_twice():
    answers = []
    for rule in (lambda look, p: fixed(np.full((len(p), 1), 2)), lambda look, p: fixed(np.full((len(p), 2), 2))):
        model = model_of("by the token")
        model.network.rule = rule
        for half in halves(model.network):
            half.experts[2].scaled(0.5 if answers else 1.0)
        answers.append(model.predict(SAMPLES))
    for one, two in zip(*answers, strict=True):
        assert one.scores == pytest.approx(two.scores, abs=1e-5)
        rows = [sum(step.shape[0] for step in answer.trace if step.unit == "expert.2.3") for answer in (one, two)]
        assert rows[1] == 2 * rows[0] > 0


@pytest.mark.parametrize(
    ("expert", "said"),
    [
        (lambda rows: np.full((rows, 1), EXPERTS), "names expert 4, and there are 4"),
        (lambda rows: np.full((rows, 1), -1), "names expert -1"),
        (lambda rows: np.zeros((rows + 1, 1), dtype=np.int64), r"has experts, weights and wishes of shapes"),
    ],
)
def test_a_choice_that_cannot_be_carried_ends_the_prediction(expert, said: str):
    model = model_of("by the token")
    model.network.rule = lambda look, p: fixed(expert(len(p)))
    with pytest.raises(ElueError, match=said):
        model.predict(SAMPLES)


@ANY
def test_explanations_tell_every_pair_the_heaviest_first(name: str):
    model = model_of(name)
    for sample, shown in zip(SAMPLES[:12], model.explain(SAMPLES), strict=False):
        _, taken = plainly(model.network, sample, RULES[name].plain)
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
    before = model.by_itself
    monkeypatch.setattr(
        model, "by_itself", lambda request, *rest: (again.add(request.place), before(request, *rest))[1]
    )
    model.predict(SAMPLES)
    return again


@torch.no_grad()
@pytest.mark.parametrize(
    ("tied", "choices", "ordered", "doubtful"),
    [((0, 1), 1, True, 1), ((1, 2), 1, True, 0), ((1, 2), 2, True, 1), ((0, 1), 2, True, 1), ((0, 1), 2, False, 0)],
)
def test_a_near_tie_that_counts_is_left_to_the_sample_alone(
    tied: tuple[int, int], choices: int, ordered: bool, doubtful: int, monkeypatch: pytest.MonkeyPatch
):
    """The router says the same of every row: experts in falling order, but two of them within noise."""
    model = model_of("two without limit")
    model.network.rule = lambda look, p: best(p, choices, ordered=ordered)
    logits = torch.tensor([3.0, 2.0, 1.0, 0.0])
    logits[tied[1]] = logits[tied[0]] - 1e-6
    for half in halves(model.network):
        monkeypatch.setattr(half.router, "forward", lambda look: logits.expand(len(look.rows), -1))
    assert len(rerun(model, monkeypatch)) == doubtful * len(SAMPLES)


def test_network_of_every_rule_has_the_same_weights():
    ours, theirs = (network_of(name).state_dict() for name in ("the best", "by the token"))
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
