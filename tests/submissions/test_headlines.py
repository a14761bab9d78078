"""The table of headlines in the README is what the committed records say, and the board hangs on no single run."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import takewhile
from pathlib import Path

import pytest

from elue.leaderboard import claims
from elue.record.board import counts
from elue.record.schema import Record
from elue.record.store import Store
from elue.scores import edition as editions
from elue.scores.crossings import Yardstick, matrix
from elue.scores.edition_board import edition_standing
from elue.scores.gains import gains
from elue.scores.headlines import Headline
from elue.scores.intervals import Estimate
from elue.scores.standing import EditionStanding, TaskRow
from elue.submissions.standing import as_it_stands, record_folders

pytestmark = pytest.mark.thorough
ROOT = Path(__file__).parents[2]
EDITION = "2026-preview"


@pytest.fixture(scope="module")
def committed(tmp_path_factory: pytest.TempPathFactory) -> list[Record]:
    """The records that the edition takes, and crossings, as the index has them."""
    store = Store(f"sqlite:///{tmp_path_factory.mktemp('index')}/index.sqlite")
    folders = record_folders(ROOT / "submissions")
    store.rebuild(folders, as_it_stands(folders))
    rules = editions.load(EDITION)
    boards = [board for board in store.boards() if board.task in rules.tasks]
    return [record for board in boards for record in store.records(board=board) if counts(record)]


def ours(record: Record) -> bool:
    """Whether a record came with the edition's own submission."""
    return record.submission is not None and record.submission.slug == EDITION


def table(head: str) -> list[str]:
    """The rows of the table with this head in the board's README."""
    lines = (ROOT / "submissions" / EDITION / "README.md").read_text("utf-8").splitlines()
    return list(takewhile(lambda line: line.lstrip().startswith("|"), lines[lines.index(head) + 2 :]))


def interval(of: Estimate) -> str:
    return f"{of.value:.2f}" if of.low is None or of.high is None else f"{of.value:.2f} [{of.low:.2f}, {of.high:.2f}]"


def rows(told: Iterable[Headline]) -> Iterator[str]:
    """The table's rows, in the order of claims."""
    by_method = {of.method: of for of in claims.shipped()}
    for own in sorted(told, key=lambda of: (list(by_method).index(of.method), of.task)):
        claimed, papers = by_method[own.method].speedup, own.papers
        assert claimed is not None
        ways = (papers.layers, papers.padded) if papers else (None, None)
        speedup = interval(own.speedup).replace(" ", "x ", 1) if own.speedup.low else f"{own.speedup.value:.2f}x"
        yield (
            f"|`{own.method}`|{claimed:.2f}x|`{own.task}`|{speedup}|{interval(own.loss)}"
            f"|{'|'.join('-' if way is None else f'{way:.2f}x' for way in ways)}|"
        )


def test_the_readme_tells_the_headlines_as_they_come_out(committed: list[Record]) -> None:
    measured = list(rows(claims.measured(editions.load(EDITION), committed)))
    assert measured, "some method that a claim is about was measured"
    lines = (ROOT / "README.md").read_text("utf-8").splitlines()
    told = [line for line in lines if re.match(r"\|`\w+`\|[\d.]+x\|", line)]
    assert told == measured


def test_the_boards_readme_tells_what_deciding_is_worth_as_it_comes_out(committed: list[Record]) -> None:
    told = [
        f"  | `{own.task}` | `{own.method}` | {own.rule.removeprefix('rule=') or '-'} "
        f"| {own.gain.value:.2f} ({own.gain.low:.2f} to {own.gain.high:.2f}) |"
        for own in gains(editions.load(EDITION), committed)
    ]
    assert told
    assert table("  | task | method | rule | points |") == told


def test_the_boards_readme_tells_the_leads_as_they_come_out(committed: list[Record]) -> None:
    told = []
    for task in edition_standing(rules(), committed).tasks:
        for row in task.rows:
            assert row.tested
            lead, at = row.tested.estimate, " | ".join(f"{point.value:+.2f}" for point in row.at)
            interval = f"{lead.value:+.2f} ({lead.low:+.2f} to {lead.high:+.2f})"
            told.append(f"| `{row.method}` | `{task.task}` | {row.tested.rank} | {interval} | {at} |")
    assert told
    assert table("| method | task | rank | lead | at 33 % | at 50 % | at 67 % of full compute |") == told


def test_the_boards_readme_tells_which_rule_leads_on_which_training(committed: list[Record]) -> None:
    told = []
    for task in edition_standing(rules(), committed).tasks:
        on = (task.task, "test")
        own = [record for record in committed if (record.task.name, record.task.split) == on and ours(record)]
        assert task.low
        assert task.high
        clusters = tuple(rules().tasks[task.task].clusters)
        for row in matrix(own, Yardstick(frozenset(task.yardstick_keys), task.low, task.high, clusters)).methods:
            for rule, cell in sorted(row.cells.items()):
                of = "own" if cell.own else "another's"
                lead = f"{cell.lead.value:+.2f} ({cell.lead.low:+.2f} to {cell.lead.high:+.2f})"
                told.append(f"  | `{task.task}` | `{row.method}` | {rule}, {of} | {lead} |")
    assert told
    assert table("  | task | training | rule | lead |") == told


def test_the_readme_tells_the_same_of_it(committed: list[Record]) -> None:
    text = " ".join((ROOT / "README.md").read_text("utf-8").split())
    of = {(own.task, own.method, own.rule): own.gain for own in gains(editions.load(EDITION), committed)}
    entropy, patience = (of["sst2_elue", "elasticbert", f"rule={rule}"] for rule in ("entropy", "patience"))
    assert f"{entropy.value:.2f} points ({entropy.low:.2f} to {entropy.high:.2f}, three seeds)" in text
    assert f"patience {patience.value:.2f} ({patience.low:.2f} to {patience.high:.2f})" in text


@cache
def rules() -> editions.Edition:
    return editions.load(EDITION)


def standing(records: Iterable[Record]) -> EditionStanding:
    return edition_standing(rules(), records, draws=100)


def others(of: EditionStanding, method: str) -> list[TaskRow]:
    return [row for task in of.tasks for row in task.rows if row.method != method]


def test_no_row_hangs_on_another_methods_seed_or_worst_point(committed: list[Record]) -> None:
    whole = standing(committed)
    methods = sorted({row.method for task in whole.tasks for row in task.rows})
    assert methods
    for method in methods:
        own = [record for record in committed if record.method.name == method]
        seed = [record for record in own if record.weights and record.weights.digest == own[0].weights.digest]  # type: ignore[union-attr]
        worst = min((record for record in own if record.score), key=lambda record: record.score.value)  # type: ignore[union-attr]
        for gone in (seed, [worst]):
            keys = {record.key for record in gone}
            fewer = standing(record for record in committed if record.key not in keys)
            assert others(fewer, method) == others(whole, method)
