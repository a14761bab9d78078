"""The committed baseline records: whole, consistent with themselves, and reproducible where the data is at hand."""

from __future__ import annotations

import os
from collections import defaultdict
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from elue import tasks
from elue.protocol import Sample
from elue.record import files as records
from elue.record.point import point_text
from elue.record.schema import Record
from elue.submissions.apart import validate_apart
from elue.submissions.validate import validate
from elue.tasks import metrics

SUBMISSIONS = Path(__file__).parents[2] / "submissions"
ROOT = SUBMISSIONS / "baselines"
PATHS = list(records.files(ROOT / "records"))
FAMILIES = {"static", "early_exit", "skimming", "moe", "cascade"}


@pytest.fixture(scope="module")
def committed() -> list[Record]:
    return [records.read(path) for path in PATHS]


@pytest.fixture(scope="module")
def alone(committed: list[Record]) -> list[Record]:
    """Those that were measured one sample at a time only."""
    return [record for record in committed if record.profile.name == "elue-1"]


@pytest.mark.thorough
@pytest.mark.parametrize("folder", sorted(SUBMISSIONS.glob("*/submission.toml")), ids=lambda path: path.parent.name)
def test_a_committed_submission_is_valid(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where no data is at hand; then the notes say what was not compared."""
    monkeypatch.delenv("ELUE_DATA", raising=False)
    verdict = validate(folder.parent)
    assert [str(finding) for finding in verdict.errors] == []
    assert verdict.records == len(list(records.files(folder.parent / "records"))) > 0
    assert any("no data at hand" in note for note in verdict.notes)


@pytest.mark.skipif("ELUE_DATA" not in os.environ, reason="ELUE_DATA names no folder with the tasks' data")
def test_the_baselines_are_valid_with_the_data_at_hand_in_the_memory_that_validation_gives() -> None:
    """The library that reads data reserves memory of its own; what is left has to do for the site."""
    verdict = validate_apart(ROOT, data=Path(os.environ["ELUE_DATA"]))
    assert not verdict.errors
    assert verdict.records == len(PATHS)
    assert not verdict.notes, "the data were compared"


def test_all_families_are_there(committed: list[Record]) -> None:
    for name in ("elue-1", "elue-1-batch"):
        assert {record.method.family for record in committed if record.profile.name == name} == FAMILIES
    assert {(record.task.name, record.task.split) for record in committed} == {("sst2_elue", "test")}


@pytest.mark.parametrize("path", PATHS, ids=lambda path: f"{path.parent.name}-{path.stem[:8]}")
def test_a_record_agrees_with_itself(path: Path) -> None:
    record = records.read(path)
    assert path.stem == record.key == records.identity(record).key
    assert path.read_text("utf-8") == records.dumps(record)
    assert (record.status, record.complete, record.unknown) == ("ok", True, {})
    assert record.samples is not None
    assert record.flops is not None
    assert record.params is not None
    assert len(record.samples.id) == record.task.size == len(set(record.samples.id)) == 2210
    assert record.flops.mean == pytest.approx(np.mean(record.samples.flops), rel=1e-12)
    assert record.flops.matmul_mean == pytest.approx(np.mean(record.samples.matmul_flops), rel=1e-12)
    assert record.flops.max == max(record.samples.flops)
    assert record.params.touched_mean <= record.params.total


def test_one_set_of_weights_a_method(committed: list[Record]) -> None:
    weights = defaultdict(set)
    for record in committed:
        assert record.weights is not None
        weights[record.method.name].add((record.weights.digest, record.method.source_digest))
    assert {name: len(found) for name, found in weights.items()} == dict.fromkeys(weights, 1)
    profiles = {record.profile.name: record.profile.digest for record in committed}
    assert all(record.profile.digest == profiles[record.profile.name] for record in committed)


def test_packs_answer_and_cost_what_single_samples_do(committed: list[Record], alone: list[Record]) -> None:
    """Decisions too close to call in company are made again alone: that little more is all that packs cost."""
    single = {(record.method.name, point_text(record.point)): record for record in alone}
    packed = [record for record in committed if record.batch]
    assert packed
    for record in packed:
        other = single[record.method.name, point_text(record.point)]
        assert (record.samples, record.score) == (other.samples, other.score)
        assert record.batch
        assert record.flops
        assert record.flops.mean <= record.batch.flops_mean <= 1.02 * record.flops.mean


def test_full_depth_and_the_entropy_exit_are_as_good_as_the_readme_says(alone: list[Record]) -> None:
    def best(rule: str, budget: float) -> float:
        exits = (r for r in alone if r.method.name == "elasticbert" and r.point["rule"] == rule)
        return max(r.score.value for r in exits if r.score and r.flops and r.flops.mean <= budget)

    (full,) = (r for r in alone if r.method.name == "static" and r.point == {"layers": 6})
    assert full.score is not None
    assert full.flops is not None
    assert full.score.value >= 84.0
    assert best("entropy", 0.62 * full.flops.mean) >= full.score.value - 0.5
    assert best("entropy", 0.62 * full.flops.mean) >= full.score.low


def test_static_flops_rise_by_the_same_step_with_every_layer(alone: list[Record]) -> None:
    curve = {r.point["layers"]: r.samples.flops for r in alone if r.method.name == "static" and r.samples}
    steps = np.diff([curve[k] for k in sorted(curve)], axis=0)
    assert (steps == steps[0]).all()


@pytest.mark.thorough
@pytest.mark.parametrize("folder", [ROOT, SUBMISSIONS / "2026-preview"], ids=lambda folder: folder.name)
@pytest.mark.skipif("ELUE_DATA" not in os.environ, reason="ELUE_DATA names no folder with the tasks' data")
def test_scores_are_those_of_the_labels(folder: Path) -> None:
    """The baselines' intervals are resampled, as they were when those were made: Wilson's came later."""
    loaded = cache(lambda *board: tasks.load(tasks.get(board[0]), board[1], Path(os.environ["ELUE_DATA"])))
    for path in records.files(folder / "records"):
        record = records.read(path)
        data = loaded(record.task.name, record.task.split)
        assert record.samples is not None
        assert record.score is not None
        assert record.task.revision == data.revision
        assert record.samples.id == tuple(sample.id for sample in data.samples)
        score = metrics.measure(record.task.metric, data.labels, record.samples.value, seed=0)
        assert score.value == record.score.value
        if folder != ROOT:
            assert (score.low, score.high) == (record.score.low, record.score.high)


@pytest.mark.slow
@pytest.mark.skipif("ELUE_BACKBONE" not in os.environ, reason="ELUE_BACKBONE names no folder with an encoder")
@pytest.mark.skipif("ELUE_DATA" not in os.environ, reason="ELUE_DATA names no folder with the task's data")
def test_static_flops_come_out_again_to_the_digit(alone: list[Record]) -> None:
    from elue.meter import Meter, profile
    from elue.modeling.backbone import load_backbone
    from elue.modeling.options import TrainingOptions
    from elue.plugins.static import StaticModel, networks_of
    from elue.protocol import TrainingJob

    if {record.profile.digest for record in alone} != {profile.load("elue-1").digest}:
        pytest.skip("the records were counted by an earlier table of formulas")
    data = tasks.load(tasks.get("sst2_elue"), "test", Path(os.environ["ELUE_DATA"]))
    job = TrainingJob(data.spec.info(), (), (), os.environ["ELUE_BACKBONE"], Path())
    encoder, text, _ = load_backbone(job, TrainingOptions())
    curve = {r.point["layers"]: r.samples.flops for r in alone if r.method.name == "static" and r.samples}
    model = StaticModel(networks_of(encoder.eval(), job.task, "mean", [int(k) for k in curve]), text, job.task)
    for layers, flops in curve.items():
        model.configure({"layers": layers})
        for index in range(0, len(data.samples), 13):
            sample = data.samples[index]
            with Meter() as meter:
                model.predict([Sample("x", sample.text, sample.pair)])
            assert meter.flops == flops[index]
