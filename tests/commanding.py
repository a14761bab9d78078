"""Starting `elue` from a test, here or in a process of its own, and what such commands are given."""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from unittest import mock

from elue.cli import main
from elue.methods import registry
from elue.record import files as records
from tests.record.test_files import make_record

Words = list[str | Path]
Elue = Callable[..., subprocess.CompletedProcess[str]]


def elue(*words: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    """What a command would have come to in a folder, run in this process: a new one imports all it needs again.

    What a process that it starts prints by itself is not among its output.
    """
    output, errors = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2))
    code: object = 0
    with (
        contextlib.chdir(cwd),
        contextlib.redirect_stdout(output),
        contextlib.redirect_stderr(errors),
        mock.patch.object(sys, "argv", ["elue", *map(str, words)]),
        mock.patch.dict(os.environ),
    ):
        os.environ.pop("COLUMNS", None)  # pytest's processes tell it, a pipe has none
        try:
            main()
        except SystemExit as left:
            code = left.code or 0
    told = (stream.buffer.getvalue().decode() for stream in (output, errors))  # type: ignore[attr-defined]
    return subprocess.CompletedProcess(words, int(str(code)), *told)


def start(words: Words, cwd: Path, **options: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "elue", *map(str, words)]
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, cwd=cwd, **{**pipes, **options})  # type: ignore[call-overload, no-any-return]


def evaluation(plugin: Path, task: Path, folder: Path, *more: str) -> Words:
    places: Words = ["--runs", folder / "runs", "--db", f"sqlite:///{folder / 'index.sqlite'}"]
    return ["evaluate", plugin, "--task", task, "--json", *places, *more]


def write_records(runs: Path, count: int, prefix: str = "", **changes: object) -> None:
    for number in range(count):
        records.write(make_record(key=f"{prefix}{number:0{64 - len(prefix)}x}", **changes), runs)


def submission(plugin: Path, folder: Path, count: int) -> Words:
    """The command that packs so many runs of a plugin, written here."""
    about = {"name": "toy", "family": "static", "title": "A toy", "paper": "", "distribution": None}
    write_records(folder / "runs", count, method={**about, "source_digest": registry.find(str(plugin)).digest()})
    return ["submit", plugin, "--runs", folder / "runs", "--out", folder / "submissions" / "toy", "--force"]


def parts(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.name.endswith(".part")]
