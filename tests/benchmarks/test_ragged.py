"""What packed execution makes of saved FLOPs: whole passes side by side, in turn, on two threads, MiniLM-L6's shape.

Weights are random, but large enough in heads, attention and routers that decisions part the samples. Texts are random
ids at the lengths of real test sets; every dynamic method is set to the point where it halves the FLOPs.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import pytest
import torch
from transformers import BertConfig, BertModel

from elue.meter import Meter
from elue.modeling.cascade import StagedModel
from elue.modeling.encoder import truncated
from elue.modeling.exits.model import ExitModel
from elue.modeling.experts.model import ExpertsModel
from elue.modeling.keeping.thresholds import ScaledPruning
from elue.modeling.text import pad_batch
from elue.plugins.cascade.cascadebert import CascadeBert, CascadeBertOptions, cascade_of
from elue.plugins.moe.switch import SwitchNetwork, SwitchOptions
from elue.plugins.skimming.ltp import LtpNetwork, LtpOptions
from elue.protocol import Point, Prediction, Sample
from tests import small
from tests.benchmarks.encoders import LENGTHS, TASK, TEXT, encoder, parted, static, texts
from tests.benchmarks.timing import ratios

pytestmark = [pytest.mark.benchmark, pytest.mark.usefixtures("two_threads")]


@pytest.fixture(scope="module", params=sorted(LENGTHS))
def samples(request: pytest.FixtureRequest) -> list[Sample]:
    return texts(request.param)


@cache
def price(model: Any, unit: str, shape: tuple[int, ...]) -> int:
    with Meter(track=False) as meter:
        model.rehearse(unit, shape)
    return meter.flops


def flops(model: Any, answers: Sequence[Prediction]) -> int:
    return sum(price(model, step.unit, step.shape) * step.times for answer in answers for step in answer.trace)


def halving(model: Any, samples: Sequence[Sample], points: Sequence[Point]) -> tuple[Point, float]:
    """The point whose FLOPs come nearest to half the static model's, and the static model's FLOPs relative to it.

    Without `predict_sweep`, points must take less and less: the nearest is found by halving what is left of them.
    """
    reference = static()
    whole = flops(reference, reference.predict(samples))
    if hasattr(model, "predict_sweep"):
        gains = [whole / flops(model, one) for one in model.predict_sweep(samples, points)]
        best = min(range(len(points)), key=lambda number: abs(gains[number] - 2.0))
        model.configure(points[best])
        return points[best], gains[best]
    tried: list[tuple[Point, float]] = []
    first, last = 0, len(points) - 1
    while first <= last:
        middle = (first + last) // 2
        model.configure(points[middle])
        tried.append((points[middle], whole / flops(model, model.predict(samples))))
        first, last = (middle + 1, last) if tried[-1][1] < 2.0 else (first, middle - 1)
    best_point, gain = min(tried, key=lambda one: abs(one[1] - 2.0))
    model.configure(best_point)
    return best_point, gain


def padded(sort: bool) -> Callable[[Sequence[Sample]], None]:
    """transformers' own model on padded batches of 32, in arrival order or sorted by length."""
    config = BertConfig(
        hidden_size=384, num_hidden_layers=6, num_attention_heads=12, intermediate_size=1536, attn_implementation="sdpa"
    )
    model, head = BertModel(config, add_pooling_layer=False).eval(), static().network.head

    def run(samples: Sequence[Sample]) -> None:
        encoded = TEXT.encode_all(samples)
        if sort:
            encoded = sorted(encoded, key=lambda one: len(one.ids))
        with torch.inference_mode():
            for start in range(0, len(encoded), 32):
                batch = pad_batch(encoded[start : start + 32], 0)
                states = model(
                    input_ids=batch["ids"], token_type_ids=batch["segments"], attention_mask=batch["mask"].long()
                )
                head(states.last_hidden_state, batch["mask"]).softmax(-1).tolist()

    return run


@pytest.mark.parametrize(("sort", "least"), [(False, 1.5), (True, 1.0)], ids=["arrival", "sorted"])
def test_packed_against_padded_batches_of_transformers(samples: list[Sample], sort: bool, least: float):
    model, theirs = static(), padded(sort)
    model.predict(samples), theirs(samples)
    found = ratios(f"padded/packed sort={sort}", lambda: model.predict(samples), lambda: theirs(samples))
    assert found >= least or (sort and found >= 0.97)


def early_exit(samples: Sequence[Sample]) -> tuple[Any, list[Point]]:
    model = ExitModel(parted(small.exit_network(TASK, made=encoder())), TEXT, TASK)
    return model, [{"rule": "entropy", "threshold": value / 200} for value in range(140)]


def ltp(samples: Sequence[Sample]) -> tuple[Any, list[Point]]:
    network = parted(LtpNetwork(encoder(), TASK, LtpOptions()))
    middle = statistics.median(int(sample.text) for sample in samples)
    scales = [0.05 * 2 ** (step / 16) / middle / 0.01 for step in range(128)]
    return ScaledPruning(network, TEXT, TASK), [{"threshold_scale": scale} for scale in scales]


def cascade(samples: Sequence[Sample]) -> tuple[Any, list[Point]]:
    network = parted(cascade_of(encoder(), TASK, CascadeBertOptions(shallow_layers=2)))
    model = StagedModel(network, dict(network.items()), TEXT, TASK, CascadeBert().rule)
    return model, [{"threshold": 1 / (1 + math.exp(-value / 40))} for value in range(600)]


@pytest.mark.parametrize("make", [early_exit, ltp, cascade])
def test_saved_flops_are_saved_time(samples: list[Sample], make: Callable[..., tuple[Any, list[Point]]]):
    model, points = make(samples)
    point, gain = halving(model, samples, points)
    reference = static()
    assert 1.9 < gain < 2.1
    found = ratios(f"{make.__name__} {point}", lambda: model.predict(samples), lambda: reference.predict(samples))
    print(f"{make.__name__}: FLOPs {gain:.3f}, realised {found:.3f}, share {found / gain:.3f}")
    assert found >= 0.95 * gain


def test_experts_keep_up_with_a_dense_model_of_the_same_flops(samples: list[Sample]):
    network = parted(SwitchNetwork(truncated(encoder(), 6), TASK, SwitchOptions()))
    model = ExpertsModel(network, TEXT, TASK)
    model.configure({"capacity_factor": 4.0})
    reference = static()
    gain = flops(reference, reference.predict(samples)) / flops(model, model.predict(samples))
    found = ratios("dense/switch", lambda: model.predict(samples), lambda: reference.predict(samples))
    print(f"switch: FLOPs {gain:.3f}, realised {found:.3f}, share {found / gain:.3f}")
    assert found >= 0.85 * gain


@pytest.mark.parametrize("make", [early_exit, cascade])
def test_ten_points_take_two_passes_at_most(samples: list[Sample], make: Callable[..., tuple[Any, list[Point]]]):
    model, points = make(samples)
    reference = static()
    tenth = points[len(points) // 20 :: len(points) // 10]
    assert len(tenth) == 10
    model.predict_sweep(samples, tenth)
    found = ratios(
        f"{make.__name__} sweep", lambda: reference.predict(samples), lambda: model.predict_sweep(samples, tenth)
    )
    assert found <= 2.0
