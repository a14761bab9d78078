"""D-LLM's routers on an encoder against plain words: rows that skip a layer and return; and a training."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from elue.plugins.skimming.dllm import Dllm, DllmNetwork, DllmOptions
from elue.protocol import Point, Sample, TaskInfo
from tests import small
from tests.plugins import keepers


def plain(network: DllmNetwork, sample: Sample, point: Point) -> tuple[list[int], list[float]]:
    states, counts = keepers.embedded(network, sample), []
    for index, module in enumerate(network.encoder.layers):
        runs = list(range(len(states)))
        if index >= 2:
            first, norm, _, last = network.predictors[str(index)]
            inner = first(states)
            scaled = inner / (inner.square().mean(1, keepdim=True) + 1e-6).sqrt() * norm.weight
            chances = last(F.silu(scaled)).softmax(-1)[:, 1].tolist()
            runs = [token for token in runs if token == 0 or chances[token] >= float(point["threshold"])]
        new = states.clone()
        new[runs] = keepers.layer(module, states[runs])
        states = new
        counts.append(len(runs))
    return counts, keepers.answer(network, states)


@pytest.mark.parametrize(("task", "every"), keepers.CASES)
def test_as_a_plain_implementation_does(task: TaskInfo, every: int) -> None:
    model = keepers.made(Dllm(), task, seed=3)
    keepers.holds(model, [{"threshold": value} for value in (0.0, 0.3, 0.5, 0.8, 1.0)], plain, every)


def test_tokens_that_skip_come_back() -> None:
    model = keepers.made(Dllm(), small.CLASSES, seed=3)
    model.configure({"threshold": 0.5})
    rows = [keepers.rows_of(answer) for answer in model.predict(keepers.SAMPLES)]
    assert any(later > earlier for *_, earlier, later in rows)
    shown = model.explain(keepers.SAMPLES)
    for counts, explanation in zip(rows, shown, strict=True):
        assert [len(kept) for kept in explanation.kept] == counts
    assert any(set(explanation.kept[3]) - set(explanation.kept[2]) for explanation in shown)


def test_the_loss_is_how_far_each_token_is_from_its_share_of_layers() -> None:
    """Of two routed layers tokens run both, one and none, and are to run half: |1-.5|, 0 and |0-.5|, mean 1/3."""
    network = DllmNetwork(small.encoder(), small.CLASSES, DllmOptions(active=0.5))
    ran = torch.tensor([[1.0, 1, 1, 0, 0]]), torch.tensor([[1.0, 1, 0, 0, 0]])
    mask = torch.tensor([[True, True, True, True, False]])
    told = network.off_target([mask.float(), mask.float(), *ran], mask)
    assert told.tolist() == [pytest.approx(1 / 3)]


def test_routers_lean_to_running_at_the_start() -> None:
    network = DllmNetwork(small.encoder(), small.CLASSES, DllmOptions())
    assert list(network.asked) == [2, 3]
    drawn = network.predictors["2"].drawn(1e-3 * torch.randn(2000, 16))
    assert network.leaning(2, torch.zeros(1, 16)).item() == pytest.approx(1.9, abs=0.7)
    assert 0.6 < drawn.mean() < 1


def test_what_it_costs_in_closed_form() -> None:
    """A router takes 8 d + 16 multiply-adds for each token but the first, whatever runs."""
    model = keepers.made(Dllm(), small.CLASSES, seed=3)
    model.configure({"threshold": 0.5})
    for answer in model.predict(keepers.SAMPLES[:10]):
        rows = keepers.rows_of(answer)
        layers = sum(keepers.static_layer(n) for n in rows)
        assert keepers.matmuls(model, answer) == 2 * (layers + 2 * (rows[0] - 1) * (8 * 16 + 16))


@pytest.mark.parametrize("task", keepers.TRAINED)
def test_trains_and_sweeps_from_all_tokens_to_the_first(task: TaskInfo, tmp_path: Path) -> None:
    options = {"epochs": "8", "routed_epochs": "6", "learning_rate": "5e-3", "tiny_layers": "4"}
    keepers.trains(Dllm(), task, tmp_path, **options)
