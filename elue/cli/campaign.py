"""`elue campaign`: make a board from one file, here or on a cluster."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperGroup

from elue.cli.campaign_output import counted, note_others, show_plan, show_status
from elue.cli.output import ALLOW_UNCONFINED, note
from elue.cli.site import pages_of
from elue.errors import ElueError

if TYPE_CHECKING:
    from elue.campaign.journal import Journal
    from elue.campaign.request import Campaign
    from elue.record.store import Store


class _Group(TyperGroup):
    """`elue campaign FILE` is `elue campaign run FILE`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        first = next((word for word in args if not word.startswith("-")), None)
        if first is not None and first not in self.commands:
            args = ["run", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    help="Make a board from one file: `elue campaign FILE.toml`, `elue campaign status FILE.toml`.",
    cls=_Group,
    no_args_is_help=True,
)

FILE = typer.Argument(help="The campaign, a TOML file.")
OUT = typer.Option(None, help="Folder for weights, records, index and site, instead of the file's.")
DATA = typer.Option(None, help="Folder with TASK/SPLIT.parquet (csv, tsv, jsonl), instead of the file's.")
ONLY = typer.Option([], help="Only this method or task, or those of a pattern such as early_exit/*; repeat.")
GPU = typer.Option(
    None, min=1, metavar="N", help="Train on the GPU, N trainings side by side, with --scheduler N in all."
)
JSON = typer.Option(False, "--json", help="Print JSON instead of a table.")


@app.callback()
def group() -> None:
    """Make a board from one file."""


@app.command("run")
def run_campaign(
    file: Path = FILE,
    out: Path | None = OUT,
    data: Path | None = DATA,
    only: list[str] = ONLY,
    retry_failed: bool = typer.Option(False, "--retry-failed", help="Do again what has failed."),
    scheduler: str | None = typer.Option(None, metavar="ADDRESS", help="Run on the workers of this Dask scheduler."),
    gpu: int | None = GPU,
    workers: int | None = typer.Option(
        None, min=1, help="Jobs side by side, as far as memory goes. Default: one a core."
    ),
    allow_unconfined: bool = ALLOW_UNCONFINED,
    dry_run: bool = typer.Option(False, "--dry-run", help="Say what is due and why, and how long it may take."),
    as_json: bool = JSON,
) -> None:
    """Train, measure, record and index all that a campaign names. Run again, it goes on where it was.

    Leaves with 0 where all is done that methods serve, 1 where something is not, 2 where it can't go on.
    """
    from elue.campaign.journal import Journal
    from elue.campaign.planning import Planner
    from elue.worker.confinement.sandbox import Limits

    campaign = _campaign(file, out, data, gpu)
    count = min(workers or max(os.cpu_count() or 1, gpu or 1), Limits().fitting)
    if dry_run:
        journal = Journal(campaign.places.journal)
        plan = Planner(campaign, journal, only, retry_failed).begin()
        show_plan(plan, count, as_json)
        note_others(plan, journal)
        return
    if gpu and not scheduler:
        _check_gpu()
    journal, store = make(campaign, count, only, retry_failed, scheduler, gpu)
    plan = Planner(campaign, journal, only).begin()
    failures = show_status(plan, journal, as_json)
    if plan.due:
        note(f"{counted(len(plan.due), 'job')} to do yet: what they are made from has changed meanwhile")
    if campaign.places.site is not None:
        _, page = pages_of(store, campaign.places.site, [campaign.edition] if campaign.edition else [])
        note(f"the site is {page}")
    if failures or plan.due:
        raise typer.Exit(1)


def make(
    campaign: Campaign,
    workers: int,
    only: list[str] | None = None,
    retry: bool = False,
    scheduler: str | None = None,
    trainings: int | None = None,
) -> tuple[Journal, Store]:
    """Make what is due of a campaign, and say how it goes on; returns its journal and index."""
    from elue.campaign.cluster import Cluster
    from elue.campaign.engines import Processes
    from elue.campaign.journal import Journal
    from elue.campaign.kept import Kept
    from elue.campaign.planning import Planner
    from elue.campaign.reading import telling
    from elue.campaign.running import alone, run
    from elue.cli.campaign_progress import progress
    from elue.record.store import Store

    with alone(campaign):
        journal = Journal(campaign.places.journal)
        planner = Planner(campaign, journal, only or (), retry)
        planner.begin()
        planner.seen.save()
        if not planner.plan.due:
            note("nothing to do")
        with telling(campaign, "store"):
            if campaign.places.store is not None:
                Kept(campaign.places.store).check()
        with telling(campaign, "db"):
            store = Store(campaign.places.db)
        engine = Cluster(scheduler) if scheduler else Processes(workers)
        try:
            with progress(journal) as watcher:
                run(planner, store, engine, watcher, trainings)
        except KeyboardInterrupt:
            note("stopped; the same command goes on from here")
            raise
        finally:
            engine.close()
    return journal, store


@app.command("status")
def campaign_status(
    file: Path = FILE,
    out: Path | None = OUT,
    data: Path | None = DATA,
    only: list[str] = ONLY,
    gpu: int | None = GPU,
    as_json: bool = JSON,
) -> None:
    """Say what of a campaign is done, what is left, and what has failed and why."""
    from elue.campaign.journal import Journal
    from elue.campaign.planning import Planner

    campaign = _campaign(file, out, data, gpu)
    journal = Journal(campaign.places.journal)
    plan = Planner(campaign, journal, only).begin()
    show_status(plan, journal, as_json)
    note_others(plan, journal)


@app.command("schema")
def campaign_schema() -> None:
    """Print the JSON schema of campaign files, for editors."""
    from elue.campaign.form import CAMPAIGN

    typer.echo(json.dumps(CAMPAIGN, indent=1))


def _check_gpu() -> None:
    """Raise ElueError `no_cuda` where torch, which a child asks, finds no GPU on this machine."""
    asked = "import sys, torch; sys.exit(not torch.cuda.is_available())"
    if subprocess.run([sys.executable, "-I", "-c", asked], stdin=subprocess.DEVNULL).returncode:
        raise ElueError("no_cuda", "--gpu was asked for, but torch finds no GPU here.", "Leave --gpu out.")


def _campaign(file: Path, out: Path | None, data: Path | None, gpu: int | None) -> Campaign:
    from elue.campaign.reading import read

    return replace(read(file, out, data), device="cpu" if gpu is None else "cuda")
