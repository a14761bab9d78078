"""`elue campaign` as people use it: what it prints where, and the codes that it leaves with."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.campaign.toys import write_campaign, write_trained
from tests.commanding import elue, start
from tests.conftest import WriteTask


@pytest.fixture
def board(tmp_path: Path, write_task: WriteTask) -> Path:
    """A campaign of one method that serves the task once a file is there, and one that never does."""
    write_task(4)
    for name in ("trained", "picky"):
        write_trained(tmp_path, name)
    text = 'tasks = ["tasks/mine.toml"]\n[method.trained]\nsource = "trained_plugin.py"\n'
    text += f'options = {{ needs = "{tmp_path / "needed"}" }}\n[method.picky]\nsource = "picky_plugin.py"\n'
    return write_campaign(tmp_path, text)


def rows(table: str) -> list[list[str]]:
    return [line.split() for line in table.splitlines()]


def test_what_is_due_is_told_and_nothing_is_made(board: Path) -> None:
    done = elue("campaign", board, "--dry-run", cwd=board.parent)
    assert done.returncode == 0
    assert rows(done.stdout)[1] == ["train", "trained", "mine", "1", "due", "not", "trained", "yet"]
    assert rows(done.stdout)[2][:6] == ["measure", "trained", "mine", "test", "1", "due"]
    assert done.stderr == "4 of 4 jobs are due\n"
    assert not (board.parent / "board").exists()
    done = elue("campaign", board, "--dry-run", "--json", "--only", "pic*", cwd=board.parent)
    jobs = json.loads(done.stdout)["jobs"]
    assert [(job["kind"], job["entry"], job["state"]) for job in jobs] == [
        ("train", "picky", "due"),
        ("measure", "picky", "due"),
    ]
    assert jobs[1]["needs"] == [jobs[0]["id"]]


@pytest.mark.thorough
def test_it_leaves_with_one_until_what_has_failed_is_done(board: Path) -> None:
    here = board.parent
    failed = elue("campaign", board, "--workers", "1", cwd=here)
    assert failed.returncode == 1
    assert "\x1b" not in failed.stdout + failed.stderr
    table = [
        ["what", "method", "done", "due", "failed", "refused"],
        ["train", "trained", "1"],
        ["measure", "trained", "1"],
        ["train", "picky", "1"],
        ["measure", "picky", "1"],
    ]
    assert rows(failed.stdout) == table
    lines = failed.stderr.splitlines()
    assert lines[0] == "to do: 4 jobs"
    assert re.match(r"train trained, mine, seed 0: failed after \d+ s: Training 'trained' ended", lines[1])
    assert lines[-3] == "not served: picky on mine: 'picky' does not serve 'mine': it is a toy of another kind"
    assert lines[-2].startswith("failed: train trained, mine, seed 0: Training 'trained' ended with exit code 1; its")
    assert lines[-1] == "0 of 4 jobs are done, 1 failure"

    again = elue("campaign", board, "--workers", "1", "--json", cwd=here)
    assert again.returncode == 1
    assert [failure["job"] for failure in json.loads(again.stdout)["failures"]] == ["train trained, mine, seed 0"]
    status = elue("campaign", "status", board, cwd=here)
    assert (status.returncode, rows(status.stdout)) == (0, table)
    assert status.stderr.splitlines() == lines[-3:]

    (here / "needed").touch()
    told = elue("campaign", board, "--dry-run", "--retry-failed", cwd=here)
    assert "it failed (--retry-failed): Training 'trained' ended" in " ".join(told.stdout.split())
    mended = elue("campaign", board, "--workers", "1", "--retry-failed", "--json", cwd=here)
    assert mended.returncode == 0
    document = json.loads(mended.stdout)
    assert [(job["kind"], job["state"]) for job in document["jobs"]] == [
        *(("train", "done"), ("measure", "done"), ("train", "refused"), ("measure", "refused"))
    ]
    assert document["failures"] == []
    only = elue("campaign", "status", board, "--only", "trained", "--json", cwd=here)
    assert [job["entry"] for job in json.loads(only.stdout)["jobs"]] == ["trained"] * 2

    # another plan has nothing done, and is told that there was one
    board.write_text(board.read_text().replace("options = { ", "options = { answer = 1, "))
    status = elue("campaign", "status", board, "--only", "trained", cwd=here)
    assert "its journal has 3 jobs of another plan" in status.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nothing.toml"], "Cannot read the campaign nothing.toml: No such file or directory."),
        (["status", "nothing.toml"], "Cannot read the campaign nothing.toml"),
        (["board.toml", "--only", "tranied"], "Did you mean 'trained'?"),
        (["board.toml", "--out", "tasks/mine.toml"], "Cannot write into tasks/mine.toml"),
        (["status", "board.toml", "--only", "x"], "Unknown method or task 'x'"),
    ],
)
def test_mistakes_are_one_line_and_leave_with_two(board: Path, words: list[str], said: str) -> None:
    done = elue("campaign", *words, cwd=board.parent)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_code_that_changes_meanwhile_leaves_work_to_do(board: Path) -> None:
    plugin = board.parent / "trained_plugin.py"
    changing = "pathlib.Path(__file__).open('a').write('more = 1')"
    plugin.write_text(plugin.read_text().replace('note = {"answer"', f'{changing}\n        note = {{"answer"'))
    (board.parent / "needed").touch()
    done = elue("campaign", board, "--workers", "1", "--only", "trained", cwd=board.parent)
    assert done.returncode == 1
    assert "The code of 'trained' is another one where it runs than where the campaign was planned" in done.stderr
    assert done.stderr.splitlines()[-1] == "2 jobs to do yet: what they are made from has changed meanwhile"


@pytest.mark.thorough
def test_a_gpu_that_is_not_there_is_told_before_anything_begins(board: Path) -> None:
    asked = [sys.executable, "-c", "import sys, torch; sys.exit(not torch.cuda.is_available())"]
    if subprocess.run(asked).returncode == 0:
        pytest.skip("there is a GPU")
    done = elue("campaign", board, "--gpu", "2", cwd=board.parent)
    assert (done.returncode, done.stderr) == (
        *(2, "error: --gpu was asked for, but torch finds no GPU here. Leave --gpu out.\n"),
    )
    assert not (board.parent / "board").exists()


@pytest.mark.thorough
def test_a_terminal_shows_a_line_a_worker_and_the_table_last(board: Path) -> None:
    ours, theirs = pty.openpty()
    done = start(
        ["campaign", board, "--workers", "2"],
        board.parent,
        stdout=theirs,
        stderr=theirs,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "90", "LINES": "20"},
    )
    os.close(theirs)
    drawn = b""
    try:
        while part := os.read(ours, 65536):
            drawn += part
    except OSError:  # how a terminal ends whose last user has left
        pass
    assert done.wait() == 1
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", drawn.decode())
    assert re.search(r"0 of 4 jobs, [12] under way", text)
    assert re.search(r"  1  train trained, mine, seed 0 .*\d s", text)
    assert re.search(r"  2  train picky, mine, seed 0", text)
    assert text.splitlines()[-1] == "0 of 4 jobs are done, 1 failure"


@pytest.mark.thorough
def test_an_interrupt_ends_it_at_once_and_says_how_it_goes_on(board: Path) -> None:
    board.write_text(board.read_text().replace("options = { ", "options = { seconds = 60, "))
    (board.parent / "needed").touch()
    process = start(["campaign", board, "--workers", "2", "--only", "trained"], board.parent)
    while not list(board.parent.glob("board/logs/*.log")):
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "stopped; the same command goes on from here" in said
    assert "Traceback" not in said
