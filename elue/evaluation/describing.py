"""What the training of a method takes: read from its source where that says so, else asked in a worker."""

from __future__ import annotations

import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from elue.errors import ElueError
from elue.methods import defaults, importing
from elue.methods.options import TINY
from elue.methods.registry import MethodSource

if TYPE_CHECKING:
    from elue.worker import frames


def described(method: MethodSource, backbone: str = TINY) -> list[dict[str, Any]]:
    """The training options of a method that do something for a backbone: name, default, help.

    For the backbone "tiny" they are read from the method's source, and nothing is imported, as far as that says it all
    and shows nothing that may fail when it is imported. Else a worker tells; what one said before is taken from there.

    Raises ElueError when a worker cannot import the method, or the backbone is not found.
    """
    assert method.file is not None
    sound = backbone == TINY and (method.comes_with_elue or not importing.may_fail(method.file))
    if sound and (read := defaults.read(method)) is not None:
        return [asdict(option) for option in read]
    from elue.evaluation.known import known
    from elue.methods.backbones import configured
    from elue.worker import frames

    with tempfile.TemporaryDirectory(prefix="elue-describe-") as temporary:
        place = configured(backbone, Path(temporary))
        config = (place / "config.json") if place else None
        question = {
            "backbone": backbone if place is None else Path(backbone).name,
            "config": config.read_text("utf-8", "replace") if config and config.is_file() else None,
            "kind": str(place is not None),
        }
        answer = known(frames.Described, method, question, lambda: _asked(method, backbone, place, temporary))
    return [asdict(option) for option in answer.options]


def check_imports(method: MethodSource) -> None:
    """Raise ElueError where a worker cannot import the method now, or it can't tell its options."""
    with tempfile.TemporaryDirectory(prefix="elue-describe-") as temporary:
        _asked(method, TINY, None, temporary)


def _asked(method: MethodSource, backbone: str, place: Path | None, temporary: str) -> frames.Described:
    from elue.worker import frames
    from elue.worker.failure import WorkerFailure
    from elue.worker.session import START_SECONDS, Worker

    seen = method.code if place is None else (*method.code, place)
    try:
        with Worker(Path(temporary) / "log", sees=seen) as worker:
            return worker.call(frames.Describe(method.address, str(place or backbone)), START_SECONDS)
    except WorkerFailure as failure:
        message = f"Method '{method.name}' is broken: {failure.reason}."
        raise ElueError(
            "broken_method", message, "Mend its file, which a worker could not import, or ask for options."
        ) from None
