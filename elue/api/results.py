"""What `elue.api` gives back: sequences that a notebook shows as tables, and pandas takes as they are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

from elue.conformance.check import Result
from elue.record.point import point_words
from elue.record.schema import Record
from elue.scores.results import BoardScores
from elue.tasks import TaskData, metrics

if TYPE_CHECKING:
    import altair
    from pandas import DataFrame

Row = TypeVar("Row")
BRIEF = ("method", "task", "split", "point", "score", "low", "high", "mflops", "complete", "flags")
"""The columns of `Results.runs` that are shown first."""


class Table(Sequence[Row], Generic[Row]):
    """Rows that were given once, in their order; `frame` has them as a DataFrame, and so they are shown."""

    def __init__(self, rows: Iterable[Row]) -> None:
        self._rows = tuple(rows)

    @overload
    def __getitem__(self, place: int) -> Row: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Row]: ...
    def __getitem__(self, place: int | slice) -> Row | Sequence[Row]:
        return self._rows[place]

    def __len__(self) -> int:
        return len(self._rows)

    def __eq__(self, other: object) -> bool:
        return list(self) == list(other) if isinstance(other, Sequence) else NotImplemented

    __hash__ = None  # type: ignore[assignment]

    @property
    def frame(self) -> DataFrame:
        """A row each, as pandas has it."""
        import pandas

        return pandas.DataFrame(self._cells())

    def __repr__(self) -> str:
        return f"{type(self).__name__} of {len(self)}\n{self._shown().to_string()}"

    def _repr_html_(self) -> str:
        return str(self._shown().to_html(border=0))

    def _shown(self) -> DataFrame:
        return self.frame

    def _cells(self) -> list[dict[str, Any]]:
        raise NotImplementedError


class Results(Table[Record]):
    """Runs of an evaluation, or of several: a sequence of records, a run each.

    `runs` and `samples` are DataFrames, `plot()` a chart of the curves. Add two to compare them: `(a + b).plot()`.
    """

    def __init__(self, records: Iterable[Record], data: Iterable[TaskData] = ()) -> None:
        super().__init__(records)
        self._data = tuple(data)

    def __add__(self, other: Results) -> Results:
        kept = {record.key: record for record in (*self, *other)}
        return Results(kept.values(), (*self._data, *other._data))

    @property
    def runs(self) -> DataFrame:
        """A row a run: what ran, its knobs, its score in percent with a 95 % interval, its FLOPs a sample, its flags.

        Each knob is a column `knob.NAME`. What a run does not have, as one that failed its score, is missing.
        """
        return self.frame

    @property
    def samples(self) -> DataFrame:
        """A row a sample and run: id, answer, error (0 if right), FLOPs; text and label where data are known."""
        import pandas

        known = {(data.spec.name, data.split, data.revision): _texts(data) for data in self._data}
        parts = []
        for record in self:
            if (samples := record.samples) is None:
                continue
            part = pandas.DataFrame(
                {
                    "method": record.method.name,
                    "seed": record.seed,
                    "point": point_words(record.point),
                    "id": samples.id,
                    "value": samples.value,
                    "error": samples.error,
                    "flops": samples.flops,
                    "params_touched": samples.params_touched,
                    "key": record.key,
                }
            )
            texts = known.get((record.task.name, record.task.split, record.task.revision), {})
            for place, column in enumerate(("text", "pair", "label")):
                part[column] = [texts[name][place] if name in texts else None for name in samples.id]
            parts.append(part)
        return pandas.concat(parts, ignore_index=True) if parts else pandas.DataFrame()

    def plot(self) -> altair.TopLevelMixin:
        """Score against MFLOPs a sample, a line for each training of a method, with 95 % intervals.

        Boards stand side by side where there are several. Runs without a score or a whole count are left out.
        """
        import altair

        frame = self.runs
        frame = frame[frame["score"].notna() & frame["complete"].astype(bool)].copy()
        pairs = zip(frame["method"], frame["seed"], strict=True)
        frame["curve"] = [f"{method} {seed}" if seed else method for method, seed in pairs]
        frame["board"] = [f"{task} {split}" for task, split in zip(frame["task"], frame["split"], strict=True)]
        titles = sorted({metrics.title(name) for name in frame["metric"]}) or ["score"]
        base = altair.Chart(frame).encode(
            x=altair.X("mflops:Q", title="MFLOPs a sample"),
            color=altair.Color("curve:N", title=None),
            tooltip=["curve:N", "point:N", "mflops:Q", "score:Q", "low:Q", "high:Q"],
        )
        title = f"{' / '.join(titles)}, %"
        score = altair.Y("score:Q", title=title, scale=altair.Scale(zero=False))
        chart = altair.layer(
            base.mark_line(opacity=0.5).encode(y=score),
            base.mark_rule(opacity=0.4).encode(y=altair.Y("low:Q", title=title), y2="high:Q"),
            base.mark_point(filled=True, size=50, opacity=1).encode(y=score),
        )
        if frame["board"].nunique() > 1:
            return chart.facet("board:N", columns=2).resolve_scale(x="independent", y="independent")
        return chart

    def _shown(self) -> DataFrame:
        frame = self.runs
        return frame[[column for column in BRIEF if column in frame]]

    def _cells(self) -> list[dict[str, Any]]:
        return [_run(record) for record in self]


class Findings(Table[Result]):
    """What the checks of a method came to; `passed` tells whether none failed."""

    @property
    def passed(self) -> bool:
        """Whether the method conforms."""
        return all(result.outcome != "fail" for result in self)

    def _cells(self) -> list[dict[str, Any]]:
        return [asdict(result) for result in self]


class Scores(Table[BoardScores]):
    """The scores of boards, one each; `curves` and `points` have them as DataFrames."""

    @property
    def curves(self) -> DataFrame:
        """A row a board and curve, see `elue.scores.results.CurveScore`."""
        return self.frame

    @property
    def points(self) -> DataFrame:
        """A row a board and run, see `elue.scores.results.PointScore`."""
        import pandas

        return pandas.DataFrame([{**_board(board), **_flat(asdict(point))} for board in self for point in board.points])

    def _cells(self) -> list[dict[str, Any]]:
        return [{**_board(board), **_flat(asdict(curve))} for board in self for curve in board.curves]


def _run(record: Record) -> dict[str, Any]:
    """A run as a row."""
    score, flops, params = record.score, record.flops, record.params
    return {
        "method": record.method.name,
        "family": record.method.family,
        "task": record.task.name,
        "split": record.task.split,
        "seed": record.seed,
        "point": point_words(record.point),
        **{f"knob.{name}": value for name, value in record.point.items()},
        "metric": record.task.metric,
        "score": score.value if score else None,
        "low": score.low if score else None,
        "high": score.high if score else None,
        "mflops": flops.mean / 1e6 if flops else None,
        "mflops_p95": flops.p95 / 1e6 if flops else None,
        "params": params.total if params else None,
        "params_touched": params.touched_mean if params else None,
        "latency": record.latency.median if record.latency else None,
        "samples": record.task.size,
        "status": record.status,
        "reason": record.reason,
        "complete": record.complete,
        "flags": ", ".join(flag.code for flag in record.flags),
        "key": record.key,
    }


def _board(board: BoardScores) -> dict[str, Any]:
    return {"task": board.task, "split": board.split, "metric": board.metric, "samples": board.samples}


def _flat(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row without nesting: parts of parts as `part.name`; what is a list is left out."""
    flat: dict[str, Any] = {}
    for name, value in row.items():
        if isinstance(value, Mapping):
            flat |= {f"{name}.{inner}": told for inner, told in _flat(value).items()}
        elif not isinstance(value, list | tuple):
            flat[name] = value
    return flat


def _texts(data: TaskData) -> dict[str, tuple[str, str | None, float]]:
    return {
        sample.id: (sample.text, sample.pair, label) for sample, label in zip(data.samples, data.labels, strict=True)
    }
