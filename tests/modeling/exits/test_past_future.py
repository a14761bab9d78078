"""Past-Future's heads by hand, what training detaches, and layers that thaw."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from elue.modeling.exits.objectives import sum_of_exits
from elue.modeling.exits.past_future import PastFutureHeads, ThawingNetwork
from tests import small


def set_to(module: nn.Linear, weight: list[list[float]], bias: list[float]) -> None:
    with torch.no_grad():
        module.weight.copy_(torch.tensor(weight))
        module.bias.copy_(torch.tensor(bias))


@pytest.mark.parametrize(("gate", "logits"), [(math.log(3), [3.0, 1.0]), (0.0, [2.0, 2.0])])
def test_past_and_future_are_weighed_by_the_gate(gate: float, logits: list[float]) -> None:
    """Past sum (2, 0), future sum (0, 2): at λ of 3/4 the answer is (3, 1), at 1/2 it is (2, 2)."""
    heads = PastFutureHeads(small.CONFIG, small.CLASSES, "mean", layers=(1, 4)).eval()
    zeros = [[0.0] * 16] * 2
    set_to(heads.answer["1"], zeros, [2.0, 0.0])
    set_to(heads.answer["4"], zeros, [0.0, 2.0])
    set_to(heads.gate, [[0.0, 0.0]] * 2, [gate, gate])
    feature = torch.rand(1, 16)
    memory = heads.remember(1, feature, None)
    assert heads.classify(1, feature, memory)[0].tolist() == pytest.approx(logits)
    last = heads.remember(4, feature, memory)
    share = 1 / (1 + math.exp(-gate))
    assert heads.classify(4, feature, last)[0].tolist() == pytest.approx([2 * share * 2, 2 * share * 2])


def test_imitation_is_a_mean_over_later_layers_and_then_over_exits() -> None:
    """Cosines of .8 and .6 at exit 1, of .9 at exit 2: (.3 + .1) / 2."""
    heads = PastFutureHeads(small.CONFIG, small.CLASSES, "mean", layers=(1, 2, 4))

    def turned(cosine: float) -> Tensor:
        return torch.tensor([[cosine, math.sqrt(1 - cosine**2)] + [0.0] * 14])

    real = {1: turned(1.0), 2: turned(1.0), 4: turned(1.0)}
    cosines = {(1, 2): 0.8, (1, 4): 0.6, (2, 4): 0.9}
    sources = {id(vector): layer for layer, vector in real.items()}
    heads.imagined = lambda feature, layer: turned(cosines[sources[id(feature)], layer])  # type: ignore[method-assign]
    assert heads.taught(real)["imitation"].item() == pytest.approx(0.2)


def test_earlier_vectors_get_no_gradient_from_later_exits() -> None:
    heads = PastFutureHeads(small.CONFIG, small.CLASSES, "mean").train()
    first, second = (torch.rand(1, 16, requires_grad=True) for _ in range(2))
    memory = heads.remember(1, first, None)
    heads.classify(2, second, heads.remember(2, second, memory)).sum().backward()
    assert first.grad is None or not first.grad.any()
    assert second.grad is not None
    assert heads.answer["1"].weight.grad is not None, "the classifier on it still learns"


def network(frozen: int) -> ThawingNetwork:
    made = small.encoder()
    thawing = ThawingNetwork(made, small.CLASSES, PastFutureHeads(made.config, small.CLASSES, "mean"))
    thawing.objective, thawing.frozen = sum_of_exits, frozen
    return thawing.train()


def learned(thawing: ThawingNetwork, step: int, total: int) -> list[bool]:
    """Which layers get a gradient at a step."""
    batch = {**small.batch([9, 4]), "labels": torch.tensor([1.0, 0.0]), "step": step, "total": total}
    thawing.zero_grad()
    thawing(batch)["loss"].backward()
    return [layer.feed_forward.inner.weight.grad is not None for layer in thawing.encoder.layers]


def test_low_layers_are_frozen_at_first_and_learn_at_last() -> None:
    thawing = network(2)
    assert learned(thawing, 0, 100) == [False, False, True, True]
    assert learned(thawing, 100, 100) == [True, True, True, True]
    torch.manual_seed(0)
    halfway = [learned(thawing, 50, 100)[1] for _ in range(60)]
    assert 15 < sum(halfway) < 45
    assert learned(network(0), 0, 100) == [True] * 4
