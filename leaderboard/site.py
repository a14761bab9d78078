"""What all pages are made of, and how one of them is made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from elue.leaderboard import crossings, details, samplefiles, scoring, standings
from elue.leaderboard.boards import Board, MethodCard, Task
from elue.leaderboard.environment import environment
from elue.leaderboard.publish import File
from elue.leaderboard.text import profile_words
from elue.scores.headlines import Headline


@dataclass
class Site:
    """Everything that pages are made of; `details`, `scored` and `crossed` fill as the tasks are worked on.

    `ranked` are the editions that any run takes part in, with their scores, and `headlines` by edition what came out
    there of what papers claim; `repository` is the address of the
    sources, `docs` of the documentation, or its first page in the site; `built` is the day of the build, `latest` that
    of the last run.
    """

    tasks: Sequence[Task]
    methods: Sequence[MethodCard]
    base_url: str
    details: dict[str, details.Detail] = field(default_factory=dict)
    scored: dict[str, scoring.Scored] = field(default_factory=dict)
    overviews: dict[str, list[samplefiles.Overview]] = field(default_factory=dict)
    opened: dict[str, samplefiles.Opened] = field(default_factory=dict)
    crossed: dict[str, crossings.Crossed] = field(default_factory=dict)
    ranked: Sequence[standings.Ranked] = ()
    headlines: Mapping[str, Sequence[Headline]] = field(default_factory=dict)
    repository: str = ""
    docs: str = ""
    built: str = ""
    latest: str = ""

    @property
    def boards(self) -> list[tuple[Task, Board]]:
        """All boards, with their tasks."""
        return [(task, board) for task in self.tasks for board in task.boards]

    def score_of(self, board: Board) -> scoring.Scored:
        """What is known of a board's scores."""
        return self.scored.get(board.id) or scoring.Scored(board, None)

    def ranking_of(self, board: Board) -> standings.Ranking:
        """What ranks a board."""
        return standings.ranking_of(board, self.ranked)


def page(site: Site, path: str, template: str, **contents: Any) -> File:
    root = "../" * path.count("/")
    rendered = environment().get_template(template).render(site=site, root=root, path=path, **contents)
    return path, rendered


def titled(task: Task, board: Board) -> str:
    """What tells a board from all others, in one line."""
    limit = f", {board.limit:,} samples of it" if board.limit is not None else ""
    return f"{task.title}: {board.split} split{limit}, {profile_words(board.profile.name)} {board.profile.digest[:8]}"


def mark_of(task: Task, board: Board) -> str:
    """What tells a board from others of its task that have the same heading, which an earlier operator table or other
    data under one name give; nothing where none has."""
    alike = [other for other in task.boards if other.id != board.id and _heading(other) == _heading(board)]
    if not alike:
        return ""
    profile, data = f"profile {board.profile.digest[:8]}", f"data {board.key.revision[:8]}"
    if all(other.profile.digest != board.profile.digest for other in alike):
        return profile
    return data if all(other.key.revision != board.key.revision for other in alike) else f"{profile}, {data}"


def _heading(board: Board) -> tuple[object, ...]:
    return board.split, board.size, board.limit, board.profile.name
