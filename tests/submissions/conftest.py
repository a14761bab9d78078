"""A small submission that is sound, made once by really measuring, and copied for each test that breaks it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from elue import tasks
from elue.evaluation import execute as evaluate
from elue.evaluation.plan import PlannedRun
from elue.evaluation.request import Evaluation
from elue.meter import profile
from elue.methods import registry
from elue.record.schema import Record
from elue.submissions.packing import Packing, pack

PLUGIN = '''\
"""Words through a matrix, `passes` times over: small, and it costs something."""

import torch

from elue.protocol import Method, Prediction


class Model:
    def __init__(self):
        self.linear = torch.nn.Linear(4, 4, bias=False).eval().requires_grad_(False)

    def configure(self, point):
        self.passes = point["passes"]

    def predict(self, samples):
        return [self.one(sample.text.lower().split()) for sample in samples]

    def one(self, words):
        hidden = torch.ones(len(words), 4)
        for _ in range(self.passes):
            hidden = self.linear(hidden)
        good = sum(word.strip(".") in ("excellent", "wonderful", "lovely", "superb", "delightful") for word in words)
        return Prediction(int(good > 0))


class Hello(Method):
    name = "hello"
    family = "static"
    title = "Hello, world"
    knobs = {"passes": {"type": "int", "low": 1}}

    def load(self, task, weights, seed):
        return Model()

    def points(self, task, weights):
        return [{"passes": 1}, {"passes": 3}]
'''

FIELDS = {
    "authors": "A. Author; B. Author",
    "licence": "MIT",
    "paper": "none",
    "code.url": "https://example.org/hello",
    "code.revision": "v1",
    "tuned_on": "nothing",
}


class Silent:
    """Progress that nobody watches."""

    def run_started(self, run: PlannedRun, samples: int) -> None: ...

    def sample_done(self, run: PlannedRun, count: int = 1) -> None: ...

    def run_ended(self, run: PlannedRun, record: Record) -> None: ...


def measure(
    plugin: Path,
    runs: Path,
    weights: Path | None = None,
    standard: str = "elue-1",
    against: Path | None = None,
    split: str = "test",
) -> list[Record]:
    """Measure a plugin on a whole split of the diagnostic task."""
    evaluation = Evaluation(
        method=registry.find(str(plugin)),
        data=tasks.load(tasks.get("diagnostic"), split, None),
        profile=profile.load(standard),
        weights=weights,
        points=(),
        seed=0,
        runs=runs,
        against=against,
    )
    return list(evaluate.execute(evaluation, evaluate.plan(evaluation), Silent()))


@pytest.fixture(scope="session")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with hello.py, its runs, and a sound submission `hello`."""
    folder = tmp_path_factory.mktemp("measured")
    plugin = folder / "hello.py"
    plugin.write_text(PLUGIN, encoding="utf-8")
    found = measure(plugin, folder / "runs")
    assert [record.status for record in found] == ["ok", "ok"]
    pack(Packing([registry.find(str(plugin))], folder / "runs", folder / "submissions" / "hello", fields=FIELDS))
    return folder


@pytest.fixture
def hello(measured: Path, tmp_path: Path) -> Path:
    """A copy of the sound submission."""
    return Path(shutil.copytree(measured / "submissions" / "hello", tmp_path / "submissions" / "hello"))
