"""All files that hang on one task alone: its samples, charts, tables and runs. Tasks can be worked on side by side."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from elue import tasks
from elue.errors import ElueError
from elue.leaderboard import compared, crossings, details, downloads, samplefiles, scoring, standings
from elue.leaderboard.boards import Board, ShownRun, Task
from elue.leaderboard.charts import data as chartdata
from elue.leaderboard.charts import drawing
from elue.leaderboard.charts import specs as charts
from elue.leaderboard.charts.multiples import multiples
from elue.leaderboard.charts.trainings import with_trainings
from elue.leaderboard.pages import run as runpage
from elue.leaderboard.publish import File
from elue.leaderboard.site import Site, mark_of, page, titled
from elue.leaderboard.summaries import curve_id
from elue.leaderboard.wholes import ReadRecord, Wholes
from elue.record.schema import Record
from elue.scores.edition import clusters_at

MADE = "Made from a seed, so anyone can make them again: the task is in no edition."
PUBLIC = "Public, so a method can know them by heart. Only a private split stands against that."


@dataclass(frozen=True)
class Made:
    """The files of a task, and what the pages of methods and of all tasks need of it.

    Where a record is `damaged`, by key, nothing of it holds: the task is to be made without that one.
    """

    files: list[File]
    details: dict[str, details.Detail]
    scored: dict[str, scoring.Scored]
    overviews: dict[str, list[samplefiles.Overview]]
    crossed: dict[str, crossings.Crossed]
    damaged: Mapping[str, ElueError]


@dataclass(frozen=True)
class TaskWork:
    """Makes the files of a task: a function that another process can be given, if `record` can."""

    record: ReadRecord | None
    site: Site

    def __call__(self, task: Task) -> Made:
        """The files of this task; a board's records are let go before the next one's are read."""
        site = replace(self.site, tasks=[task], methods=[], details={}, scored={}, overviews={}, crossed={})
        wholes = Wholes(self.record) if self.record else None
        files = list(_files(site, task, wholes))
        damaged = wholes.damaged if wholes else {}
        return Made(files, site.details, site.scored, site.overviews, site.crossed, damaged)


def _files(site: Site, task: Task, wholes: Wholes | None) -> Iterator[File]:
    if wholes is not None:
        for board in task.boards:
            yield from _measured(site, board, wholes)
        if wholes.damaged:
            return
    yield from _task(site, task)
    yield from _explorer(site, task)
    yield from _runs(site, task)


def _measured(site: Site, board: Board, wholes: Wholes) -> Iterator[File]:
    """The sample files of a board. Its records are read once, and only what the files need of each is kept."""
    flops = [flops for run in board.runs for flops in (run.flops.p50, run.flops.max)]
    low, high = max(1.0, min(flops) / 4), max(2.0, *flops)
    seen = samplefiles.Overviewing(board)
    parts: dict[str, samplefiles.Parts] = {}

    def passing() -> Iterator[Record]:
        for run in board.runs:
            read = wholes.read(run.key)
            if read is None:
                continue
            whole, text = read
            detail = details.detail_of(whole, low, high)
            if detail is not None:
                site.details[run.key] = detail
                seen.see(whole)
                parts[run.key] = samplefiles.parts_of(whole, text)
            yield whole

    clusters = clusters_at(board.key, [edition for edition, _ in site.ranked])
    ranking = site.ranking_of(board)
    told = scoring.scored(board, passing(), standings.reference_of(board, ranking), clusters, ranking)
    for run in board.runs:
        if run.key in parts:
            yield from samplefiles.run_files(run, parts.pop(run.key))
    site.scored[board.id] = replace(told, apart=None)
    if board.crossings:
        site.crossed[board.id] = crossings.crossed(board, ranking, wholes)
    if seen.ids:
        site.overviews[board.id] = seen.overviews()
        if opened := seen.opened():
            site.opened[board.id] = opened
        yield samplefiles.board_file(board, seen, site.overviews[board.id])
        if told.scores and told.apart:
            yield from compared.files(board, told.scores, told.apart)


def _task(site: Site, task: Task) -> Iterator[File]:
    figures = {board.id: figure(site, board) for board in task.boards}
    published = next((b for b in task.boards if b.profile.name == "elue-2022"), None)
    yield page(
        site,
        f"tasks/{task.slug}.html",
        "task.html",
        task=task,
        labels=_labels(task.name),
        figures=figures,
        marks={board.id: mark_of(task, board) for board in task.boards},
        multiples={board.id: multiples(board, _floor(site, board)) for board in task.boards},
        published=published,
    )
    yield f"data/{task.slug}.csv", downloads.csv_of([task])
    yield f"data/{task.slug}.json", downloads.json_of([task])
    if task.boards:
        specs = {drawn["id"]: drawn["spec"] for drawn in figures.values()}
        yield samplefiles.data_file(f"charts/{task.slug}", specs)
    for board in task.boards:
        alone = drawing.standalone(str(figures[board.id]["svg"]))
        yield chartdata.path_of(board), alone
        yield chartdata.path_of(board, "png"), drawing.raster(alone)
        yield chartdata.path_of(board, "pdf"), drawing.paged(alone)


def _floor(site: Site, board: Board) -> float:
    scores = site.score_of(board).scores
    return scores.floor if scores else 0.0


def _labels(task: str) -> str:
    """Who can have the labels of a task that comes with ELUE; nothing for any other."""
    if task not in tasks.names():
        return ""
    return MADE if tasks.is_generated(task) else PUBLIC


def _explorer(site: Site, task: Task) -> Iterator[File]:
    boards_ = [board for board in task.boards if site.overviews.get(board.id)]
    if boards_:
        board = boards_[0]
        listed = samplefiles.listed(site.overviews[board.id])
        contents = {"task": task, "boards": boards_, "board": board, "listed": listed, "titled": titled}
        contents |= {"shippable": samplefiles.shippable(task.name), "opened": site.opened.get(board.id)}
        yield page(site, f"samples/{task.slug}.html", "samples.html", **contents)


def _runs(site: Site, task: Task) -> Iterator[File]:
    placed: list[tuple[Board | None, ShownRun]] = [(board, run) for board in task.boards for run in board.runs]
    crossed = [run for board in task.boards for run in board.crossings]
    for board, run in [*placed, *((None, run) for run in (*task.unranked, *crossed))]:
        yield page(site, run.page, "run.html", **runpage.contents(site, task, board, run))


def figure(site: Site, board: Board) -> dict[str, Any]:
    """A board's chart: its drawing, its spec for the script, and what it shows in words."""
    reference = standings.reference_of(board, site.ranking_of(board))
    beside = curve_id(reference.curve) if reference else ""
    scored = site.score_of(board)
    spec = with_trainings(charts.pareto(board, likely=scored.likely, reference=beside), board, scored.scores)
    return {
        "id": f"{board.id}-chart",
        "svg": drawing.safe(spec),
        "spec": spec,
        "description": chartdata.description(board),
        "svg_file": chartdata.path_of(board),
        "png_file": chartdata.path_of(board, "png"),
        "pdf_file": chartdata.path_of(board, "pdf"),
    }
