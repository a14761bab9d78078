"""Validation in a process of its own, which may take so much time and memory and no more, whatever the folder holds."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from elue.errors import ElueError
from elue.submissions.finding import Finding
from elue.submissions.reading import entries
from elue.submissions.validate import Verdict

MODULE = "elue.cli.proving"
"""What runs in the process: it reads an `asked` as JSON and writes an `answer`."""
SECONDS = 30
"""Of CPU time that every submission may take."""
RECORD_SECONDS = 2
MOST_SECONDS = 600
MEMORY = 2**30
"""Of bytes that every submission may take."""
RECORD_MEMORY = 2**22
MOST_MEMORY = 2**33
WAITS = 10
"""Times the CPU seconds that are waited for, on a machine that has other work."""


def validate_apart(
    folder: Path,
    base: str | None = None,
    data: Path | None = None,
    seconds: int | None = None,
    memory: int | None = None,
) -> Verdict:
    """`validate`, and the proof that index and site can be built, within CPU seconds and bytes of memory.

    Without `seconds` these are 30 and 2 for each record, at most 600; without `memory` that is 1 GiB and 4 MiB for each
    record, at most 8 GiB. Raises ElueError as `validate` does.
    """
    if not folder.is_dir():
        raise ElueError("no_submission", f"There is no folder {folder}.", "Name a submission's folder.")
    listed = sum(path.suffix == ".json" for path, _ in entries(folder)[0])
    if seconds is None:
        seconds = min(SECONDS + RECORD_SECONDS * listed, MOST_SECONDS)
    if memory is None:
        memory = min(MEMORY + RECORD_MEMORY * listed, MOST_MEMORY)
    asked: dict[str, Any] = {"folder": str(folder), "base": base, "data": None if data is None else str(data)}
    asked |= {"seconds": seconds, "memory": memory}
    with tempfile.TemporaryDirectory(prefix="elue-validate-") as home:
        done = _run(asked, home, seconds * WAITS)
    if isinstance(done, str):
        mend = "A submission of honest size takes far less; a maintainer may give more by --seconds and --memory"
        return Verdict((Finding("E305", folder.as_posix(), done, mend),), (), 0)
    if "error" in done:
        raise ElueError(*done["error"])
    return Verdict(tuple(Finding(**finding) for finding in done["findings"]), tuple(done["notes"]), done["records"])


def answer_of(verdict: Verdict) -> dict[str, Any]:
    """A verdict as plain data."""
    findings = [asdict(finding) for finding in verdict.findings]
    return {"findings": findings, "notes": list(verdict.notes), "records": verdict.records}


def _run(asked: Mapping[str, Any], home: str, seconds: float) -> dict[str, Any] | str:
    """What the process answers, or in words how it ended without an answer."""
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    pool = {"ARROW_DEFAULT_MEMORY_POOL": "system"}  # its own reserves a GiB at once, which the limit on memory counts
    process = subprocess.Popen(
        [sys.executable, "-I", "-m", MODULE],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ | threads | pool | {"TMPDIR": home},
        start_new_session=True,
    )
    try:
        answer, trouble = process.communicate(json.dumps(asked).encode(), timeout=seconds)
    except subprocess.TimeoutExpired:
        return f"looking it over took more than {asked['seconds']} s"
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    if process.returncode == 0:
        told: dict[str, Any] = json.loads(answer)
        return told
    if -process.returncode in (getattr(signal, "SIGXCPU", None), getattr(signal, "SIGKILL", None)):
        return f"looking it over took more than {asked['seconds']} s, or more than {asked['memory']:,} bytes"
    lines = trouble.decode("utf-8", "replace").strip().splitlines()
    if b"MemoryError" in trouble or b"out of memory" in trouble or b"memory" in trouble[-500:]:
        return f"looking it over took more than {asked['memory']:,} bytes"
    return f"looking it over broke ({lines[-1][:200] if lines else process.returncode})"
