"""The checks in confined workers: one that dies or hangs fails alone, and what a module keeps is seen from another."""

from __future__ import annotations

import pytest

from elue import tasks
from elue.conformance import CHECKS
from elue.conformance.confined import Examination, examine
from elue.meter import profile
from elue.methods import registry
from tests.conftest import WritePlugin


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
    examination = Examination(registry.find(str(plugin)), data, profile.load("elue-1"), seconds=5.0)
    results = {result.name: result for result in examine(examination)}
    assert set(results) == {"source", "beside-torch", *CHECKS}
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
