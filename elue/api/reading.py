"""Reading records, and what is made of them: scores, ranks, the site."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from elue.api.results import Results, Scores
from elue.errors import ElueError
from elue.record import files as records
from elue.record.board import RANKED, BoardKey, board_of, is_ranked
from elue.record.schema import Record
from elue.scores.standing import EditionStanding
from elue.tasks.drawing import RESAMPLES

Place = str | Path
"""A folder or file."""


def load(folder: Place = "runs", samples: bool = True, method: str | None = None, task: str | None = None) -> Results:
    """All runs below a folder, or those of a method or on a task, as `read_records` reads them."""
    return Results(
        record
        for record in read_records(folder, samples)
        if method in (None, record.method.name) and task in (None, record.task.name)
    )


def read_records(folder: Place, samples: bool = True) -> Iterator[Record]:
    """The records below a folder of runs, of a submission, or of submissions, in a fixed order, one at a time.

    Those of a submission have the trust it earned them, and a flag where they were retracted. Without `samples` they
    come without what they hold of single ones. Raises ElueError where there is no such folder, or one is damaged.
    """
    from elue.submissions.standing import as_it_stands

    folders = _record_folders(folder)
    adjust = as_it_stands(folders)
    for below in folders:
        for path in records.files(below):
            record = adjust(records.loads(records.text_of(path), str(path), samples), path)
            if record is not None:
                yield record


def score(runs: Iterable[Record], reference: str | None = None, resamples: int = RESAMPLES, seed: int = 0) -> Scores:
    """The scores of every board these records make, without ranks, with 95 % intervals; see `standing` for ranks.

    They are against the method named or, else, the static curve of the house or of runs that came with no submission.
    Records are of one board where task, split, revision, limit and profile are the same. What can't be ranked is passed
    over; without a reference curve a board has no scores, nor has one of a split that operating points are chosen on.
    Raises ElueError without any run that could be ranked.
    """
    from elue.scores.comparing import compare, scores_on
    from elue.scores.edition import clusters_at
    from elue.submissions.references import static_of

    boards: dict[BoardKey, list[Record]] = {}
    for record in runs:
        if is_ranked(record):
            boards.setdefault(board_of(record), []).append(record)
    if not boards:
        raise ElueError("no_runs", "There are no ranked runs.", RANKED)
    return Scores(
        compare(
            boards[key],
            (reference or static_of(boards[key])) if scores_on(key.split) else None,
            resamples,
            seed,
            clusters=clusters_at(key),
        )
        for key in sorted(boards, key=str)
    )


def standing(runs: Iterable[Record], edition: Place, announced: Mapping[str, int] | None = None) -> EditionStanding:
    """The ranks of an edition, by its name or its `.toml` file: `elue-2` over all trainings, against its yardstick.

    `announced` says how many trainings each method announced before. What is not of the edition is passed over.
    Raises ElueError for an edition that is unknown, damaged, or no longer what it was frozen as.
    """
    from elue.scores import edition as editions
    from elue.scores.edition_board import edition_standing

    return edition_standing(editions.load(edition), runs, announced)


def build_site(
    runs: Place | Sequence[Place], out: Place = "site", submissions: Place | None = None, base_url: str = ""
) -> Path:
    """Build the leaderboard from the records below a folder or several, and return its first page.

    Folders are as in `read_records`. `submissions` is a folder of submissions, for what their manifests say, `base_url`
    where the site will stand. Raises ElueError where `out` holds anything but an earlier site.
    """
    from elue.leaderboard import build, manifests
    from elue.leaderboard.workers import reader, workers
    from elue.record.store import Store
    from elue.submissions.standing import as_it_stands

    given = [runs] if isinstance(runs, str | Path) else runs
    folders = [below for folder in given for below in _record_folders(folder)]
    told = manifests.read(Path(submissions), _warn) if submissions is not None else {}
    with tempfile.TemporaryDirectory(prefix="elue-site-") as temporary:
        url = f"sqlite:///{temporary}/index.sqlite"
        store = Store(url)
        store.rebuild(folders, as_it_stands(folders, _warn), _warn)
        summaries = store.summaries()
        with workers(len(summaries)) as executor:
            read = reader(url) if executor else store.text
            return build(summaries, Path(out), read, told, base_url, executor, skipped=_warn)


def _record_folders(folder: Place) -> list[Path]:
    """The folders of records below one. Raises ElueError where there is no such folder."""
    from elue.submissions.standing import record_folders

    if not Path(folder).is_dir():
        raise ElueError("no_runs", f"There is no folder {folder}.", "Give the folder that records were written to.")
    return list(record_folders(Path(folder)))


def _warn(error: ElueError) -> None:
    """Say that something was left out because it is damaged."""
    warnings.warn(f"skipped: {error.message}", stacklevel=2)
