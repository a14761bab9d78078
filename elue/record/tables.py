"""The tables of the index: what a run's row holds, and the record's text beside it."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Boolean, Float, Index, Integer, String, Text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from elue.record import files as records
from elue.record.board import is_ranked, measure_of
from elue.record.schema import Record


class Base(DeclarativeBase):
    """All tables of the index."""


class RunRow(Base):
    """One run: what queries filter and sort by, and the record without its samples."""

    __tablename__ = "runs"
    __table_args__ = (Index("runs_by_board", "task", "split", "profile_digest", "method"),)

    key: Mapped[str] = mapped_column(String(64), primary_key=True)
    method: Mapped[str] = mapped_column(String(200))
    family: Mapped[str] = mapped_column(String(20))
    source_digest: Mapped[str] = mapped_column(String(200))
    weights_digest: Mapped[str | None] = mapped_column(String(200))
    seed: Mapped[int] = mapped_column(BigInteger)
    task: Mapped[str] = mapped_column(String(200))
    split: Mapped[str] = mapped_column(String(50))
    revision: Mapped[str] = mapped_column(String(200))
    sample_limit: Mapped[int | None] = mapped_column(Integer)
    point: Mapped[str] = mapped_column(Text)
    profile: Mapped[str] = mapped_column(String(200))
    profile_digest: Mapped[str] = mapped_column(String(64))
    measure: Mapped[str] = mapped_column(String(20))
    status: Mapped[str] = mapped_column(String(20))
    complete: Mapped[bool] = mapped_column(Boolean)
    ranked: Mapped[bool] = mapped_column(Boolean)
    trust: Mapped[str] = mapped_column(String(20))
    score: Mapped[float | None] = mapped_column(Float)
    score_low: Mapped[float | None] = mapped_column(Float)
    score_high: Mapped[float | None] = mapped_column(Float)
    flops_mean: Mapped[float | None] = mapped_column(Float)
    params_total: Mapped[float | None] = mapped_column(Float)
    params_touched_mean: Mapped[float | None] = mapped_column(Float)
    summary: Mapped[str] = mapped_column(Text)
    """Canonical JSON of the record without its samples."""


class TextRow(Base):
    """The text of a run's record with its samples, beside the table that queries go through."""

    __tablename__ = "records"

    key: Mapped[str] = mapped_column(String(64), primary_key=True)
    text: Mapped[str] = mapped_column(Text)


BOARD = (RunRow.task, RunRow.split, RunRow.revision, RunRow.sample_limit, RunRow.profile_digest, RunRow.measure)
"""The columns of a `BoardKey`."""


def row_of(record: Record) -> dict[str, Any]:
    """The columns of a run's row."""
    score, flops, params = record.score, record.flops, record.params
    return {
        "key": record.key,
        "method": record.method.name,
        "family": record.method.family,
        "source_digest": record.method.source_digest,
        "weights_digest": record.weights.digest if record.weights else None,
        "seed": record.seed,
        "task": record.task.name,
        "split": record.task.split,
        "revision": record.task.revision,
        "sample_limit": record.task.limit,
        "point": records.canonical(record.point),
        "profile": record.profile.name,
        "profile_digest": record.profile.digest,
        "measure": measure_of(record),
        "status": record.status,
        "complete": record.complete,
        "ranked": is_ranked(record),
        "trust": record.trust,
        "score": score.value if score else None,
        "score_low": score.low if score else None,
        "score_high": score.high if score else None,
        "flops_mean": flops.mean if flops else None,
        "params_total": params.total if params else None,
        "params_touched_mean": params.touched_mean if params else None,
        "summary": records.canonical(records.summary(record)),
    }
