"""A method that derives from a baseline touches one file, and is shown, trained and measured like any other."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from elue.errors import ElueError
from elue.methods import knobs, registry
from elue.worker.inside.plugin import load_method
from tests.commanding import elue

MINE = """
from elue.modeling.rules.sureness import entropy
from elue.plugins.early_exit.elasticbert import ElasticBert


class Early(ElasticBert):
    name = "early"
    title = "ElasticBERT that leaves twice as easily"

    def rule(self, point, ladder):
        return entropy(2 * point["threshold"])

    def sweep(self, network, training):
        return [{"rule": "entropy", "threshold": 0.3}], {}
"""


BASES = {
    "static": ("from elue.plugins.static import Static", "Static"),
    "elasticbert": ("from elue.plugins.early_exit import elasticbert as e", "e.ElasticBert"),
    "ltp": ("from elue.plugins.skimming.ltp import LearnedTokenPruning as Pruning", "Pruning"),
    "skiprnn": ("import elue.plugins.skimming.skiprnn as s", "s.SkipRnn"),
    "skimrnn": ("from elue.plugins.skimming import skimrnn", "skimrnn.SkimRnn"),
    "switch": ("import elue.plugins.moe.switch", "elue.plugins.moe.switch.Switch"),
    "cascadebert": ("from elue.plugins.cascade.cascadebert import CascadeBert", "CascadeBert"),
}
"""For some baselines an import of its module, and how its class is written then; the others stand in the wide tier."""
BASELINES = [
    pytest.param(method.name, marks=() if method.name in BASES else pytest.mark.thorough)
    for method in registry.installed()
    if method.comes_with_elue
]


SPREAD = """
from elue.modeling.rules import knobs as rules
from elue.plugins.early_exit.elasticbert import ElasticBert as Exits

SOFT = {"type": "float", "help": "how much softer"}


class Mine(Exits):
    name = "mine"
    knobs = %s
    own_rules = Exits.own_rules
"""


@pytest.mark.parametrize(
    ("written", "added"),
    [
        ("Exits.knobs", []),
        ("rules.KNOBS", []),
        ("{**Exits.knobs, 'softness': SOFT}", ["softness"]),
        ("{**rules.KNOBS, **{'softness': SOFT}}", ["softness"]),
        ("{**Exits.knobs, 'threshold': SOFT}", ["threshold"]),
    ],
)
def test_knobs_may_be_those_of_a_base_and_more(written: str, added: list[str], tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(SPREAD % written)
    mine, base = registry.find(str(tmp_path / "mine.py")), registry.find("elasticbert")
    assert mine.knobs == {**base.knobs, **{knob: {"type": "float", "help": "how much softer"} for knob in added}}
    assert load_method(mine.address).knobs == mine.knobs
    assert mine.own_rules == base.own_rules


@pytest.mark.parametrize(
    "written", ["dict(Exits.knobs)", "{**Exits.knobs, 'n': made()}", "{**Exits.nothing}", "{**SOFT_, 'n': SOFT}"]
)
def test_knobs_that_are_computed_are_refused(written: str, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(SPREAD % written)
    with pytest.raises(ElueError, match="'knobs' is no dictionary of literals"):
        registry.find(str(tmp_path / "mine.py"))


def test_constants_in_a_circle_are_no_knobs(tmp_path: Path) -> None:
    circle = SPREAD.replace("SOFT = {", "ONE = {**OTHER}\nOTHER = {**ONE}\nSOFT = {") % "ONE"
    (tmp_path / "mine.py").write_text(circle)
    with pytest.raises(ElueError, match="'knobs' is no dictionary of literals"):
        registry.find(str(tmp_path / "mine.py"))


@pytest.mark.parametrize("theirs", BASELINES)
def test_every_baseline_can_be_a_base_two_levels_up(theirs: str, tmp_path: Path) -> None:
    """Declared are what the method changes alone; knobs, options, sweep and summary are the baseline's."""
    module, _, name = registry.find(theirs).target.partition(":")
    imported, written = BASES.get(theirs, (f"from {module} import {name}", name))
    between = f"class Between({written}):\n    title = 'Between'\n"
    (tmp_path / "mine.py").write_text(f"{imported}\n\n\n{between}\n\nclass Mine(Between):\n    name = 'mine'\n")
    mine, base = registry.find(str(tmp_path / "mine.py")), registry.find(theirs)
    assert (mine.name, mine.title, mine.target) == ("mine", "Between", f"{tmp_path / 'mine.py'}:Mine")
    assert (mine.family, mine.paper, mine.summary, mine.knobs) == (base.family, base.paper, base.summary, base.knobs)
    assert mine.own_rules == base.own_rules
    made, original = load_method(mine.address), load_method(base.address)
    assert isinstance(made, type(original))
    assert made.options is original.options
    with pytest.raises(ElueError, match="Unknown knob 'nothing'"):
        knobs.settled(mine.knobs, {"nothing": 1})


def well(*words: str | Path, cwd: Path) -> str:
    done = elue(*words, cwd=cwd)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.thorough
def test_a_method_derived_from_a_baseline_touches_one_file(tmp_path: Path) -> None:
    (tmp_path / "early.py").write_text(MINE)
    shown = well("show", "early.py", cwd=tmp_path)
    assert shown.startswith("early (early_exit): ElasticBERT that leaves twice as easily")
    assert "gradient_equilibrium" in shown
    small = ["--set", "epochs=0.1", "--set", "tiny_layers=2", "--max-train-samples", "64", "--out", "weights"]
    well("train", "early.py", "--task", "diagnostic", "--backbone", "tiny", *small, cwd=tmp_path)
    measured = ["--task", "diagnostic", "--weights", "weights", "--limit", "20", "--latency", "0", "--json"]
    (run,) = json.loads(well("evaluate", "early.py", *measured, cwd=tmp_path))
    assert (run["status"], run["method"], run["point"]) == ("ok", "early", {"rule": "entropy", "threshold": 0.3})
