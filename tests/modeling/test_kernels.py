"""Maps in oneDNN's kernels: the same numbers as plain operators, anew when weights change, and never under a Meter."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from elue.meter import Meter
from elue.modeling import kernels, packed
from elue.modeling.encoder import FeedForward, SelfAttention
from elue.modeling.heads import EncoderWithHead
from elue.modeling.kernels import FUSED, fast, laid_out, linear, product
from elue.modeling.packed import attend, attend_and_weigh, feed_forward
from elue.modeling.ragged import Pack
from elue.modeling.running import WholeModel, run_encoder
from elue.modeling.tracing import Units, encoder_units
from tests import small
from tests.modeling.test_ragged import requests
from tests.plugins.scoring_exits import SAMPLES, TEXT

pytestmark = [
    pytest.mark.usefixtures("one_thread"),
    pytest.mark.skipif(not kernels.available(), reason="this build of torch has no oneDNN"),
]
PLAIN = {"": lambda x: x, "gelu": F.gelu, "relu": F.relu, "tanh": torch.tanh}
Products = list[tuple[int, ...]]


@pytest.fixture
def products(monkeypatch: pytest.MonkeyPatch) -> Products:
    """The shapes of what went through the kernels."""
    seen: Products = []

    def noted(rows: Tensor, *rest: Any) -> Tensor:
        seen.append(tuple(rows.shape))
        return product(rows, *rest)

    monkeypatch.setattr(kernels, "product", noted)
    return seen


def rows(count: int, width: int) -> Tensor:
    return torch.randn(count, width, generator=torch.Generator().manual_seed(count))


def made(inputs: int, outputs: int, bias: bool = True) -> nn.Linear:
    torch.manual_seed(0)
    return nn.Linear(inputs, outputs, bias=bias).requires_grad_(False)


@pytest.mark.parametrize("count", [0, 1, 2, 33])
@pytest.mark.parametrize(("inputs", "outputs", "bias"), [(16, 2, True), (48, 96, False), (384, 1, True)])
def test_equals_plain_operators(count: int, inputs: int, outputs: int, bias: bool, products: Products) -> None:
    module, given, more = made(inputs, outputs, bias), rows(count, inputs), rows(count, outputs) + 1
    for name in ("", *FUSED) if count else ("",):
        with fast():
            told = linear(module, given, name)
        torch.testing.assert_close(told, PLAIN[name](module(given)), atol=1e-6, rtol=1e-5)
    with fast():
        summed, kept = linear(module, given, plus=more), more.clone()
    torch.testing.assert_close(summed, module(given) + more, atol=1e-6, rtol=1e-5)
    assert torch.equal(more, kept)
    assert len(products) == (5 if count else 0)


def test_several_maps_in_one_product() -> None:
    maps, owner, given = [made(24, n) for n in (8, 8, 12)], nn.Identity(), rows(5, 24)
    assert laid_out(owner, maps, given) is None
    with fast():
        laid = laid_out(owner, maps, given)
        assert laid is not None
        together = product(given, laid)
        assert laid_out(owner, maps, given) is laid
    torch.testing.assert_close(together, torch.cat([own(given) for own in maps], 1), atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("count", [65, 80, 1000, 5000])
def test_more_rows_than_asked_for_change_nothing(count: int) -> None:
    """Whether they lie behind the rows in memory, as ill as they may be, or have to be put there."""
    first, second = made(24, 16), made(16, 16)
    given = rows(2 * count, 24)
    given[count:] = torch.nan
    with fast():
        inner = linear(first, given[:count], "gelu")
        apart = linear(first, given[:count].clone(), "gelu")
        outer = linear(second, inner, plus=apart)
        normed = kernels.norm(norm := nn.LayerNorm(16).requires_grad_(False), outer)
    assert [len(told) for told in (inner, apart, outer, normed)] == [count] * 4
    assert torch.equal(inner, apart)
    assert torch.equal(normed, norm(outer))
    plain = F.gelu(first(given[:count]))
    torch.testing.assert_close(outer, second(plain) + plain, atol=1e-5, rtol=1e-5)
    assert count <= kernels._padded(count) <= 1.25 * count


def test_few_numbers_of_rows_need_kernels() -> None:
    padded = {kernels._padded(count) for count in range(1, 4097)}
    assert len(padded) <= 216
    assert all(kernels._padded(count) == count for count in padded)


def doubled(module: nn.Linear) -> None:
    module.weight.mul_(2)


def loaded(module: nn.Linear) -> None:
    module.load_state_dict({name: value + 1 for name, value in module.state_dict().items()})


def replaced(module: nn.Linear) -> None:
    module.weight = nn.Parameter(torch.ones(module.weight.shape), requires_grad=False)


def redirected(module: nn.Linear) -> None:
    module.bias.data = torch.ones(module.bias.shape)


@pytest.mark.parametrize("change", [doubled, loaded, replaced, redirected])
def test_weights_that_change_are_laid_out_anew(change: Any) -> None:
    module, given = made(24, 8), rows(5, 24)
    with fast(), torch.inference_mode():
        before = linear(module, given)
        change(module)
        after = linear(module, given)
    assert (before - after).abs().max() > 0.1
    torch.testing.assert_close(after, module(given), atol=1e-6, rtol=1e-5)


class Doubled(nn.Linear):
    def forward(self, given: Tensor) -> Tensor:
        return 2 * super().forward(given)


def test_what_is_no_plain_map_of_single_precision_runs_as_it_is(products: Products) -> None:
    own, hooked, double = Doubled(8, 4).requires_grad_(False), made(8, 4), made(8, 4).double()
    hooked.register_forward_hook(lambda module, args, result: result + 1)
    given = rows(3, 8)
    with fast():
        assert torch.equal(linear(own, given), own(given))
        assert torch.equal(linear(hooked, given), hooked(given))
        assert torch.equal(linear(double, given.double()), double(given.double()))
        with torch.autocast("cpu", dtype=torch.bfloat16), fast():
            assert linear(made(8, 4), given).dtype is torch.bfloat16
    assert not products


def test_a_meter_sees_plain_operators(products: Products) -> None:
    network = small.encoder(config=small.CONFIG).requires_grad_(False)
    half: Any = network.layers[0]
    pack = Pack([], [3, 3, 5], rows(11, small.CONFIG.hidden))
    counted = []
    for way in (fast, torch.no_grad):
        with Meter(modules=[network], traffic=True) as meter, way():
            attend(half.attention, pack)
            feed_forward(half.feed_forward, pack.rows, "gelu")
        counted.append(meter.counts)
    assert counted[0] == counted[1]
    assert not counted[0].unknown
    assert not products


@pytest.mark.parametrize("activation", ["gelu", "relu", "silu"])
def test_layers_equal_plain_ones(activation: str, products: Products, monkeypatch: pytest.MonkeyPatch) -> None:
    """With samples short and long, and more rows than go through a feed-forward at a time."""
    config = replace(small.CONFIG, positions=100, activation=activation)
    network = small.encoder(config=config).requires_grad_(False)
    assert isinstance(network.layers[0].attention, SelfAttention)
    assert isinstance(network.layers[0].feed_forward, FeedForward)
    units, asked = Units(encoder_units(network)), requests([1, 3, 3, 9, 64, 65, 65, 99])
    plain = run_encoder(units, Pack.fresh(asked), 4)
    monkeypatch.setattr(kernels, "INNER_NUMBERS", 100 * config.intermediate)
    with fast():
        together = run_encoder(units, Pack.fresh(asked), 4)
    torch.testing.assert_close(together.rows, plain.rows, atol=1e-5, rtol=1e-4)
    assert len(products) == 4 * (1 + 1 + 2 * 4)


@pytest.mark.parametrize("spelled", [1 << 20, 2000])
@pytest.mark.parametrize("steep", [1.0, 400.0, -400.0])
@pytest.mark.parametrize("diagonal", [True, False])
def test_attention_that_weighs_equals_its_definition(
    diagonal: bool, steep: float, spelled: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At scores whose exponentials overflow or vanish as at others, all samples at a time and some heads of one."""
    monkeypatch.setattr(packed, "SPELLED", spelled)
    torch.manual_seed(0)
    attention = small.stir(SelfAttention(small.CONFIG)).requires_grad_(False)
    attention.query.weight.mul_(abs(steep) ** 0.5), attention.key.weight.mul_(abs(steep) ** 0.5)
    given = requests([2, 3, 3, 40, 40, 60])
    pack = Pack(given, [r.tokens for r in given], rows(148, small.CONFIG.hidden))
    if steep < 0:  # all scores of a row far below 0
        attention.query.weight.zero_(), attention.query.bias.fill_(-30.0)
        attention.key.weight.zero_(), attention.key.bias.fill_(30.0)
    with torch.inference_mode(), fast():
        context, received = attend_and_weigh(attention, pack, diagonal)
    start = 0
    for length in pack.lengths:
        own = pack.rows[None, start : start + length]
        expected, weights = attention.with_weights(own)
        if not diagonal:
            weights = weights * (1 - torch.eye(length))
        torch.testing.assert_close(context[start : start + length], expected[0], atol=2e-5, rtol=2e-5)
        torch.testing.assert_close(received[start : start + length], weights.mean((0, 1, 2)), atol=1e-6, rtol=1e-4)
        start += length


def test_what_is_answered_in_company_is_what_plain_operators_say(products: Products) -> None:
    network = EncoderWithHead(small.encoder(), small.CLASSES).eval().requires_grad_(False)
    model = WholeModel(network, TEXT, small.CLASSES)
    together = model.predict(SAMPLES)
    assert products
    for sample, answer in zip(SAMPLES, together, strict=True):
        products.clear()
        (fast_one,) = model.predict([sample])
        assert products
        products.clear()
        with Meter(modules=model.modules()) as meter:
            (plain,) = model.predict([sample])
        assert meter.complete
        assert not products
        assert (fast_one.value, fast_one.trace) == (answer.value, answer.trace) == (plain.value, plain.trace)
        torch.testing.assert_close(answer.scores, plain.scores, atol=1e-5, rtol=0)


def test_a_tie_is_decided_by_plain_operators(products: Products) -> None:
    """Both classes are as likely for every text: each is run once more, where the kernels have no say."""
    network = EncoderWithHead(small.encoder(), small.CLASSES).eval().requires_grad_(False)
    network.head.output.weight[1] = network.head.output.weight[0]
    network.head.output.bias.zero_()
    model = WholeModel(network, TEXT, small.CLASSES)
    for samples in (SAMPLES[:5], SAMPLES[:1]):
        before, products[:] = model.again, []
        answers = model.predict(samples)
        assert model.again - before == len(samples)
        assert products
        for sample, answer in zip(samples, answers, strict=True):
            with Meter():
                assert model.predict([sample]) == [answer]
