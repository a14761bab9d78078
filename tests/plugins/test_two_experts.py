"""A rule with two experts a token, added as a user would: one file, trained, evaluated, audited, explained."""

from __future__ import annotations

from pathlib import Path

import pytest

from elue import api
from tests.running import evaluate_plugin

PLUGIN = '''
"""Two experts a token, their weights made to sum to one (Shazeer et al. 2017, arXiv 1701.06538)."""

from dataclasses import dataclass
from functools import partial

import torch
from torch import nn

from elue.modeling.experts import Assignment, ExpertsModel, capacity, encode, upcycle, within_capacity
from elue.modeling.heads import Head, task_loss
from elue.modeling.method import TrainedMethod, along
from elue.modeling.options import TrainingOptions, option
from elue.modeling.routing import margin_of_choices


@dataclass(frozen=True, kw_only=True)
class Options(TrainingOptions):
    experts: int = option(4, "experts in each layer", 2)


def top2(probabilities, mask, factor):
    """All first choices in order, then all second ones, while an expert has room."""
    (samples, tokens), experts = mask.shape, probabilities.shape[-1]
    weight, expert = probabilities.topk(2)
    weight = weight / weight.sum(-1, keepdim=True)
    weight, expert = (both.view(samples, tokens, 2).transpose(1, 2).flatten(1) for both in (weight, expert))
    limit = capacity(mask.sum(1), experts, factor)
    taken = within_capacity(expert, limit, experts, mask.repeat(1, 2)).flatten().nonzero().squeeze(-1)
    row = torch.arange(samples * tokens).view(samples, tokens).repeat(1, 2).flatten()
    return Assignment(row[taken], expert.flatten()[taken], weight.flatten()[taken])


class Network(nn.Module):
    def __init__(self, encoder, task, options):
        super().__init__()
        self.task, self.encoder, self.factor = task, encoder, float("inf")
        self.head = Head(encoder.config, task, options.pooling)
        upcycle(encoder, range(encoder.config.layers), options.experts, jitter=0.01, scale=1.0)

    def forward(self, batch):
        hidden = self.encoder.embed(batch["ids"], batch["segments"])
        hidden, _ = encode(self.encoder, hidden, batch["mask"], partial(top2, factor=self.factor))
        logits = self.head(hidden, batch["mask"])
        return {"logits": logits} | (
            {"loss": task_loss(logits, batch["labels"], self.task)} if "labels" in batch else {}
        )


class Model(ExpertsModel):
    def __init__(self, network, text, task):
        super().__init__(network, text, task, self.route, partial(margin_of_choices, choices=2))

    def route(self, probabilities, mask):
        return top2(probabilities, mask, self.network.factor)

    def configure(self, point):
        self.network.factor = float(point["factor"])


class TopTwo(TrainedMethod):
    name = "top-two"
    family = "moe"
    options = Options
    knobs = {"factor": {"type": "float", "low": 0}}

    def network(self, encoder, task, options):
        return Network(encoder, task, options)

    def model(self, network, text, task):
        return Model(network, text, task)

    def sweep(self, network, training):
        scores = {}
        for network.factor in (0.0, 0.5, 1.0, 4.0):
            scores[network.factor] = training.quality(training.logits(network))
        return along("factor", scores)
'''
OPTIONS = {"tiny_hidden": 16, "tiny_layers": 2, "tiny_heads": 2, "tiny_vocabulary": 200, "epochs": 1}
LAYERS, EXPERTS, HIDDEN, INNER = 2, 4, 16, 64


@pytest.mark.usefixtures("one_thread")
def test_a_two_expert_rule_is_one_file(tmp_path: Path) -> None:
    (tmp_path / "toptwo.py").write_text(PLUGIN, encoding="utf-8")
    plugin = f"{tmp_path / 'toptwo.py'}:TopTwo"
    weights = api.train(plugin, tmp_path / "weights", "diagnostic", options=OPTIONS, max_train_samples=48)
    records = evaluate_plugin(tmp_path, plugin, "diagnostic", weights=weights, limit=12, audit=None, explain=6)
    assert [record.point["factor"] for record in records] == [0.0, 0.5, 1.0, 4.0]
    for record in records:
        assert (record.status, record.complete, record.measure, record.audited) == ("ok", True, "traced", 12)
    nothing, *some, everything = [record.flops.mean for record in records if record.flops]
    assert nothing < some[0] < some[1] < everything

    # with room for all every token costs two experts, and an addition, in each layer
    whole, none = records[-1], records[0]
    assert whole.samples is not None
    tokens = whole.units["sum.1"] / HIDDEN
    expert = 2 * HIDDEN * INNER * 2 + INNER + HIDDEN  # two maps, gelu, weight
    assert everything - nothing == pytest.approx(LAYERS * tokens * (2 * expert + HIDDEN))
    assert not [unit for unit in none.units if unit.startswith(("expert", "sum"))]
    for told in whole.explained:
        assert set(told.experts) == {"1", "1.2", "2", "2.2"}
        for layer in ("1", "2"):
            both = list(zip(told.experts[layer], told.experts[f"{layer}.2"], strict=True))
            assert all(0 <= first < EXPERTS and 0 <= second < EXPERTS and first != second for first, second in both)
    assert len(whole.explained) == 6
    assert all(set(told.experts["1"]) == {-1} for told in none.explained)
