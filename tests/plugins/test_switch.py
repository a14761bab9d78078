"""Switch against a plain loop over tokens, its closed forms, and what it executes."""

from __future__ import annotations

import copy
import math
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from elue.errors import ElueError
from elue.modeling.encoder import Encoder, EncoderConfig
from elue.modeling.experts.model import ExpertsModel
from elue.modeling.heads import EncoderWithHead, task_loss
from elue.plugins.moe.switch import Switch, SwitchNetwork, SwitchOptions
from elue.protocol import Example, Sample, TaskInfo, TrainingJob
from tests import small

CONFIG = EncoderConfig(
    vocabulary=50, hidden=16, layers=4, heads=4, intermediate=32, positions=40, types=2, embedding=16
)
TASK = TaskInfo("made", "classification", ("no", "yes"))
SCORE = TaskInfo("scored", "regression", low=0.0, high=5.0)
OPTIONS = SwitchOptions(experts=3, jitter=0.0)


@pytest.fixture
def network() -> SwitchNetwork:
    torch.manual_seed(0)
    network = SwitchNetwork(Encoder(CONFIG), TASK, OPTIONS).eval()
    for name, parameter in network.named_parameters():
        if "experts" in name or "router" in name:
            nn.init.normal_(parameter, std=0.5)  # experts that differ, gates far from even
    return network


def padded(lengths: list[int]) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(1)
    ids = torch.randint(1, 50, (len(lengths), max(lengths)), generator=generator)
    mask = torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]
    return {"ids": ids * mask, "segments": torch.zeros_like(ids), "mask": mask}


def model(network: SwitchNetwork) -> ExpertsModel:
    return ExpertsModel(network, None, network.task)  # type: ignore[arg-type]


def answer(network: SwitchNetwork, ids: Tensor) -> Tensor:
    """Probabilities (outputs,) of one text, as the model at inference computes them."""
    return torch.tensor(small.alone(model(network), ids).scores)


def plain(network: SwitchNetwork, ids: Tensor, factor: float) -> Tensor:
    """The network token by token: y = p_e(x) E_e(x) while expert e has room, else nothing."""
    hidden = network.encoder.embed(ids)
    for index, layer in enumerate(network.encoder.layers):
        hidden = layer.attention(hidden)
        if index % 2 == 0:
            hidden = layer.feed_forward(hidden)
            continue
        switch, used, rows = layer.feed_forward, [0, 0, 0], []
        room = math.ceil(ids.shape[1] / 3 * factor)
        for x in hidden[0]:
            logits = switch.router.weight @ x
            p = logits.exp() / logits.exp().sum()
            e = int(p.argmax())
            used[e] += 1
            y = p[e] * switch.experts[e](x) if used[e] <= room else torch.zeros_like(x)
            rows.append(switch.norm(x + y))
        hidden = torch.stack(rows)[None]
    return network.head(hidden)


@torch.no_grad()
@pytest.mark.parametrize("factor", [0.0, 0.3, 1.0, 3.0])
def test_network_equals_a_plain_loop_over_tokens(network: SwitchNetwork, factor: float):
    ids = padded([17])["ids"]
    network.capacity_factor = factor
    torch.testing.assert_close(answer(network, ids), plain(network, ids, factor)[0].softmax(-1))


@torch.no_grad()
@pytest.mark.parametrize("factor", [0.5, 1.0, 3.0])
def test_a_sample_alone_equals_the_sample_in_a_batch(network: SwitchNetwork, factor: float):
    batch = padded([5, 17, 1, 9])
    network.capacity_factor = factor
    together = network(batch)["logits"].softmax(-1)
    for row, mask in enumerate(batch["mask"]):
        torch.testing.assert_close(answer(network, batch["ids"][row, mask]), together[row], atol=1e-5, rtol=0)


@torch.no_grad()
def test_lower_capacity_executes_fewer_rows(network: SwitchNetwork):
    rows: list[int] = []
    for layer in (1, 3):
        for expert in network.encoder.layers[layer].feed_forward.experts:
            expert.inner.register_forward_pre_hook(lambda _, args: rows.append(args[0].shape[0]))
    ids, total = padded([30])["ids"], []
    for network.capacity_factor in (0.0, 0.25, 0.5, 3.0):
        rows.clear()
        answer(network, ids)
        assert len(rows) <= 6
        assert all(0 < count <= math.ceil(10 * network.capacity_factor) for count in rows)
        total.append(sum(rows))
    assert total == sorted(set(total))
    assert total[0] == 0
    assert total[-1] == 60


@torch.no_grad()
def test_upcycling_keeps_the_function_while_gates_are_even():
    torch.manual_seed(0)
    encoder = Encoder(CONFIG).eval()
    dense = EncoderWithHead(copy.deepcopy(encoder), TASK).eval()
    network = SwitchNetwork(encoder, TASK, SwitchOptions(experts=4, capacity_factor=4.0)).eval()
    network.head = dense.head
    ids = padded([20])["ids"]
    near = network({"ids": ids, "segments": None, "mask": torch.ones_like(ids, dtype=torch.bool)})["logits"]
    for layer in (1, 3):
        network.encoder.layers[layer].feed_forward.router.weight.zero_()
    torch.testing.assert_close(answer(network, ids), dense.logits(ids)[0].softmax(-1))
    assert (near - dense.logits(ids)).abs().max() < 0.1


@torch.no_grad()
def test_one_expert_with_room_for_all_is_the_dense_network():
    torch.manual_seed(0)
    encoder = Encoder(CONFIG).eval()
    dense = EncoderWithHead(copy.deepcopy(encoder), TASK).eval()
    network = SwitchNetwork(encoder, TASK, SwitchOptions(experts=1, every=1, capacity_factor=1.0)).eval()
    network.head = dense.head
    ids = padded([20])["ids"]
    torch.testing.assert_close(answer(network, ids), dense.logits(ids)[0].softmax(-1))


def test_loss_adds_the_balancing_losses(network: SwitchNetwork):
    batch = {**padded([7, 12]), "labels": torch.tensor([0.0, 1.0])}
    seen: list[Tensor] = []
    for layer in (1, 3):
        network.encoder.layers[layer].feed_forward.router.register_forward_hook(lambda *args: seen.append(args[2]))
    outputs = network(batch)
    expected = task_loss(outputs["logits"], batch["labels"], TASK)
    for scores in seen:
        real = list(scores.softmax(-1))
        share = [sum(int(p.argmax()) == e for p in real) / 19 for e in range(3)]
        mean = [sum(p[e] for p in real) / 19 for e in range(3)]
        expected = expected + 0.01 * 3 * sum(f * p for f, p in zip(share, mean, strict=True))
    torch.testing.assert_close(outputs["loss"], expected)


def test_router_is_float32_and_learns_under_bfloat16(network: SwitchNetwork):
    routers = [network.encoder.layers[layer].feed_forward.router for layer in (1, 3)]
    dtypes: list[torch.dtype] = []
    for router in routers:
        router.register_forward_hook(lambda *args: dtypes.append(args[2].dtype))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        network.train()({**padded([7, 12]), "labels": torch.tensor([0.0, 1.0])})["loss"].backward()
    assert dtypes == [torch.float32, torch.float32]
    assert all(router.weight.grad is not None and router.weight.grad.abs().sum() > 0 for router in routers)


def job(task: TaskInfo, out: Path) -> TrainingJob:
    high = (task.high - task.low) if task.kind == "regression" else 1
    rows = [
        Example(Sample(str(i), "good fine " * (i % 9 + 1) if i % 2 else "bad " * 9), high * (i % 2)) for i in range(48)
    ]
    options = {
        "tiny_hidden": 16,
        "tiny_layers": 2,
        "tiny_heads": 2,
        "epochs": 12,
        "batch_size": 8,
        "learning_rate": 5e-3,
        "experts": 2,
    }
    return TrainingJob(task, rows[:32], rows[32:], "tiny", out, options=options)


@pytest.mark.parametrize("task", [TASK, SCORE], ids=["classification", "regression"])
def test_trains_saves_loads_and_answers(task: TaskInfo, tmp_path: Path):
    method, wanted = Switch(), job(task, tmp_path)
    assert method.supports(task) is None
    method.train(wanted)
    model = method.load(task, tmp_path, seed=0)
    points = method.points(task, tmp_path)
    factors = [point["capacity_factor"] for point in points]
    assert factors == sorted(set(factors))
    assert {0.0, 1.25} < set(factors)
    model.configure({"capacity_factor": 2.0})
    samples = [example.sample for example in wanted.validation]
    answers = model.predict(samples)
    assert [a.value for a in answers] == pytest.approx([model.predict([s])[0].value for s in samples], abs=1e-5)
    middle = (task.low + task.high) / 2
    assert all(
        (answer.value > middle) == (example.label > middle)
        for answer, example in zip(answers, wanted.validation, strict=True)
    )
    parameters = sum(p.numel() for module in model.modules() for p in module.parameters())
    experts = sum(p.numel() for n, p in model.network.named_parameters() if "experts" in n)
    assert experts == 2 * (16 * 64 + 64 + 64 * 16 + 16)
    assert parameters == sum(p.numel() for p in model.network.parameters())


def test_a_negative_capacity_is_refused(network: SwitchNetwork):
    with pytest.raises(ElueError, match="capacity_factor"):
        model(network).configure({"capacity_factor": -1})


@torch.no_grad()
def test_an_infinite_capacity_is_no_limit(network: SwitchNetwork):
    ids, answers = padded([17])["ids"], []
    for network.capacity_factor in (3.0, math.inf, 0.0):
        done = small.alone(model(network), ids)
        answers.append((done.scores, done.trace))
    assert answers[0] == answers[1] != answers[2]
