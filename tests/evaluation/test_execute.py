"""Evaluation end to end with plugins of all manners, good and bad, in real workers."""

from __future__ import annotations

from pathlib import Path

import pytest

from elue.record import files as records
from tests.conftest import WritePlugin
from tests.evaluation.conftest import MATMUL, Evaluate


def test_a_run_keeps_every_sample_in_the_task_s_order(run: Evaluate, write_plugin: WritePlugin) -> None:
    plugin = write_plugin(
        before=MATMUL,
        predict="""
            out = []
            for s in samples:
                n = len(s.text.split())
                torch.ones(n, 3) @ W
                out.append(Prediction(int(s.text.split()[2]) % 2))
            return out
            """,
    )
    (record,) = run(plugin)
    assert record.status == "ok"
    assert record.complete
    assert record.samples is not None
    assert record.samples.id == ("0", "1", "2", "3", "4", "5")
    assert record.samples.value == (0, 1, 0, 1, 0, 1)
    tokens = [3 + i for i in range(6)]
    assert record.samples.flops == tuple(2 * n * 3 * 3 for n in tokens)
    assert record.samples.matmul_flops == record.samples.flops
    assert record.samples.params_touched == (9,) * 6
    assert record.score is not None
    assert record.score.value == 100.0
    assert record.flops is not None
    assert record.flops.mean == sum(18 * n for n in tokens) / 6
    assert record.flops.max == 18 * 8


def test_one_worker_sweeps_all_points_with_one_load(run: Evaluate, write_plugin: WritePlugin) -> None:
    plugin = write_plugin(
        before="LOADS = []",
        load="LOADS.append(1)\nreturn Model()",
        points="return [{'k': 0}, {'k': 1}, {'k': 2}]",
        predict="assert len(LOADS) == 1\nreturn [Prediction(self.point['k'] % 2) for s in samples]",
    )
    result = run(plugin)
    assert [record.point for record in result] == [{"k": 0}, {"k": 1}, {"k": 2}]
    assert [record.status for record in result] == ["ok"] * 3


def test_printing_harms_nothing_and_goes_to_the_log(run: Evaluate, write_plugin: WritePlugin, tmp_path: Path) -> None:
    predict = """
        import os, sys
        print('{"predictions": []}', flush=True)
        os.write(1, b'\\x00\\x00\\x00\\x05[1,2]'); os.write(2, b'noise')
        return [Prediction(0) for s in samples]
        """
    (record,) = run(write_plugin(predict=predict))
    assert record.status == "ok"
    assert '{"predictions": []}' in (tmp_path / "runs" / "logs" / "mine-toy.log").read_text(errors="replace")


def test_a_plugin_sees_no_labels_ids_or_environment(
    run: Evaluate, write_plugin: WritePlugin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_TOKEN", "42")
    predict = """
        import os
        s = samples[0]
        seen = {f: getattr(s, f) for f in s.__slots__}
        print(repr((seen, sorted(os.environ), os.getcwd(), os.listdir('.'), os.environ['HOME'])), flush=True)
        return [Prediction(0)]
        """
    (record,) = run(write_plugin(predict=predict))
    assert record.status == "ok"
    log = (tmp_path / "runs" / "logs" / "mine-toy.log").read_text()
    seen = [eval(line) for line in log.splitlines() if line.startswith("({'id'")]
    assert len(seen) == 6
    assert {tuple(s[0]) for s in seen} == {("id", "text", "pair")}
    assert len({s[0]["id"] for s in seen}) == 6
    assert not {s[0]["id"] for s in seen} & {str(i) for i in range(6)}
    assert [s[0]["text"].split()[2] for s in seen] != ["0", "1", "2", "3", "4", "5"]
    assert "SECRET_TOKEN" not in log
    assert all(s[3] == [] and s[2] == s[4] for s in seen)


def test_the_same_evaluation_twice_gives_the_same_record_but_for_times(
    run: Evaluate, write_plugin: WritePlugin
) -> None:
    plugin = write_plugin(before=MATMUL, predict="torch.randn(2, 3) @ W\nreturn [Prediction(int(torch.rand(1) > 0.5))]")
    (first,) = run(plugin, size=20)
    (second,) = run(plugin, size=20, rerun="all")
    assert first.times.started <= second.times.started
    assert records.dumps(first.model_copy(update={"times": second.times})) == records.dumps(second)


def test_an_operator_without_a_rule_makes_the_run_incomplete(run: Evaluate, write_plugin: WritePlugin) -> None:
    before = """
        import torch
        @torch.library.custom_op("toy::mystery", mutates_args=())
        def mystery(x: torch.Tensor) -> torch.Tensor:
            return x * 2
        """
    predict = "mystery(torch.ones(3)); return [Prediction(0) for s in samples]"
    (record,) = run(write_plugin(before=before, predict=predict))
    assert record.status == "ok"
    assert not record.complete
    assert record.unknown == {"toy.mystery.default": 6}
    assert "no rule for toy.mystery.default" in record.reason
    assert "elue.meter.register_formula(" in record.reason


def test_finished_runs_are_not_repeated(run: Evaluate, write_plugin: WritePlugin) -> None:
    plugin = write_plugin(points="return [{'k': 0}, {'k': 1}]")
    assert len(run(plugin)) == 2
    assert run(plugin) == []
    assert len(run(plugin, points=[{"k": 1}, {"k": 2}])) == 1
    assert len(run(plugin, rerun="all")) == 2


def test_points_side_by_side_give_the_same_records(run: Evaluate, write_plugin: WritePlugin) -> None:
    plugin = write_plugin(
        before=MATMUL,
        points="return [{'k': k} for k in range(4)]",
        predict=("for _ in range(self.point['k']): torch.ones(1, 3) @ W\nreturn [Prediction(0)]"),
    )
    alone = {r.key: r.samples for r in run(plugin)}
    together = {r.key: r.samples for r in run(plugin, rerun="all", workers=2)}
    assert alone == together
