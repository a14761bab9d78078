"""The plain recurrent network in several sizes: only the one that the point names runs, at its own price."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from elue.errors import ElueError
from elue.meter import Meter
from elue.modeling.saving import read_note
from elue.plugins.rnn import Rnn
from elue.protocol import TaskInfo
from tests import small

pytestmark = pytest.mark.usefixtures("one_thread")
SAMPLES = [example.sample for example in small.examples(20)]


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rnn")
    Rnn().train(small.job(folder, train=320, **small.READER, epochs="6", learning_rate="1e-2", size="16"))
    return folder


@pytest.mark.parametrize(("cell", "whole", "gates"), [("lstm", nn.LSTM, 4), ("gru", nn.GRU, 3), ("rnn", nn.RNN, 1)])
@pytest.mark.parametrize("task", [small.CLASSES, small.SCORE], ids=["classification", "regression"])
def test_it_is_torchs_own_network_at_its_price(
    cell: str, whole: Any, gates: int, task: TaskInfo, tmp_path: Path
) -> None:
    Rnn().train(small.job(tmp_path, task, train=32, **small.READER, epochs="1", sizes="4,12", cell=cell))
    model: Any = Rnn().load(task, tmp_path, 0)
    assert Rnn().points(task, tmp_path) == [{"size": 4}, {"size": 12}]
    for size in (12, 4):
        network = model.networks[str(size)]
        other = whole(16, size, batch_first=True)
        other.requires_grad_(False)
        other.load_state_dict({f"{name}_l0": tensor for name, tensor in network.cell.cell.state_dict().items()})
        model.configure({"size": size})
        for sample in SAMPLES:
            ids = torch.tensor([model.text.encode(sample).ids])
            logits = network.head(other(network.words(ids))[0][:, -1])[0]
            with Meter(modules=model.modules()) as meter:
                (answer,) = model.predict([sample])
            if task is small.SCORE:
                assert answer.value == pytest.approx(1 + 4 * logits.item(), abs=1e-4)
            else:
                assert answer.scores == pytest.approx(logits.softmax(-1).tolist(), abs=1e-5)
            assert meter.matmul_flops == 2 * ids.numel() * gates * size * (16 + size) + 2 * size * len(logits)


def test_a_step_of_another_size_can_be_rehearsed(out: Path) -> None:
    model: Any = Rnn().load(small.CLASSES, out, 0)
    prices = {}
    for chosen in (2, 16):
        model.configure({"size": chosen})
        for size in (2, 4, 8, 16):
            with Meter(modules=model.modules()) as meter:
                model.rehearse(f"cell.{size}", (1,))
            prices.setdefault(size, set()).add(meter.flops)
    assert prices == {size: {size * (8 * (16 + size) + 9)} for size in (2, 4, 8, 16)}


def test_it_learns_in_every_size_of_its_own(out: Path) -> None:
    note = read_note(out)
    assert note["options"]["sizes"] == [2, 4, 8, 16]
    assert note["validation"]["size"]["16"] > 90
    model: Any = Rnn().load(small.CLASSES, out, 0)
    assert model.predict(SAMPLES)[0].trace[-1].unit == "head.16"
    with pytest.raises(ElueError) as caught:
        model.configure({"size": 5})
    assert caught.value.code == "bad_point"
