"""The process in which a submission is validated: bounded, it looks, builds a site of it, and says what it found."""

from __future__ import annotations

import json
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from elue.errors import ElueError
from elue.submissions.apart import answer_of
from elue.submissions.validate import Verdict, validate


def look(asked: dict[str, Any]) -> Verdict:
    """All findings; where there is no error, what an index and a site made of the submission say, too."""
    folder, data = Path(asked["folder"]), asked["data"]
    verdict = validate(folder, asked["base"], None if data is None else Path(data))
    if verdict.errors or not verdict.records:
        return verdict
    from elue.leaderboard.proof import prove

    return replace(verdict, findings=(*prove(folder), *verdict.findings))


def bound(seconds: int, memory: int) -> None:
    """Take no more CPU time and memory from here on, as far as the system can hold a process to it."""
    try:
        import resource
    except ImportError:
        return
    for kind, most in ((resource.RLIMIT_CPU, seconds), (resource.RLIMIT_DATA, memory), (resource.RLIMIT_CORE, 0)):
        with suppress(ValueError, OSError):
            hard = resource.getrlimit(kind)[1]
            least = most if hard == resource.RLIM_INFINITY else min(most, hard)
            resource.setrlimit(kind, (least, least))


def main() -> None:
    """Answer the one question that stands on the standard input."""
    asked = json.load(sys.stdin)
    bound(asked["seconds"], asked["memory"])
    try:
        answer = answer_of(look(asked))
    except ElueError as error:
        answer = {"error": [error.code, error.message, error.hint]}
    sys.stdout.write(json.dumps(answer))


if __name__ == "__main__":
    main()
