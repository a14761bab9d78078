"""Every conformance check: a sound method passes or is skipped, and one that is bad in exactly that respect fails."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from elue import conformance, tasks
from elue.conformance import CHECKS, Result, Subject, compute, odd
from elue.conformance.confined import Examination, examine
from elue.errors import ElueError
from elue.meter import profile
from elue.methods import registry
from elue.protocol import Explanation, Method, Prediction, Sample, Step, TaskInfo
from tests.conftest import WritePlugin

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


def run(name: str, made: Method) -> Result:
    return conformance.run(name, Subject(made, TASK, SAMPLES))


def predicts(one: Callable[[Any, Sample], Prediction], **members: Any) -> Method:
    """A model without traces whose answer for a sample is what `one` says."""
    optional = dict.fromkeys(("rehearse", "ladder", "predict_sweep", "survey", "explain"))
    return changed(predict=lambda self, samples: [one(self, s) for s in samples], **{**optional, **members})


@pytest.mark.parametrize("name", CHECKS)
def test_a_sound_method_passes(name: str) -> None:
    result = run(name, Sound())
    assert result.outcome == "pass", result
    assert result.reason


@pytest.mark.parametrize("name", ["traces-equal-observed", "ladder", "predict-sweep", "survey", "explain"])
def test_what_is_not_offered_is_skipped(name: str) -> None:
    assert run(name, predicts(lambda self, s: Prediction(0))).outcome == "skip"


def test_one_point_has_nothing_to_change() -> None:
    lonely = method(points=lambda self, task, weights: [{"layers": 1}])
    assert run("points-change-compute", lonely).outcome == "skip"
    assert run("points-leave-nothing", lonely).outcome == "skip"


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


BAD: dict[str, tuple[str, Method, str]] = {
    "name with a slash": ("names", method(name="a/b"), "may hold only letters"),
    "no family": ("names", method(family="magic"), "not one of static"),
    "another api": ("names", method(api=7), "this version has 1"),
    "no predict": ("model", changed(predict=None), "has no predict"),
    "no points": ("points", method(points=lambda self, task, weights: []), "returned nothing"),
    "a point twice": ("points", method(points=lambda self, task, weights: [{"layers": 1}] * 2), "there twice"),
    "a knob that is a list": ("points", method(points=lambda s, t, w: [{"layers": [1]}]), "hold a number"),
    "a knob that is NaN": ("points", method(points=lambda s, t, w: [{"layers": float("nan")}]), "no record can hold"),
    "no label": ("predictions", predicts(lambda self, s: Prediction(2)), "not a label index"),
    "too few": ("predictions", changed(predict=lambda self, samples: []), "0 predictions for 4 samples"),
    "scores no probabilities": (
        "predictions",
        predicts(lambda self, s: Prediction(0, (3.0, -2.0))),
        "no probabilities",
    ),
    "scores too many": ("predictions", predicts(lambda self, s: Prediction(0, (0.5, 0.3, 0.2))), "3 scores for 2"),
    "in training mode": (
        "modules",
        method(Training),
        "training mode",
    ),
    "hidden parameters": ("modules", changed(modules=lambda self: []), "only 0 are found: add modules()"),
    "answers at random": ("deterministic", predicts(counting), "the answer is"),
    "costs at random": ("deterministic", predicts(costlier), "FLOPs"),
    "remembers the one before": ("order", predicts(remembering), "in reverse order"),
    "holds on to the first sample": ("order", predicts(holding_on), "in reverse order"),
    "knows what it has seen": ("deterministic", predicts(recalling), "costs 21 and then 0 FLOPs"),
    "holds on to its first company": ("company", changed(predict=holding_on_to_company), "in company"),
    "answers by company": ("company", changed(predict=by_company), "in company"),
    "scores by padding": ("company", changed(predict=padded), "scores move by"),
    "keeps a point": ("points-leave-nothing", changed(configure=sticky), "after a visit"),
    "answers by id": ("no-labels", predicts(lambda self, s: Prediction(int("f" in s.id))), "under other ids"),
    "looks for a label": (
        "no-labels",
        predicts(lambda self, s: Prediction(int(getattr(s, "label", 0)))),
        "looked for label",
    ),
    "an unknown operator": ("operators-priced", predicts(mystery), "no rule for elue_test_conformance.mystery"),
    "a knob without effect": (
        "points-change-compute",
        predicts(lambda self, s: Prediction(0)),
        "the knob saves nothing",
    ),
    "a trace too short": ("traces-equal-observed", changed(predict=shallow_trace), "the Meter counted"),
    "no trace at all": (
        "traces-equal-observed",
        changed(predict=lambda self, samples: [Prediction(0) for _ in samples]),
        "has no trace",
    ),
    "a sweep of its own": (
        "predict-sweep",
        changed(predict_sweep=lambda self, samples, points: [[Prediction(0)] * len(samples)] * len(points)),
        "predict_sweep at",
    ),
    "a survey without the ladder": (
        "survey",
        changed(survey=lambda self, samples, points: [self.predict_sweep(samples, points)]),
        "1 entries for 2 parts",
    ),
    "a survey of other points": (
        "survey",
        changed(survey=lambda self, samples, points: (self.predict_sweep(samples, points[::-1]), self.ladder(samples))),
        "survey at",
    ),
    "a survey of another ladder": (
        "survey",
        changed(
            survey=lambda self, samples, points: (
                self.predict_sweep(samples, points),
                [rungs[::-1] for rungs in self.ladder(samples)],
            )
        ),
        "ladder and then survey",
    ),
    "a sweep too short": ("predict-sweep", changed(predict_sweep=lambda self, samples, points: []), "for 2 points"),
    "a ladder upside down": (
        "ladder",
        changed(ladder=lambda self, samples: [self.climb(s, 2)[::-1] for s in samples]),
        "the cheapest comes first",
    ),
    "a ladder for one": ("ladder", changed(ladder=lambda self, samples: [self.climb(samples[0], 2)]), "for 4 samples"),
    "a ladder to elsewhere": (
        "ladder",
        changed(
            ladder=lambda self, samples: [
                [Prediction(1 - r.value, (), r.trace) for r in self.climb(s, 2)] for s in samples
            ]
        ),
        "another answer",
    ),
    "explains what is not there": (
        "explain",
        changed(explain=lambda self, samples: [Explanation(("a",), ((0, 5),)) for _ in samples]),
        "positions",
    ),
    "explains nothing": ("explain", changed(explain=lambda self, samples: [None] * len(samples)), "not Explanation"),
    **{
        f"fails on {name}": (f"survives-{name}", predicts(raises(text)), "cannot read this")
        for name, text in odd.ODD.items()
    },
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_method_fails(name: str) -> None:
    CALLS.clear()
    check, made, says = BAD[name]
    result = run(check, made)
    assert result.outcome == "fail", result
    assert says in result.detail


def test_every_check_can_fail() -> None:
    assert {check for check, _, _ in BAD.values()} | {"time-per-sample"} == set(CHECKS)


def test_a_slow_sample_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compute, "SAMPLE_SECONDS", 0.001)
    slow = predicts(lambda self, s: time.sleep(0.002) or Prediction(0))
    assert "an evaluation gives a sample" in run("time-per-sample", slow).detail


def test_regression_answers_may_move_a_little_and_no_more() -> None:
    score = TaskInfo("warmth", "regression", low=1.0, high=5.0)
    for by, outcome in ((1e-5, "pass"), (1e-2, "fail")):
        made = changed(
            predict=lambda self, samples, by=by: [Prediction(2.0 + by * len(samples)) for _ in samples], rehearse=None
        )
        assert conformance.run("company", Subject(made, score, SAMPLES)).outcome == outcome


def test_in_a_worker_what_dies_or_hangs_fails_and_the_rest_goes_on(write_plugin: WritePlugin) -> None:
    predict = """
        import os, signal, time
        text = samples[0].text
        if len(text) == 1: os.kill(os.getpid(), signal.SIGKILL)
        if len(text) == 10_000: time.sleep(3600)
        return [Prediction(0) for s in samples]
        """
    plugin = write_plugin(predict=predict, points="return [{'k': 1}]")
    data = tasks.load(tasks.get("diagnostic"), "validation", None, 4)
    examination = Examination(registry.find(str(plugin)), data, profile.load("elue-1"), seconds=10.0)
    results = {result.name: result for result in examine(examination)}
    assert set(results) == set(CHECKS)
    assert "SIGKILL" in results["survives-one-character"].detail
    assert "timeout" in results["survives-10000-characters"].detail
    assert results["survives-emoji"].outcome == "pass"
    failed = {name for name, result in results.items() if result.outcome == "fail"}
    assert failed == {"survives-one-character", "survives-10000-characters"}


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        ("FIRST.setdefault(0, len(s.text) % 2)", "the answer is"),
        ("FIRST[s.text] if s.text in FIRST else FIRST.setdefault(s.text, int((W @ W).sum() > 0))", "FLOPs"),
    ],
)
def test_what_a_module_keeps_is_seen_from_another_worker(write_plugin: WritePlugin, rule: str, says: str) -> None:
    """Loading the model anew does not help there: the module that keeps it stays imported."""
    plugin = write_plugin(
        before="import torch\nW = torch.ones(3, 3)\nFIRST = {}\n",
        predict=f"return [Prediction({rule}) for s in samples]",
    )
    data = tasks.load(tasks.get("diagnostic"), "validation", None, 8)
    assert len({len(sample.text) % 2 for sample in (data.samples[0], data.samples[-1])}) == 2
    results = {r.name: r for r in examine(Examination(registry.find(str(plugin)), data, profile.load("elue-1")))}
    assert results["order"].outcome == "fail"
    assert "by a model loaded anew, in reverse order" in results["order"].detail
    assert says in results["order"].detail


def elue(*words: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "elue", *map(str, words)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


def test_the_skeleton_checks_measures_and_tests_as_written(tmp_path: Path) -> None:
    done = elue("init-method", "my-method", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "my-method"
    assert sorted(path.name for path in folder.iterdir()) == ["README.md", "my_method.py", "test_my_method.py"]
    assert "skeleton" not in "".join(path.read_text() for path in folder.iterdir())
    done = elue("check", "my_method.py", "--json", cwd=folder)
    assert done.returncode == 0, done.stdout
    outcomes = {result["name"]: result["outcome"] for result in json.loads(done.stdout)}
    assert {name for name, outcome in outcomes.items() if outcome == "skip"} == {"predict-sweep", "survey", "explain"}
    done = elue("evaluate", "my_method.py", "--task", "diagnostic", "--limit", "50", "--json", cwd=folder)
    assert done.returncode == 0, done.stderr
    cheap, *_, dear = [run["flops"]["mean"] for run in json.loads(done.stdout)]
    assert cheap < dear
    words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "."]
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert "25 passed, 3 skipped" in done.stdout


@pytest.mark.parametrize(
    ("name", "says"), [("torch", "hide the package 'torch'"), ("json", "would hide"), ("---", "can't name a method")]
)
def test_a_folder_that_can_t_name_a_method(tmp_path: Path, name: str, says: str) -> None:
    from elue.methods.skeleton.writing import write_skeleton

    with pytest.raises(ElueError, match=says):
        write_skeleton(tmp_path / name)


def test_the_skeleton_overwrites_nothing(tmp_path: Path) -> None:
    from elue.methods.skeleton.writing import write_skeleton

    folder = tmp_path / "my-method"
    folder.mkdir()
    (folder / "README.md").write_text("mine")
    with pytest.raises(ElueError, match="exists already"):
        write_skeleton(folder)
    assert [path.name for path in folder.iterdir()] == ["README.md"]


def test_a_method_that_does_not_conform_ends_with_1(tmp_path: Path, write_plugin: WritePlugin) -> None:
    done = elue("check", write_plugin(predict="import random; return [Prediction(0.5)]"), cwd=tmp_path)
    assert done.returncode == 1
    assert "not a label index" in done.stdout
    assert "Traceback" not in done.stderr


def test_a_method_that_does_not_load_is_said_once(tmp_path: Path, write_plugin: WritePlugin) -> None:
    done = elue("check", write_plugin(before="raise OSError('no disk')"), "--json", cwd=tmp_path)
    assert done.returncode == 1
    first, *rest = json.loads(done.stdout)
    assert (first["name"], first["outcome"], first["detail"]) == ("loads", "fail", "OSError: no disk")
    assert {result["outcome"] for result in rest} == {"skip"}
