"""A built site is served on this machine alone, until someone interrupts it."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request

import pytest

from elue.errors import ElueError
from elue.leaderboard.serving import serve
from elue.record.store import Store

BARE = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def _heed_interrupts() -> None:
    """What a shell starts in the background ignores Ctrl-C, and so would its children."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.thorough
def test_the_command_builds_serves_and_stops_cleanly(tmp_path):
    database, out = f"sqlite:///{tmp_path / 'elue.sqlite'}", tmp_path / "site"
    Store(database)
    command = [sys.executable, "-m", "elue", "site", "--db", database, "--out", str(out), "--serve", "--port", "0"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path, preexec_fn=_heed_interrupts
    ) as process:
        try:
            assert process.stderr is not None
            said = next(line for line in process.stderr if "serving" in line)
            address = re.search(r"http://127\.0\.0\.1:\d+/", said)
            assert address
            with BARE.open(address[0], timeout=10) as answer:
                assert answer.read() == (out / "index.html").read_bytes()
            with BARE.open(address[0] + "static/vega.js", timeout=10) as answer:
                assert "javascript" in answer.headers["Content-Type"]
            with pytest.raises(urllib.error.HTTPError) as caught:
                BARE.open(address[0] + "../elue.sqlite", timeout=10)
            assert caught.value.code == 404
            process.send_signal(signal.SIGINT)
            assert process.wait(timeout=20) == 0
            assert process.stderr.read() == ""
        finally:
            process.kill()


def test_a_port_in_use_is_said(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(ElueError) as caught:
        serve(tmp_path, taken.getsockname()[1], lambda address: None)
    assert caught.value.code == "port_in_use"
