"""Options: conversion, defaults, and one clear error each."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from pathlib import Path

import pytest

from elue.errors import ElueError
from elue.modeling.options import TrainingOptions, in_force, option, parse_options
from elue.modeling.reading.network import ReaderOptions
from elue.protocol import TaskInfo, TrainingJob
from tests import small


@dataclass(frozen=True, kw_only=True)
class More(TrainingOptions):
    gates: int = option(2, "how many gates", 1)
    open: bool = option(True, "whether they are open")
    layers: tuple[int, ...] = option((), "which layers", 1)


def parse(backbone: str = "somewhere", **options) -> More:
    job = TrainingJob(TaskInfo("t", "classification", ("a", "b")), [], [], backbone, Path("out"), options=options)
    return parse_options(More, job)


def test_strings_become_what_the_field_is():
    parsed = parse(epochs="1.5", gates="3", open="false", layers="1,3", pooling="first")
    assert (parsed.epochs, parsed.gates, parsed.open, parsed.layers) == (1.5, 3, False, (1, 3))
    assert (parsed.pooling, parse(gates=4.0).gates) == ("first", 4)


def test_the_tiny_backbone_has_defaults_of_its_own_and_the_user_the_last_word():
    assert parse("tiny").learning_rate == TrainingOptions.TINY["learning_rate"] != parse().learning_rate
    assert parse("tiny", learning_rate="0.5").learning_rate == 0.5


def test_every_option_says_what_it_is():
    assert all(one.metadata["help"] for one in fields(More))


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"gates": "many"}, ["gates", "many", "int"]),
        ({"gates": "2.5"}, ["gates", "2.5"]),
        ({"gates": 2.5}, ["gates", "2.5"]),
        ({"gates": "0"}, ["gates", "0", "1 or more"]),
        ({"layers": "1,0"}, ["layers", "1 or more"]),
        ({"layers": "1,x"}, ["layers", "1,x", "comma-separated"]),
        ({"open": "perhaps"}, ["open", "perhaps"]),
        ({"learning_rate": "nan"}, ["learning_rate"]),
        ({"pooling": "max"}, ["pooling", "max", "first", "mean"]),
    ],
)
def test_a_wrong_value_is_named_with_what_is_allowed(given: dict, words: list[str]):
    with pytest.raises(ElueError) as caught:
        parse(**given)
    assert caught.value.code == "bad_option"
    assert all(word in str(caught.value) for word in words)


def test_an_unknown_option_gets_a_suggestion():
    with pytest.raises(ElueError, match=r"Unknown option 'epoch'.*'epochs'"):
        parse(epoch="3")


@pytest.mark.parametrize("name", ["tiny_hidden", "tiny_layers", "tiny_heads", "tiny_dropout", "tiny_vocabulary"])
def test_an_option_that_does_nothing_for_the_backbone_is_refused(name: str):
    assert getattr(parse("tiny", **{name: "100"}), name) == 100
    with pytest.raises(ElueError, match=f"'{name}' does nothing for the backbone 'somewhere'") as caught:
        parse(**{name: "8"})
    assert caught.value.code == "idle_option"


@pytest.mark.parametrize("name", ["pooling", "tiny_layers", "tiny_heads", "tiny_dropout"])
def test_readers_have_no_options_of_layers(name: str, tmp_path: Path):
    with pytest.raises(ElueError, match=f"Unknown option '{name}'"):
        parse_options(ReaderOptions, replace(small.job(tmp_path), options={name: "1"}))


def test_options_in_force_are_those_that_do_something():
    tiny, real = in_force(parse("tiny"), "tiny"), in_force(parse(), "somewhere")
    assert list(tiny)[: len(real)] == list(real)
    assert sorted(set(tiny) - set(real)) == sorted(name for name in tiny if name.startswith("tiny_"))
    assert tiny["learning_rate"] == TrainingOptions.TINY["learning_rate"]


def test_readers_are_trained_from_scratch_at_a_rate_for_that(tmp_path: Path) -> None:
    job = replace(small.job(tmp_path), options={})
    real = parse_options(ReaderOptions, replace(job, backbone="some/encoder"))
    assert (real.learning_rate, real.epochs, real.size) == (1e-3, 5, 256)
    tiny = parse_options(ReaderOptions, job)
    assert (tiny.learning_rate, tiny.epochs, tiny.size) == (5e-3, 8, 64)
