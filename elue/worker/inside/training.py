"""The child process of `elue train`: reads a job file and lets the method train. Progress goes to the terminal.

Training runs the author's own code on the author's own machine, so it is not confined.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from contextlib import closing
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import NoReturn

from elue import disk
from elue.errors import ElueError
from elue.protocol import Example, Method, Sample, TaskExamples, TrainingJob
from elue.tasks import metrics
from elue.worker.confinement.kernel import die_with_parent
from elue.worker.decoding import decode
from elue.worker.frames import INTERRUPTED, NOT_SERVED, REFUSED, TRAINING_NOTE, TRAINING_REASON, TaskRows, TrainingCall
from elue.worker.inside.device import settled
from elue.worker.inside.plugin import load_method
from elue.worker.inside.reporting import Reporter


def main(call: TrainingCall) -> None:
    """Train as the call says. Raises ElueError for the user's mistakes."""
    if call.quiet:
        os.environ["TRANSFORMERS_VERBOSITY"] = "error"  # read when transformers is imported, which a method does
    device = settled(call.device)
    method = load_method(call.target)
    first, *also = map(_examples_of, call.tasks)
    if type(method).train is Method.train:
        raise ElueError("no_training", f"Method '{method.name}' has no training.", "Give its weights to evaluate.")
    for task in (examples.task for examples in (first, *also)):
        if reason := method.supports(task):
            raise ElueError("unsupported", f"'{method.name}' does not serve '{task.name}': {reason}")
    if also and not method.multitask:
        raise ElueError("one_task", f"'{method.name}' learns one task at a time.", "Give --task once.")
    with closing(Reporter(call)) as reporter:
        method.train(
            TrainingJob(
                task=first.task,
                train=first.train,
                validation=first.validation,
                backbone=call.backbone,
                out=Path(call.out),
                seed=call.seed,
                device=device,
                options=call.options,
                measure=first.measure,
                also=also,
                keep=call.keep,
                left_out=first.left_out,
                report=reporter,
                quiet=call.quiet,
            )
        )
    _write_note(call, device)


def _write_note(call: TrainingCall, device: str) -> None:
    """Leave with the weights what is known of their training, in one piece."""
    versions = {name: version(name) for name in ("elue", "torch", "transformers")}
    note = {**json.loads(call.note), "device": device, "versions": versions}
    file = Path(call.out) / TRAINING_NOTE
    part = file.with_name(f".{file.name}.part")
    part.write_text(json.dumps(note, indent=1, sort_keys=True) + "\n", "utf-8")
    part.replace(file)


def _examples_of(told: TaskRows) -> TaskExamples:
    """One task of a training."""
    train, validation = (
        [Example(Sample(id, text, pair), label) for id, text, pair, label in rows]
        for rows in (told.train, told.validation)
    )
    measure = partial(metrics.score, told.metric) if told.metric in metrics.METRICS else None  # else the user's own
    return TaskExamples(told.task, train, validation, measure, told.left_out)


def _end(said: str, code: int) -> NoReturn:
    """Leave the reason beside the job, for the parent to tell, and end; where that can't be written, say it here."""
    try:
        Path(sys.argv[1]).with_name(TRAINING_REASON).write_text(said, encoding="utf-8", errors="replace")
    except OSError:
        print(f"\nerror: {said}", file=sys.stderr)
    sys.exit(code)


if __name__ == "__main__":
    die_with_parent()
    call = decode(TrainingCall, json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        main(call)
    except ElueError as error:
        _end(str(error), NOT_SERVED if error.code == "unsupported" else REFUSED)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except Exception as error:
        said = disk.complaint(error, Path(call.out))
        if said is None:
            raise
        print(file=sys.stderr)  # below the bar
        _end(f"{said} Free some space, or choose another --out.", REFUSED)
