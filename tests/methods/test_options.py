"""Training options read from source: the names, and the values refused, that the kit has where training begins."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from elue.errors import ElueError
from elue.methods import defaults, options, registry
from elue.methods.options import Option
from elue.modeling.options import options_for
from elue.worker.frames import Option as Told
from elue.worker.inside.plugin import load_method

FEW = ("static", "righttool", "switch", "skiprnn")
"""With their own and inherited options: lists, words, those that may be unset, a constant of another module."""
EVERY = [
    pytest.param(method.name, marks=() if method.name in FEW else pytest.mark.thorough)
    for method in registry.installed()
    if method.comes_with_elue
]
VALUES = ("1", 0, -1, 1.5, "nan", "inf", "true", "False", True, "mean", "1,2", "1 x", "", "lstm", "1e-3")


@pytest.mark.parametrize("name", EVERY)
def test_what_is_read_is_what_training_checks(name: str) -> None:
    method = registry.find(name)
    kind = load_method(method.address).options
    declared = options.declared(method)
    assert kind is not None
    assert declared is not None
    assert set(declared) == {field.name for field in dataclasses.fields(kind)}
    for option in declared:
        for value in VALUES:
            for backbone in ("tiny", "other"):
                told, known = None, None
                try:
                    options_for(kind, backbone, {option: str(value)})
                except ElueError as error:
                    told = error.code, error.message
                try:
                    options.check(declared, option, value, backbone)
                except ElueError as error:
                    known = error.code, error.message
                if told is None and value in ("inf", "nan") and declared[option].kind == "float":
                    told = "bad_option", f"Option '{option}' can't be {value}."  # training stumbles over it
                assert told == known


COMPUTED = {"cascadebert", "righttool", "skipbert", "static"}
"""Some of those whose defaults follow from the backbone's layers."""


@pytest.mark.parametrize("name", EVERY)
def test_defaults_that_are_read_are_those_a_worker_tells(name: str) -> None:
    source = registry.find(name)
    method = load_method(source.address)
    told = {field.name: field.metadata.get("help", "") for field in dataclasses.fields(method.options or Told)}
    values = method.defaults("tiny")
    read = defaults.read(source)
    assert (read is None) == ("settled" in dir(method) and any(_settles(kind) for kind in type(method).__mro__))
    assert read in (None, [Told.of(option, values[option], told[option]) for option in values])
    assert read is None or name not in COMPUTED


def _settles(kind: type) -> bool:
    return "settled" in vars(kind) and kind.__name__ != "TrainedMethod"


OWN = """
from dataclasses import dataclass, field
from elue.modeling.method import TrainedMethod
from elue.modeling.options import TrainingOptions, option
from elue.protocol import Method
WORDS = ("one", "two")

@dataclass(frozen=True, kw_only=True)
class Mine(TrainingOptions):
    word: str = option("one", "a word", choices=WORDS)
    free: int = 3
    listed: list = field(default_factory=list)

class Derived(TrainedMethod):
    name = "derived"
    family = "static"
    options = Mine

class Plain(Method):
    name = "plain"
    family = "static"

class Computed(Method):
    name = "computed"
    family = "static"
    options = make()
"""


def test_options_of_an_own_file_are_followed_into_the_kit(tmp_path: Path) -> None:
    file = tmp_path / "own.py"
    file.write_text(OWN)
    declared = options.declared(registry.find(f"{file}:Derived"))
    assert declared is not None
    assert declared["word"] == Option("str", choices=("one", "two"))
    assert (declared["free"], declared["listed"]) == (Option(), Option())
    assert declared["tiny_layers"] == Option("int", 1, tiny=True)
    options.check(declared, "free", "anything", "tiny")
    with pytest.raises(ElueError, match=r"Unknown option 'wrod'\. Did you mean 'word'\?"):
        options.check(declared, "wrod", "one", "tiny")
    with pytest.raises(ElueError, match="does nothing for the backbone 'minilm'"):
        options.check(declared, "tiny_layers", 2, "minilm")


@pytest.mark.parametrize("name", ["Plain", "Computed"])
def test_nothing_is_known_of_options_that_are_not_declared_or_computed(tmp_path: Path, name: str) -> None:
    (tmp_path / "own.py").write_text(OWN)
    assert options.declared(registry.find(f"{tmp_path / 'own.py'}:{name}")) is None


FREE = """
from dataclasses import dataclass, field
from elue.protocol import Method
HELP = "how often"

@dataclass
class Few:
    times: int = field(default=2, metadata={"help": HELP})
    sizes: tuple[int, ...] = (1, 2)

@dataclass
class More(Few):
    'A docstring.'
    rate: float | None = None
    times: int = 3

class Free(Method):
    name = "free"
    family = "static"
    options = More
"""


def test_defaults_of_an_own_file_are_read_without_importing_it(tmp_path: Path) -> None:
    (tmp_path / "free.py").write_text(FREE + "\nassert False\n")
    assert defaults.read(registry.find(str(tmp_path / "free.py"))) == [
        Told("times", 3, ""),
        Told("sizes", "1,2", ""),
        Told("rate", "", ""),
    ]
    (tmp_path / "free.py").write_text(OWN)
    assert defaults.read(registry.find(f"{tmp_path / 'free.py'}:Plain")) == []
    (tmp_path / "free.py").write_text(OWN.replace("listed: list = field(default_factory=list)", "tiny_heads: int = 2"))
    read = defaults.read(registry.find(f"{tmp_path / 'free.py'}:Derived"))
    assert read is not None
    assert {option.name: option.default for option in read}.items() >= {"word": "one", "tiny_heads": 2}.items()
    assert [option.name for option in read][-3:] == ["tiny_hidden", "tiny_layers", "tiny_dropout"], (
        "tiny_heads is now said to shape nothing"
    )


@pytest.mark.parametrize(
    ("written", "instead"),
    [
        ("default=2", "default=made()"),
        ("default=2", "default_factory=list"),
        ("@dataclass\nclass More", "class More"),
        ("@dataclass\nclass More", "@made\nclass More"),
        ("    times: int = 3", "    times: int"),
        ("    times: int = 3", "    times: int = 3\n    def __post_init__(self):\n        self.times = 4"),
        ("    times: int = 3", "    if HELP:\n        times: int = 3"),
        ("options = More", "options = More\n    def defaults(self, backbone):\n        return {}"),
        ("options = More", "options = made()"),
        ("class Free(Method)", "class Free(Method, metaclass=made)"),
        ("class Few:", "class Few(elsewhere.Base):"),
        ("options = More", "options = More\nMore.TINY = {}"),
        ("options = More", "options = More\nsetattr(Free, 'options', Few)"),
    ],
)
def test_defaults_that_are_computed_are_not_read(tmp_path: Path, written: str, instead: str) -> None:
    assert written in FREE
    (tmp_path / "free.py").write_text(FREE.replace(written, instead))
    assert defaults.read(registry.find(str(tmp_path / "free.py"))) is None
