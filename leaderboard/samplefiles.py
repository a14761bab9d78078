"""What the sample explorer and the comparison load: a file for each board, and one for each of its runs."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from elue import tasks
from elue.leaderboard.boards import Board, ShownRun, merit
from elue.leaderboard.charts.data import family_style
from elue.leaderboard.publish import File
from elue.leaderboard.text import clean, score_text
from elue.record import files as records
from elue.record.schema import Explained, Record
from elue.scores.adaptivity import spread, ways_out
from elue.tasks.kinds import KINDS


@dataclass(frozen=True, slots=True)
class Overview:
    """A sample as the explorer lists it: how many of the curves' best runs err on it, and what these cost.

    `spread` is how much the methods disagree: for classes the share of runs in the minority, for a regression the
    distance between the highest and the lowest answer. `words` is the text, where it may be shown.
    """

    id: str
    wrong: float
    spread: float
    least: int
    most: int
    words: str


MOST_COMPARED = 16
"""Of no more methods than this every two are compared."""


@dataclass(frozen=True, slots=True)
class Opened:
    """What the explorer opens on: a run and where its samples ended, and how often the best runs of every two methods
    differ, NaN of a method of one training and itself."""

    run: ShownRun
    ways: Sequence[tuple[str, int]]
    differing: Sequence[tuple[str, Sequence[float]]]


@cache
def shippable(task: str) -> bool:
    """Whether the texts of a task may stand on the pages: only those that were generated."""
    return task in tasks.names() and tasks.get(task).generated


def data_file(name: str, value: Any) -> File:
    """A script that puts a value where the page's own script finds it; pages opened from a disk cannot fetch JSON."""
    return _script(name, _written(value))


def _script(name: str, written: str) -> File:
    return f"data/{name}.js", f"(window.elueData ||= {{}})[{json.dumps(name)}] = {written};\n"


_written = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False).encode


Parts = tuple[str, str]
"""What is kept of a record until its files are written: its samples as JSON, and the record as text."""


def parts_of(record: Record, text: str) -> Parts:
    """FLOPs and error of every sample and what the model did with those it explains, and `text`, the record as a whole.

    Texts of a task that was not generated are in neither.
    """
    samples = record.samples
    assert samples is not None
    content: dict[str, Any] = {"flops": samples.flops, "error": [_short(error) for error in samples.error]}
    if record.explained and shippable(record.task.name):
        content["explained"] = {clean(sample.id): _explained(sample) for sample in record.explained}
    elif record.explained:
        text = records.dumps(record.model_copy(update={"explained": ()}))
    return _written(content), text


def run_files(run: ShownRun, parts: Parts) -> Iterator[File]:
    """A run's samples for the pages' scripts, and its record."""
    samples, record = parts
    yield _script(f"samples/{run.anchor}", samples)
    yield record_path(run), record


def record_path(run: ShownRun) -> str:
    """Where a run's whole record lies."""
    return f"data/records/{run.anchor}.json"


def _short(value: float) -> float | int:
    return int(value) if value == int(value) else round(value, 6)


def _mean(values: np.ndarray) -> float:
    """The mean of what is known; NaN of nothing."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else math.nan


def _explained(sample: Explained) -> dict[str, Any]:
    return {
        "tokens": [clean(token) for token in sample.tokens],
        "kept": sample.kept,
        "exits": [[round(score, 4) for score in scores] for scores in sample.exits],
        "experts": {clean(layer): chosen for layer, chosen in sample.experts.items()},
        "stage": sample.stage,
    }


def board_file(board: Board, seen: Overviewing, overviews: Sequence[Overview]) -> File:
    """The board's samples and its ranked runs, best first, with where they stand and where their samples ended."""
    content = {
        "ids": [clean(name) for name in seen.ids],
        "opens": opened.run.anchor if (opened := seen.opened()) else "",
        "wrong": [_short(overview.wrong) for overview in overviews],
        "spread": [_short(overview.spread) for overview in overviews],
        "numbers": KINDS[board.runs[0].record.task.kind].numbers,
        "runs": [
            {
                "run": run.anchor,
                "curve": curve.id,
                "label": clean(curve.label),
                "method": clean(curve.method),
                "family": family_style(curve.family),
                "point": clean(run.point),
                "page": run.page,
                "cost": run.cost,
                "score": run.score,
                "says": f"{score_text(run.score)} %",
                "ways": seen.ways.get(run.key, ()),
            }
            for curve in board.curves
            for run in curve.runs
        ],
    }
    return data_file(f"samples/{board.id}", content)


class Overviewing:
    """Gathers the best run of every curve as records pass by, and then makes the overviews."""

    def __init__(self, board: Board) -> None:
        self.best = {min(curve.runs, key=merit).key for curve in board.curves}
        self.ids: tuple[str, ...] = ()
        self.kind = KINDS["classification"]
        self.errors: list[np.ndarray] = []
        self.flops: list[np.ndarray] = []
        self.words: dict[str, str] = {}
        self.board = board
        self.ways: dict[str, list[tuple[str, int]]] = {}
        self.spent: dict[str, np.ndarray] = {}
        self.methods: list[str] = []

    def see(self, record: Record) -> None:
        """Take what is needed of a record; nothing else of it is kept."""
        samples = record.samples
        assert samples is not None
        self.ids = self.ids or samples.id
        self.kind = KINDS[record.task.kind]
        self.ways[record.key] = [(clean(name), count) for name, count in ways_out(samples)]
        if samples.id == self.ids:
            self.spent[record.key] = np.array(samples.flops, dtype=float)
        if record.key in self.best and samples.id == self.ids:
            self.errors.append(np.array(samples.error))
            self.methods.append(clean(record.method.name))
            self.flops.append(np.array(samples.flops))
        if shippable(record.task.name):
            self.words |= {sample.id: words(sample.tokens) for sample in record.explained}

    def opened(self) -> Opened | None:
        """What the explorer opens on: the run whose compute follows the sample most, the better one of equals."""
        runs = [run for run in self.board.runs if run.key in self.spent]
        if not runs:
            return None
        static = [run for run in runs if run.record.method.family == "static"]
        full = self.spent[max(static or runs, key=lambda run: (run.cost, run.key)).key]
        run = max(runs, key=lambda run: (round(spread(self.spent[run.key], full), 9), run.score, run.key))
        return Opened(run, self.ways[run.key], self.differing())

    def differing(self) -> list[tuple[str, list[float]]]:
        """Of every two methods how often their trainings' best runs differ: in being right, as a share of samples; of
        numbers the mean distance; of a method and itself, how its trainings differ. None of a board of many methods."""
        methods = sorted(set(self.methods))
        if not (len(self.methods) > 1 and len(methods) <= MOST_COMPARED):
            return []
        errors = np.stack(self.errors)
        apart = np.array([(abs(errors - own) if self.kind.numbers else errors != own).mean(axis=1) for own in errors])
        np.fill_diagonal(apart, np.nan)
        places = {name: np.flatnonzero(np.array(self.methods) == name) for name in methods}
        return [(name, [_mean(apart[np.ix_(places[name], places[other])]) for other in methods]) for name in methods]

    def overviews(self) -> list[Overview]:
        """One for each sample, in the task's order."""
        if not self.errors:
            return []
        errors, flops = np.stack(self.errors), np.stack(self.flops)
        wrong = self.kind.wrongness(errors).mean(axis=0)
        spread = np.ptp(errors, axis=0) if self.kind.numbers else np.minimum(wrong, 1 - wrong)
        least, most = flops.min(axis=0), flops.max(axis=0)
        return [
            Overview(name, float(w), float(s), int(low), int(high), self.words.get(name, ""))
            for name, w, s, low, high in zip(self.ids, wrong, spread, least, most, strict=True)
        ]


def words(tokens: Sequence[str]) -> str:
    """Pieces joined to words: `##` goes on with the word before, bracketed marks are left out."""
    text = ""
    for token in tokens:
        if token.startswith("##"):
            text += token[2:]
        elif not (token.startswith("[") and token.endswith("]")):
            text += f" {token}"
    return text.strip()


def listed(overviews: Sequence[Overview], most: int = 200) -> list[Overview]:
    """Those that a page lists without a script: first the ones with words, then the most disputed."""
    order = sorted(range(len(overviews)), key=lambda i: (not overviews[i].words, -overviews[i].spread, i))
    return [overviews[i] for i in order[:most]]
