"""Profiles: what they carry, what tells them apart, and that reading them needs no torch."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from elue.errors import ElueError
from elue.meter import profile
from elue.meter.table import earlier_tables, operator_table

TEXT = """
name = "mine"
[conditions]
device = "cpu"
dtype = "float32"
threads = 1
batch = 1
padding = "none"
mode = "eval"
[costs]
multiply_add = 2
pointwise = 1
reduction = 1
softmax = 5
layer_norm = 7
rms_norm = 5
batch_norm = 4
[reference]
name = "small"
layers = 2
hidden = 8
heads = 2
intermediate = 16
positions = 10
letters = 4
"""
FIRST = {
    "elue-1": "5921209378019506749b35ecff3bb0c2b8d9d41f0d770be9b5aac5ee044d1cf3",
    "elue-1-batch": "1578fe394c17e9f3faf8bdd552e0ee4804e6191d90721233b3261b5ac364def7",
    "elue-2022": "5a4fdd7983d983f03b18744baf194a0ae9b6d15c63709e0fe455a2892d6d9167",
}
"""Digests under the first operator table."""


def test_shipped_profiles_have_the_costs_of_their_standards() -> None:
    assert profile.names() == ["elue-1", "elue-1-batch", "elue-2022"]
    costs = profile.load("elue-1").costs
    assert (costs.multiply_add, costs.pointwise, costs.reduction) == (2, 1, 1)
    assert (costs.softmax, costs.layer_norm, costs.rms_norm, costs.batch_norm) == (5, 7, 4, 2)
    costs = profile.load("elue-2022").costs
    assert (costs.multiply_add, costs.softmax, costs.layer_norm) == (2, 4, 4)
    assert costs.pointwise == costs.reduction == costs.rms_norm == costs.batch_norm == 0


def test_digest_follows_content_not_title_or_layout() -> None:
    plain = profile.parse(TEXT, "a")
    assert profile.parse('title = "other"\n\n# comment' + TEXT, "b").digest == plain.digest
    assert profile.parse(TEXT.replace("softmax = 5", "softmax = 4"), "c").digest != plain.digest
    assert profile.parse(TEXT.replace("threads = 1", "threads = 2"), "d").digest != plain.digest
    assert profile.parse(TEXT.replace("mine", "yours"), "e").digest != plain.digest
    assert profile.parse(TEXT.replace("layers = 2", "layers = 3"), "f").digest != plain.digest
    assert profile.parse(TEXT.replace("threads", "tokens = 64\nthreads"), "g").digest != plain.digest
    assert len({profile.load(name).digest for name in profile.names()}) == 3
    assert len(plain.digest) == 64


def test_the_batch_profile_is_elue_1_in_packs_on_two_threads() -> None:
    single, batch = profile.load("elue-1"), profile.load("elue-1-batch")
    assert (single.conditions.threads, single.conditions.tokens) == (1, 0)
    assert (batch.conditions.threads, batch.conditions.tokens) == (2, 4096)
    assert (batch.costs, batch.reference) == (single.costs, single.reference)


def test_tokens_of_the_reference() -> None:
    reference = profile.parse(TEXT, "a").reference
    assert reference.tokens("") == 2
    assert reference.tokens("well done!") == 2 + 1 + 1 + 1
    assert reference.tokens("words it's") == 2 + 2 + 3
    assert reference.tokens("a", "b") == 3 + 2
    assert reference.tokens("a " * 50) == 10


def test_profile_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(TEXT)
    assert profile.load(path) == profile.parse(TEXT, "mine")


@pytest.mark.parametrize(
    ("text", "code", "says"),
    [
        ("name = ", "broken_profile", "not TOML"),
        ("name = 'x'", "broken_profile", "conditions"),
        (TEXT.split("[reference]")[0], "broken_profile", "reference"),
        (TEXT.replace("softmax = 5", "softmaks = 5"), "broken_profile", "softmaks"),
        (TEXT.replace("softmax = 5", "softmax = -1"), "broken_profile", "softmax = -1"),
        (TEXT.replace("softmax = 5", "softmax = 1.5"), "broken_profile", "softmax = 1.5"),
    ],
)
def test_broken_profile_says_what_is_wrong(text: str, code: str, says: str, tmp_path: Path) -> None:
    path = tmp_path / "broken.toml"
    path.write_text(text)
    with pytest.raises(ElueError, match=says) as caught:
        profile.load(path)
    assert caught.value.code == code


def test_unknown_name_gets_a_guess(tmp_path: Path) -> None:
    with pytest.raises(ElueError, match="Did you mean 'elue-1'") as caught:
        profile.load("elue-l")
    assert caught.value.code == "unknown_profile"
    with pytest.raises(ElueError) as caught:
        profile.load(tmp_path / "none.toml")
    assert caught.value.code == "unreadable_profile"


def test_loading_imports_no_torch() -> None:
    code = "import sys; from elue.meter import profile; profile.load('elue-1'); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("name", profile.names())
def test_a_profile_is_known_under_every_table_it_had(name: str) -> None:
    """By the digests that committed records carry, which no later version may forget."""
    now = profile.load(name)
    assert profile.shipped_as(name, now.digest) == now
    then = profile.shipped_as(name, FIRST[name])
    assert then is not None
    assert (then.operators, then.digest) == (1, FIRST[name])
    assert (then.costs.rms_norm, then.costs.batch_norm) == ((0, 0) if name == "elue-2022" else (5, 4))
    assert profile.shipped_as(name, "0" * 64) is None
    assert profile.shipped_as("mine", now.digest) is None


def test_every_earlier_table_is_remembered() -> None:
    now = operator_table()
    assert list(earlier_tables()) == list(range(1, now.version))
    assert len({now.digest, *(table.operators for table in earlier_tables().values())}) == now.version
