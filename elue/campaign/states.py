"""How a job stands when it is planned, and why."""

from __future__ import annotations

from pathlib import Path

from elue.campaign.jobs import Job, State
from elue.campaign.journal import Ended, Journal
from elue.campaign.kept import CHECKPOINTS
from elue.campaign.work import TrainWork
from elue.methods.trained import finished
from elue.record.files import path_of

AGAIN = "its weights are to be trained again"


class States:
    """What the journal, and the folders it speaks of, say of jobs. With `retry` those that failed are due.

    With a `store` so are trainings whose weights are not kept in it, though these are made already.
    """

    def __init__(self, journal: Journal, runs: Path, retry: bool, store: str | None = None) -> None:
        self._journal, self._runs, self._retry, self._store = journal, runs, retry, store
        self._keys: dict[tuple[str, str], frozenset[str]] = {}

    def of_training(self, id: str, out: Path) -> tuple[State, str]:
        """How a training stands whose folder is `out`."""
        ended = self._journal.endings.get(id)
        if ended is None:
            unfinished = (out / CHECKPOINTS).is_dir()
            return "due", "it goes on from its checkpoints" if unfinished else "not trained yet"
        if ended.ending != "done":
            return self._failed(ended)
        if not self.are_made(id, out):
            return "due", f"its weights are gone from {out}"
        if not self.are_kept(id):
            return "due", f"its weights are not kept in {self._store} yet"
        return "done", "done"

    def are_made(self, id: str, out: Path) -> bool:
        """Whether the weights of a training are made, and still in their folder."""
        return self._journal.is_done(id) and finished(out)

    def are_gone(self, id: str, out: Path) -> bool:
        """Whether the weights of a training were made, and are in their folder no more."""
        return self._journal.is_done(id) and not finished(out)

    def are_kept(self, id: str) -> bool:
        """Whether the weights of a training, which were made, are in the store, if there is one."""
        return self._store in (None, self._journal.endings[id].store)

    def of_measuring(self, id: str, task: str, method: str, training: Job | None) -> tuple[State, str]:
        """How a measuring stands, by the training whose weights it is of, whether these are still there or not."""
        ended = self._journal.endings.get(id)
        if training is not None and training.state in ("failed", "refused"):
            return training.state, f"its training: {training.why}"
        if ended is None:
            return "due", "not measured yet" if self._has_weights(training) else "waits for its weights"
        if ended.ending != "done":
            return self._failed(ended)
        if training is not None and not self._journal.is_done(training.id):
            return "due", AGAIN
        if training is not None and self._journal.endings[training.id].weights != ended.weights:
            return "due", "its weights are others now"
        lost = [run for run in ended.runs if run.key not in self._known(task, method)]
        if lost:
            return "due", f"{len(lost)} of its {len(ended.runs)} records are gone"
        if ended.failed_runs and self._retry:
            return "due", f"{len(ended.failed_runs)} of its {len(ended.runs)} runs failed (--retry-failed)"
        return "done", "done"

    def _has_weights(self, training: Job | None) -> bool:
        """Whether what is to be measured is there: a training's weights, or a method that has none."""
        if training is None or training.state == "done":
            return True
        return isinstance(training.work, TrainWork) and self.are_made(training.id, training.work.out)

    def _failed(self, ended: Ended) -> tuple[State, str]:
        if ended.ending == "refused":
            return "refused", ended.reason
        return ("due", f"it failed (--retry-failed): {ended.reason}") if self._retry else ("failed", ended.reason)

    def _known(self, task: str, method: str) -> frozenset[str]:
        if (task, method) not in self._keys:
            self._keys[task, method] = keys_of(self._runs, task, method)
        return self._keys[task, method]


def keys_of(runs: Path, task: str, method: str) -> frozenset[str]:
    """The keys of the records of a method on a task that lie below a folder."""
    folder = path_of(runs, task, method, "x").parent
    return frozenset(path.stem for path in folder.glob("*.json")) if folder.is_dir() else frozenset()
