"""`elue demo`: the campaign of all five families on the embedded task, from nothing to a page."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path

import typer

from elue.cli.campaign import make
from elue.cli.evaluate import show_runs
from elue.cli.output import note


def run_demo(
    out: Path = typer.Option(Path("demo"), help="Folder for weights, records, index and pages."),
    seed: int = typer.Option(0, help="Seed of everything."),
) -> None:
    """Train and evaluate the baselines on the embedded task and build the site. Run again, it goes on."""
    from elue.campaign import reading
    from elue.errors import ElueError
    from elue.leaderboard import build

    start = time.monotonic()
    campaign = reading.read(Path(reading.__file__).parent / "demo.toml", out)
    entries = [replace(entry, settings=replace(entry.settings, seeds=(seed,))) for entry in campaign.entries]
    campaign = replace(campaign, entries=tuple(entries))
    journal, store = make(campaign, min(2, os.cpu_count() or 1))
    index = build(store.summaries(), out / "site", store.text)
    runs = store.summaries()
    show_runs([run for entry in entries for run in runs if run.method.name == entry.method.name and run.seed == seed])
    if failed := [ended for ended in journal.endings.values() if ended.ending != "done"]:
        raise ElueError("demo_failed", f"{failed[0].kind} {failed[0].method}: {failed[0].reason}")
    note(f"done in {time.monotonic() - start:.0f} s; open {index.resolve().as_uri()}")
