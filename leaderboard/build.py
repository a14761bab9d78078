"""Builds the site: pages, charts, sample files and downloads, the same bytes for the same store."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import replace
from functools import partial
from importlib import resources
from pathlib import Path

from elue.errors import ElueError
from elue.leaderboard import boards, downloads, standings, text
from elue.leaderboard.charts import drawing
from elue.leaderboard.links import checked
from elue.leaderboard.manifests import Manifests, retraction_of
from elue.leaderboard.pages import about, around, documents, first, home, pictures
from elue.leaderboard.pages import claims as claimspage
from elue.leaderboard.pages import compare as comparepage
from elue.leaderboard.pages import crossings as crossingspage
from elue.leaderboard.pages import edition as editionpage
from elue.leaderboard.pages import method as methodpage
from elue.leaderboard.pages.task import Made, TaskWork
from elue.leaderboard.publish import File, check, publish
from elue.leaderboard.site import Site, page
from elue.leaderboard.summaries import is_published
from elue.leaderboard.wholes import DamagedRecords, ReadRecord, Wholes
from elue.leaderboard.workers import side_by_side
from elue.record.schema import Record
from elue.scores.edition import Edition

_STATIC = (
    *("style.css", "parts.css", "pages.css", "home.css", "theme.js", "site.js", "table.js", "table-view.js"),
    *("explanation.js", "ways.js", "explorer.js", "home.js"),
    *("picture-files.js", "compare-words.js", "compare-chart.js", "compare-samples.js", "compare.js"),
    *("chart-data.js", "chart-axes.js", "chart-tip.js", "chart-state.js", "chart-controls.js", "chart.js"),
    *("icon.svg", "vega-licenses.txt"),
)

PARTS = 2
"""The pages of methods are made in so many parts, each in a process that is given the whole site."""

Summaries = Sequence[Record]
"""Records without their samples."""


def build(
    summaries: Summaries,
    out: Path,
    record: ReadRecord | None = None,
    manifests: Manifests | None = None,
    base_url: str = "",
    executor: Executor | None = None,
    editions: Sequence[Edition] | None = None,
    skipped: Callable[[ElueError], None] | None = None,
    repository: str = "",
    built: str = "",
    docs: str = "",
) -> Path:
    """Build the site from record summaries and return its first page.

    `record` gives whole records as text, read board by board; without it there are no scores and no sample pages.
    `manifests` are those of submissions, by method name (see `manifests`). `base_url` is where the site will stand, for
    links that name it in full. `editions` are those with a page of ranks, by default all that are shipped and that any
    run takes part in. With an `executor` tasks are worked on side by side; one of processes needs a `record`
    that can be pickled. The order of the summaries does not matter. `repository` is the address of the sources,
    `docs` that of the documentation, or the folder of its pages, which then lie beside the board, and `built` the day
    of the build, all for the foot of the pages. With `skipped`, it is told of a damaged record on a board, and the site
    is that of all the others. Raises ElueError where there is no `skipped`, `folder_in_use` when `out` holds anything
    but an earlier site, `cannot_write`, `bad_base_url`, `no_docs`, `broken_link`;
    whatever it is, `out` stays as it was.
    """
    check(out)
    sound = summaries
    while True:
        try:
            made = pages(sound, record, manifests, base_url, executor, editions, repository, built, docs)
            publish(checked(around.mapped(made, _address(base_url)), _address(base_url)), out)
            return out / "index.html"
        except DamagedRecords as error:
            for why in error.damaged.values():
                if skipped is None:
                    raise why from None
                skipped(why)
            sound = [summary for summary in sound if summary.key not in error.damaged]


def pages(
    summaries: Summaries,
    record: ReadRecord | None = None,
    manifests: Manifests | None = None,
    base_url: str = "",
    executor: Executor | None = None,
    editions: Sequence[Edition] | None = None,
    repository: str = "",
    built: str = "",
    docs: str = "",
) -> Iterator[File]:
    """All files of the site, one after the other. Raises DamagedRecords, of the runs on boards, where any is."""
    manifests = manifests or {}
    retracted = partial(retraction_of, manifests)
    site = Site(boards.tasks(summaries, retracted), boards.methods(summaries, manifests), _address(base_url))
    site.repository, site.built = _address(repository).rstrip("/"), built
    beside = documents.folder_of(docs)
    site.docs = documents.FIRST if beside else _address(docs).rstrip("/")
    site.latest = max((summary.times.started[:10] for summary in summaries if not is_published(summary)), default="")
    if record is not None:
        known = standings.shipped() if editions is None else editions
        wholes = Wholes(record)
        site.ranked, site.headlines = standings.standings(site.tasks, known, wholes, executor)
        if wholes.damaged:
            raise DamagedRecords(wholes.damaged)
    worked = side_by_side(executor, TaskWork(record, replace(site, tasks=(), methods=())), site.tasks)
    for name in _STATIC:
        yield f"static/{name}", resources.files(__package__).joinpath("static", name).read_text("utf-8")
    yield "static/vega.js", drawing.bundle()
    yield "data/all.csv", downloads.csv_of(site.tasks)
    yield "data/all.json", downloads.json_of(site.tasks)
    for made in _whole(worked):
        site.details |= made.details
        site.scored |= made.scored
        site.overviews |= made.overviews
        site.crossed |= made.crossed
        yield from made.files
    tables = home.tables(site)
    main = first.main_of(tables)
    drawn = pictures.pictures(site, main.group, executor) if main else iter(())
    parts = [slice(start, None, PARTS) for start in range(PARTS)]
    written = side_by_side(executor, partial(methodpage.pages, replace(site, overviews={})), parts)
    yield from editionpage.pages(site)
    yield from crossingspage.pages(site)
    yield from claimspage.pages(site)
    yield from _home(site, summaries, tables, drawn)
    for made_pages in written:
        yield from made_pages
    yield from comparepage.pages(site)
    yield page(site, "about.html", "about.html", **about.contents(site))
    if beside:
        yield from documents.pages(beside)


def _whole(worked: Iterator[Made]) -> Iterator[Made]:
    """What was made of tasks whose records are whole. Raises DamagedRecords once all are looked at."""
    damaged: dict[str, ElueError] = {}
    for made in worked:
        damaged |= made.damaged
        if not damaged:
            yield made
    if damaged:
        raise DamagedRecords(damaged)


def _address(base_url: str) -> str:
    if base_url and not (text.web_address(base_url) == base_url.rstrip(".,;:)]")):
        raise ElueError("bad_base_url", f"'{base_url}' is no web address.", "Give --base-url https://HOST/PATH.")
    return base_url and base_url.rstrip("/") + "/"


def _home(
    site: Site, summaries: Summaries, tables: Sequence[home.Table], drawn: Iterator[pictures.Drawn]
) -> Iterator[File]:
    placed = [run for task in site.tasks for board in task.boards for run in board.runs]
    told = sum(is_published(run.record) for run in placed)
    crossed = sum(len(board.crossings) for _, board in site.boards)
    counts = {"measured": len(placed) - told, "published": told, "crossings": crossed}
    counts["unranked"] = len(summaries) - len(placed) - crossed
    yield "data/all.sqlite", downloads.sqlite_of(site.tasks, around.lines(tables), around.TEXTS, around.NUMBERS)
    whole = list(drawn)
    shown = first.contents(site, tables, [picture for picture, _ in whole])
    yield from pictures.files(whole)
    yield from around.files(site, tables, shown["news"])
    yield page(site, "index.html", "home.html", counts=counts, **shown)
