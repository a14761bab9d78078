"""Looking at a table of unknown columns: which hold texts, which the label, and what kind of task that makes."""

from __future__ import annotations

import csv
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from elue.errors import ElueError
from elue.tasks.tables import Table

PAIRS = (
    ("sentence1", "sentence2"),
    ("premise", "hypothesis"),
    ("question", "sentence"),
    ("question1", "question2"),
    ("question", "passage"),
    ("question", "context"),
    ("question", "answer"),
    ("query", "document"),
    ("query", "passage"),
    ("text1", "text2"),
    ("text_a", "text_b"),
    ("text", "pair"),
)
"""Names of two columns that are the two texts of a sample."""
TEXTS = ("text", "sentence", "review", "content", "document", "question", "premise", "tweet", "comment", "body")
LABELS = ("label", "labels", "gold_label", "target", "class", "category", "gold", "score", "stars", "rating", "y")
MORE_LABELS = ("sentiment", "emotion", "intent", "topic", "similarity")
IDS = ("idx", "id", "index", "guid", "uid", "pair_id", "pairid")
_TEXTS = (*TEXTS, *(name for names in PAIRS for name in names))
_NAMES = {*_TEXTS, *LABELS} - {"y"}
MOST_CLASSES = 50
"""More different labels than this are numbers of a regression, or no labels."""
MOST_NUMBERS = 20
"""More different whole numbers than this are no classes."""
RARE = 0.05
"""Up to this share of them, labels of -1 say that there is none, as in SNLI. Beside other negative ones none does."""
UNEVEN = 0.65
"""Above this share of one class accuracy says little."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """What columns hold, and the task they make. `others` are columns with texts that are not used."""

    text: str
    label: str
    pair: str | None
    id: str | None
    kind: str
    labels: tuple[str, ...]
    low: float
    high: float
    metric: str
    share: float
    others: tuple[str, ...]


def lacks_header(path: Path) -> bool:
    """Whether the first line of a CSV or TSV file holds values: one is empty, a number, twice there, or a sentence.

    One that names texts or labels is a header, whatever is twice there; so is one whose first cell alone is empty,
    above numbers: pandas writes its index so.
    """
    if path.suffix not in (".csv", ".tsv"):
        return False
    with path.open(encoding="utf-8-sig", newline="", errors="replace") as file:
        tabs = path.suffix == ".tsv"
        reader = csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE) if tabs else csv.reader(file)
        first, second = next(reader, []), next(reader, [])
    names = [cell.casefold() for cell in first]
    twice = len(set(first)) < len(first) and not _NAMES & set(names)
    indexed = names[:1] == [""] and "" not in names[1:] and _number(next(iter(second), "")) is not None
    cells = first[1:] if indexed else first
    return twice or any(not cell or _number(cell) is not None or cell.count(" ") > 2 for cell in cells)


def propose(tables: Sequence[Table], text: str | None, pair: str | None, label: str | None) -> Proposal:
    """What the columns of these tables, of one task, hold; the columns that are given are taken as they are.

    Raises ElueError where none looks like a text or like a label.
    """
    columns = [name for name in tables[0] if all(name in table for table in tables)]
    values = {name: [cell for table in tables for cell in table[name]] for name in columns}
    named = {name.casefold(): name for name in reversed(columns)}
    key = next((named[name] for name in IDS if name in named and _differ(values[named[name]])), None)
    free = [name for name in columns if name != key]
    label = label or next(
        (named[name] for name in (*LABELS, *MORE_LABELS) if name in named and named[name] in free), None
    )
    texts = [name for name in free if name != label and _is_text(values[name])] or _called(named, values, label)
    label = label or next((name for name in reversed(free) if name not in texts and _classes(values[name])), None)
    if text is None:
        text, pair = _texts(texts, named, pair)
    if len(columns) == 1 and any(mark in columns[0] for mark in ";\t|"):
        said = f"There is one column, {columns[0]!r}."
        raise ElueError("unclear_columns", said, "Part columns by commas in a .csv file, by tabs in a .tsv file.")
    if text is None or label is None:
        what = "the label" if text else "texts"
        option = "--label" if text else "--text"
        raise ElueError("unclear_columns", f"No column looks like {what}: {', '.join(columns)}.", f"Name it: {option}.")
    kind, labels, low, high = _answers(values[label], label)
    counts = Counter(str(cell) for cell in values[label])
    share = max(counts.values()) / counts.total()
    metric = "pearson_spearman" if kind == "regression" else "accuracy"
    if kind == "classification" and share > UNEVEN:
        metric = "matthews" if len(labels) == 2 else "macro_f1"
    others = tuple(name for name in texts if name not in (text, pair))
    return Proposal(text, label, pair, key, kind, labels, low, high, metric, share, others)


def _called(named: dict[str, str], values: dict[str, list[Any]], label: str | None) -> list[str]:
    """The columns that are called as texts are, and hold some: single words, or mistakes among them."""
    usual = [named[name] for name in _TEXTS if name in named]
    worded = (name for name in usual if any(isinstance(cell, str) and _number(cell) is None for cell in values[name]))
    return [name for name in dict.fromkeys(worded) if name != label]


def _texts(texts: list[str], named: dict[str, str], pair: str | None) -> tuple[str | None, str | None]:
    """The column of the text and that of the second text, among those that hold texts."""
    if pair is None:
        for first, second in PAIRS:
            if named.get(first) in texts and named.get(second) in texts:
                return named[first], named[second]
    left = [name for name in texts if name != pair]
    return next((named[name] for name in TEXTS if named.get(name) in left), left[-1] if left else None), pair


def _answers(cells: Sequence[Any], column: str) -> tuple[str, tuple[str, ...], float, float]:
    """Kind, class names, least and greatest number of a column of labels."""
    given = [cell for cell in cells if not _is_blank(cell)]
    unlabelled = [cell for cell in given if _number(cell) == -1]
    below = {number for cell in given if (number := _number(cell)) is not None and number < 0}
    if below == {-1} and len(unlabelled) in (len(given), *range(int(RARE * len(given)) + 1)):
        given = [cell for cell in given if _number(cell) != -1]
    if not given:
        raise ElueError("unlabelled_split", f"The column '{column}' holds no labels.", "Name another: --label.")
    real = [number for cell in given if (number := _number(cell)) is not None]
    numbers = len(real) == len(given)
    distinct = {f"{number:g}" for number in real} if numbers else {str(cell) for cell in given}
    if len(distinct) == 1:
        said = f"The column '{column}' holds one value alone, {distinct.pop()!r:.40}: there is nothing to tell apart."
        raise ElueError("unclear_columns", said, "Name another: --label.")
    if numbers:
        whole = {int(number) for number in real if number.is_integer()}
        if all(number.is_integer() for number in real) and len(whole) <= MOST_NUMBERS:
            return "classification", tuple(str(number) for number in sorted(whole)), 0.0, 0.0
        return "regression", (), min(real), max(real)
    if len(distinct) > MOST_CLASSES:
        said = f"The column '{column}' has {len(distinct):,} different values: no classes."
        raise ElueError("unclear_columns", said, "Name another: --label.")
    return "classification", tuple(sorted(distinct)), 0.0, 0.0


def _is_blank(cell: object) -> bool:
    """Whether a cell holds nothing, as tables and pandas write it."""
    return cell is None or cell == "" or str(cell).casefold() == "nan"


def _number(cell: object) -> float | None:
    try:
        value = float(cell)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None
    return value if math.isfinite(value) else None


def _differ(cells: Sequence[Any]) -> bool:
    """Whether values can be ids; those of several splits may be the same."""
    return None not in cells and "" not in cells and len(set(map(str, cells))) > len(cells) / 4


def _classes(cells: Sequence[Any]) -> bool:
    return (
        None not in cells
        and "" not in cells
        and 2 <= len({str(cell) for cell in cells}) <= min(MOST_CLASSES, max(2, len(cells) // 2))
    )


def _is_text(cells: Sequence[Any]) -> bool:
    """Whether values are texts: mostly words with spaces between, and mostly different."""
    texts = [cell for cell in cells if isinstance(cell, str)]
    spaced = sum(" " in text.strip() for text in texts)
    return spaced > len(cells) / 2 and len(set(texts)) > len(cells) / 10
