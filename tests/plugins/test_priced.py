"""What compute costs in each skimming method's own objective, by which an epoch is kept, told from its traces."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import nn

from elue.modeling.inference import price_of
from elue.modeling.text import pad_batch
from elue.protocol import Point, Step
from tests import small
from tests.plugins import keepers, skimmers


@dataclass(frozen=True)
class Text:
    """A text's tokens, its trace, and of a network with layers the places that each of them ran on."""

    tokens: int
    trace: Sequence[Step]
    kept: Sequence[Sequence[int]]

    def times(self, unit: str) -> int:
        return sum(step.times for step in self.trace if step.unit == unit)

    def read(self, unit: str) -> int:
        return sum(step.times * step.shape[0] for step in self.trace if step.unit == unit)

    def shares(self) -> list[float]:
        return [len(places) / self.tokens for places in self.kept]


def each(price: Callable[[Text], float]) -> Callable[[Sequence[Text]], float]:
    return lambda texts: sum(map(price, texts)) / len(texts)


def far_from_half(text: Text) -> float:
    """D-LLM: how far tokens but the first are from half of the layers with routers, the last two of four."""
    shares = [sum(place in layer for layer in text.kept[2:]) / len(text.kept[2:]) for place in range(1, text.tokens)]
    return sum(abs(share - 0.5) for share in shares) / max(1, len(shares))


def dimensions(text: Text) -> float:
    """VCRNN: how far tokens are from updating 35 % of 16 dimensions."""
    taken = [(step.shape[1], step.times) for step in text.trace if step.unit == "cell"]
    none = text.tokens - sum(times for _, times in taken)
    return 0.35 * none + sum(times * abs(size / 16 - 0.35) for size, times in taken)


def skipped(texts: Sequence[Text]) -> float:
    """Leap-LSTM: 60 % of the words of all texts are to be skipped."""
    return float((1 - sum(text.times("cell") for text in texts) / sum(text.tokens for text in texts) - 0.6) ** 2)


def missing(texts: Sequence[Text]) -> float:
    """MrT5: half of the tokens of all texts but each one's first are to be deleted before the second layer."""
    deleted = sum(text.tokens - len(text.kept[1]) for text in texts) / sum(text.tokens - 1 for text in texts)
    return 2.5 * max(0.0, 0.5 - deleted) ** 2


NOTHING = each(lambda text: 0.0)
PRICES: dict[str, Callable[[Sequence[Text]], float]] = {
    "transkimmer": each(lambda text: 0.2 * sum(text.shares()) / len(text.shares())),
    "tr_bert": each(lambda text: sum(text.shares()[1:3]) / 2),
    "adapler": each(lambda text: 0.1 * sum(text.shares())),
    "mrt5": missing,
    "dllm": each(far_from_half),
    "ltp": NOTHING,
    "power_bert": NOTHING,
    "lat": NOTHING,
    "skiprnn": each(lambda text: 0.001 * text.times("cell")),
    "leap_lstm": skipped,
    "jumper": each(lambda text: 0.05 / 2 * text.times("sentence")),
    "skim_reread": each(lambda text: 0.2 * text.times("chunk") / math.ceil(text.tokens / 8)),
    "structural_jump_lstm": each(lambda text: 0.1 * (text.times("skip") + text.times("cell")) / 2 / text.tokens),
    "rim_like": each(lambda text: 0.2 * (text.read("read") + text.read("question")) / text.tokens),
    "focused": each(lambda text: 0.5 * max(0.0, text.times("upper") / text.times("lower") - 0.3)),
    "vcrnn": each(lambda text: 0.05 * dimensions(text)),
    "lstm_jump": NOTHING,
    "lstm_shuttle": NOTHING,
    "hmrnn": NOTHING,
    "reasonet": NOTHING,
}
"""NOTHING in the last phase of those that then have what they keep, or whose papers put no price on it.

Skim-RNN's price rests on probabilities and not on what is read: `test_skimrnn` has it.
"""


def test_no_method_is_missing() -> None:
    assert set(skimmers.METHODS) == {*PRICES, "skimrnn"}


def texts_of(model: Any) -> list[Text]:
    lengths = [len(text.ids) for text in model.text.encode_all(keepers.SAMPLES)]
    answers, seen = model.predict(keepers.SAMPLES), model.explain(keepers.SAMPLES)
    return [
        Text(tokens, answer.trace, told.kept or ()) for tokens, answer, told in zip(lengths, answers, seen, strict=True)
    ]


@pytest.mark.parametrize("name", PRICES)
@torch.no_grad()
def test_the_price_is_that_of_what_is_read(name: str) -> None:
    model = skimmers.made(name, small.CLASSES)
    network: nn.Module = model.network.eval()
    rest = name in ("ltp", "lat", "power_bert", "adapler")
    points: list[Point] = [{}] if rest else [{}, skimmers.POINTS[name][0]]
    for point in points:
        model.configure(point)
        outputs = network(pad_batch(model.text.encode_all(keepers.SAMPLES), 0))
        assert price_of(network, outputs) == pytest.approx(PRICES[name](texts_of(model)), rel=1e-4)
