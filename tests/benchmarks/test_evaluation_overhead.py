"""What measured evaluation costs: a real worker, frames and Meter included, against the bare predictions."""

from __future__ import annotations

import statistics
import time
from dataclasses import asdict
from pathlib import Path

import pytest

from elue.meter import profile
from elue.protocol import Sample, TaskInfo
from elue.worker.inside.plugin import load_method
from elue.worker.session import Worker

pytestmark = pytest.mark.benchmark
ROUNDS = 200
PLUGIN = """
import torch
from elue.modeling.encoder import Encoder, EncoderConfig
from elue.protocol import Method, Prediction

MINILM = EncoderConfig(
    vocabulary=30522, hidden=384, layers=6, heads=12, intermediate=1536, positions=512, types=2, embedding=384
)


class Model:
    def __init__(self):
        self.encoder = Encoder(MINILM).eval()
        self.head = torch.nn.Linear(384, 2)

    def configure(self, point):
        pass

    @torch.inference_mode()
    def predict(self, samples):
        ids = [torch.tensor([[len(word) for word in s.text.split()]]) for s in samples]
        return [Prediction(int(self.head(self.encoder(i)[-1].mean(1)).argmax())) for i in ids]


class Full(Method):
    name = "full"
    family = "static"

    def load(self, task, weights, seed):
        torch.manual_seed(seed)
        return Model()
"""


def test_measured_evaluation_costs_at_most_a_quarter_more(tmp_path: Path, one_thread: None) -> None:
    file = tmp_path / "full.py"
    file.write_text(PLUGIN)
    task = TaskInfo("bench", "classification", ("no", "yes"))
    bare = load_method(f"{file}:Full").load(task, None, 0)
    samples = [Sample(f"{i:016x}", " ".join(["word"] * 32)) for i in range(ROUNDS)]
    frames = [[asdict(sample)] for sample in samples]
    ratios = []
    with Worker(tmp_path / "log", sees=[file]) as worker:
        worker.call("open", 300, target=f"{file}:Full", task=asdict(task), profile=asdict(profile.load("elue-1")))
        worker.call("load", 300, weights=None, seed=0)
        worker.call("configure", 60, point={}, seed=0)
        for number, (sample, frame) in enumerate(zip(samples, frames, strict=True)):
            taken = {}
            for side in ("bare", "measured") if number % 2 else ("measured", "bare"):
                start = time.perf_counter()
                if side == "bare":
                    bare.predict([sample])
                else:
                    worker.call("predict", 60, samples=frame)
                taken[side] = time.perf_counter() - start
            ratios.append(taken["measured"] / taken["bare"])
    ratio = statistics.median(ratios[ROUNDS // 10 :])
    print(f"measured evaluation: {ratio:.3f}x the bare predictions")
    assert ratio <= 1.25
