"""Builds the site: pages, charts, sample files and downloads, the same bytes for the same store."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from importlib import resources
from pathlib import Path
from typing import Any

from elue.errors import ElueError
from elue.schema import Record

from . import (
    about,
    boards,
    charts,
    details,
    downloads,
    drawing,
    methodpage,
    overall,
    runpage,
    samplefiles,
    scoring,
    text,
)
from .boards import Board, MethodCard, Run, Task
from .environment import environment
from .links import checked
from .manifests import retraction_of
from .publish import File, check, publish

_STATIC = (
    *("style.css", "parts.css", "theme.js", "site.js", "table.js", "chart.js", "explorer.js", "compare.js"),
    *("icon.svg", "vega-licenses.txt"),
)

Summaries = Sequence[Mapping[str, Any]]
ReadRecord = Callable[[str], Record]
"""Gives the whole record of a run key."""


@dataclass
class Site:
    """Everything that pages are made of; `details` and `scored` fill as the boards' records pass by."""

    tasks: Sequence[Task]
    methods: Sequence[MethodCard]
    base_url: str
    details: dict[str, details.Detail] = field(default_factory=dict)
    scored: dict[str, scoring.Scored] = field(default_factory=dict)
    overviews: dict[str, list[samplefiles.Overview]] = field(default_factory=dict)

    @property
    def boards(self) -> list[tuple[Task, Board]]:
        """All boards, with their tasks."""
        return [(task, board) for task in self.tasks for board in task.boards]

    def score_of(self, board: Board) -> scoring.Scored:
        """What is known of a board's scores."""
        return self.scored.get(board.id) or scoring.Scored(board, None)


def build(
    summaries: Summaries,
    out: Path,
    record: ReadRecord | None = None,
    manifests: Mapping[str, Mapping[str, Any]] | None = None,
    base_url: str = "",
) -> Path:
    """Build the site from record summaries and return its first page.

    `record` gives whole records, read board by board; without it there are no scores and no sample pages. `manifests`
    are those of submissions, by method name (see `manifests`). `base_url` is where the site will stand, for links that
    name it in full. The order of the summaries does not matter. Raises ElueError `folder_in_use` when `out` holds
    anything but an earlier site, `cannot_write`, `bad_base_url`, `broken_link`; whatever it is, `out` stays as it was.
    """
    check(out)
    publish(checked(pages(summaries, record, manifests, base_url), _address(base_url)), out)
    return out / "index.html"


def pages(
    summaries: Summaries,
    record: ReadRecord | None = None,
    manifests: Mapping[str, Mapping[str, Any]] | None = None,
    base_url: str = "",
) -> Iterator[File]:
    """All files of the site, one after the other; a board's records are let go before the next one's are read."""
    manifests = manifests or {}
    retracted = partial(retraction_of, manifests)
    site = Site(boards.tasks(summaries, retracted), boards.methods(summaries, manifests), _address(base_url))
    for name in _STATIC:
        yield f"static/{name}", resources.files(__package__).joinpath("static", name).read_text("utf-8")
    yield "static/vega.js", drawing.bundle()
    if record:
        for _, board in site.boards:
            yield from _measured(site, board, record)
    yield from _home(site, summaries)
    for task in site.tasks:
        yield from _task(site, task)
        yield from _explorer(site, task)
    for method in site.methods:
        yield _page(site, f"methods/{method.slug}.html", "method.html", **methodpage.contents(site, method))
    yield from _runs(site)
    compared = [(board, _titled(task, board)) for task, board in site.boards if board.id in site.overviews]
    yield samplefiles.index_file(compared)
    yield _page(site, "compare.html", "compare.html", compared=compared)
    yield _page(site, "about.html", "about.html", **about.contents(site))
    yield "data/all.csv", downloads.csv_of(site.tasks)
    yield "data/all.json", downloads.json_of(site.tasks)
    yield "data/all.sqlite", downloads.sqlite_of(site.tasks)


def _address(base_url: str) -> str:
    if base_url and not (text.web_address(base_url) == base_url.rstrip(".,;:)]")):
        raise ElueError("bad_base_url", f"'{base_url}' is no web address.", "Give --base-url https://HOST/PATH.")
    return base_url and base_url.rstrip("/") + "/"


def _page(site: Site, path: str, template: str, **contents: Any) -> File:
    root = "../" * path.count("/")
    rendered = environment().get_template(template).render(site=site, root=root, path=path, **contents)
    return path, rendered


def _measured(site: Site, board: Board, record: ReadRecord) -> Iterator[File]:
    """The sample files of a board. Its records are read once, and only what the files need of each is kept."""
    flops = [flops for run in board.runs for flops in (run.summary["flops"]["p50"], run.summary["flops"]["max"])]
    low, high = max(1.0, min(flops) / 4), max(2.0, *flops)
    seen = samplefiles.Overviewing(board)
    parts: dict[str, samplefiles.Parts] = {}

    def passing() -> Iterator[Record]:
        for run in board.runs:
            whole = record(run.key)
            detail = details.detail_of(whole, low, high)
            if detail is not None:
                site.details[run.key] = detail
                seen.see(whole)
                parts[run.key] = samplefiles.parts_of(whole)
            yield whole

    found = scoring.scored(board, passing())
    for run in board.runs:
        if run.key in parts:
            yield from samplefiles.run_files(run, parts.pop(run.key), found.replicates.get(run.key, ()))
    site.scored[board.id] = scoring.Scored(board, found.scores, found.why)
    if seen.ids:
        site.overviews[board.id] = seen.overviews()
        yield samplefiles.board_file(board, seen.ids, site.overviews[board.id])
        yield scoring.pairs_file(site.scored[board.id])


def _titled(task: Task, board: Board) -> str:
    limit = f", {board.limit:,} samples of it" if board.limit is not None else ""
    return f"{task.title}: {board.split}{limit}, profile {board.profile['name']} {board.profile['digest'][:8]}"


def _home(site: Site, summaries: Summaries) -> Iterator[File]:
    unranked = sum(len(task.unranked) for task in site.tasks)
    counts = {"ranked": len(summaries) - unranked, "unranked": unranked}
    thumbnails = {task.name: drawing.safe(charts.thumbnail(task.boards[0])) for task in site.tasks if task.boards}
    yield _page(site, "index.html", "home.html", counts=counts, thumbnails=thumbnails, rows=overall.rows(site))


def _task(site: Site, task: Task) -> Iterator[File]:
    figures = {board.id: figure(site, board) for board in task.boards}
    published = next((b for b in task.boards if b.profile["name"] == "elue-2022"), None)
    yield _page(site, f"tasks/{task.slug}.html", "task.html", task=task, figures=figures, published=published)
    yield f"data/{task.slug}.csv", downloads.csv_of([task])
    yield f"data/{task.slug}.json", downloads.json_of([task])
    if task.boards:
        specs = {found["id"]: found["spec"] for found in figures.values()}
        yield samplefiles.data_file(f"charts/{task.slug}", specs)
    for board in task.boards:
        alone = drawing.standalone(str(figures[board.id]["svg"]))
        yield charts.path_of(board), alone
        yield charts.path_of(board, "png"), drawing.raster(alone)


def _explorer(site: Site, task: Task) -> Iterator[File]:
    boards_ = [board for board in task.boards if site.overviews.get(board.id)]
    if boards_:
        board = boards_[0]
        listed = samplefiles.listed(site.overviews[board.id])
        contents = {"task": task, "boards": boards_, "board": board, "listed": listed, "titled": _titled}
        shippable = samplefiles.shippable(task.name)
        yield _page(site, f"samples/{task.slug}.html", "samples.html", **contents, shippable=shippable)


def _runs(site: Site) -> Iterator[File]:
    for task in site.tasks:
        placed: list[tuple[Board | None, Run]] = [(board, run) for board in task.boards for run in board.runs]
        for board, run in [*placed, *((None, run) for run in task.unranked)]:
            yield _page(site, run.page, "run.html", **runpage.contents(site, task, board, run))


def figure(site: Site, board: Board) -> dict[str, Any]:
    """A board's chart: its drawing, its spec for the script, and what it shows in words."""
    spec = charts.pareto(board, likely=site.score_of(board).likely)
    return {
        "id": f"{board.id}-chart",
        "svg": drawing.safe(spec),
        "spec": spec,
        "description": charts.description(board),
        "svg_file": charts.path_of(board),
        "png_file": charts.path_of(board, "png"),
    }
