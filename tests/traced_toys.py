"""A model with exits, real torch modules and traces, written as a plugin file, and the lies it can be made to tell."""

from __future__ import annotations

from pathlib import Path

PLUGIN = '''
import torch
from elue.protocol import Explanation, Method, Prediction, Step

WIDTH, EXITS = 4, 3
MEMORY = {}


class Network(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.words = torch.nn.Embedding(32, WIDTH)
        self.layers = torch.nn.ModuleList(torch.nn.Linear(WIDTH, WIDTH) for _ in range(EXITS))
        self.exits = torch.nn.ModuleList(torch.nn.Linear(WIDTH, 2) for _ in range(EXITS))


class Model:
    def __init__(self):
        self.network = Network().eval()
        self.lie = ""
        self.calls = 0

    def configure(self, point):
        self.point = dict(point)
        self.depth = int(point.get("depth", 0))
        self.lie = str(point.get("lie", ""))

    def ids(self, sample):
        return [len(word) % 32 for word in sample.text.split()]

    def stop(self, sample):
        """The way out: fixed by the point, or the text's length where depth is 0."""
        return self.depth or 1 + len(sample.text.split()) % EXITS

    def unit(self, name, state):
        kind, _, number = name.partition(".")
        if kind == "embed":
            return self.network.words(state)
        if kind == "layer":
            return torch.relu(self.network.layers[int(number) - 1](state))
        return self.network.exits[int(number) - 1](state.mean(0)).softmax(-1)

    @torch.inference_mode()
    def run(self, sample, upto, many=False):
        """Every way out up to one, each with its trace."""
        ids = self.ids(sample)
        trace = [Step("embed", (len(ids), len(set(ids))))]
        state = self.unit("embed", torch.tensor(ids))
        ways = []
        for number in range(1, upto + 1):
            skipped = self.lie == "remembers" and number == 2 and not many
            if not skipped:
                state = self.unit(f"layer.{number}", state)
            hidden = self.lie in ("drops", "remembers") or (self.lie == "drops many" and many)
            if not (hidden and number == 2):
                trace.append(Step(f"layer.{number}", (len(ids),)))
            scores = self.unit(f"exit.{number}", state)
            trace.append(Step(f"exit.{number}", (len(ids),)))
            if self.lie == "shape" and many:
                trace[1] = Step("layer.1", (max(1, len(ids) - 1),))
            scores = tuple(float(score) for score in scores)
            value = float(scores.index(max(scores)))
            if self.lie == "value" and not many:
                value = 1.0 - value
            if self.lie == "remembers":
                value = value if many else 1.0 - value
                value = MEMORY.setdefault((sample.text, number), value)
            if self.lie == "tied":
                value, scores = float(many), (0.5, 0.5)
            ways.append(Prediction(value, scores, tuple(trace), 1000 * number))
        return ways

    def predict(self, samples):
        many = len(samples) > 1
        return [self.run(sample, self.stop(sample), many)[-1] for sample in samples]

    def rehearse(self, unit, shape):
        with torch.inference_mode():
            if unit == "embed":
                state = torch.tensor([place % shape[1] for place in range(shape[0])])
            else:
                cheap = self.lie == "cheap" and unit == "layer.2"
                state = torch.zeros(1 if cheap else shape[0], WIDTH)
            self.unit(unit, state)
'''

SWEEP = """
    def predict_sweep(self, samples, points):
        self.calls += 1
        print("sweep", len(samples), len(points), flush=True)
        answered = []
        for point in points:
            self.configure(point)
            answered.append(self.predict(samples))
        return answered
"""

LADDER = """
    def ladder(self, samples):
        print("ladder", len(samples), flush=True)
        if self.lie == "ladder":
            return [self.run(sample, EXITS)[:1] for sample in samples]
        return [self.run(sample, EXITS, many=True) for sample in samples]
"""

SURVEY = """
    def survey(self, samples, points):
        swept = self.predict_sweep(samples, points)
        self.configure(points[0])
        return swept, self.ladder(samples)
"""

EXPLAIN = """
    def explain(self, samples):
        exits = [tuple(way.scores for way in self.run(sample, self.stop(sample))) for sample in samples]
        return [Explanation(tuple(s.text.split()), exits=each) for s, each in zip(samples, exits)]
"""

METHOD = """

class Toy(Method):
    name = "traced-toy"
    family = "early_exit"
    knobs = {"depth": {"type": "int", "low": 0}, "lie": {"type": "str"}}

    def load(self, task, weights, seed):
        torch.manual_seed(seed)
        return Model()

    def points(self, task, weights):
        return [{"depth": depth} for depth in range(4)]
"""


def write(folder: Path, *parts: str, changed: dict[str, str] | None = None) -> Path:
    """The plugin with the optional members in `parts`, and pieces of its text replaced."""
    text = "".join((PLUGIN, *parts, METHOD))
    for old, new in (changed or {}).items():
        assert old in text
        text = text.replace(old, new)
    file = folder / "traced_toy.py"
    file.write_text(text, encoding="utf-8")
    return file
