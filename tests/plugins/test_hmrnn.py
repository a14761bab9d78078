"""HM-RNN: its card's cases, against a plain loop, at the ends of its knob, in what it costs, and trained."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from elue.meter import Meter
from elue.modeling.backbone import learn_wordpiece
from elue.modeling.reading.loop import read
from elue.modeling.reading.model import ReaderModel
from elue.modeling.saving import read_note
from elue.modeling.text import TextEncoder, pad_batch
from elue.plugins.skimming.hmrnn import HmRnn, HmRnnNetwork, HmRnnOptions
from elue.protocol import TaskInfo
from tests import small
from tests.plugins.scoring_exits import SAMPLES, TASKS, unit

pytestmark = pytest.mark.usefixtures("one_thread")
WIDTH, SIZE, LAYERS = 8, 6, 3
ROWS = (4 * SIZE + 1, 4 * SIZE + 1, 4 * SIZE)


def build(task: TaskInfo = small.CLASSES, layers: int = LAYERS) -> ReaderModel:
    torch.manual_seed(1)
    text = TextEncoder(learn_wordpiece([sample.text for sample in SAMPLES], 50), 40)
    network = small.stir(HmRnnNetwork(nn.Embedding(60, WIDTH), task, HmRnnOptions(size=SIZE, layers=layers)))
    return HmRnn().model(network.requires_grad_(False), text, task)


@pytest.mark.parametrize(("slope", "soft"), [(1.0, [0.35, 0.45, 0.5, 0.55, 0.65]), (5.0, [0.0, 0.25, 0.5, 0.75, 1.0])])
def test_the_hard_sigmoid_of_its_card(slope: float, soft: list[float]) -> None:
    """z is 1 above 0; backwards the slope over 2 where the hard sigmoid is neither 0 nor 1."""
    layers = build().network.layers
    layers.slope = slope  # type: ignore[assignment, union-attr]
    logits = torch.tensor([[-0.3], [-0.1], [0.0], [0.1], [0.3]], requires_grad=True)
    boundary = layers.boundary(logits)  # type: ignore[operator, union-attr]
    assert boundary.flatten().tolist() == pytest.approx([0, 0, 0, 1, 1])
    (gradient,) = torch.autograd.grad(boundary.sum(), logits)
    inside = [0 < p < 1 for p in soft]
    assert gradient.flatten().tolist() == pytest.approx([slope / 2 * own for own in inside])


def test_a_layer_updates_at_a_boundary_below_and_else_copies() -> None:
    """z¹ is 1, 0, 1, told by the tokens: the second layer looks below at the first and third."""
    network: Any = build(layers=2).network
    layers = network.layers
    for parameter in [*layers.own[0].parameters(), *layers.above[0].parameters()]:
        nn.init.zeros_(parameter)
    nn.init.zeros_(layers.below[0].weight[-1])
    layers.below[0].weight[-1, 0] = 1.0
    network.words.weight[5, 0], network.words.weight[6, 0] = 1.0, -1.0
    (ending,) = read(network, [[5, 6, 5]], 1)
    ran = {(step.unit, step.shape): step.times for step in ending.trace}
    assert ran["layer.1", (1, 1, 0)] == 2
    assert ("layer.1", (1, 0, 0)) not in ran
    assert (ran["layer.0", (1, 1, 0)], ran["layer.0", (1, 1, 1)]) == (2, 1)


def plain(network: Any, ids: Sequence[int], lean: float) -> tuple[Counter[tuple[int, int, int]], Tensor]:
    """What layers looked below and above at, and how often, and the outputs of all layers, by the paper's equations."""
    layers, count = network.layers, network.count
    h, c, z = ([torch.zeros(SIZE) for _ in range(count)] for _ in range(3))
    z, taken = [0] * count, Counter[tuple[int, int, int]]()
    for token in ids:
        z_below, low = 1, network.words.weight[token]
        for at in range(count):
            z_own = z[at] if at < count - 1 else 0
            if z_below or z_own or at < count - 1:
                taken[at, z_below, z_own] += 1
            pre = layers.own[at].weight @ h[at] + layers.own[at].bias + z_below * (layers.below[at].weight @ low)
            if at < count - 1:
                pre = pre + z_own * (layers.above[at].weight @ h[at + 1])
                z[at] = int(pre[-1] + lean > 0)
            i, f, o, g = (pre[SIZE * k : SIZE * (k + 1)] for k in range(4))
            if z_own == 1:
                c[at] = i.sigmoid() * g.tanh()
            elif z_below == 1:
                c[at] = f.sigmoid() * c[at] + i.sigmoid() * g.tanh()
            if z_own or z_below:
                h[at] = o.sigmoid() * c[at].tanh()
            z_below, low = z[at], h[at]
    return taken, torch.cat(h)


def answered(network: Any, known: Tensor) -> Tensor:
    """ReLU(Σ g W h) and the last map, spelled out."""
    head = network.head
    shares = (head.gate.weight @ known + head.gate.bias).sigmoid()
    weights = head.embed.weight.split(SIZE, 1)
    outputs = known.split(SIZE)
    inner = sum(share * (w @ h) for share, w, h in zip(shares, weights, outputs, strict=True)).clamp(min=0)  # type: ignore[union-attr]
    return head.answer.weight @ inner + head.answer.bias


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
@torch.no_grad()
def test_it_reads_as_a_plain_loop_does_and_pays_in_closed_form(task: TaskInfo) -> None:
    """Products: 2 (4 H + 1) (H + what is seen below + above), 4 H of the highest; 2 H where a layer copies."""
    model, seen = build(task), Counter[tuple[int, int, int]]()
    for lean in (-1000.0, -0.5, 0.0, 0.5, 1000.0):
        model.configure({"lean": lean})
        for place, (sample, answer) in enumerate(zip(SAMPLES, model.predict(SAMPLES), strict=True)):
            ids = model.text.encode(sample).ids
            taken, known = plain(model.network, ids, lean)
            steps = {(step.unit, step.shape): step.times for step in answer.trace if step.unit.startswith("layer")}
            assert steps == {(f"layer.{at}", (1, below, above)): n for (at, below, above), n in taken.items()}
            logits = answered(model.network, known)
            told = [unit(answer.value, task)] if task is small.SCORE else list(answer.scores)
            assert told == pytest.approx((logits if task is small.SCORE else logits.softmax(-1)).tolist(), abs=1e-4)
            seen += taken
            if place < 6:
                with Meter(modules=model.modules()) as meter:
                    (alone,) = model.predict([sample])
                assert alone.trace == answer.trace
                paid = 2 * LAYERS * SIZE * (LAYERS + SIZE) + 2 * SIZE * task.outputs
                for (at, below, above), n in taken.items():
                    width = SIZE + below * (SIZE if at else WIDTH) + above * SIZE
                    paid += n * 2 * (ROWS[at] * width if below or above else SIZE)
                assert meter.matmul_flops == paid
    assert {(1, 0, 0), (1, 1, 0), (1, 0, 1), (1, 1, 1), (2, 1, 0)} <= set(seen)


@torch.no_grad()
def test_training_computes_what_reading_does() -> None:
    """Masked by boundaries that are 0 or 1, training gives the answers of inference, as validation does."""
    model = build()
    encoded = [model.text.encode(sample) for sample in SAMPLES]
    read_off = model.network.eval()(pad_batch(encoded, 0))
    learned = model.network.train()(pad_batch(encoded, 0))
    model.network.eval()
    torch.testing.assert_close(learned["logits"], read_off["logits"], atol=1e-4, rtol=0)
    for row, answer in enumerate(model.predict(SAMPLES)):
        assert answer.scores == pytest.approx(read_off["logits"][row].softmax(-1).tolist(), abs=1e-5)


@pytest.mark.parametrize(
    "task", [small.CLASSES, pytest.param(small.SCORE, marks=pytest.mark.thorough)], ids=["classification", "regression"]
)
def test_it_learns_and_its_knob_spans_from_one_layer_to_all(task: TaskInfo, tmp_path: Path) -> None:
    given = {"epochs": "6", "learning_rate": "1e-2", "size": "16"}
    HmRnn().train(small.job(tmp_path, task, train=240, **small.READER, **given))
    noted = read_note(tmp_path)["validation"]["points"]
    assert [point["point"] for point in noted] == HmRnn().points(task, tmp_path)
    shares = [point["read"] for point in noted]
    assert shares == sorted(shares)
    assert shares[0] < 50
    assert shares[-1] > 95
    assert max(point["score"] for point in noted) > 85
