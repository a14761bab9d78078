"""What has to hold of every skimming method, and where what is its own is tested: none is missing."""

from __future__ import annotations

import importlib
import random
from pathlib import Path
from typing import Any

import pytest
import torch

from elue.meter import Meter, profile
from elue.modeling.reading.method import TrainedReader
from elue.modeling.text import pad_batch
from elue.protocol import Prediction, TaskInfo
from elue.worker.inside.pricing import Pricer
from tests import small
from tests.plugins import keepers, skimmers

pytestmark = pytest.mark.usefixtures("one_thread")
SAMPLES = keepers.SAMPLES[:60]
QUICK = ("mrt5", "structural_jump_lstm")
"""A keeper and a reader."""
NAMES = [name if name in QUICK else pytest.param(name, marks=pytest.mark.thorough) for name in skimmers.POINTS]
PLAIN, PAID = "test_it_reads_as_a_plain_loop_does", "test_it_reads_as_a_plain_loop_does_and_pays_in_closed_form"
KEPT, COST, CARD = (
    "test_as_a_plain_implementation_does",
    "test_what_it_costs_in_closed_form",
    "test_the_cases_of_its_card",
)
OWN: dict[str, tuple[str, str, str]] = {
    "ltp": ("test_thresholds_start_linearly_up_to_the_last_layer", KEPT, COST),
    "adapler": ("test_removal_is_soft_above_the_limit_and_steep_below", KEPT, COST),
    "power_bert": ("test_masses_are_rounded_down_and_never_rise", KEPT, COST),
    "lat": ("test_the_smallest_list", KEPT, COST),
    "transkimmer": (
        "test_the_loss_of_a_draw_is_the_task_loss_and_the_price_of_what_is_kept",
        KEPT,
        "test_predictors_cost_a_twelfth_of_a_layer_and_keeping_all_pays_them",
    ),
    "tr_bert": ("test_the_reward_of_two_draws", KEPT, COST),
    "mrt5": ("test_the_gate_adds_to_scores_what_half_of_means_deletion", KEPT, COST),
    "dllm": ("test_tokens_that_skip_come_back", KEPT, COST),
    "skiprnn": (
        "test_jumps_by_hand",
        "test_it_reads_what_a_plain_loop_updates_at",
        "test_tokens_that_are_skipped_cost_nothing",
    ),
    "skimrnn": (
        "test_the_loss_prices_what_is_not_skimmed",
        "test_it_reads_and_skims_as_a_plain_loop_does",
        "test_a_skim_costs_what_the_small_cell_costs",
    ),
    "leap_lstm": (
        "test_the_share_is_that_of_the_whole_batch",
        PLAIN,
        "test_what_looks_ahead_and_decides_is_paid_for_every_word_in_closed_form",
    ),
    "lstm_jump": (CARD, PLAIN, "test_what_is_read_and_what_is_decided_is_paid_in_closed_form"),
    "lstm_shuttle": (CARD, PAID, PAID),
    "structural_jump_lstm": (CARD, PAID, PAID),
    "jumper": (CARD, PAID, PAID),
    "skim_reread": (CARD, PAID, PAID),
    "rim_like": (CARD, PAID, PAID),
    "focused": ("test_only_what_passes_beyond_the_share_costs", PAID, PAID),
    "vcrnn": ("test_the_mask_of_its_card", PAID, PAID),
    "hmrnn": ("test_the_hard_sigmoid_of_its_card", PAID, PAID),
    "reasonet": ("test_the_contrastive_reward_of_its_card", PAID, PAID),
}
"""Of every method its own tests: a case by hand, an independent plain implementation, costs in closed form."""
REFUSED = {("jumper", small.SCORE.name): "it jumps to a class, and a regression has none"}


def test_none_is_missing() -> None:
    assert set(OWN) == set(skimmers.POINTS) == set(skimmers.METHODS)
    for name, tests in OWN.items():
        module = importlib.import_module(f"tests.plugins.test_{name}")
        assert [test for test in tests if not callable(getattr(module, test, None))] == [], name


def same(ours: Prediction, theirs: Prediction) -> None:
    assert ours.trace == theirs.trace
    assert (ours.value, *ours.scores) == pytest.approx((theirs.value, *theirs.scores), abs=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_company_and_order_change_nothing(name: str) -> None:
    model, traces = skimmers.made(name, keepers.THREE), set()
    shuffled = random.Random(0).sample(SAMPLES, len(SAMPLES))
    for point in skimmers.POINTS[name]:
        model.configure(point)
        alone = {sample.id: model.predict([sample])[0] for sample in SAMPLES}
        for some in (SAMPLES, shuffled, SAMPLES[7:20]):
            for sample, answer in zip(some, model.predict(some), strict=True):
                same(answer, alone[sample.id])
        traces |= {answer.trace for answer in alone.values()}
    assert len(traces) > len(skimmers.POINTS[name])


@pytest.mark.parametrize("name", NAMES)
def test_the_priced_trace_is_what_runs_at_any_point(name: str) -> None:
    model, pricer, totals = skimmers.made(name, keepers.THREE), Pricer(profile.load("elue-1")), set()
    for point in skimmers.POINTS[name]:
        model.configure(point)
        for sample in SAMPLES[:12]:
            with Meter(modules=model.modules()) as meter:
                (answer,) = model.predict([sample])
            priced, _ = pricer.price(model, list(model.modules()), answer.trace)
            assert meter.complete, meter.unknown
            taken = priced.flops, priced.matmul_flops, priced.params_touched
            assert taken == (meter.flops, meter.matmul_flops, meter.params_touched), (point, answer.trace)
            totals.add(meter.flops)
    assert len(totals) > len(skimmers.POINTS[name])


@pytest.mark.parametrize("name", NAMES)
@torch.no_grad()
def test_the_first_point_saves_nothing_and_the_last_most(name: str) -> None:
    """What validation says is kept or read: all of every text, then less and less."""
    model, cost = (
        skimmers.made(name, small.CLASSES),
        "read" if issubclass(skimmers.METHODS[name], TrainedReader) else "kept",
    )
    batch, shares = pad_batch(model.text.encode_all(SAMPLES), 0), []
    for point in skimmers.POINTS[name]:
        model.configure(point)
        if "lengths" in point:
            model.network.lengths = model.lengths
        shares.append(model.network.eval()(batch)[cost])
    least = 0.97 if name == "hmrnn" else 1 - 1e-5  # of HM-RNN no layer looks above at the first word
    assert shares[0].min() >= least
    assert shares[0].max() <= 1 + 1e-5
    means = [share.mean().item() for share in shares]
    assert means[-1] == min(means)
    assert means[-1] < 0.8 * means[0]


@pytest.mark.parametrize("task", [small.CLASSES, keepers.THREE, small.SCORE], ids=lambda task: task.name)
@pytest.mark.parametrize("name", NAMES)
def test_tasks_of_all_kinds_are_answered_or_refused(name: str, task: TaskInfo) -> None:
    why = skimmers.METHODS[name]().supports(task)
    assert why == REFUSED.get((name, task.name))
    if why is None:
        for point in skimmers.POINTS[name][:2]:
            model = skimmers.made(name, task)
            model.configure(point)
            for answer in model.predict(SAMPLES[:10]):
                if task.kind == "regression":
                    assert answer.scores == ()
                else:
                    assert sum(answer.scores) == pytest.approx(1, abs=1e-5)
                    assert answer.value == answer.scores.index(max(answer.scores))


@pytest.mark.parametrize("name", NAMES)
def test_what_is_explained_fits_the_trace(name: str) -> None:
    model: Any = skimmers.made(name, small.CLASSES)
    for point in skimmers.POINTS[name][:3]:
        model.configure(point)
        for sample, answer, told in zip(SAMPLES, model.predict(SAMPLES), model.explain(SAMPLES), strict=True):
            assert told.tokens == tuple(model.text.tokens(sample))
            kept = [len(places) for places in told.kept]
            if issubclass(skimmers.METHODS[name], TrainedReader):
                embedded = [step.shape for step in answer.trace if step.unit == "embed"]
                assert kept[0] <= (embedded[0][0] if embedded else 0)
            else:
                assert kept == keepers.rows_of(answer)


@pytest.mark.thorough
@pytest.mark.parametrize("name", skimmers.POINTS)
def test_a_trained_one_passes_all_that_elue_check_asks(name: str, tmp_path: Path) -> None:
    method = skimmers.METHODS[name]()
    options = {"size": "16", **small.READER} if isinstance(method, TrainedReader) else {"tiny_layers": "3"}
    method.train(small.job(tmp_path, train=48, **{"epochs": "1", **options}))
    keepers.conforms(method, small.CLASSES, tmp_path)
