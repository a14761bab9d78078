"""What a pass that answers every rule of one training takes, against a packed pass of the full model.

An encoder of MiniLM's shape with random weights, an exit and perhaps a score after every layer, and the sweep of
every rule as training chooses it. Texts are as long as those of SST-2. As in a worker, what was there before is frozen.
"""

from __future__ import annotations

import gc
import random
from collections.abc import Iterator
from typing import Any

import pytest
import torch

from elue.modeling.backbone import learn_wordpiece
from elue.modeling.encoder import Encoder, EncoderConfig
from elue.modeling.exits.heads import NarrowHeads, OwnHeads, SharedHeads, SharedPoolerHeads
from elue.modeling.exits.method import padded
from elue.modeling.exits.model import ExitModel, ladder_of
from elue.modeling.exits.network import ExitNetwork
from elue.modeling.exits.scores import LinearScorer, MetaScorer, PairScorer
from elue.modeling.heads import EncoderWithHead
from elue.modeling.rules.registry import CONFORMAL, RULES
from elue.modeling.rules.sweeps import all_settings
from elue.modeling.running import WholeModel
from elue.modeling.signals import Signals
from elue.modeling.text import TextEncoder, pad_batch
from elue.protocol import Point, Sample, TaskInfo
from tests.benchmarks.timing import ratios

pytestmark = [pytest.mark.benchmark, pytest.mark.usefixtures("one_thread")]
SIZE, WORDS = 400, [f"{first}{second}" for first in "bdfgklmnpr" for second in ("ark", "een", "ill", "oat", "ump")]
TASK = TaskInfo("opinions", "classification", ("bad", "good"))
MINILM = EncoderConfig(
    vocabulary=30522, hidden=384, layers=12, heads=12, intermediate=1536, positions=512, types=2, embedding=384
)


def texts(count: int, seed: int) -> list[Sample]:
    """Words in number as in SST-2: from 2 to 52, 19 in the middle."""
    draw = random.Random(seed)
    lengths = [min(52, max(2, round(draw.gauss(19, 9)))) for _ in range(count)]
    return [Sample(str(place), " ".join(draw.choices(WORDS, k=length))) for place, length in enumerate(lengths)]


def parted(network: Any, text: TextEncoder) -> None:
    """Scale what exits say so that they part texts as trained ones do: logits spread by 2, scores over 0 to 1."""
    with torch.no_grad():
        batch = pad_batch(text.encode_all(texts(100, seed=2)), text.pad)
        for exit, layer in enumerate(network.layers):
            output = network.heads.output
            if isinstance(output, torch.nn.ModuleDict):
                output = output[str(layer)]
            elif layer != network.layers[-1]:
                continue
            said = network(batch)["logits"][:, exit]
            scale = 2 / said.std(0)
            output.weight.mul_(scale[:, None])
            output.bias.copy_(scale * (output.bias - said.mean(0)))
        if network.scorer is None:
            return
        said = network(batch)["scores"].logit()
        linears = (
            [(network.scorer.output[str(layer)], said[:, exit]) for exit, layer in enumerate(network.layers[:-1])]
            if network.scorer.of_logits
            else [(network.scorer.output, said)]
        )
        for linear, logits in linears:
            scale = 2 / logits.std()
            linear.weight.mul_(scale)
            linear.bias.mul_(scale)
            linear.bias[0] -= scale * logits.mean()


def elasticbert() -> ExitNetwork:
    """Heads of their own."""
    return ExitNetwork(Encoder(MINILM), TASK, OwnHeads(MINILM, TASK, "mean"))


def pabee() -> ExitNetwork:
    """Heads on one pooler."""
    return ExitNetwork(Encoder(MINILM), TASK, SharedPoolerHeads(MINILM, TASK, "mean"))


def palbert() -> ExitNetwork:
    """One head, and a score of two exits in a row."""
    return ExitNetwork(Encoder(MINILM), TASK, SharedHeads(MINILM, TASK, "mean"), PairScorer(MINILM.hidden))


def berxit() -> ExitNetwork:
    """Heads of their own, and one linear score."""
    return ExitNetwork(Encoder(MINILM), TASK, OwnHeads(MINILM, TASK, "mean"), LinearScorer(MINILM.hidden, 0.0))


def cat() -> ExitNetwork:
    """Narrow heads, and a score of what all exits so far say."""
    heads = NarrowHeads(MINILM, TASK, "mean")
    return ExitNetwork(Encoder(MINILM), TASK, heads, MetaScorer(heads.layers, heads.width(1), heads.outputs))


@pytest.fixture(params=[elasticbert, pabee, berxit, palbert, cat], ids=lambda make: make.__name__)
def models(request: pytest.FixtureRequest) -> Iterator[tuple[Any, Any, list[Point]]]:
    """The full model, the one with exits on the same encoder, and the points of all rules."""
    torch.manual_seed(0)
    network = request.param()
    encoder = network.encoder
    network.tables.keep(CONFORMAL, torch.linspace(0.3, 0.7, 400))
    network.eval().requires_grad_(False)
    text = TextEncoder(learn_wordpiece([" ".join(WORDS)] * 3, 400), 128)
    full = WholeModel(EncoderWithHead(encoder, TASK, "mean").eval().requires_grad_(False), text, TASK)
    exits = ExitModel(network, text, TASK)
    parted(network, text)
    with torch.inference_mode():
        told = network(pad_batch(text.encode_all(texts(100, seed=1)), text.pad))
    seen = Signals.whole(told["logits"], padded(told.get("scores")))
    sweeps = all_settings(seen, ladder_of(network), (), ())
    assert list(sweeps) == list(RULES)
    gc.collect()
    gc.freeze()
    yield full, exits, [point for sweep in sweeps.values() for point in sweep if not isinstance(point, str)]
    gc.unfreeze()


def test_all_rules_cost_little_more_than_the_full_model(models: tuple[Any, Any, list[Point]]) -> None:
    full, exits, points = models
    samples = texts(SIZE, seed=0)
    swept, ladder = exits.survey(samples, points)
    assert len(swept) == len(points) > 80
    assert len(ladder) == SIZE
    ratio = ratios(
        f"{len(points)} points of all rules against the full model",
        lambda: full.predict(samples),
        lambda: exits.survey(samples, points),
    )
    assert ratio <= 1.3
