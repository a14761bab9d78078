"""The generated task: the same everywhere, balanced, and its labels those that its texts state."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter

import pytest

from elue import tasks
from elue.protocol import Sample
from elue.tasks.generated import diagnostic

REVISIONS = {
    "train": "042d171411ae6b8790a0a6e6e3348d0e702e67e78e23b70bd2a2a531d958c62e",
    "validation": "504b28cdef0c8745083cb8f1d8dbb12857f9d85c77f85a126129d234aad9ae9f",
    "test": "72ab9e62c59db939e9f06e6ad1f2bfca343a092f87ba6104253e8abb4ca3d6d2",
}


def everything() -> list[diagnostic.DiagnosticText]:
    return [row for split in tasks.SPLITS for row in diagnostic.generate(split)]


@pytest.mark.parametrize("split", tasks.SPLITS)
def test_texts_are_the_same_everywhere(split):
    assert tasks.load(tasks.get("diagnostic"), split).revision == REVISIONS[split]


def test_another_process_makes_the_same_texts():
    code = "from elue import tasks; print(tasks.load(tasks.get('diagnostic'), 'test').revision)"
    for seed in ("1", "2"):
        found = subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
        )
        assert found.stdout.strip() == REVISIONS["test"]


def test_sizes_are_those_of_the_task_file():
    spec = tasks.get("diagnostic")
    for split in tasks.SPLITS:
        assert len(diagnostic.generate(split)) in spec.sizes[split]
        assert len(diagnostic.generate(split)) == diagnostic.SIZES[split]


def test_no_text_occurs_twice_in_any_split():
    texts = [row.text for row in everything()]
    assert len(set(texts)) == len(texts)


@pytest.mark.parametrize("split", tasks.SPLITS)
def test_labels_are_balanced_at_every_difficulty(split):
    rows = diagnostic.generate(split)
    counts = Counter((row.difficulty, row.label) for row in rows)
    assert sum(row.label for row in rows) == len(rows) / 2
    for difficulty, share in enumerate(diagnostic.SHARES):
        both = counts[difficulty, 0] + counts[difficulty, 1]
        assert both / len(rows) == pytest.approx(share, abs=0.05)
        assert counts[difficulty, 1] / both == pytest.approx(0.5, abs=0.1)


def test_lengths_have_a_long_tail():
    lengths = sorted(len(row.text.split()) for row in everything())
    assert lengths[0] >= 8
    assert lengths[-1] <= 200
    assert 22 <= lengths[len(lengths) // 2] <= 30
    assert lengths[int(0.99 * len(lengths))] > 3 * lengths[len(lengths) // 2]


def test_difficulty_stays_beside_the_samples():
    data = tasks.load(tasks.get("diagnostic"), "test", limit=100)
    rows = diagnostic.generate("test")
    assert len(data.samples) == len(data.labels) == len(data.difficulty) == 100
    for sample, label, difficulty in zip(data.samples, data.labels, data.difficulty, strict=True):
        row = rows[int(sample.id)]
        assert sample == Sample(sample.id, row.text)
        assert (label, difficulty) == (row.label, row.difficulty)


SIDES = {
    "phone": ("light", "loud", "quick"),
    "hotel": ("light", "quick", "soft"),
    "film": ("dark", "quick", "soft"),
    "meal": ("light", "slow", "soft"),
}
TOPICAL = {"dark", "light", "loud", "quick", "slow", "soft"}
GOOD = {"excellent", "wonderful", "lovely", "superb", "delightful"}
BAD = {"awful", "terrible", "dreadful", "poor", "horrible"}


def read(text: str) -> tuple[list[tuple[int, bool]], int | None]:
    """Each judgement in a text as (polarity, negated), and how many stand before the contrast, if there is one."""
    topic = next(topic for topic in SIDES if topic in text.lower())
    found: list[tuple[int, bool]] = []
    turn = None
    for sentence in text.lower().rstrip(".").split(". "):
        if sentence.startswith("but "):
            turn = len(found)
        last = sentence.split()[-1]
        if re.search(r"\b(was|found) ", sentence) and last in TOPICAL | GOOD | BAD:
            negated = sentence.split()[-2] in {"not", "hardly"}
            spoken = last in GOOD or last in SIDES[topic]
            found.append((int(spoken != negated), negated))
    return found, turn


def test_labels_follow_from_the_texts():
    """A reader written independently of the generator, which knows English and the topics, gets every row right."""
    for row in everything():
        found, turn = read(row.text)
        assert 1 <= len(found) <= 3
        if row.difficulty == 2:
            assert turn is not None
            assert 0 < turn < len(found)
            assert {polarity for polarity, _ in found[:turn]} == {1 - row.label}
            assert {polarity for polarity, _ in found[turn:]} == {row.label}
        else:
            assert turn is None
            assert {polarity for polarity, _ in found} == {row.label}
            assert any(negated for _, negated in found) == (row.difficulty == 1)


def test_contrast_can_be_guessed_neither_by_counting_nor_by_the_marker():
    majorities = Counter()
    for row in everything():
        found, turn = read(row.text)
        if turn is not None:
            after = len(found) - turn
            majorities["right" if after > turn else "wrong" if after < turn else "tie"] += 1
    for share in majorities.values():
        assert share / majorities.total() == pytest.approx(1 / 3, abs=0.05)


def test_topical_words_tell_nothing_without_the_topic_on_average():
    for topic in range(len(diagnostic.TOPICS)):
        assert sum(sides[topic] for sides in diagnostic.POLARITY.values()) == len(diagnostic.POLARITY) / 2
    for sides in diagnostic.POLARITY.values():
        assert len(set(sides)) == 2


def test_idle_negations_are_as_frequent_in_every_class():
    plain = [row for row in everything() if row.difficulty == 0]
    idle = Counter(row.label for row in plain if " not " in row.text)
    assert idle.total() > 500
    assert idle[1] / idle.total() == pytest.approx(0.5, abs=0.05)
