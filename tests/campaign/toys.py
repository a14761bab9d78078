"""Campaigns of toys: a method without weights, one whose training is one file, and a task of a few texts."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

from elue.campaign.jobs import Job, Plan
from elue.campaign.journal import Ended
from elue.record import files as records
from elue.record.schema import Record, Times

TRAINED = """\
import json
import pathlib
import time
from elue.protocol import Method, Prediction


class Model:
    def __init__(self, answer):
        self.answer = answer

    def configure(self, point):
        self.point = dict(point)

    def predict(self, samples):
        return [Prediction(self.answer) for _ in samples]


class Toy(Method):
    name = "NAME"
    family = "static"
    title = "A toy that is trained"
    knobs = {"k": {"type": "int"}}

    def load(self, task, weights, seed):
        return Model(json.loads((weights / "elue.json").read_text())["answer"])

    def points(self, task, weights):
        return [{"k": 0}, {"k": 1}]

    def supports(self, task):
        return "it is a toy of another kind" if "NAME" == "picky" else None

    def train(self, job):
        if job.options.get("fail") == str(job.seed):
            raise RuntimeError("it was told to")
        if "needs" in job.options and not pathlib.Path(job.options["needs"]).exists():
            raise RuntimeError("it lacks what it needs")
        if "seconds" in job.options:
            time.sleep(float(job.options["seconds"]))
        else:
            with (job.out / "tries").open("a") as file:
                file.write("x")
        answer = int(job.options.get("answer", job.seed)) % 2
        note = {"answer": answer, "seed": job.seed, "options": dict(job.options)}
        (job.out / "unfinished").write_text(json.dumps(note))
        (job.out / "unfinished").rename(job.out / "elue.json")
"""


def write_trained(folder: Path, name: str = "trained") -> Path:
    """A plugin whose training writes one file; it fails with the seed in `fail`, or without the file in `needs`."""
    file = folder / f"{name}_plugin.py"
    file.write_text(TRAINED.replace("NAME", name), "utf-8")
    return file


def write_campaign(folder: Path, text: str, name: str = "board") -> Path:
    """A campaign file, with audits left out and its folder beside it."""
    file = folder / f"{name}.toml"
    head = f'out = "{name}"\nlatency = 0\nrepeat = 0\nexplain = 0\n'
    file.write_text(head + textwrap.dedent(text), "utf-8")
    return file


class Watching:
    """Remembers what a campaign told."""

    def __init__(self) -> None:
        self.plans: list[int] = []
        self.begun: list[str] = []
        self.ends: list[Ended] = []
        self.losses: list[str] = []

    def planned(self, plan: Plan) -> None:
        self.plans.append(len(plan.jobs))

    def began(self, job: Job) -> None:
        self.begun.append(job.label)

    def ended(self, job: Job, ended: Ended) -> None:
        self.ends.append(ended)

    def lost(self, job: Job) -> None:
        self.losses.append(job.label)

    def waiting(self) -> None:
        pass


def told(folder: Path) -> dict[str, Record]:
    """The records below a folder, without what differs from one measuring to the next.

    That is when, and how much memory a worker may have: its part of the machine's, by how many there are.
    """
    nothing = Times(started="", wall_seconds=0, cpu_seconds=None, peak_memory_bytes=None)
    runs = [records.read(path) for path in records.files(folder / "runs")]
    return {run.key: run.model_copy(update={"times": nothing, "environment": _conditions(run)}) for run in runs}


def _conditions(run: Record) -> dict[str, Any]:
    confined = run.environment["sandbox"]
    limits = {name: limit for name, limit in confined["limits"].items() if name != "RLIMIT_DATA"}
    return {**run.environment, "sandbox": {**confined, "limits": limits}}
