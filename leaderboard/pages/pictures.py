"""The charts of the first page: each task's drawn wide, for a phone, and with every point; with files to take away."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from elue.leaderboard.boards import Board
from elue.leaderboard.charts import data as chartdata
from elue.leaderboard.charts import drawing, layers
from elue.leaderboard.charts import specs as charts
from elue.leaderboard.charts.trainings import with_trainings
from elue.leaderboard.groups import Group
from elue.leaderboard.samplefiles import data_file
from elue.leaderboard.text import slug
from elue.leaderboard.workers import side_by_side
from elue.scores.results import BoardScores

if TYPE_CHECKING:
    from elue.leaderboard.publish import File
    from elue.leaderboard.site import Site

WIDE, NARROW, CARD = (800, 400), (330, 340), (600, 315)
"""Sizes in pixels of the plot, and of a whole picture for those who link here, which is drawn at twice that."""
CARD_FILE = "card.png"
BUDGET = 0.4
"""The share of full compute that a reader is asked about first."""


@dataclass(frozen=True)
class Picture:
    """A task's chart as markup: `wide`, `narrow`, and with `every` point, nothing where the others have all."""

    id: str
    task: str
    title: str
    page: str
    file: str
    wide: Markup
    narrow: Markup
    every: Markup
    description: str
    behind: int


@dataclass(frozen=True)
class Work:
    """A board whose chart is to be drawn, its scores, its reference curve, and its task's title and page.

    What another process can be given: nothing else of the site is needed. With `card` the chart also stands for the
    site where others link to it.
    """

    board: Board
    scores: BoardScores | None
    reference: str
    title: str
    page: str
    card: bool


Drawn = tuple[Picture, Sequence["File"]]
"""A picture, and the files that go with it."""


def pictures(site: Site, group: Group, executor: Executor | None = None) -> Iterator[Drawn]:
    """Of each board of the group with a reference, in its order; drawn by an executor from now on if there is one."""
    titles = {task.name: (task.title, task.slug) for task in site.tasks}
    boards = [board for board in group.boards if board.id in group.references]
    works = [
        Work(board, site.score_of(board).scores, group.references[board.id][0], *titles[board.task], card=not place)
        for place, board in enumerate(boards)
    ]
    return side_by_side(executor, drawn, works)


def drawn(work: Work) -> Drawn:
    """The chart for the first page, and as SVG, PNG and PDF; of all but the first as data for the page, too."""
    board = work.board
    specs = [_spec(work, size) for size in (WIDE, NARROW)]
    params = {param["name"]: param["value"] for param in specs[0]["params"]}
    hidden = params["floor"] > layers.LOWEST
    every = drawing.draw(_spec(work, WIDE, deep=True)) if hidden else ""
    plain = [drawing.draw(spec) for spec in specs]
    wide, narrow = (ruled(svg, spec) for svg, spec in zip(plain, specs, strict=True))
    picture = Picture(
        id=board.id,
        task=board.task,
        title=work.title,
        page=f"tasks/{work.page}.html",
        file=f"charts/home-{slug(board.task)}-{board.id}",
        wide=Markup(wide),
        narrow=Markup(narrow),
        every=Markup(every),
        description=chartdata.description(board),
        behind=behind(board, work.reference),
    )
    return picture, list(_files(picture, specs[0], drawing.standalone(plain[0]), work.card))


def _files(picture: Picture, spec: dict[str, Any], alone: str, card: bool) -> Iterator[File]:
    yield f"{picture.file}.svg", alone
    yield f"{picture.file}.png", drawing.raster(alone)
    yield f"{picture.file}.pdf", drawing.paged(alone)
    if card:
        fit = {"autosize": {"type": "fit", "contains": "padding"}, "width": CARD[0], "height": CARD[1], "padding": 14}
        yield CARD_FILE, drawing.raster(drawing.standalone(drawing.draw({**spec, **fit})))
    else:
        parts = {name: str(getattr(picture, name)) for name in ("wide", "narrow", "every", "description")}
        yield data_file(f"home/{picture.id}", {**parts, "page": picture.page, "file": picture.file})


def files(shown: Sequence[Drawn]) -> Iterator[File]:
    """The files of all charts, and what stands for the site where others link to it: the first chart, or its name."""
    for _, own in shown:
        yield from own
    if not shown:
        yield CARD_FILE, drawing.raster(_named())


def _named() -> str:
    width, height = CARD
    name = '<text x="300" y="175" font-size="72" font-weight="700" text-anchor="middle" fill="#1b2733">ELUE</text>'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}">'
    return f'{head}<rect width="100%" height="100%" fill="#ffffff"/>{name}</svg>'


def _spec(work: Work, size: tuple[int, int], deep: bool = False) -> dict[str, Any]:
    """A board's chart, of many curves those with a point on the front and the reference alone."""
    board, reference = work.board, work.reference
    spec = charts.pareto(board, reference=reference, size=size, plain=True, deep=deep)
    spec = with_trainings(spec, board, work.scores)
    sets = spec["datasets"]
    kept = [row for row in sets["runs"] if not row["faded"] or row["curve"] == reference]
    labels = {row["label"] for row in kept}
    bands = [row for row in sets.get("bands", ()) if row["method"] in labels]
    return {**spec, "datasets": {**sets, "runs": kept, **({"bands": bands} if "bands" in sets else {})}}


def behind(board: Board, reference: str) -> int:
    """How many methods the chart leaves out."""
    if len(board.curves) <= chartdata.MANY:
        return 0
    leading = {run.curve for run in board.front} | {reference}
    shown = {curve.method for curve in board.curves if curve.id in leading}
    return len({curve.method for curve in board.curves} - shown)


def ruled(svg: str, spec: dict[str, Any]) -> str:
    """The drawing with a ruler at `BUDGET` of full compute, and where its plot lies, for the script that moves it.

    Nothing is added where costs do not stand as shares.
    """
    params = {param["name"]: param["value"] for param in spec["params"]}
    place = re.search(r'transform="translate\(([\d.]+),([\d.]+)\)"', svg)
    if not params["full"] or place is None:
        return svg
    left, top = float(place[1]), float(place[2])
    width, height = spec["width"], spec["height"]
    low, high = (params[edge] / params["full"] for edge in ("x0", "x1"))
    where = f'data-left="{left:g}" data-width="{width}" data-low="{low:.6g}" data-high="{high:.6g}"'
    at = left + width * across(BUDGET, low, high)
    ruler = (
        f'<g class="ruler" {where} transform="translate({at:.1f},{top:g})">'
        f'<path d="M0 0V{height}" stroke="var(--ink, #1b2733)" stroke-width="1.5" fill="none"/></g>'
    )
    return svg.replace("</svg>", f"{ruler}</svg>")


def across(share: float, low: float, high: float) -> float:
    """How far along a plot a share of full compute lies, from 0 to 1."""
    return min(1.0, max(0.0, math.log(share / low) / math.log(high / low)))
