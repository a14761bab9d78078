"""The files of a split: one file, or shards as the hub writes them, in a task's folder or where its own file says."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from elue.errors import ElueError

KINDS = (".parquet", ".csv", ".tsv", ".jsonl")
"""Suffixes of the files that can be read."""
ALIASES = {"validation": ("validation", "valid", "val", "dev")}
"""What else a split's files may be called; every other split goes by its own name."""


def expanded(path: Path) -> list[Path]:
    """The files that a path names, sorted: itself, or those of a pattern such as `data/train-*.parquet`.

    Raises ElueError for a pattern that no file fits, and for shards that are not all there.
    """
    if not any(mark in path.name for mark in "*?["):
        return [path]
    files = sorted(path.parent.glob(path.name))
    if not files:
        raise ElueError("missing_data", f"No file fits {path}.", "Check the path.")
    _check_whole(files)
    return files


def task_folder(data: Path, task: str) -> Path:
    """The folder of a task in a data folder, whatever its case; or the data folder, where that has the task's name.

    Where there is none, the one that would have been.
    """
    named = [path for path in (sorted(data.iterdir()) if data.is_dir() else ()) if path.is_dir()]
    same = [path for path in named if path.name.casefold() == task.casefold()]
    exact = [path for path in same if path.name == task]
    if not same and data.resolve().name.casefold() == task.casefold():
        return data
    return (exact or same or [data / task])[0]


def split_files(folder: Path, split: str) -> list[Path]:
    """The files of a split in a task's folder, [] where there is none: see `_places` for where they may lie.

    Raises ElueError where two places hold one, and for shards that are not all there.
    """
    sources = [files for name in ALIASES.get(split, (split,)) for files in _places(folder, name)]
    if len(sources) > 1:
        first, second = (files[0].relative_to(folder) for files in sources[:2])
        raise ElueError("ambiguous_data", f"{folder} holds both {first} and {second}.", "Keep one of them.")
    files = sources[0] if sources else []
    _check_whole(files)
    return files


def _places(folder: Path, name: str) -> list[list[Path]]:
    """What may be a split of this name: `name.csv`, `name-00000-of-00002.csv`, either in `data/`, or `name/*.csv`."""
    places = []
    for kind in KINDS:
        for base in (folder, folder / "data"):
            places.append([path for path in (base / f"{name}{kind}",) if path.is_file()])
            places.append(sorted(base.glob(f"{name}-[0-9]*-of-[0-9]*{kind}")))
        places.append(sorted((folder / name).glob(f"*{kind}")))
    return [files for files in places if files]


def _check_whole(files: Sequence[Path]) -> None:
    """Raise ElueError for shards, named by their number and how many there are, of which some are missing."""
    for path in files:
        numbered = re.search(r"-\d+-of-(\d+)\.", path.name)
        if numbered and int(numbered[1]) != len(files):
            there = f"{len(files)} of the {int(numbered[1])} shards that {path.name} tells of are in {path.parent}."
            raise ElueError("missing_data", f"Only {there}", "Get the others.")
