"""Training from the parent's side: loads the labelled data and hands it to a child that runs the method."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from elue.disk import check_writable
from elue.errors import ElueError
from elue.methods.backbones import absolute
from elue.methods.registry import MethodSource
from elue.tasks import TaskData, TaskSpec, load


@dataclass(frozen=True, slots=True)
class TrainingRequest:
    """What the user asked for. `max_train_samples` takes a seeded random part of the train split.

    `threads` are those torch may use, None for as many as there are cores.
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


def train(training: TrainingRequest) -> None:
    """Train a method in a child process; its progress goes to the terminal.

    Raises ElueError when weights are there already, when the child reports a mistake or ends badly.
    """
    out = training.out
    if (out / "elue.json").exists() and not training.force:
        hint = "Choose another --out, or --force to train anew."
        raise ElueError("weights_exist", f"{out} already holds trained weights.", hint)
    if training.max_train_samples is not None and training.max_train_samples < 1:
        raise ElueError("bad_value", f"--max-train-samples {training.max_train_samples} is less than 1.")
    check_writable(out, "--out")
    rows = _rows(load(training.task, "train", training.data))
    if training.max_train_samples is not None and training.max_train_samples < len(rows):
        rows = random.Random(training.seed).sample(rows, training.max_train_samples)
    validation = _rows(load(training.task, "validation", training.data))
    if training.force:
        (out / "elue.json").unlink(missing_ok=True)
    job = {
        "target": training.method.address,
        "task": asdict(training.task.info()),
        "metric": training.task.metric,
        "train": rows,
        "validation": validation,
        "backbone": absolute(training.backbone),
        "out": str(out.resolve()),
        "seed": training.seed,
        "device": training.device,
        "options": dict(training.options),
    }
    with tempfile.TemporaryDirectory(prefix="elue-train-") as folder:
        file = Path(folder) / "job.json"
        file.write_text(json.dumps(job), encoding="utf-8")
        code = _run([sys.executable, "-I", "-m", "elue.worker.inside.training", str(file)], training.threads)
    if code == 2:
        raise ElueError("training_refused", "", "")
    if code == 130:
        raise KeyboardInterrupt
    if code:
        name = training.method.name
        raise ElueError("training_failed", f"Training '{name}' ended with exit code {code}; its output is above.")


def _rows(data: TaskData) -> list[tuple[str, str, str | None, float]]:
    return [(s.id, s.text, s.pair, label) for s, label in zip(data.samples, data.labels, strict=True)]


def _run(command: list[str], threads: int | None) -> int:
    environment = {**os.environ, "TOKENIZERS_PARALLELISM": "false"}
    if threads is not None:
        environment["OMP_NUM_THREADS"] = str(threads)
    with subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL) as process:
        try:
            return process.wait()
        except KeyboardInterrupt:
            process.wait()
            return 130
