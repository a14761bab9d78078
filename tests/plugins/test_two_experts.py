"""A rule with two experts a token, added as a user would: one file, trained, evaluated, audited, explained."""

from __future__ import annotations

from pathlib import Path

import pytest

from elue import api
from tests.running import evaluate_plugin

PLUGIN = '''
"""Two experts a token, their weights made to sum to one (Shazeer et al. 2017, arXiv 1701.06538)."""

from elue.modeling.experts.choices import best, shares
from elue.modeling.experts.method import ExpertsMethod
from elue.modeling.experts.network import CapacityOptions, ExpertsNetwork
from elue.modeling.experts.seats import capacity
from elue.modeling.method import along


class Network(ExpertsNetwork):
    KNOBS = ("capacity_factor",)

    def choose(self, look, scores):
        return best(scores.softmax(-1), 2, shares)

    def room(self, tokens):
        return capacity(tokens, self.options.experts, self.capacity_factor)


class TopTwo(ExpertsMethod):
    name = "top-two"
    family = "moe"
    options = CapacityOptions
    network_type = Network
    knobs = {"capacity_factor": {"type": "float", "low": 0}}

    def sweep(self, network, training):
        scores = {}
        for factor in (0.0, 0.5, 1.0, 4.0):
            network.at({"capacity_factor": factor})
            scores[factor] = training.quality(training.logits(network))
        return along("capacity_factor", scores)
'''
OPTIONS = {"tiny_hidden": 16, "tiny_layers": 2, "tiny_heads": 2, "tiny_vocabulary": 200, "epochs": 1, "every": 1}
LAYERS, EXPERTS, HIDDEN, INNER = 2, 4, 16, 64


@pytest.mark.usefixtures("one_thread")
@pytest.mark.thorough
def test_a_two_expert_rule_is_one_file(tmp_path: Path) -> None:
    (tmp_path / "toptwo.py").write_text(PLUGIN, encoding="utf-8")
    plugin = f"{tmp_path / 'toptwo.py'}:TopTwo"
    weights = api.train(plugin, tmp_path / "weights", "diagnostic", options=OPTIONS, max_train_samples=48)
    records = evaluate_plugin(tmp_path, plugin, "diagnostic", weights=weights, limit=12, audit=None, explain=6)
    assert [record.point["capacity_factor"] for record in records] == [0.0, 0.5, 1.0, 4.0]
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
