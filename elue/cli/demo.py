"""`elue demo`: all five families on the embedded task, from nothing to a page."""

from __future__ import annotations

import os
import time
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
    for number, name in enumerate(METHODS, 1):
        note(f"[{number}/{len(METHODS)}] {name}: training ({time.monotonic() - start:.0f} s so far)")
        weights = _train(name, out, seed)
        note(f"[{number}/{len(METHODS)}] {name}: measuring ({time.monotonic() - start:.0f} s so far)")
        summaries += _evaluate(name, out, weights, seed, store)
    index = build(store.summaries(), out / "site", store.record)
    show_runs(summaries)
    note(f"done in {time.monotonic() - start:.0f} s; open {index.resolve().as_uri()}")


def _train(name: str, out: Path, seed: int) -> Path:
    from elue import registry, tasks
    from elue.train import Training, train

    weights = out / "weights" / name
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
        )
        train(training)
    return weights


def _evaluate(name: str, out: Path, weights: Path, seed: int, store: Any) -> list[dict[str, Any]]:
    from elue import evaluate, profile, registry, tasks

    evaluation = evaluate.Evaluation(
        method=registry.find(name),
        data=tasks.load(tasks.get("diagnostic"), "test", None),
        profile=profile.load("elue-1"),
        weights=weights,
        points=(),
        seed=seed,
        runs=out / "runs",
        workers=min(2, os.cpu_count() or 1),
        explain=EXPLAINED,
    )
    return run_and_index(evaluation, evaluate.plan(evaluation), store)
