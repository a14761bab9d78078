"""The dense model of several tasks: the encoder as it is, and for each task the head of its own."""

from __future__ import annotations

import pytest
import torch

from elue.modeling.heads import EncoderWithHead
from elue.plugins.mt_dnn import MtDnn, SharedNetwork
from tests import small
from tests.modeling.experts.plain import SAMPLES, TEXT

pytestmark = pytest.mark.usefixtures("one_thread")
TASKS = (small.CLASSES, small.SCORE)


@torch.no_grad()
def test_each_task_has_the_encoder_and_its_own_head():
    network = small.stir(SharedNetwork(small.encoder(), TASKS, MtDnn.options())).requires_grad_(False).eval()
    parts = [sum(p.numel() for p in part.parameters()) for part in (network.encoder, *network.head.heads)]
    for number, task in enumerate(TASKS):
        network.use(number)
        dense = EncoderWithHead(network.encoder, task, "mean").eval()
        dense.head = network.head.heads[number]
        model = MtDnn().model(network, TEXT, task)
        expected = [dense.logits(*TEXT.tensors(sample))[0] for sample in SAMPLES[:4]]
        answers = model.predict(SAMPLES[:4])
        if task.kind == "classification":
            for answer, logits in zip(answers, expected, strict=True):
                assert answer.scores == pytest.approx(logits.softmax(-1).tolist(), abs=1e-5)
        else:
            spread = task.high - task.low
            assert [a.value for a in answers] == pytest.approx(
                [task.low + spread * logits.item() for logits in expected], abs=1e-4
            )
        layers = len(network.encoder.layers)
        units = [step.unit for step in answers[0].trace if step.unit != "answer"]
        halves = [f"{half}.{layer}" for layer in range(1, layers + 1) for half in ("attention", "ffn")]
        assert sorted(units) == sorted(["embed", *halves, f"head.{task.name}"])
        whole = sum(p.numel() for module in model.modules() for p in module.parameters())
        assert whole == parts[0] + parts[1 + number]
