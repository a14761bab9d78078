"""Exits: entropies by hand, gradient equilibrium by its closed form, thresholds by what they do."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from elue.meter import Meter
from elue.modeling.backbone import learn_wordpiece
from elue.modeling.exits.gradients import equilibrium
from elue.modeling.exits.model import ExitModel
from elue.modeling.heads import pool, task_loss
from elue.modeling.signals import entropy
from elue.modeling.text import TextEncoder
from tests import small


@pytest.mark.parametrize(
    ("probabilities", "nats"),
    [
        ([0.5, 0.5], math.log(2)),
        ([0.25] * 4, math.log(4)),
        ([0.9, 0.1], -0.9 * math.log(0.9) - 0.1 * math.log(0.1)),
        ([0.7, 0.2, 0.1], 0.801819),
    ],
)
def test_entropy_by_hand(probabilities: list[float], nats: float):
    logits = torch.tensor([probabilities]).log() + 3.0
    assert entropy(logits).item() == pytest.approx(nats, abs=1e-6)
    assert entropy(logits, normalized=True).item() == pytest.approx(nats / math.log(len(probabilities)), abs=1e-6)


def test_entropy_of_a_certain_answer_is_0_and_of_extreme_logits_finite():
    assert entropy(torch.tensor([[1e4, -1e4]])).item() == 0.0


def test_the_network_gives_each_head_the_state_after_its_layer():
    network, batch = small.stir(small.exit_network(small.CLASSES)), small.batch([9, 4])
    states = network.encoder(batch["ids"], batch["segments"], batch["mask"])
    heads, expected = network.heads, []
    for layer, state in enumerate(states, 1):
        pooled = pool(state, batch["mask"])
        expected.append(heads.output[str(layer)](torch.tanh(heads.dense[str(layer)](pooled))))
    assert torch.equal(network(batch)["logits"], torch.stack(expected, 1))


def test_the_loss_is_the_sum_over_all_exits():
    network, batch = small.exit_network(small.CLASSES).eval(), small.batch([9, 4])
    labels = torch.tensor([1.0, 0.0])
    out = network({**batch, "labels": labels})
    losses = [task_loss(out["logits"][:, layer], labels, small.CLASSES) for layer in range(4)]
    assert out["loss"].item() == pytest.approx(sum(one.item() for one in losses), rel=1e-6)


def test_under_equilibrium_each_layer_receives_the_mean_over_the_exits_above_it():
    """Layers add a constant, exits read the state times 1, 10, 100: the gradients at layers are then known."""
    shifts = [torch.zeros(1, requires_grad=True) for _ in range(3)]
    hidden, total = torch.ones(1), torch.zeros(1)
    for index, shift in enumerate(shifts):
        branch, hidden = equilibrium(hidden + shift, 3 - index)
        total = total + branch * 10.0**index
    total.backward()
    assert [shift.grad.item() for shift in shifts] == pytest.approx([111 / 3, 110 / 2, 100.0])


def test_equilibrium_changes_neither_outputs_nor_the_heads_own_gradients():
    batch = {**small.batch([9, 4]), "labels": torch.tensor([1.0, 0.0])}
    gradients, losses = [], []
    for balanced in (False, True):
        network = small.stir(small.exit_network(small.CLASSES, balanced=balanced)).train()
        for module in network.modules():
            if isinstance(module, nn.Dropout):
                module.p = 0.0
        loss = network(batch)["loss"]
        loss.backward()
        losses.append(loss.item())
        gradients.append(
            (network.heads.dense["1"].weight.grad, network.encoder.layers[0].feed_forward.inner.weight.grad)
        )
    assert losses[0] == losses[1]
    torch.testing.assert_close(gradients[0][0], gradients[1][0])
    assert not torch.allclose(gradients[0][1], gradients[1][1])


@pytest.mark.usefixtures("one_thread")
def test_a_rule_costs_by_what_it_is_shown_whichever_point_was_set_last() -> None:
    text = TextEncoder(learn_wordpiece(["red blue"] * 3, 50), 40)
    model = ExitModel(small.stir(small.exit_network(small.CLASSES)), text, small.CLASSES)
    priced = []
    for last in (3, 1):
        for patience in (3, 2, last):
            model.configure({"rule": "confident_patience", "patience": patience, "threshold": 0.5})
        with Meter() as meter:
            model.rehearse("confident_patience", (3, 2))
        priced.append(meter.flops)
    assert priced[0] == priced[1] > 0
