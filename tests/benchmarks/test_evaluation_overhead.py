"""What measured evaluation costs: a real worker, frames and Meter included, against the bare predictions."""

from __future__ import annotations

import statistics
import time
from pathlib import Path

import pytest

from elue.meter import profile
from elue.protocol import Sample, TaskInfo
from elue.worker import frames
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
    ratios = []
    with Worker(tmp_path / "log", sees=[file]) as worker:
        worker.call(frames.Open(f"{file}:Full", task, profile.load("elue-1")), 300)
        worker.call(frames.Load(None, 0), 300)
        worker.call(frames.Configure(({},), 0), 60)
        for number, sample in enumerate(samples):
            taken = {}
            for side in ("bare", "measured") if number % 2 else ("measured", "bare"):
                start = time.perf_counter()
                if side == "bare":
                    bare.predict([sample])
                else:
                    worker.call(frames.Predict((sample,)), 60)
                taken[side] = time.perf_counter() - start
            ratios.append(taken["measured"] / taken["bare"])
    ratio = statistics.median(ratios[ROUNDS // 10 :])
    print(f"measured evaluation: {ratio:.3f}x the bare predictions")
    assert ratio <= 1.25
