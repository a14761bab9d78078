"""The child process of `elue train`: reads a job file and lets the method train. Progress goes to the terminal.

Training runs the author's own code on the author's own machine, so it is not confined.
"""

from __future__ import annotations

import json
import sys
from functools import partial
from pathlib import Path
from typing import Any

from elue import disk
from elue.errors import ElueError
from elue.protocol import Example, Method, Sample, TaskExamples, TaskInfo, TrainingJob
from elue.tasks import metrics
from elue.worker.confinement.kernel import die_with_parent
from elue.worker.inside.plugin import load_method

NOT_SERVED = 3
"""The exit code where the method does not serve the task."""


def main(job_file: Path) -> None:
    """Train as the job file says. Raises ElueError for the user's mistakes."""
    document = json.loads(job_file.read_text(encoding="utf-8"))
    method = load_method(document["target"])
    first, *also = [_examples_of(told) for told in (document, *document["also"])]
    if type(method).train is Method.train:
        raise ElueError("no_training", f"Method '{method.name}' has no training.", "Give its weights to evaluate.")
    for task in (examples.task for examples in (first, *also)):
        if reason := method.supports(task):
            raise ElueError("unsupported", f"'{method.name}' does not serve '{task.name}': {reason}")
    if also and not method.multitask:
        raise ElueError("one_task", f"'{method.name}' learns one task at a time.", "Give --task once.")
    method.train(
        TrainingJob(
            task=first.task,
            train=first.train,
            validation=first.validation,
            backbone=document["backbone"],
            out=Path(document["out"]),
            seed=document["seed"],
            device=document["device"],
            options=document["options"],
            measure=first.measure,
            also=also,
            keep=document["keep"],
            left_out=first.left_out,
        )
    )


def _examples_of(told: dict[str, Any]) -> TaskExamples:
    """One task of a job."""
    task = TaskInfo(**{**told["task"], "labels": tuple(told["task"]["labels"])})
    train, validation = (_examples(told[split]) for split in ("train", "validation"))
    return TaskExamples(task, train, validation, partial(metrics.score, told["metric"]), told["left_out"])


def _examples(rows: list[list[str | float | None]]) -> list[Example]:
    return [Example(Sample(str(i), str(text), pair), label) for i, text, pair, label in rows]  # type: ignore[arg-type]


def out_of(job_file: Path) -> Path:
    """Where a job writes its weights."""
    return Path(json.loads(job_file.read_text(encoding="utf-8"))["out"])


if __name__ == "__main__":
    die_with_parent()
    job = Path(sys.argv[1])
    try:
        main(job)
    except ElueError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(NOT_SERVED if error.code == "unsupported" else 2)
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        said = disk.complaint(error, out_of(job))
        if said is None:
            raise
        print(f"\nerror: {said} Free some space, or choose another --out.", file=sys.stderr)
        sys.exit(2)
