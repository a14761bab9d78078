"""A sound method, and members that spoil it in one respect."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch

from elue.protocol import Explanation, Method, Prediction, Sample, Step, TaskInfo

TASK = TaskInfo("colours", "classification", ("cold", "warm"))

TEXTS = ("a red door", "blue", "the rain was green and cold", "orange hills and a warm, warm evening by the sea")

SAMPLES = tuple(Sample(f"s{i}", text) for i, text in enumerate(TEXTS))


class Good:
    """Offers all there is: two layers, an exit after each, traces, a ladder, a sweep and explanations."""

    def __init__(self) -> None:
        torch.manual_seed(1)
        self.linear = torch.nn.Linear(4, 4).eval()
        self.layers = 1

    def configure(self, point: Any) -> None:
        self.layers = point["layers"]

    def predict(self, samples: Sequence[Sample]) -> Sequence[Prediction]:
        return [self.climb(sample)[self.layers - 1] for sample in samples]

    def climb(self, sample: Sample, layers: int | None = None) -> list[Prediction]:
        words = len(sample.text.split()) or 1
        hidden, rungs, trace = torch.ones(words, 4), [], []
        with torch.inference_mode():
            for layer in range(1, (layers or self.layers) + 1):
                hidden = self.linear(hidden)
                trace.append(Step(f"layer.{layer}", (words,)))
                warm = 0.9 if len(sample.text) % 2 else 0.2
                rungs.append(Prediction(int(warm > 0.5), (1 - warm, warm), tuple(trace)))
        return rungs

    def rehearse(self, unit: str, shape: tuple[int, ...]) -> None:
        with torch.inference_mode():
            self.linear(torch.ones(*shape, 4))

    def ladder(self, samples: Sequence[Sample]) -> Sequence[Sequence[Prediction]]:
        return [self.climb(sample, 2) for sample in samples]

    def predict_sweep(self, samples: Sequence[Sample], points: Sequence[Any]) -> Sequence[Sequence[Prediction]]:
        return [[self.climb(sample, 2)[point["layers"] - 1] for sample in samples] for point in points]

    def survey(self, samples: Sequence[Sample], points: Sequence[Any]) -> Any:
        return self.predict_sweep(samples, points), self.ladder(samples)

    def explain(self, samples: Sequence[Sample]) -> Sequence[Explanation]:
        return [Explanation(tuple(s.text.split()), ((0,),), ((0.5, 0.5),), {}, None) for s in samples]


class Sound(Method):
    name = "sound"
    family = "early_exit"
    knobs: ClassVar[Any] = {"layers": {"type": "int", "low": 1, "high": 2}}

    def load(self, task: TaskInfo, weights: Path | None, seed: int) -> Any:
        return Good()

    def points(self, task: TaskInfo, weights: Path | None) -> Sequence[Any]:
        return [{"layers": 1}, {"layers": 2}]


def method(model: type = Good, **members: Any) -> Method:
    """The sound method with another model, or other members."""
    made: Method = type("Changed", (Sound,), {"load": lambda self, task, weights, seed: model(), **members})()
    return made


def changed(**members: Any) -> Method:
    """The sound method with some members of its model changed; None takes one away."""
    own = {name: member for name, member in vars(Good).items() if name == "__init__" or name[:2] != "__"}
    kept = {name: member for name, member in own.items() if members.get(name, member) is not None}
    return method(type("Model", (), {**kept, **{n: m for n, m in members.items() if m is not None}}))


def predicts(one: Callable[[Any, Sample], Prediction], **members: Any) -> Method:
    """A model without traces whose answer for a sample is what `one` says."""
    optional = dict.fromkeys(("rehearse", "ladder", "predict_sweep", "survey", "explain"))
    return changed(predict=lambda self, samples: [one(self, s) for s in samples], **{**optional, **members})


CALLS: list[int] = []


def counting(self: Any, sample: Sample) -> Prediction:
    CALLS.append(1)
    return Prediction(len(CALLS) // 3 % 2)


def costlier(self: Any, sample: Sample) -> Prediction:
    CALLS.append(1)
    torch.ones(len(CALLS), 4) @ torch.ones(4, 4)
    return Prediction(0)


def remembering(self: Any, sample: Sample) -> Prediction:
    before, self.last = self.__dict__.get("last", ""), sample.text
    return Prediction(int(len(before) > len(sample.text)))


def holding_on(self: Any, sample: Sample) -> Prediction:
    """Answers all samples as the first one."""
    self.first = self.__dict__.get("first", int(len(sample.text) > 20))
    return Prediction(self.first)


def holding_on_to_company(self: Any, samples: Sequence[Sample]) -> Sequence[Prediction]:
    self.first = self.__dict__.get("first", len(samples) > 1)
    return [Prediction(int(self.first)) for _ in samples]


def recalling(self: Any, sample: Sample) -> Prediction:
    """Computes a sample once, and knows it from then on."""
    seen = self.__dict__.setdefault("seen", {})
    if sample.text not in seen:
        seen[sample.text] = int((torch.ones(2, 2) @ torch.ones(2, 2)).sum() > 0)
    return Prediction(seen[sample.text])


def by_company(self: Any, samples: Sequence[Sample]) -> Sequence[Prediction]:
    return [Prediction(len(samples) % 2) for _ in samples]


def padded(self: Any, samples: Sequence[Sample]) -> Sequence[Prediction]:
    longest = max(len(s.text) for s in samples)
    return [Prediction(0, (1 - 1e-3 * longest, 1e-3 * longest)) for _ in samples]


def sticky(self: Any, point: Any) -> None:
    self.layers = max(self.__dict__.get("layers", 1), point["layers"])


def shallow_trace(self: Any, samples: Sequence[Sample]) -> Sequence[Prediction]:
    out = []
    for sample in samples:
        rung = self.climb(sample)[-1]
        out.append(Prediction(rung.value, rung.scores, rung.trace[:1]))
    return out


def mystery(self: Any, sample: Sample) -> Prediction:
    torch.ops.elue_test_conformance.mystery(torch.ones(2))
    return Prediction(0)


@torch.library.custom_op("elue_test_conformance::mystery", mutates_args=())
def _mystery(x: torch.Tensor) -> torch.Tensor:
    return x * 2


class Training(Good):
    def __init__(self) -> None:
        super().__init__()
        self.linear.train()


def raises(text: str) -> Callable[[Any, Sample], Prediction]:
    def one(self: Any, sample: Sample) -> Prediction:
        if sample.text == text:
            raise ValueError("cannot read this")
        return Prediction(0)

    return one
