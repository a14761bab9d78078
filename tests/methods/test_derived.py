"""A method that derives from a baseline touches one file, and is shown, trained and measured like any other."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

MINE = """
from elue.modeling.rules import entropy_rule
from elue.plugins.early_exit.elasticbert import ElasticBert


class Early(ElasticBert):
    name = "early"
    title = "ElasticBERT that leaves twice as easily"

    def rule(self, point, task):
        return entropy_rule(2 * point["threshold"])

    def sweep(self, network, training):
        return [{"rule": "entropy", "threshold": 0.3}], {}
"""


def elue(*words: str | Path, cwd: Path) -> str:
    command = [sys.executable, "-m", "elue", *map(str, words)]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_method_derived_from_a_baseline_touches_one_file(tmp_path: Path) -> None:
    (tmp_path / "early.py").write_text(MINE)
    shown = elue("show", "early.py", cwd=tmp_path)
    assert shown.startswith("early (early_exit): ElasticBERT that leaves twice as easily")
    assert "gradient_equilibrium" in shown
    small = ["--set", "epochs=0.1", "--set", "tiny_layers=2", "--max-train-samples", "64", "--out", "weights"]
    elue("train", "early.py", "--task", "diagnostic", "--backbone", "tiny", *small, cwd=tmp_path)
    measured = ["--task", "diagnostic", "--weights", "weights", "--limit", "20", "--latency", "0", "--json"]
    (run,) = json.loads(elue("evaluate", "early.py", *measured, cwd=tmp_path))
    assert (run["status"], run["method"], run["point"]) == ("ok", "early", {"rule": "entropy", "threshold": 0.3})
