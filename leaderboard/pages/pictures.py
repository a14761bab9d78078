"""The charts of the first page: each task's drawn wide, for a phone, and with every point; with files to take away."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
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

if TYPE_CHECKING:
    from elue.leaderboard.publish import File
    from elue.leaderboard.site import Site

WIDE, NARROW, CARD = (800, 400), (330, 340), (600, 315)
"""Sizes in pixels of the plot, and of a whole picture for those who link here, which is drawn at twice that."""
BUDGET = 0.4
"""The share of full compute that a reader is asked about first."""


@dataclass(frozen=True)
class Picture:
    """A task's chart as markup: `wide`, `narrow`, and with `every` point, nothing where the others have all.

    `spec` is that of the wide one.
    """

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
    spec: dict[str, Any] = field(repr=False)


def pictures(site: Site, group: Group) -> list[Picture]:
    """Of each board of the group with a reference, that with the most curves first."""
    titles = {task.name: (task.title, task.slug) for task in site.tasks}
    boards = [board for board in group.boards if board.id in group.references]
    return [_picture(site, group, board, *titles[board.task]) for board in boards]


def _picture(site: Site, group: Group, board: Board, title: str, page: str) -> Picture:
    reference = group.references[board.id][0]
    specs = [_spec(site, board, reference, size) for size in (WIDE, NARROW)]
    params = {param["name"]: param["value"] for param in specs[0]["params"]}
    hidden = params["floor"] > layers.LOWEST
    every = drawing.draw(_spec(site, board, reference, WIDE, deep=True)) if hidden else ""
    wide, narrow = (ruled(drawing.draw(spec), spec) for spec in specs)
    return Picture(
        id=board.id,
        task=board.task,
        title=title,
        page=f"tasks/{page}.html",
        file=f"charts/home-{slug(board.task)}-{board.id}",
        wide=Markup(wide),
        narrow=Markup(narrow),
        every=Markup(every),
        description=chartdata.description(board),
        behind=behind(board, reference),
        spec=specs[0],
    )


def _spec(site: Site, board: Board, reference: str, size: tuple[int, int], deep: bool = False) -> dict[str, Any]:
    """A board's chart, of many curves those with a point on the front and the reference alone."""
    spec = charts.pareto(board, reference=reference, size=size, plain=True, deep=deep)
    spec = with_trainings(spec, board, site.score_of(board).scores)
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


def files(shown: Sequence[Picture]) -> Iterator[File]:
    """Each chart as SVG, PNG and PDF, those but the first as data for the page, and the first as a card."""
    for place, picture in enumerate(shown):
        alone = drawing.standalone(drawing.draw(picture.spec))
        yield f"{picture.file}.svg", alone
        yield f"{picture.file}.png", drawing.raster(alone)
        yield f"{picture.file}.pdf", drawing.paged(alone)
        if place:
            parts = {name: str(getattr(picture, name)) for name in ("wide", "narrow", "every", "description")}
            yield data_file(f"home/{picture.id}", {**parts, "page": picture.page, "file": picture.file})
    yield "card.png", drawing.raster(_card(shown))


def _card(shown: Sequence[Picture]) -> str:
    """What stands for the site where others link to it: the first chart, or its name."""
    width, height = CARD
    if not shown:
        name = '<text x="300" y="175" font-size="72" font-weight="700" text-anchor="middle" fill="#1b2733">ELUE</text>'
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}">'
        )
        return f'{head}<rect width="100%" height="100%" fill="#ffffff"/>{name}</svg>'
    fit = {"autosize": {"type": "fit", "contains": "padding"}, "width": width, "height": height, "padding": 14}
    return drawing.standalone(drawing.draw({**shown[0].spec, **fit}))
