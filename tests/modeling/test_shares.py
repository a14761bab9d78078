"""Options that are shares: those of every method that has one, past what a share can be."""

from __future__ import annotations

from pathlib import Path

import pytest

from elue.errors import ElueError
from elue.methods import registry
from elue.modeling.shares import checked_shares
from elue.plugins.early_exit.palbert import PalbertOptions
from elue.plugins.early_exit.romebert import RomeBertOptions
from elue.worker.inside.plugin import load_method
from tests import small

REFUSED = [
    ("palbert", "prior", "1"),
    ("romebert", "distillation", "1.5"),
    ("distilled_exits", "taught", "1.01"),
    ("fastbert", "head_width", "7"),
    ("lat", "length_drop", "1.5"),
    ("lat", "layer_drop", "2"),
    ("tr_bert", "guided", "1.5"),
    ("dllm", "active", "1.5"),
    ("mrt5", "deleted", "1"),
    ("evomoe", "masked", "inf"),
    ("focused", "let", "1.5"),
    ("vcrnn", "share", "1.5"),
    ("leap_lstm", "skipped", "2"),
    ("skimrnn", "whole", "1.5"),
]


@pytest.mark.parametrize(("name", "option", "value"), REFUSED)
def test_more_than_a_share_is_refused_before_anything_is_trained(
    name: str, option: str, value: str, tmp_path: Path
) -> None:
    method = load_method(registry.find(name).address)
    with pytest.raises(ElueError) as caught:
        method.train(small.job(tmp_path, **{option: value}, **small.shape_of(method)))
    assert caught.value.code == "bad_option"
    assert option in caught.value.message
    assert caught.value.hint.startswith("Give ")
    assert not list(tmp_path.rglob("*.safetensors"))


def test_all_of_it_is_a_share_unless_there_is_to_be_a_rest() -> None:
    all_of_it, most = RomeBertOptions(distillation=1.0), PalbertOptions(prior=0.999)
    assert checked_shares(all_of_it, "distillation") is all_of_it
    assert checked_shares(most, "prior", below_one=True) is most
    with pytest.raises(ElueError, match="'prior' can't be nan"):
        checked_shares(PalbertOptions(prior=float("nan")), "prior")
