"""What a method's page shows: its card, its curves on every task, and what its runs did with their samples."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from elue.leaderboard import origins, standings
from elue.leaderboard.boards import Board, Curve, MethodCard, ShownRun, Task, merit
from elue.leaderboard.charts import data as chartdata
from elue.leaderboard.charts import drawing
from elue.leaderboard.charts import specs as charts
from elue.leaderboard.details import Detail, Spend
from elue.leaderboard.experts import Place, Spread, Word
from elue.leaderboard.manifests import retraction_of_all
from elue.leaderboard.pages import provenance
from elue.leaderboard.pages.provenance import flat
from elue.leaderboard.publish import File
from elue.leaderboard.site import Site, page
from elue.leaderboard.summaries import curve_id, is_published, training_of
from elue.leaderboard.text import with_unit
from elue.submissions.manifest import WeightsEntry

MOST_DRAWN = 150
"""Up to this many curves on all boards, each gets a drawing of its own at build time."""
OF_PUBLISHED = ("Submission", "Authors", "Licence", "Paper")
"""What of a submission the card shows where all runs of a method are published points."""


@dataclass(frozen=True)
class BoardEntry:
    """A method on one board: its curves, its runs from the cheapest, the chart, and which quantities there are."""

    task: Task
    board: Board
    curves: Sequence[Curve]
    runs: Sequence[ShownRun]
    figure: dict[str, Any]
    details: dict[str, Detail]

    def having(self, part: str) -> list[ShownRun]:
        """The runs that have this part of a record."""
        return [run for run in self.runs if getattr(run.record, part) is not None]

    @property
    def detailed(self) -> list[ShownRun]:
        """The runs whose samples are known."""
        return [run for run in self.runs if run.key in self.details]

    @property
    def units(self) -> list[tuple[str, list[tuple[Spend, list[Spend | None]]]]]:
        """For each kind of unit every such unit, with its use at each traced run, None where it never ran."""
        runs = self.traced
        used = [{spend.unit: spend for spend in self.details[run.key].spend} for run in runs]
        first: dict[str, Spend] = {}
        for spends in used:
            first |= {unit: spend for unit, spend in spends.items() if unit not in first}
        kinds: dict[str, list[tuple[Spend, list[Spend | None]]]] = defaultdict(list)
        for unit, spend in sorted(first.items(), key=lambda item: (item[1].layer, item[1].expert or 0)):
            kinds[spend.kind].append((spend, [spends.get(unit) for spends in used]))
        return list(kinds.items())

    @property
    def trades(self) -> list[tuple[ShownRun, Spread]]:
        """The runs of a model with experts, and how tokens spread over these."""
        spreads = [(run, self.details[run.key].spread) for run in self.detailed]
        return [(run, spread) for run, spread in spreads if spread is not None]

    @property
    def loads(self) -> list[tuple[str, list[float | None], tuple[Word, ...]]]:
        """Of every expert its load at each of the traced runs, and words that it gets at the dearest that tells any."""
        runs = self.traced
        spreads = [self.details[run.key].spread for run in runs]
        places = sorted({place for spread in spreads if spread is not None for place in spread.load})
        words = next((told for run in reversed(self.runs) if (told := self._words(run))), {})
        return [
            (
                f"expert.{layer}.{expert}",
                [None if spread is None else spread.load.get((layer, expert), 0.0) for spread in spreads],
                words.get((layer, expert), ()),
            )
            for layer, expert in places
        ]

    @property
    def memory(self) -> str:
        """What a measured model keeps, and the least and the most that a sample reads and moves of it; else nothing."""
        records = [run.record for run in self.runs]
        kept = [record.params for record in records if record.params is not None]
        moved = [record.traffic for record in records if record.traffic is not None]
        if not kept or not moved:
            return ""
        total = max(params.total for params in kept)
        touched = _span([params.touched_mean for params in kept], "")
        traffic = _span([traffic.read_mean + traffic.written_mean for traffic in moved], "B")
        return (
            f"It keeps {with_unit(total, '')} parameters, {with_unit(4 * total, 'B')} at four bytes each. "
            f"A sample touches {touched} of them and moves {traffic}."
        )

    def _words(self, run: ShownRun) -> Mapping[Place, tuple[Word, ...]]:
        return self.details[run.key].words if run.key in self.details else {}

    @property
    def priced(self) -> bool:
        """Whether a run that tells traces also tells the FLOPs of each unit."""
        return any(run.record.units for run in self.traced)

    @property
    def traced(self) -> list[ShownRun]:
        """The runs that tell traces, at most five, spread from the cheapest to the dearest."""
        runs = [run for run in self.detailed if self.details[run.key].spend]
        if len(runs) <= 5:
            return runs
        return [runs[round(i * (len(runs) - 1) / 4)] for i in range(5)]


def _span(values: Sequence[float], unit: str) -> str:
    """The least of some numbers and the most, or the one that all are when written."""
    low, high = with_unit(min(values), unit), with_unit(max(values), unit)
    return low if low == high else f"{low} to {high}"


def pages(site: Site, part: slice) -> list[File]:
    """The pages of a part of the methods, and their charts: a function that another process can be given."""
    files: list[File] = []
    for method in site.methods[part]:
        told = contents(site, method)
        files.append(page(site, f"methods/{method.slug}.html", "method.html", **told))
        for figure in (entry.figure for entry in told["entries"]):
            if figure["svg_file"]:
                alone = drawing.standalone(str(figure["svg"]))
                files += [(figure["svg_file"], alone), (figure["pdf_file"], drawing.paged(alone))]
    return files


def contents(site: Site, method: MethodCard) -> dict[str, Any]:
    """What the template needs."""
    entries = _entries(site, method)
    return {
        "method": method,
        "card": _card(method),
        "retracted": retraction_of_all(method.manifest),
        "description": method.summary,
        "options": _options(method),
        "differs": origins.differences().get(method.name, ""),
        "summary": [_summed(site, entry) for entry in entries],
        "entries": entries,
        "shared": _shared(entries),
        "unranked": [run for task in site.tasks for run in task.unranked if run.record.method.name == method.name],
        "sources": provenance.of(method),
    }


def _summed(site: Site, entry: BoardEntry) -> dict[str, Any]:
    """A row of the summary: the method's best run, and the scores of its curves, on a board."""
    known = site.score_of(entry.board).curves
    curves = [known[curve.id] for curve in entry.curves if curve.id in known]
    return {
        "entry": entry,
        "best": min(entry.runs, key=merit),
        "on_front": sum(run.on_front for run in entry.runs),
        "scores": [curve.elue_1 for curve in curves if curve.elue_1],
    }


def _card(method: MethodCard) -> list[tuple[str, str]]:
    """The manifest's words as pairs of heading and text."""
    told = method.manifest
    if told is None:
        return [("Paper", method.paper)] if method.paper else []
    submission, entry = told.submission, told.entry
    pairs = [
        ("Submission", submission.title if submission.title != method.title else ""),
        ("Version", told.version),
        ("Authors", ", ".join(submission.authors)),
        ("Licence", submission.licence),
        ("Paper", method.paper or submission.paper),
        ("Code", origins.code_of(submission, entry) if entry else submission.code.url),
        ("Weights", ", ".join(map(_of_weights, told.weights))),
        ("Training data", submission.training_data),
        ("Operating points chosen on", (entry.tuned_on if entry else None) or submission.tuned_on),
        ("Division", submission.division),
        ("Hardware", submission.hardware),
        ("Trainings announced", str(submission.seeds)),
    ]
    if all(is_published(record) for record in method.records):
        pairs = [(heading, said) for heading, said in pairs if heading in OF_PUBLISHED]
    return [(heading, said) for heading, said in pairs if said]


def _of_weights(weights: WeightsEntry) -> str:
    return f"{weights.task}, {weights.url}, {with_unit(weights.size, 'B')}, sha256 {weights.sha256}"


def _options(method: MethodCard) -> list[tuple[str, list[str]]]:
    """The training options and every value they had in the method's runs."""
    values: dict[str, set[str]] = defaultdict(set)
    for record in method.records:
        options = training_of(record).get("options")
        for name, value in flat(options) if isinstance(options, dict) else []:
            values[name].add(value)
    return [(name, sorted(taken)) for name, taken in sorted(values.items())]


def _entries(site: Site, method: MethodCard) -> list[BoardEntry]:
    entries = []
    for task, board in site.boards:
        curves = [curve for curve in board.curves if curve.method == method.name]
        if not curves:
            continue
        runs = sorted((run for curve in curves for run in curve.runs), key=lambda run: (run.cost, run.key))
        own = {run.key: site.details[run.key] for run in runs if run.key in site.details}
        figure = _figure(site, board, method, [curve.id for curve in curves])
        entries.append(BoardEntry(task, board, curves, runs, figure, own))
    return entries


def _shared(entries: Sequence[BoardEntry]) -> dict[str, Any] | None:
    """How the experts of one set of weights divide tasks among them: titles, and each expert's load on every task.

    Of each task the dearest run; None unless some weights were measured on several tasks.
    """
    by_weights: dict[str, dict[str, tuple[str, Spread]]] = defaultdict(dict)
    for entry in entries:
        for run, spread in entry.trades:
            if run.record.weights is not None:
                by_weights[run.record.weights.digest][entry.task.slug] = entry.task.title, spread
    told = max(by_weights.values(), key=len, default={})
    if len(told) < 2:
        return None
    spreads = [spread for _, spread in told.values()]
    places = sorted({place for spread in spreads for place in spread.load})
    rows = [
        (f"expert.{layer}.{expert}", [spread.load.get((layer, expert), 0.0) for spread in spreads])
        for layer, expert in places
    ]
    return {"titles": [title for title, _ in told.values()], "rows": rows}


def _figure(site: Site, board: Board, method: MethodCard, own: Sequence[str]) -> dict[str, Any]:
    """A chart of these curves, also as files of its own.

    In a large store the page shows the board's drawing until its script draws them, and the script alone saves it.
    """
    reference = standings.reference_of(board, site.ranking_of(board))
    models = [run for run in board.runs if reference and run.curve == curve_id(reference.curve)]
    dearest = max(((run.cost, run.score) for run in models), default=None)
    spec = charts.small(board, own, dearest)
    file = ""
    if sum(len(board.curves) for _, board in site.boards) <= MOST_DRAWN:
        drawn, file = drawing.safe(spec), f"charts/{method.slug}-{board.id}"
    else:
        drawn = Markup('<img src="../{}" alt="" loading="lazy">').format(chartdata.path_of(board))
    return {
        "id": f"{board.id}-chart",
        "svg": drawn,
        "spec": spec,
        "description": chartdata.description(board, own),
        "svg_file": file and f"{file}.svg",
        "png_file": "",
        "pdf_file": file and f"{file}.pdf",
    }
