"""`elue demo`: all five families on the embedded task, from nothing to a page."""

from __future__ import annotations

import os
import queue
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from elue.cli.evaluate import EXPLAINED, run_and_index, show_runs
from elue.cli.output import note

METHODS = ("static", "elasticbert", "ltp", "switch", "cascadebert")
"""One method a family."""


def run_demo(
    out: Path = typer.Option(Path("demo"), help="Folder for weights, records, index and pages."),
    seed: int = typer.Option(0, help="Seed of everything."),
) -> None:
    """Train and evaluate the baselines on the embedded task and build the site. Run again, it goes on."""
    from elue.leaderboard import build
    from elue.store import Store

    start = time.monotonic()
    store = Store(f"sqlite:///{out / 'elue.sqlite'}")
    summaries: list[dict[str, Any]] = []
    for number, name in enumerate(_trained(out, seed, start), 1):
        note(f"[{number}/{len(METHODS)}] {name}: measuring ({time.monotonic() - start:.0f} s so far)")
        summaries += _evaluate(name, out, seed, store, alone=number == len(METHODS))
    index = build(store.summaries(), out / "site", store.record)
    show_runs(summaries)
    note(f"done in {time.monotonic() - start:.0f} s; open {index.resolve().as_uri()}")


def _trained(out: Path, seed: int, start: float) -> Iterator[str]:
    """The methods, each as soon as it is trained; the next one trains while this one is measured."""
    done: queue.SimpleQueue[BaseException | None] = queue.SimpleQueue()

    def train_all() -> None:
        try:
            for number, name in enumerate(METHODS, 1):
                note(f"[{number}/{len(METHODS)}] {name}: training ({time.monotonic() - start:.0f} s so far)")
                _train(name, out, seed)
                done.put(None)
        except BaseException as error:
            done.put(error)

    threading.Thread(target=train_all, daemon=True).start()
    for name in METHODS:
        error = done.get()
        if error is not None:
            raise error
        yield name


def _weights(name: str, out: Path) -> Path:
    return out / "weights" / name


def _train(name: str, out: Path, seed: int) -> None:
    from elue import registry, tasks
    from elue.train import Training, train

    weights = _weights(name, out)
    if not (weights / "elue.json").exists():
        training = Training(
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


def _evaluate(name: str, out: Path, seed: int, store: Any, alone: bool) -> list[dict[str, Any]]:
    """Measure a method: on one core, or on two where nothing else goes on."""
    from elue import evaluate, profile, registry, tasks

    evaluation = evaluate.Evaluation(
        method=registry.find(name),
        data=tasks.load(tasks.get("diagnostic"), "test", None),
        profile=profile.load("elue-1"),
        weights=_weights(name, out),
        points=(),
        seed=seed,
        runs=out / "runs",
        workers=min(2, os.cpu_count() or 1) if alone else 1,
        explain=EXPLAINED,
    )
    return run_and_index(evaluation, evaluate.plan(evaluation), store, lines=not alone)
