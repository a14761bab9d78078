"""Random experts: divergence by hand, draws that hang on the text alone, passes that are averaged."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from elue.meter import Meter
from elue.plugins.moe.thor import Thor, divergence, drawn
from tests import small
from tests.modeling.experts.plain import SAMPLES, TEXT, THREE

pytestmark = pytest.mark.usefixtures("one_thread")


def network(method: Any, **options: Any) -> Any:
    made = method()
    return made.network(small.encoder(), THREE, method.options(**options)).eval().requires_grad_(False)


def test_thor_divergence():
    p, q = torch.tensor([[0.8, 0.2]]).log(), torch.tensor([[0.6, 0.4]]).log()
    assert divergence(p, q, small.CLASSES).item() == pytest.approx(0.098083, abs=1e-6)
    assert divergence(p, p, small.CLASSES).item() == 0
    assert divergence(torch.tensor([[1.0]]), torch.tensor([[3.0]]), small.SCORE).item() == 4.0


def test_thor_draws_by_the_text_the_layer_and_the_pass():
    ids = np.arange(200)
    draws = [drawn(ids, layer, turn, 4, 200) for layer, turn in ((2, 0), (2, 0), (4, 0), (2, 1))]
    assert (draws[0] == draws[1]).all()
    assert (draws[0] != draws[2]).any()
    assert (draws[0] != draws[3]).any()
    assert np.bincount(draws[0]).min() > 25


@torch.no_grad()
def test_thor_passes_are_averaged_and_cost_as_many_times():
    own = network(Thor, experts=3)
    small.stir(own)
    model = Thor().model(own, TEXT, THREE)
    answers = []
    for passes in (1, 2):
        model.configure({"passes": passes})
        with Meter() as meter:
            answers.append((model.predict(SAMPLES[:1])[0], meter))
    (one, single), (two, double) = answers
    ids, segments = TEXT.tensors(SAMPLES[0])
    batch = {"ids": ids, "segments": segments, "mask": torch.ones_like(ids, dtype=torch.bool)}
    both = [own.encode(batch, turn)[0].softmax(-1)[0] for turn in (0, 1)]
    assert one.scores == pytest.approx(both[0].tolist(), abs=1e-5)
    assert two.scores == pytest.approx(((both[0] + both[1]) / 2).tolist(), abs=1e-5)
    assert sum(step.unit == "head" for step in two.trace) == 2
    answering = 15  # a softmax of three classes, in both
    mixing = 2 * 15 + 2 * 3 + 2 * 3 + 3  # softmax, weights, sum, logarithm
    assert double.flops - answering - mixing <= 2 * (single.flops - answering)
    assert double.flops > 2 * (single.flops - answering)
