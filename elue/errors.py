"""The one error that users see: what is wrong, in one line, and how to mend it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class ElueError(Exception):
    """A mistake the user can mend. The command line prints it without a traceback and exits with code 2.

    `code` is a stable word tests and scripts can rely on, `message` names the value that is wrong,
    `hint` says what to do.
    """

    def __init__(self, code: str, message: str, hint: str = "") -> None:
        super().__init__(message if not hint else f"{message} {hint}")
        self.code = code
        self.message = message
        self.hint = hint

    def __reduce__(self) -> tuple[type[ElueError], tuple[str, str, str]]:
        """So that it crosses from one process to another."""
        return type(self), (self.code, self.message, self.hint)


def unknown(what: str, value: str, allowed: Iterable[str], code: str | None = None) -> ElueError:
    """An error for a name that does not exist: names it, the nearest ones, and all that are allowed."""
    names = sorted(allowed)
    folded = {name.casefold(): name for name in names}
    near = difflib.get_close_matches(value.casefold(), folded, n=1, cutoff=0.5)
    guess = f"Did you mean '{folded[near[0]]}'? " if near else ""
    known = f"Known: {', '.join(names)}." if names else "There is none."
    return ElueError(code or f"unknown_{what.replace(' ', '_')}", f"Unknown {what} '{value}'.", guess + known)
