"""Token ids that are kept: the same as fresh ones, found again, mended where damaged, and never too many."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from elue.modeling import token_cache
from elue.modeling.backbone import learn_wordpiece, load_backbone
from elue.modeling.options import TrainingOptions
from elue.modeling.text import Encoded, TextEncoder
from elue.modeling.token_cache import FEWEST, remembered
from elue.protocol import Example, Sample, TaskInfo, TrainingJob

TOKENIZER = learn_wordpiece(["the red door", "a blue hill in the rain", "bread and paper"] * 2, 200)
SAMPLES = [
    Sample(str(n), f"the red door {'bread ' * (n % 40)}", "a blue hill" if n % 3 else None) for n in range(FEWEST)
]


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where token ids are kept."""
    monkeypatch.setenv(token_cache.VARIABLE, str(tmp_path / "cache"))
    return tmp_path / "cache" / "tokens"


def encoded(samples: Sequence[Sample] = SAMPLES, length: int = 30) -> tuple[list[Encoded], bool]:
    """What a text encoder makes of samples, and whether it had to do so itself."""
    own = []
    text = TextEncoder(TOKENIZER, length)
    text.remember = lambda name, asked, encode: remembered(name, asked, lambda: own.append(1) or encode())
    return text.encode_all(samples), bool(own)


def plain(samples: Sequence[Sample] = SAMPLES, length: int = 30) -> list[Encoded]:
    return [TextEncoder(TOKENIZER, length).encode(sample) for sample in samples]


def test_what_is_found_again_is_what_a_tokenizer_makes():
    assert encoded() == (plain(), True)
    assert encoded() == (plain(), False)
    empty = [Sample("a", ""), Sample("b", "\N{SNOWMAN} \N{GRINNING FACE}", ""), *SAMPLES]
    assert [encoded(empty) for _ in range(2)] == [(plain(empty), True), (plain(empty), False)]


@pytest.mark.parametrize("change", ["a text", "a pair", "its split", "order", "length", "fewer"])
def test_other_texts_and_other_tokenizers_have_files_of_their_own(change: str, place: Path):
    encoded()
    first, *rest = SAMPLES
    samples, length = {
        "a text": ([Sample("0", "the red doors"), *rest], 30),
        "a pair": ([Sample("0", first.text, "bread"), *rest], 30),
        "its split": ([first, Sample("1", "the red door bread a", "blue hill"), *rest[1:]], 30),
        "order": (SAMPLES[::-1], 30),
        "length": (SAMPLES, 12),
        "fewer": ([*SAMPLES, *SAMPLES][:-1], 30),
    }[change]
    assert encoded(samples, length) == (plain(samples, length), True)
    assert len(list(place.iterdir())) == 2


def test_ids_of_samples_make_no_difference(place: Path):
    encoded()
    assert encoded([Sample(f"other {n}", s.text, s.pair) for n, s in enumerate(SAMPLES)]) == (plain(), False)


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "foreign"])
def test_a_damaged_file_is_made_again(damage: str, place: Path):
    encoded()
    (file,) = place.iterdir()
    content = file.read_bytes()
    middle = len(content) // 2
    file.write_bytes(
        {
            "cut": content[:-40],
            "flipped": content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :],
            "empty": b"",
            "foreign": b"something else of some length, which nobody here wrote",
        }[damage]
    )
    assert encoded() == (plain(), True)
    assert file.read_bytes() == content
    assert encoded() == (plain(), False)


def test_a_folder_that_is_gone_or_cannot_be_written_to_costs_time_alone(place: Path):
    encoded()
    shutil.rmtree(place)
    assert encoded() == (plain(), True)
    shutil.rmtree(place)
    place.write_text("a file, where the folder was")
    assert [encoded() for _ in range(2)] == [(plain(), True)] * 2


def test_few_texts_are_not_worth_a_file(place: Path):
    assert encoded(SAMPLES[1:]) == (plain(SAMPLES[1:]), True)
    assert not place.exists()


def test_nothing_is_kept_where_the_variable_is_empty(monkeypatch: pytest.MonkeyPatch, place: Path):
    monkeypatch.setenv(token_cache.VARIABLE, "")
    assert encoded() == (plain(), True)
    assert not place.exists()
    monkeypatch.delenv(token_cache.VARIABLE)
    monkeypatch.setenv("XDG_CACHE_HOME", "/there")
    assert str(token_cache.folder()).endswith("elue/tokens")


def test_what_was_used_least_lately_gives_way(monkeypatch: pytest.MonkeyPatch, place: Path):
    batches = [[Sample("x", f"bread {n}"), *SAMPLES] for n in range(4)]
    for age, batch in zip((300, 200, 100), batches, strict=False):
        before = set(place.iterdir()) if place.exists() else set()
        encoded(batch)
        (file,) = set(place.iterdir()) - before
        os.utime(file, (file.stat().st_mtime - age,) * 2)
    encoded(batches[0])  # used again, so the second is the oldest now
    monkeypatch.setattr(token_cache, "MOST", 3 * file.stat().st_size + 100)
    encoded(batches[3])
    assert len(list(place.iterdir())) == 3
    assert [encoded(batch)[1] for batch in (batches[0], batches[2], batches[3])] == [False] * 3
    assert encoded(batches[1])[1]


def test_many_at_once_write_one_file(place: Path):
    with ThreadPoolExecutor(8) as pool:
        assert [list(told) for told, _ in pool.map(lambda _: encoded(), range(16))] == [plain()] * 16
    assert len(list(place.iterdir())) == 1
    assert encoded()[1] is False


def test_trainings_keep_their_tokens_and_models_do_not(tmp_path: Path, place: Path):
    task = TaskInfo("mine", "classification", ("no", "yes"), True)
    examples = [Example(sample, 0.0) for sample in SAMPLES]
    job = TrainingJob(task, examples, examples[:9], "tiny", tmp_path / "weights", 0, "cpu", {})
    text = load_backbone(job, TrainingOptions())[1]
    known = text.encode_all(SAMPLES)
    (file,) = place.iterdir()
    state = file.stat()
    assert file.stat().st_mode & 0o077 == 0
    other = load_backbone(TrainingJob(task, examples, examples[:9], "tiny", tmp_path, 1, "cpu", {}), TrainingOptions())
    assert other[1].encode_all(SAMPLES) == known
    assert file.stat().st_ino == state.st_ino
    (tmp_path / "weights").mkdir()
    text.save(tmp_path / "weights")
    assert TextEncoder.from_folder(tmp_path / "weights", text.max_length, text.pad).remember is None
