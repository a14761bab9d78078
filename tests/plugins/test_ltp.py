"""LTP's stages against closed forms, and its pruning against masking and against what it executes."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from elue.errors import ElueError
from elue.modeling.encoder import Encoder, EncoderConfig
from elue.modeling.heads import task_loss
from elue.modeling.keeping.thresholds import ScaledPruning
from elue.plugins.skimming.ltp import LearnedTokenPruning, LtpNetwork, LtpOptions
from elue.protocol import Example, Point, Sample, TaskInfo, TrainingJob
from tests import small
from tests.plugins import keepers

CONFIG = EncoderConfig(
    vocabulary=50, hidden=16, layers=4, heads=4, intermediate=32, positions=40, types=2, embedding=16
)
TASK = TaskInfo("made", "classification", ("no", "yes"))
SCORE = TaskInfo("scored", "regression", low=0.0, high=5.0)


def build(task: TaskInfo = TASK, **options) -> LtpNetwork:
    torch.manual_seed(0)
    encoder = Encoder(CONFIG)
    for parameter in encoder.parameters():
        if parameter.dim() > 1:
            nn.init.normal_(parameter, std=0.4)
    return LtpNetwork(encoder, task, LtpOptions(**options)).eval()


def padded(lengths: list[int]) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(1)
    ids = torch.randint(1, 50, (len(lengths), max(lengths)), generator=generator)
    mask = torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]
    return {"ids": ids * mask, "segments": torch.zeros_like(ids), "mask": mask}


def plain(network: LtpNetwork, sample: Sample, point: Point) -> tuple[list[int], list[float]]:
    rows, counts = keepers.embedded(network, sample), []
    for module, threshold in zip(network.encoder.layers, network.thresholds.tolist(), strict=True):
        rows, weights = keepers.attended(module.attention, rows)
        received = [float(weights[:, :, key].sum()) / weights.shape[0] / len(rows) for key in range(len(rows))]
        limit = float(point["threshold_scale"]) * threshold
        rows = rows[[place for place, share in enumerate(received) if place == 0 or share >= limit]]
        rows = module.feed_forward(rows)
        counts.append(len(rows))
    return counts, keepers.answer(network, rows)


@pytest.mark.parametrize(("task", "every"), keepers.CASES)
def test_as_a_plain_implementation_does(task: TaskInfo, every: int) -> None:
    points: list[Point] = [{"threshold_scale": value} for value in (0.0, 1.0, 2.5, 100.0)]
    keepers.holds(keepers.made(LearnedTokenPruning(), task, threshold=0.1), points, plain, every)


def test_what_it_costs_in_closed_form() -> None:
    """Attention on what came, feed-forward on what stays, and nothing for the decision but sums."""
    model = keepers.made(LearnedTokenPruning(), small.CLASSES, threshold=0.1)
    for scale in (0.0, 1.0, 2.5):
        model.configure({"threshold_scale": scale})
        for answer in model.predict(keepers.SAMPLES[:10]):
            left, tokens = keepers.rows_of(answer), answer.trace[0].shape[0]
            wanted = sum(keepers.attention(n) for n in (tokens, *left[:-1])) + sum(2 * k * 16 * 32 for k in left)
            assert keepers.matmuls(model, answer) == 2 * wanted


def test_thresholds_start_linearly_up_to_the_last_layer():
    torch.testing.assert_close(build().thresholds.data, torch.tensor([0.0025, 0.005, 0.0075, 0.01]))


@torch.no_grad()
@pytest.mark.parametrize("pooling", ["mean", "first"])
@pytest.mark.parametrize("task", [TASK, SCORE], ids=["classification", "regression"])
def test_a_sample_alone_and_pruned_equals_the_sample_masked_in_a_batch(task: TaskInfo, pooling: str):
    network, batch = build(task, threshold=0.06, pooling=pooling), padded([5, 30, 1, 9])
    together = network(batch)
    assert together["kept"][1, -1] < 0.9
    expected = together["logits"] if task is SCORE else together["logits"].softmax(-1)
    model = ScaledPruning(network, None, task)  # type: ignore[arg-type]
    for row, mask in enumerate(batch["mask"]):
        found = torch.tensor(small.alone(model, batch["ids"][row, mask]).scores)
        torch.testing.assert_close(found, expected[row], atol=1e-5, rtol=0)


@torch.no_grad()
def test_scale_0_is_the_unpruned_encoder():
    network, ids = build(threshold=0.06), padded([30])["ids"]
    model = ScaledPruning(network, None, TASK)  # type: ignore[arg-type]
    model.configure({"threshold_scale": 0.0})
    done = small.alone(model, ids)
    expected = network.head(network.encoder(ids)[-1])[0].softmax(-1).tolist()
    assert done.scores == pytest.approx(expected, abs=1e-6)
    assert not [step for step in done.trace if "weighed" in step.unit]


@torch.no_grad()
def test_higher_scales_execute_fewer_rows():
    network, ids, rows, total = build(threshold=0.04), padded([30])["ids"], [], []
    for layer in network.encoder.layers:
        layer.feed_forward.inner.register_forward_pre_hook(lambda _, args: rows.append(args[0].shape[0]))
    model = ScaledPruning(network, None, TASK)  # type: ignore[arg-type]
    for scale in (0.0, 0.5, 1.0, 2.0, 100.0):
        rows.clear()
        model.configure({"threshold_scale": scale})
        small.alone(model, ids)
        assert rows == sorted(rows, reverse=True)
        total.append(sum(rows))
    assert total == sorted(set(total), reverse=True)
    assert total[0] == 4 * 30
    assert total[-1] == 4


def test_soft_loss_is_the_task_loss_and_the_price_of_the_masks():
    network, batch = build(temperature=1e6, sparsity=0.3), padded([8, 8])
    batch["labels"] = torch.tensor([0.0, 1.0])
    network.stage = "soft"
    outputs = network(batch)
    # so hot that every soft mask is 1/2; they multiply down the layers, and the first token always stays
    price = sum((1 + 7 * 0.5**layer) / 8 for layer in (1, 2, 3, 4))
    expected = task_loss(outputs["logits"], batch["labels"], TASK) + 0.3 * price
    torch.testing.assert_close(outputs["loss"], expected)


def test_thresholds_learn_in_the_soft_stage_and_a_higher_price_raises_them():
    batch = {**padded([20, 14]), "labels": torch.tensor([0.0, 1.0])}
    gradients = {}
    for stage, price in (("hard", 1.0), ("soft", 0.0), ("soft", 1.0)):
        network = build(temperature=0.02, sparsity=price)
        network.stage = stage
        network(batch)["loss"].backward()
        gradients[stage, price] = network.thresholds.grad
    assert gradients["hard", 1.0] is None
    assert (gradients["soft", 1.0] < gradients["soft", 0.0]).all()


def test_dense_stage_prunes_nothing_and_masks_only_padding():
    network, batch = build(threshold=0.5), padded([20, 14])
    network.stage = "dense"
    outputs = network({**batch})
    assert (outputs["kept"] == 1).all()


def job(task: TaskInfo, out: Path) -> TrainingJob:
    high = (task.high - task.low) if task.kind == "regression" else 1
    rows = [
        Example(Sample(str(i), "it was a " * (i % 4 + 1) + ("good" if i % 2 else "bad")), high * (i % 2))
        for i in range(48)
    ]
    options = {
        "tiny_hidden": 16,
        "tiny_layers": 2,
        "tiny_heads": 2,
        "batch_size": 8,
        "epochs": 12,
        "learning_rate": 5e-3,
    }
    stages = {"soft_epochs": 4, "hard_epochs": 8, "threshold_rate": 0.005, "temperature": 0.005, "sparsity": 0.1}
    return TrainingJob(task, rows[:32], rows[32:], "tiny", out, options={**options, **stages})


@pytest.mark.parametrize("task", [TASK, SCORE], ids=["classification", "regression"])
def test_trains_saves_loads_and_answers(task: TaskInfo, tmp_path: Path):
    method, wanted = LearnedTokenPruning(), job(task, tmp_path)
    assert method.supports(task) is None
    method.train(wanted)
    model, points = method.load(task, tmp_path, seed=0), method.points(task, tmp_path)
    scales = [point["threshold_scale"] for point in points]
    assert scales == sorted(scales, reverse=True)
    assert scales[-1] == 0
    assert not torch.isclose(model.network.thresholds, torch.tensor([0.005, 0.01])).any()
    samples = [example.sample for example in wanted.validation]
    middle = (task.low + task.high) / 2
    for point in points:
        model.configure(point)
        answers = model.predict(samples)
        assert [a.value for a in answers] == pytest.approx([model.predict([s])[0].value for s in samples], abs=1e-5)
        if point["threshold_scale"] <= 1:
            right = [(a.value > middle) == (e.label > middle) for a, e in zip(answers, wanted.validation, strict=True)]
            assert all(right)
    assert sum(p.numel() for module in model.modules() for p in module.parameters()) == sum(
        p.numel() for p in model.network.parameters()
    )


def test_a_negative_scale_is_refused():
    with pytest.raises(ElueError, match="threshold_scale"):
        ScaledPruning(build(), None, TASK).configure({"threshold_scale": -0.5})  # type: ignore[arg-type]
