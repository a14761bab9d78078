"""What `elue show` prints is what training has: the same defaults, and only options that training reads."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from elue.cli import app
from elue.errors import ElueError
from elue.methods import registry
from elue.methods.options import check_given
from elue.methods.skeleton import method
from elue.modeling import training
from elue.modeling.options import options_for
from elue.plugins.cascade.cascadebert import CascadeBert
from elue.plugins.early_exit.elasticbert import ElasticBert
from elue.plugins.early_exit.skipbert import SkipBert
from elue.plugins.skimming.skimrnn import SkimRnn
from elue.plugins.skimming.skiprnn import SkipRnn
from elue.plugins.static import Static
from elue.worker import frames
from elue.worker.inside.plugin import load_method
from elue.worker.inside.service import Service
from tests import small

QUICK = ("elasticbert", "skimrnn")
KINDS = ("static", "hashee", "skipbert", "ltp", "switch", "cascadebert", "committees", "skiprnn", "rnn", "jumper")
"""Of other kinds, in the wide tier; what is like one of these is slow."""
NAMES = [method.name for method in registry.installed() if method.comes_with_elue]


def marked(*kinds: tuple[tuple[str, ...], Any]) -> list[Any]:
    """All methods, each with the marks of its kind."""
    marks = {name: mark for names, mark in kinds for name in names}
    return [pytest.param(name, marks=marks.get(name, pytest.mark.slow)) for name in NAMES]


NOT_READING = {"dataclasses", "elue.modeling.options", "elue.modeling.method"}
"""Where options are copied, told and settled by name, which is no use of them."""


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small.bert(tmp_path_factory.mktemp("encoder") / "little-bert")


def watched(kind: type[Any], read: set[str]) -> type[Any]:
    """The options, noting which of them are read by code that does something with them."""

    @dataclass(frozen=True, kw_only=True)
    class Watched(kind):
        def __getattribute__(self, name: str) -> Any:
            if sys._getframe(1).f_globals["__name__"] not in NOT_READING:
                read.add(name)
            return super().__getattribute__(name)

    return Watched


def shown(method: Any, backbone: str) -> dict[str, Any]:
    """The options as `elue show` gets them from a worker."""
    target = registry.find(method.name).address
    return {option.name: option.default for option in Service({}).describe(frames.Describe(target, backbone)).options}


@pytest.mark.parametrize("name", marked((QUICK, ()), (KINDS, pytest.mark.thorough)))
@pytest.mark.parametrize("backbone", ["tiny", "bert"])
def test_what_is_shown_is_what_training_records_and_reads(
    name: str, backbone: str, bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    method: Any = type(load_method(registry.find(name).address))
    backbone = str(bert) if backbone == "bert" else backbone
    if method is SkipBert and backbone != "tiny":
        pytest.skip("of two layers none is to be looked up")
    read: set[str] = set()
    watching = type(method.__name__, (method,), {"options": watched(method.options, read)})
    job = replace(small.job(tmp_path, train=24), backbone=backbone, options={})
    counted = []
    digest = training.job_digest
    monkeypatch.setattr(training, "job_digest", lambda *given: counted.append(given) or digest(*given))
    watching().train(job)
    prints, recorded = shown(method, backbone), json.loads((tmp_path / "elue.json").read_text())["options"]
    assert recorded == plain(dict(method().defaults(backbone)))
    assert list(prints) == list(method().defaults(backbone))
    assert plain(spelled(method, backbone, prints)) == recorded
    assert read & {one.name for one in fields(method.options)} == set(prints)
    assert counted
    for _, options in counted:
        assert plain({name: getattr(options, name) for name in prints}) == recorded


def plain(options: dict[str, Any]) -> Any:
    """As JSON has them."""
    return json.loads(json.dumps(options))


def spelled(method: Any, backbone: str, prints: dict[str, Any]) -> dict[str, Any]:
    """The printed defaults, each given by `--set` as it is printed."""
    options = options_for(method.options, backbone, {name: str(value) for name, value in prints.items()})
    return {name: getattr(options, name) for name in prints}


def _spelt(default: Any) -> str:
    return ",".join(map(str, default)) if isinstance(default, tuple) else str(default)


@pytest.mark.parametrize("backbone", ["tiny", "some/bert"])
def test_an_option_that_is_none_is_refused_from_the_source_as_training_would(backbone: str) -> None:
    for source in map(registry.find, NAMES):
        known = load_method(source.address).options
        spelt = {field.name: _spelt(field.default) for field in fields(known) if field.default is not None}
        told = {field.name for field in fields(known) if backbone == "tiny" or not field.metadata.get("tiny")}
        check_given(source, {name: text for name, text in spelt.items() if name in told}, backbone)
        with pytest.raises(ElueError) as late:
            options_for(known, backbone, {"epocs": "1"})
        with pytest.raises(ElueError) as early:
            check_given(source, {"epocs": "1"}, backbone)
        assert str(early.value) == str(late.value)


OWN = """
from elue.modeling.method import TrainedMethod
class Mine(TrainedMethod):
    name = "mine"
    family = "static"
"""


def test_whoever_trains_by_a_function_of_its_own_takes_what_options_it_will(tmp_path: Path) -> None:
    skeleton = Path(str(method.__file__))
    check_given(registry.find(str(skeleton)), {"epocs": "1"}, "tiny")
    (tmp_path / "own.py").write_text(OWN + "    def train(self, job):\n        job.options['epocs']\n")
    check_given(registry.find(str(tmp_path / "own.py")), {"epocs": "1"}, "tiny")
    (tmp_path / "kit.py").write_text(OWN)
    with pytest.raises(ElueError, match="Did you mean 'epochs'"):
        check_given(registry.find(str(tmp_path / "kit.py")), {"epocs": "1"}, "tiny")


@pytest.mark.parametrize("name", marked(((*QUICK, *KINDS), ())))
def test_only_the_tiny_backbone_is_shaped_by_options(name: str, bert: Path) -> None:
    method: Any = type(load_method(registry.find(name).address))
    tiny, real = method().defaults("tiny"), method().defaults(str(bert))
    assert [name for name in tiny if name not in real] == [name for name in tiny if name.startswith("tiny_")]
    assert set(real) <= set(tiny)
    of_tiny, of_others = method.options.TINY, {one.name: one.default for one in fields(method.options)}
    for name in ("epochs", "learning_rate"):
        assert (tiny[name], real[name]) == (of_tiny[name], of_others[name])
    assert real["max_length"] == 24, "the backbone has no more positions"


def test_readers_have_no_options_of_layers(bert: Path) -> None:
    for reader in (SkimRnn, SkipRnn):
        assert not {"pooling", "tiny_layers", "tiny_heads", "tiny_dropout"} & set(reader().defaults("tiny"))


@pytest.mark.slow
@pytest.mark.parametrize("reader", ["skimrnn", "skiprnn"])
def test_readers_learn_the_embedded_task_as_they_are(reader: str, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["train", reader, "--task", "diagnostic", "--out", str(tmp_path / "weights")])
    assert result.exit_code == 0, result.output
    noted = json.loads((tmp_path / "weights" / "elue.json").read_text())["validation"]["threshold"]["0.5"]
    assert noted["score"] > 80
    assert noted["read"] < 75


def test_defaults_that_follow_from_the_backbone_are_told(bert: Path) -> None:
    assert Static().defaults("tiny")["depths"] == (1, 2, 3, 4)
    assert Static().defaults(str(bert))["depths"] == (1, 2)
    assert CascadeBert().defaults(str(bert))["shallow_layers"] == 1
    assert ElasticBert().defaults(str(bert))["head_learning_rate"] == 1e-3
    tiny = ElasticBert().defaults("tiny")
    assert tiny["head_learning_rate"] == tiny["learning_rate"]
