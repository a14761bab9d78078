"""PoWER-BERT against the card's cases and plain words, what it costs, and a training."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from elue.errors import ElueError
from elue.modeling.saving import read_note
from elue.plugins.skimming.power_bert import PowerBert, PowerBertNetwork, PowerBertOptions
from elue.protocol import Point, Sample, TaskInfo
from tests import small
from tests.plugins import keepers

MEAN_ATTENTION = torch.tensor([[0.4, 0.3, 0.2, 0.1], [0.1, 0.6, 0.2, 0.1], [0.25] * 4, [0.1, 0.1, 0.1, 0.7]])
POINTS: list[Point] = [
    {"lengths": text} for text in ("all-all-all-all", "all-12-12-3", "9-7-7-2", "8-8-4-1", "1-1-1-1")
]


def plain(network: PowerBertNetwork, sample: Sample, point: Point) -> tuple[list[int], list[float]]:
    rows, counts = keepers.embedded(network, sample), []
    for module, length in zip(network.encoder.layers, str(point["lengths"]).split("-"), strict=True):
        rows, weights = keepers.attended(module.attention, rows)
        received = [float(weights[:, :, key].sum() - weights[:, key, key].sum()) for key in range(len(rows))]
        others = sorted(range(1, len(rows)), key=lambda key: -received[key])
        stay = others if length == "all" else others[: int(length) - 1]
        rows = module.feed_forward(rows[[0, *sorted(stay)]])
        counts.append(len(rows))
    return counts, keepers.answer(network, rows)


@pytest.mark.parametrize(("task", "every"), keepers.CASES)
def test_as_a_plain_implementation_does(task: TaskInfo, every: int) -> None:
    keepers.holds(keepers.made(PowerBert(), task), POINTS, plain, every)


@torch.no_grad()
def test_states_are_multiplied_by_the_retention_of_their_rank() -> None:
    """Retention 1, .8, .5, .1 by rank: the tokens of attention .45 .65 .50 .45 are multiplied by .5, 1, .8 and .1."""
    network = PowerBertNetwork(small.encoder(), small.CLASSES, PowerBertOptions(max_length=4)).eval()
    network.encoder.layers = network.encoder.layers[:1]
    network.retention_bias.data = torch.tensor([[1.0, 0.8, 0.5, 0.1]])
    layer = network.encoder.layers[0]
    taken = []
    layer.attention.with_weights = lambda hidden, mask: (hidden, MEAN_ATTENTION.expand(1, 4, 4, 4))
    layer.feed_forward.register_forward_pre_hook(lambda _, given: taken.append(given[0]))
    batch = {"ids": torch.tensor([[3, 4, 5, 6]]), "segments": None, "mask": torch.ones(1, 4, dtype=torch.bool)}
    network.extracted(batch)  # type: ignore[arg-type]
    factors = torch.tensor([0.5, 1.0, 0.8, 0.1])
    torch.testing.assert_close(taken[0][0], network.encoder.embed(batch["ids"])[0] * factors[:, None])


def test_masses_are_rounded_down_and_never_rise() -> None:
    config = small.EncoderConfig(50, 16, 5, 4, 32, positions=40, types=2, embedding=16)
    network = PowerBertNetwork(small.encoder(config=config), small.CLASSES, PowerBertOptions(max_length=10))
    for layer, mass in enumerate([7.9, 7.2, 8.5, 3.99, 0.4]):
        network.retention_bias.data[layer] = mass / 10
    assert network.retained() == (7, 7, 7, 3, 1)


def soft(**options: float) -> tuple[PowerBertNetwork, dict[str, Tensor]]:
    network = PowerBertNetwork(small.encoder(), small.CLASSES, PowerBertOptions(max_length=40, **options))
    network.retention_bias.requires_grad_(True)
    network.longest = 12
    network.retention_bias.requires_grad_(True)
    return network, {**small.batch([12, 5]), "labels": torch.tensor([0.0, 1.0])}


def test_the_price_grows_with_the_layer() -> None:
    losses = {}
    for price in (0.0, 0.01):
        network, batch = soft(price=price)
        losses[price] = network.eval()(batch)["loss"]
    assert (losses[0.01] - losses[0.0]).item() == pytest.approx(0.01 * (1 + 2 + 3 + 4) * 12, rel=1e-5)
    network, batch = soft(price=0.01)
    with torch.no_grad():
        network.retention_bias.fill_(1.3)
    network.eval()(batch)["loss"].backward()
    assert network.retention_bias.max() == 1, "clipped before every step"
    assert network.retention_bias.grad is not None
    assert network.retention_bias.grad[3, 11] > network.retention_bias.grad[0, 11] > 0
    assert not network.retention_bias.grad[:, 12:].any(), "no rank is priced that no text has"


@pytest.mark.parametrize("text", ["3-4-2-1", "all-all", "0-0-0-0", "4-3-2-x", "4-all-3-2", ""])
def test_a_list_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ElueError, match="lengths can't be"):
        keepers.made(PowerBert(), small.CLASSES).configure({"lengths": text})


def test_what_it_costs_in_closed_form() -> None:
    """Attention on what came, feed-forward on what stays; all kept is the static encoder, which weighs nothing."""
    model = keepers.made(PowerBert(), small.CLASSES)
    sample = max(keepers.SAMPLES, key=lambda sample: len(TEXT_IDS(sample)))
    tokens = len(TEXT_IDS(sample))
    model.configure({"lengths": "all-all-all-all"})
    (answer,) = model.predict([sample])
    assert not any("weighed" in step.unit for step in answer.trace)
    assert keepers.matmuls(model, answer) == 2 * 4 * keepers.static_layer(tokens)
    model.configure({"lengths": "9-9-4-1"})
    (answer,) = model.predict([sample])
    came, left = [tokens, 9, 9, 4], [9, 9, 4, 1]
    wanted = sum(keepers.attention(n) for n in came) + sum(2 * k * 16 * 32 for k in left)
    assert keepers.matmuls(model, answer) == 2 * wanted
    assert [step.unit for step in answer.trace if "attention" in step.unit] == [
        "weighed_attention.1",
        "attention.2",
        "weighed_attention.3",
        "weighed_attention.4",
    ]


def TEXT_IDS(sample: Sample) -> list[int]:  # noqa: N802
    return keepers.TEXT.encode(sample).ids


@pytest.mark.parametrize("task", keepers.TRAINED)
def test_trains_and_sweeps_from_all_tokens_to_one(task: TaskInfo, tmp_path: Path) -> None:
    job = small.job(tmp_path, task, train=160, epochs="4", retention_rate="0.05", price="0.01", learning_rate="5e-3")
    PowerBert().train(job)
    model, points = PowerBert().load(task, tmp_path, 0), PowerBert().points(task, tmp_path)
    learned = tuple(model.network.learned.tolist())
    assert model.lengths == learned
    assert sum(learned) < 0.8 * 3 * model.network.retention_bias.data.shape[1]
    texts = [str(point["lengths"]) for point in points]
    assert (texts[0], texts[-1]) == ("1-1-1", "all-all-all")
    assert "-".join(map(str, learned)) in texts
    noted = read_note(tmp_path)["validation"]["lengths"]
    assert max(note["score"] for note in noted.values()) > 80
    kept = [noted[text]["kept"] for text in texts]
    assert kept == sorted(kept)
    assert kept[-1] == 100
