"""The static reference: one network a depth, and only that one runs."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
import torch

from elue.errors import ElueError
from elue.modeling.heads import EncoderWithHead
from elue.plugins.static import Static, StaticModel
from elue.protocol import DynamicModel
from tests import small


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("static")
    Static().train(small.job(folder, depths="3,1"))
    return folder


@pytest.fixture
def model(out: Path) -> StaticModel:
    return Static().load(small.CLASSES, out, 0)


def test_there_is_a_point_for_each_depth_trained(out: Path):
    assert Static().points(small.CLASSES, out) == [{"layers": 1}, {"layers": 3}]
    assert sorted(path.name for path in out.iterdir()) == ["elue.json", "model.safetensors", "tokenizer.json"]


def test_only_the_layers_of_the_point_run_and_are_in_force(model: StaticModel):
    assert isinstance(model, DynamicModel)
    samples, ran = [example.sample for example in small.examples(3)], Counter()
    tokens = sum(len(one.ids) for one in model.text.encode_all(samples))
    for depth, network in model.networks.items():
        for index, layer in enumerate(network.encoder.layers):
            layer.attention.query.register_forward_pre_hook(
                lambda _, args, key=(depth, index): ran.update({key: args[0].shape[0]})
            )
    for layers in (1, 3):
        ran.clear()
        model.configure({"layers": layers})
        model.predict(samples)
        assert ran == {(str(layers), index): tokens for index in range(layers)}
        (network,) = model.modules()
        assert len(network.encoder.layers) == layers


def test_it_answers_as_a_network_of_that_depth_would(model: StaticModel):
    model.configure({"layers": 1})
    network: EncoderWithHead = model.networks["1"]
    sample = small.examples(1)[0].sample
    ids, segments = model.text.tensors(sample)
    hidden = network.encoder.layers[0](network.encoder.embed(ids, segments))
    expected = tuple(network.head(hidden)[0].softmax(-1).tolist())
    assert model.predict([sample])[0].scores == pytest.approx(expected, abs=1e-6)


def test_a_depth_does_not_depend_on_which_others_are_trained(out: Path, model: StaticModel, tmp_path: Path):
    Static().train(small.job(tmp_path, depths="3"))
    alone = Static().load(small.CLASSES, tmp_path, 0)
    for one, other in zip(alone.network.parameters(), model.networks["3"].parameters(), strict=True):
        assert torch.equal(one, other)


def test_it_serves_regressions_in_their_own_range(tmp_path: Path):
    Static().train(small.job(tmp_path, small.SCORE, depths="1"))
    model = Static().load(small.SCORE, tmp_path, 0)
    sample = small.examples(1)[0].sample
    unit = model.network.logits(*model.text.tensors(sample)).item()
    assert model.predict([sample])[0].value == pytest.approx(1.0 + 4.0 * unit)
    assert 1.0 < model.predict([sample])[0].value < 5.0


@pytest.mark.parametrize("depths", ["4", "1,9"])
def test_a_depth_the_backbone_lacks_is_refused(tmp_path: Path, depths: str):
    with pytest.raises(ElueError) as caught:
        Static().train(small.job(tmp_path, depths=depths))
    assert caught.value.code == "bad_option"


@pytest.mark.parametrize("point", [{}, {"layers": 2}, {"layers": "all"}])
def test_a_point_that_was_not_trained_is_refused(model: StaticModel, point: dict):
    with pytest.raises(ElueError) as caught:
        model.configure(point)
    assert caught.value.code == "bad_point"
