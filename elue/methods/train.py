"""Training from the parent's side: loads the labelled data and hands it to a child that runs the method."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
from collections.abc import Collection, Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from elue.disk import alone_in, check_writable
from elue.errors import ElueError
from elue.methods import options, trained
from elue.methods.backbones import absolute, environment
from elue.methods.registry import MethodSource
from elue.protocol import Sample
from elue.record.bounds import check_seed
from elue.tasks import TaskData, TaskSpec, load
from elue.tasks.related import TextKey, check_apart, shares, text_key
from elue.worker.decoding import plain
from elue.worker.frames import (
    INTERRUPTED,
    NOT_SERVED,
    REFUSED,
    TRAINING_NOTE,
    TRAINING_REASON,
    Row,
    TaskRows,
    TrainingCall,
)

SPINS = "3000"
"""Turns that an OpenMP thread waits awake for the next operator. Alone a training is as fast as with OpenMP's own,
hundreds of times as many; two on the same cores, whose threads then wait for those that wait, are ten times faster."""
_LONGEST_REASON = 10_000
"""Bytes of the reason why a training ended that are told."""
_CHILD = """import runpy, signal
signal.signal(signal.SIGINT, signal.SIG_DFL)
signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
runpy.run_module("elue.worker.inside.training", run_name="__main__", alter_sys=True)
"""
"""What the child runs. Until it can say how it ended, an interrupt from the keyboard ends it without a word.

While Python itself starts, interrupts wait: they would end it with a traceback.
"""


@dataclass(frozen=True, slots=True)
class TrainingRequest:
    """What the user asked for. `max_train_samples` takes a seeded random part of the train split.

    `threads` are those torch may use, None for as many as there are cores. With a `log` what the training says goes
    there, not to the terminal. `also` are further tasks of a method that learns several. `keep` leaves its finished
    phases with the weights (see `elue.protocol.TrainingJob`), `held` are descriptors of files that the child holds,
    too, as long as it lives. Splits that have to be of some revision say so in `revisions`.
    `label` is what the user calls it, which decides nothing. A `quiet` training shows nothing but mistakes; with
    `tensorboard` it draws its losses and validation scores into that folder.
    """

    method: MethodSource
    task: TaskSpec
    data: Path | None
    backbone: str
    out: Path
    seed: int
    device: str
    options: Mapping[str, str]
    max_train_samples: int | None = None
    force: bool = False
    threads: int | None = None
    log: Path | None = None
    keep: bool = False
    held: tuple[int, ...] = ()
    revisions: Mapping[str, str] = field(default_factory=dict)
    also: tuple[TaskSpec, ...] = ()
    label: str = ""
    quiet: bool = False
    tensorboard: Path | None = None


def train(training: TrainingRequest) -> bool:
    """Train a method in a child process; its progress goes to the terminal, or the log.

    Returns False where there is nothing to do: this very job has ended in that folder before. Of several tasks none is
    trained on texts that another one is tested on: such rows are left out. Raises ElueError when other weights are
    there already or being made, when the child reports a mistake or ends badly; `unsupported` where the method does not
    serve the task.
    """
    if training.max_train_samples is not None and training.max_train_samples < 1:
        raise ElueError("bad_value", f"--max-train-samples {training.max_train_samples} is less than 1.")
    check_seed(training.seed)
    options.check_given(training.method, training.options, training.backbone)
    check_apart([task.name for task in (training.task, *training.also)])
    if training.tensorboard is not None:
        _check_tensorboard(training.tensorboard)
    new = not training.out.exists()
    check_writable(training.out, "--out")
    try:
        with alone_in(training.out, "Another training", "--out") as held:
            return _train(replace(training, held=(*training.held, held)))
    except ElueError:
        if new:
            with suppress(OSError):  # it is no longer empty
                training.out.rmdir()
        raise


def _train(training: TrainingRequest) -> bool:
    """The same, once nothing but data and the folder's content can stand in the way."""
    out = training.out
    specs = (training.task, *training.also)
    loaded = [(load(spec, "train", training.data), load(spec, "validation", training.data)) for spec in specs]
    note = _note(training, loaded)
    if trained.finished(out) and not training.force:
        _check_same(out, note)
        return False
    for data in loaded[0]:
        if data.split in training.revisions:
            check_revision(data, training.revisions[data.split])
    hub = environment(training.backbone)
    tested = tested_texts(specs, training.data) if training.also else {}
    rows = [
        _rows(training, train, validation, set().union(*(tested[name] for name in tested.keys() - {train.spec.name})))
        for train, validation in loaded
    ]
    for name in (trained.KIT_NOTE, TRAINING_NOTE):
        (out / name).unlink(missing_ok=True)
    call = TrainingCall(
        target=training.method.address,
        tasks=tuple(rows),
        backbone=absolute(training.backbone),
        out=str(out.resolve()),
        seed=training.seed,
        device=training.device,
        options=training.options,
        keep=training.keep,
        note=json.dumps(note),
        quiet=training.quiet,
        tensorboard=str(training.tensorboard.resolve()) if training.tensorboard else None,
    )
    with tempfile.TemporaryDirectory(prefix="elue-train-") as folder:
        file = Path(folder) / "job.json"
        file.write_text(json.dumps(call, default=plain, allow_nan=False), encoding="utf-8")
        command = [sys.executable, "-I", "-c", _CHILD, str(file)]
        code = _run(command, training, hub)
        said = _reason(file.with_name(TRAINING_REASON), training.log)
    if code == NOT_SERVED:
        raise ElueError("unsupported", said)
    if code == REFUSED:
        raise ElueError("training_refused", said)
    if code in (INTERRUPTED, -signal.SIGINT):
        raise KeyboardInterrupt
    if code:
        name, where = training.method.name, f"in {training.log}" if training.log else "above"
        raise ElueError("training_failed", f"Training '{name}' ended with exit code {code}; its output is {where}.")
    return True


def _check_tensorboard(folder: Path) -> None:
    """Raise ElueError where nothing can be drawn into a folder for TensorBoard."""
    if find_spec("tensorboard") is None:
        message = "--tensorboard needs the package 'tensorboard', which is not installed."
        raise ElueError("no_tensorboard", message, "pip install tensorboard, or elue[tensorboard].")
    check_writable(folder, "--tensorboard")


def _note(training: TrainingRequest, loaded: Sequence[tuple[TaskData, TaskData]]) -> dict[str, Any]:
    """A job, by its train and validation splits, task by task, as it is noted when it has ended."""
    return {
        "format": 1,
        "method": training.method.name,
        "source_digest": training.method.digest(),
        "tasks": [trained.task_note(*splits) for splits in loaded],
        "backbone": trained.backbone_note(training.backbone),
        "seed": training.seed,
        "asked_device": training.device,
        "options": dict(training.options),
        "max_train_samples": training.max_train_samples,
        **({"label": training.label} if training.label else {}),
    }


def _check_same(out: Path, asked: Mapping[str, Any]) -> None:
    """Raise ElueError `weights_exist` unless what was trained in a folder is what is asked for."""
    known = trained.read(out)
    different = ", ".join(trained.differences(known, asked)) if known else ""
    if known and not different:
        return
    said = f", of another training: {different}" if different else ", and nothing says of which training"
    hint = "Choose another --out, or --force to train anew."
    raise ElueError("weights_exist", f"{out} already holds trained weights{said}.", hint)


def tested_texts(specs: Collection[TaskSpec], data: Path | None) -> dict[str, set[TextKey]]:
    """The texts of each task's test split, by its name; a task whose test split can't be had is left out.

    Raises ElueError where it is known that another task has rows of that split.
    """
    tested = {}
    for spec in specs:
        try:
            tested[spec.name] = {text_key(sample) for sample in load(spec, "test", data).samples}
        except ElueError as error:
            if error.code not in ("missing_data", "no_source"):
                raise
            shared = shares(spec.name, [other.name for other in specs])
            if shared is not None:
                message = f"Without the test split of '{spec.name}' its texts can't be kept out of '{shared[0]}'."
                raise ElueError("no_test_texts", message, f"Give it: {error.message}") from error
    return tested


def _rows(training: TrainingRequest, train: TaskData, validation: TaskData, tested: set[TextKey]) -> TaskRows:
    """What a training is told of a task: as much of its train split as was asked for, no texts that others test on."""
    task = train.spec
    rows, judged = ([_row(*pair) for pair in _apart(data, tested)] for data in (train, validation))
    left_out = len(train.samples) + len(validation.samples) - len(rows) - len(judged)
    if not rows or not judged:
        split = "validation" if rows else "train"
        message = f"All {split} rows of '{task.name}' are test rows of another task."
        raise ElueError("leakage", message, "Leave one of them out.")
    if training.max_train_samples is not None and training.max_train_samples < len(rows):
        rows = random.Random(training.seed).sample(rows, training.max_train_samples)
    return TaskRows(task.info(), task.metric, tuple(rows), tuple(judged), left_out)


def _apart(data: TaskData, tested: set[TextKey]) -> list[tuple[Sample, float]]:
    pairs = list(zip(data.samples, data.labels, strict=True))
    if not tested:
        return pairs
    return [(sample, label) for sample, label in pairs if text_key(sample) not in tested]


def check_revision(data: TaskData, revision: str) -> None:
    """Raise ElueError `other_data` for a split that is not of this revision."""
    if data.revision != revision:
        message = f"The {data.split} split of '{data.spec.name}' is not what it was when this was planned."
        raise ElueError("other_data", message, "Plan again, and have one copy of the data for all.")


def _row(sample: Sample, label: float) -> Row:
    return sample.id, sample.text, sample.pair, label


def _run(command: list[str], training: TrainingRequest, hub: Mapping[str, str]) -> int:
    given = {"GOMP_SPINCOUNT": SPINS, **os.environ, "TOKENIZERS_PARALLELISM": "false", **hub}
    if training.threads is not None:
        given["OMP_NUM_THREADS"] = str(training.threads)
    log, held = training.log, training.held
    if log is not None:
        log.parent.mkdir(parents=True, exist_ok=True)
    with nullcontext() if log is None else log.open("wb") as output:
        heard = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])  # which the process takes over
        try:
            try:
                process = subprocess.Popen(
                    command, env=given, stdin=subprocess.DEVNULL, stdout=output, stderr=output, pass_fds=held
                )
            finally:
                signal.pthread_sigmask(signal.SIG_SETMASK, heard)
            return process.wait()
        except KeyboardInterrupt:
            process.wait()
            return INTERRUPTED


def _reason(file: Path, log: Path | None) -> str:
    """What a child left as the reason why it ended, which is put into its log, too; empty where it left none.

    The method may have written there, too: no more than a line of it is taken.
    """
    try:
        with file.open("rb") as left:
            said = " ".join(left.read(_LONGEST_REASON).decode("utf-8", "replace").split())
    except OSError:
        return ""
    if log is not None:
        with log.open("a", encoding="utf-8") as output:
            output.write(f"error: {said}\n")
    return said
