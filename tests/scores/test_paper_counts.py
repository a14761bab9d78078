"""Speed-ups by the ways papers count, of traces spelled out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from elue.protocol import Step, Trace
from elue.record.schema import Record
from elue.scores.paper_counts import PADDED, counted, executed
from tests.scoring import run


def flops_at(tokens: int) -> int:
    """A model whose FLOPs are a parabola in tokens, as an encoder's are."""
    return 7 + 100 * tokens + 3 * tokens**2


def layers(*tokens: int, model: str = "", first: int = 1) -> Trace:
    """An encoder's trace with so many tokens in each of its layers."""
    ran = ((Step(f"{model}attention.{k}", (n,)), Step(f"{model}ffn.{k}", (n,))) for k, n in enumerate(tokens, first))
    return tuple(step for pair in ran for step in pair)


def told(traces: list[Trace], flops: list[int]) -> Record:
    base = run("mine", [0.0] * len(traces), [0.0] * len(traces), flops)
    assert base.samples
    different = tuple(dict.fromkeys(traces))
    samples = base.samples.model_copy(
        update={"traces": different, "trace_of": tuple(different.index(trace) for trace in traces)}
    )
    return base.model_copy(update={"samples": samples})


def whole(*lengths: int) -> Record:
    embedded = [(Step("embed", (n, n, 1)), *layers(n, n, n, n)) for n in lengths]
    return told(embedded, [flops_at(n) for n in lengths])


def test_an_exit_after_two_of_four_layers_saves_half_the_layers_and_the_rest_is_its_heads() -> None:
    full, own = (
        executed(whole(10, 20, 30)),
        executed(
            told(
                [(Step("embed", (n, n, 1)), *layers(n, n), Step("exit.2", (n,))) for n in (10, 20, 30)],
                [600, 1800, 3600],
            )
        ),
    )
    assert full
    assert own
    found = counted(own, full)
    assert found.layers == 2
    assert found.tokens == 2
    assert found.flops == pytest.approx(sum(map(flops_at, (10, 20, 30))) / 6000)
    assert found.padded == pytest.approx(flops_at(PADDED) / 2000)


def test_tokens_that_leave_count_in_each_layer_that_they_miss() -> None:
    lengths = (10, 20, 30)
    own = executed(told([(Step("embed", (n, n, 1)), *layers(n, n // 2, n // 2, n // 2)) for n in lengths], [1, 1, 1]))
    full = executed(whole(*lengths))
    assert own
    assert full
    found = counted(own, full)
    assert found.layers == 1
    assert found.tokens == pytest.approx(4 / 2.5)


def test_of_a_cascade_the_layers_are_those_of_the_model_that_answered() -> None:
    shallow = (Step("shallow.embed", (8, 8, 1)), *layers(8, model="shallow."))
    both = (*shallow, Step("full.embed", (8, 8, 1)), *layers(8, 8, 8, 8, model="full."))
    own = executed(told([shallow, both], [1, 1]))
    full = executed(whole(8, 8))
    assert own
    assert full
    found = counted(own, full)
    assert found.layers == pytest.approx(4 / 2.5), "as if nobody had asked the shallow one first"
    assert found.tokens == pytest.approx(4 / 3), "tokens are those of all layers that ran"
    assert found.padded is None, "one length tells no parabola"


def test_a_scorer_that_reads_after_a_model_has_not_answered() -> None:
    """FrugalGPT's reads the text once the first model has, and before that one's head says what it scores."""
    scorer = (Step("scorer.embed", (8, 8, 1)), *layers(8, model="scorer."), Step("scorer.text", (1,)))
    shallow = (Step("small.embed", (8, 8, 1)), *layers(8, 8, model="small."), *scorer, Step("small.head", (1,)))
    own = executed(told([(*shallow, Step("score.1", (1,)), Step("answer", (1,)))], [1]))
    assert own
    assert own.layers.tolist() == [2]


def test_a_layer_of_experts_counts_once_for_all_its_tokens() -> None:
    sparse = [Step("embed", (9, 9, 1)), Step("expert.1.1", (4,)), Step("expert.1.2", (5,)), Step("combine.1", (9,))]
    own = executed(told([tuple(sparse)], [1]))
    assert own
    assert (own.layers.tolist(), own.rows.tolist(), own.tokens.tolist()) == ([1], [9], [9])


def test_a_model_that_is_no_parabola_is_not_padded() -> None:
    odd = told([(Step("embed", (n, n, 1)), *layers(n)) for n in (1, 2, 3, 4)], [10, 20, 30, 1000])
    full = executed(odd)
    assert full
    assert counted(full, full).padded is None


def test_without_traces_or_layers_nothing_is_told() -> None:
    assert executed(run("mine", [0.0], [0.0], [1])) is None
    assert executed(told([(Step("cell", (1,), 7),)], [1])) is None


def test_samples_of_one_trace_are_told_each() -> None:
    found = executed(whole(5, 5, 6))
    assert found
    assert found.tokens.tolist() == [5, 5, 6]
    assert np.allclose(found.flops, [flops_at(5), flops_at(5), flops_at(6)])
