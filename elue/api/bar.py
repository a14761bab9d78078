"""A bar over the samples of an evaluation, in a terminal or a notebook."""

from __future__ import annotations

from typing import Any

from elue.evaluation.plan import PlannedRun
from elue.record.point import point_words
from elue.record.schema import Record


class Bar:
    """Progress as `tqdm` draws it, a bar a run."""

    def __init__(self) -> None:
        self._bars: dict[str, Any] = {}

    def run_started(self, run: PlannedRun, samples: int) -> None:
        """A run begins."""
        from tqdm.auto import tqdm

        words = f"{run.identity.method}: {point_words(run.identity.point)}"
        self._bars[run.identity.key] = tqdm(total=samples, desc=words, unit="samples")

    def sample_done(self, run: PlannedRun, count: int = 1) -> None:
        """A sample is answered, or several."""
        self._bars[run.identity.key].update(count)

    def run_ended(self, run: PlannedRun, record: Record) -> None:
        """A run has its record."""
        self._bars.pop(run.identity.key).close()
