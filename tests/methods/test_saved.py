"""The sweep that the kit saved is read without a worker, only where a worker would say the same."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from elue.errors import ElueError
from elue.evaluation import points
from elue.evaluation.passes import context
from elue.methods import registry, saved
from elue.record.files import canonical
from tests.running import evaluation

SWEEP = [{"rule": "entropy", "threshold": 0.5}, {"rule": "patience", "patience": 1}]
DERIVED = """
from elue.plugins.early_exit.elasticbert import ElasticBert
class Own(ElasticBert):
    name = "own"
    {}
"""


def weights(folder: Path, reference: str, **changes: object) -> Path:
    """A folder that says that a method of today's code was trained there for the diagnostic task."""
    method, folder = registry.find(reference), folder / "weights"
    task = {"name": "diagnostic", "kind": "classification", "labels": ["negative", "positive"]}
    folder.mkdir(exist_ok=True)
    note = {"method": method.name, "source_digest": method.digest(), "tasks": [task], **changes}
    (folder / "elue-train.json").write_text(json.dumps(note))
    (folder / "elue.json").write_text(json.dumps({"format": 1, "method": method.name, "points": SWEEP, **changes}))
    return folder


def test_a_saved_sweep_needs_no_worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(points, "_told", None)
    monkeypatch.setattr(context, "start", None)
    asked = evaluation(tmp_path, "elasticbert", "diagnostic", weights=weights(tmp_path, "elasticbert"), limit=4)
    assert [canonical(dict(point)) for point in points.points_of(asked)] == [canonical(point) for point in SWEEP]


@pytest.mark.parametrize("changes", [{"source_digest": "0"}, {"method": "other"}, {"format": 2}, {"points": "all"}])
def test_other_code_or_another_form_is_asked(tmp_path: Path, changes: dict[str, object]) -> None:
    assert saved.points(registry.find("elasticbert"), weights(tmp_path, "elasticbert")) == SWEEP
    assert saved.points(registry.find("elasticbert"), weights(tmp_path, "elasticbert", **changes)) is None
    assert saved.points(registry.find("elasticbert"), tmp_path) is None


@pytest.mark.parametrize(
    ("body", "read"),
    [
        ("title = 'Own'", True),
        ("def points(self, task, weights): return []", False),
        ("points = None", False),
        ("def __getattribute__(self, name): return None", False),
    ],
)
def test_a_class_that_says_its_points_itself_is_asked(tmp_path: Path, body: str, read: bool) -> None:
    file = tmp_path / "own.py"
    file.write_text(DERIVED.format(body))
    folder = weights(tmp_path, str(file))
    assert saved.points(registry.find(str(file)), folder) == (SWEEP if read else None)


def test_another_s_weights_are_refused_before_a_worker_starts(tmp_path: Path) -> None:
    folder = weights(tmp_path, "elasticbert")
    for other in ("pabee", "static", "ltp"):
        with pytest.raises(ElueError, match=f"holds weights of 'elasticbert', not of '{other}'"):
            saved.check_owner(registry.find(other), folder)
    saved.check_owner(registry.find("elasticbert"), folder)
    file = tmp_path / "own.py"
    file.write_text(DERIVED.format("def load(self, task, weights, seed): return None"))
    saved.check_owner(registry.find(str(file)), folder)
