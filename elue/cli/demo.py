"""`elue demo`: all five families on the embedded task, from nothing to a page."""

from __future__ import annotations

import os
import queue
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from elue.cli.evaluate import run_and_index, show_runs
from elue.cli.output import note

if TYPE_CHECKING:
    from elue.record.schema import Record
    from elue.record.store import Store

METHODS = ("static", "ltp", "elasticbert", "cascadebert", "switch")
"""One method a family, in an order that keeps two lanes busy to the end."""
LANES = 2


def run_demo(
    out: Path = typer.Option(Path("demo"), help="Folder for weights, records, index and pages."),
    seed: int = typer.Option(0, help="Seed of everything."),
) -> None:
    """Train and evaluate the baselines on the embedded task and build the site. Run again, it goes on."""
    from elue.leaderboard import build
    from elue.record.store import Store

    start = time.monotonic()
    store = Store(f"sqlite:///{out / 'elue.sqlite'}")
    records = _all_measured(out, seed, store, start)
    index = build(store.summaries(), out / "site", store.text)
    show_runs([record for name in METHODS for record in records[name]])
    note(f"done in {time.monotonic() - start:.0f} s; open {index.resolve().as_uri()}")


def _all_measured(out: Path, seed: int, store: Store, start: float) -> dict[str, list[Record]]:
    """The records of every method's runs. Each is trained and measured on one core, beside another one."""
    due: queue.SimpleQueue[tuple[int, str]] = queue.SimpleQueue()
    done: queue.SimpleQueue[tuple[str, list[Record]] | BaseException] = queue.SimpleQueue()
    for number_and_name in enumerate(METHODS, 1):
        due.put(number_and_name)

    def lane() -> None:
        try:
            while True:
                number, name = due.get_nowait()
                step = f"[{number}/{len(METHODS)}] {name}"
                note(f"{step}: training ({time.monotonic() - start:.0f} s so far)")
                _train(name, out, seed)
                note(f"{step}: measuring ({time.monotonic() - start:.0f} s so far)")
                done.put((name, _evaluate(name, out, seed, store)))
        except queue.Empty:
            pass
        except BaseException as error:
            done.put(error)

    for _ in range(min(LANES, os.cpu_count() or 1)):
        threading.Thread(target=lane, daemon=True).start()
    measured: dict[str, list[Record]] = {}
    while len(measured) < len(METHODS):
        outcome = done.get()
        if isinstance(outcome, BaseException):
            raise outcome
        measured[outcome[0]] = outcome[1]
    return measured


def _weights(name: str, out: Path) -> Path:
    return out / "weights" / name


def _train(name: str, out: Path, seed: int) -> None:
    from elue import tasks
    from elue.methods import registry
    from elue.methods.train import TrainingRequest, train

    weights = _weights(name, out)
    if not (weights / "elue.json").exists():
        training = TrainingRequest(
            method=registry.find(name),
            task=tasks.get("diagnostic"),
            data=None,
            backbone="tiny",
            out=weights,
            seed=seed,
            device="cpu",
            options={},
            threads=1,
        )
        train(training)


def _evaluate(name: str, out: Path, seed: int, store: Store) -> list[Record]:
    from elue import tasks
    from elue.evaluation import execute as evaluate
    from elue.evaluation.request import EXPLAINED, Evaluation
    from elue.meter import profile
    from elue.methods import registry

    evaluation = Evaluation(
        method=registry.find(name),
        data=tasks.load(tasks.get("diagnostic"), "test", None),
        profile=profile.load("elue-1"),
        weights=_weights(name, out),
        points=(),
        seed=seed,
        runs=out / "runs",
        explain=EXPLAINED,
    )
    return run_and_index(evaluation, evaluate.plan(evaluation), store, lines=True)
