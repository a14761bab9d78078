"""The forms that scores are printed in, a table, CSV or LaTeX, and what their columns mean."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Literal

import typer

from elue.cli.tables import as_csv, as_latex, table
from elue.errors import ElueError

Form = Literal["table", "csv", "latex"]
CSV: bool = typer.Option(False, "--csv", help="Print CSV: a row a method and board, intervals as two columns.")
LATEX: bool = typer.Option(False, "--latex", help="Print LaTeX tables (booktabs).")
LEGEND: bool = typer.Option(False, "--legend", help="Say below the tables what the columns are.")

COLUMNS: Mapping[str, str] = {
    "method": "the method; of several curves of one also what differs: label, options, seed, weights or code",
    "point": "the operating point: the knobs' values",
    "score": "the task's metric, in percent",
    "95 % interval": "what the number beside it may be, with 95 % confidence",
    "FLOPs": "mean FLOPs a sample, counted, in the unit of the column's head",
    "p95": "the FLOPs that 95 % of the samples stay below",
    "params": "parameters in force; touched: those a sample reads on average",
    "touched": "parameters that a sample reads on average",
    "gain": "score above a random choice of exits at the same compute",
    "latency": "median time a sample, as a multiple of the profile's reference encoder",
    "elue-1": "mean lead over the reference curve across the range of budgets, in points of the metric",
    "elue-2": "the same by an edition's rules: cross-fitted, over at least three trainings",
    "elue-2022": "the score of 2022: mean distance of the points above the reference's",
    "points": "operating points measured",
    "best": "the best score of any point",
    "rank": "the place within the edition, only where enough trainings were measured",
    "p": "probability of such a lead by chance, adjusted for the number of methods",
    "seeds": "trainings",
    "covers": "how much of the range of budgets the method's own points cover",
    "note": "what is to be known of the row, flags of its runs among it",
}
"""What columns mean, by the start of their heads."""
SCORES = (
    *("method", "elue-1", "elue-2", "elue-2022", "95 % interval", "points", "best", "params", "touched", "rank", "p"),
    *("seeds", "covers", "note"),
)


def form_of(csv: bool, latex: bool, as_json: bool) -> Form:
    """The form that was asked for. Raises ElueError for more than one."""
    if csv + latex + as_json > 1:
        raise ElueError("two_forms", "--json, --csv and --latex exclude each other.", "Give one of them.")
    return "csv" if csv else "latex" if latex else "table"


def legend(names: Sequence[str]) -> str:
    """What columns mean, a line each."""
    return "\n".join(f"{name}: {COLUMNS[name]}" for name in names)


def columns(*names: str) -> str:
    """What columns mean, for the end of a command's help."""
    return "Columns: " + "; ".join(f"{name}: {COLUMNS[name]}" for name in names) + "."


class Printer:
    """Prints tables of scores in a form, one after the other. CSV is one table: only the first head is printed."""

    def __init__(self, form: Form) -> None:
        self.form = form
        self._head: list[str] = []

    def say(self, words: str = "") -> None:
        """A line about the table to come, where it is for people."""
        if self.form == "table":
            typer.echo(words)

    def table(
        self, where: Mapping[str, str], header: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[str]
    ) -> None:
        """Print a table; `where` names the board that all its rows are of."""
        if self.form == "table":
            table(header, rows, right)
            return
        if self.form == "latex":
            typer.echo(as_latex(header, rows, right, ", ".join(filter(None, where.values()))) + "\n")
            return
        head, plain = _plain(header, rows)
        lines = as_csv([*where, *head], [[*where.values(), *row] for row in plain])
        typer.echo(lines if head != self._head else lines.partition("\n")[2], nl=False)
        self._head = head


def _plain(header: Sequence[str], rows: Sequence[Sequence[str]]) -> tuple[list[str], list[list[str]]]:
    """Columns with numbers as programs read them, and each interval as its two ends."""
    split = [name.endswith(("95 %", "95 % interval")) for name in header]
    head: list[str] = []
    for name, is_interval in zip(header, split, strict=True):
        head += [f"{name} low", f"{name} high"] if is_interval else [name]
    plain = []
    for row in rows:
        cells: list[str] = []
        for cell, is_interval in zip(row, split, strict=True):
            low, _, high = cell.partition(" to ")
            cells += [_number(low), _number(high)] if is_interval else [_number(cell)]
        plain.append(cells)
    return head, plain


def _number(cell: str) -> str:
    return cell.replace(",", "") if re.fullmatch(r"[-+]?\d{1,3}(,\d{3})+(\.\d+)?", cell) else cell
