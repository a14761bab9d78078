"""Proof that a submission can stand on the board: index, scores and site are made of it, and thrown away."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from elue.errors import ElueError
from elue.leaderboard.build import build
from elue.leaderboard.manifests import of_methods
from elue.record.store import Store
from elue.submissions import manifest as manifests
from elue.submissions.finding import Finding
from elue.submissions.standing import as_it_stands, record_folders

CODE = "E304"


def prove(folder: Path) -> Iterator[Finding]:
    """Make an index and a site of a submission; what breaks is a finding, whatever it is."""
    with tempfile.TemporaryDirectory(prefix="elue-proof-") as place:
        below = record_folders(folder)
        try:
            store = Store(f"sqlite:///{place}/index.sqlite")
            store.rebuild(below, as_it_stands(below))
            told = of_methods(manifests.read(folder))
            build(store.summaries(), Path(place) / "site", store.text, told)
        except ElueError as error:
            yield Finding(CODE, folder.as_posix(), error.message.rstrip("."), error.hint.rstrip(".") or "Mend it")
        except Exception as error:
            what = f"no site can be built of it ({type(error).__name__}: {' '.join(str(error).split())[:200]})"
            yield Finding(CODE, folder.as_posix(), what, "Take the records from the runs folder again")
