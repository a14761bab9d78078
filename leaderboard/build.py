"""Builds the site: pages, charts and downloads from run summaries, the same bytes for the same summaries."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from . import boards, charts, downloads, drawing, provenance, text
from .boards import Board, Curve, MethodCard, Run, Task
from .publish import check, publish

_STATIC = ("style.css", "site.js", "theme.js", "icon.svg", "vega-licenses.txt")


def build(summaries: Sequence[Mapping[str, Any]], out: Path) -> Path:
    """Build the site from record summaries (records without samples) and return its first page.

    The order of the summaries does not matter. Raises ElueError `folder_in_use` when `out` holds anything but
    an earlier site, and `cannot_write`; either way `out` stays as it was.
    """
    check(out)
    publish(pages(summaries), out)
    return out / "index.html"


def pages(summaries: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """All files of the site, by their path in it."""
    tasks, methods = boards.tasks(summaries), boards.methods(summaries)
    env = _environment()
    shared = {"tasks": tasks, "methods": methods}
    unranked = sum(len(task.unranked) for task in tasks)
    files = {
        "index.html": env.get_template("home.html").render(
            **shared,
            root="",
            counts={"ranked": len(summaries) - unranked, "unranked": unranked},
            tallies={method.name: _tally(method, tasks) for method in methods},
            thumbnails={task.name: _drawn(charts.thumbnail(task.boards[0])) for task in tasks if task.boards},
        ),
        "data/all.csv": downloads.csv_of(tasks),
        "data/all.json": downloads.json_of(tasks),
        "static/vega.js": drawing.bundle(),
    }
    for task in tasks:
        figures = {board.id: _figure(board) for board in task.boards}
        files[f"tasks/{task.slug}.html"] = env.get_template("task.html").render(
            **shared, root="../", task=task, figures=figures
        )
        files[f"data/{task.slug}.csv"] = downloads.csv_of([task])
        files[f"data/{task.slug}.json"] = downloads.json_of([task])
        for board in task.boards:
            files[chart_path(board)] = drawing.standalone(str(figures[board.id]["svg"]))
    for method in methods:
        files[f"methods/{method.slug}.html"] = env.get_template("method.html").render(
            **shared,
            root="../",
            method=method,
            entries=_entries(method, tasks),
            unranked=[run for task in tasks for run in task.unranked if _is_of(run, method)],
            sources=provenance.of(method),
        )
    for name in _STATIC:
        files[f"static/{name}"] = resources.files(__package__).joinpath("static", name).read_text("utf-8")
    return files


def chart_path(board: Board) -> str:
    """Where a board's chart lies as a file of its own."""
    return f"charts/{text.slug(board.task)}-{board.id}.svg"


def _entries(method: MethodCard, tasks: Sequence[Task]) -> list[dict[str, Any]]:
    """The boards a method is on, each with its own curves and a chart that fades the others."""
    found = []
    for task in tasks:
        for board in task.boards:
            curves = [curve for curve in board.curves if curve.method == method.name]
            if curves:
                figure = _figure(board, [curve.id for curve in curves])
                found.append({"task": task, "board": board, "curves": curves, "figure": figure})
    return found


def _is_of(run: Run, method: MethodCard) -> bool:
    return bool(run.summary["method"]["name"] == method.name)


def _tally(method: MethodCard, tasks: Sequence[Task]) -> dict[str, int]:
    """How many tasks, ranked runs, runs on a front and runs without rank a method has."""
    runs = [run for task in tasks for board in task.boards for run in board.runs if _is_of(run, method)]
    return {
        "tasks": len({summary["task"]["name"] for summary in method.summaries}),
        "ranked": len(runs),
        "front": sum(run.on_front for run in runs),
        "unranked": len(method.summaries) - len(runs),
    }


def _runs_of(board: Board, curves: Sequence[Curve]) -> list[Run]:
    """A board's runs, in its order, that lie on one of the curves."""
    wanted = {curve.id for curve in curves}
    return [run for run in board.runs if run.curve in wanted]


def _totals_of(board: Board, curves: Sequence[Curve]) -> list[float]:
    return [r.summary["params"]["total"] for r in _runs_of(board, curves) if r.summary["params"]]


def _labels_of(board: Board) -> dict[str, str]:
    return {curve.id: curve.label for curve in board.curves}


def _figure(board: Board, own: Sequence[str] = ()) -> dict[str, Any]:
    spec = charts.pareto(board, own)
    return {"svg": _drawn(spec), "spec": spec, "description": charts.description(board, own)}


def _drawn(spec: Mapping[str, Any]) -> Markup:
    return Markup(drawing.draw(spec))


def _embedded(value: Any) -> Markup:
    """JSON that can stand inside a script element: nothing in it can end the element or open a comment."""
    written = json.dumps(value, sort_keys=True, separators=(",", ":"))
    for character in "<>&":
        written = written.replace(character, f"\\u{ord(character):04x}")
    return Markup(written)


def _environment() -> jinja2.Environment:
    env = jinja2.Environment(
        loader=jinja2.PackageLoader(__package__, "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=lambda value: text.clean(value) if type(value) is str else value,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    env.filters.update(
        embedded=_embedded,
        slug=text.slug,
        short=text.short,
        score=text.score_text,
        point=text.point_text,
        count=lambda number: f"{number:,}",
        family=lambda name: text.titled(text.FAMILY_TITLES, name),
        metric=lambda name: text.titled(text.METRIC_TITLES, name),
        trust=lambda name: text.titled(text.TRUST_TITLES, name),
    )
    env.globals.update(
        chart_path=chart_path,
        dash_style=charts.dash_style,
        family_style=charts.family_style,
        runs_of=_runs_of,
        totals_of=_totals_of,
        unit_for=text.unit_for,
        why_not=boards.why_not,
        with_unit=text.with_unit,
        labels_of=_labels_of,
        link=text.web_address,
    )
    return env
