"""Options that are shares or chances: what they may be at most."""

from __future__ import annotations

from typing import TypeVar

from elue.errors import ElueError
from elue.modeling.options import CommonOptions

Options = TypeVar("Options", bound=CommonOptions)


def checked_shares(options: Options, *names: str, below_one: bool = False) -> Options:
    """The same options, of which these are at most 1, or below it. Raises ElueError for one that is more."""
    for name in names:
        value = getattr(options, name)
        if not (value < 1 if below_one else value <= 1):
            wanted = "a share below 1" if below_one else "a share of 0 to 1"
            raise ElueError("bad_option", f"Option '{name}' can't be {value:g}.", f"Give {wanted}.")
    return options
