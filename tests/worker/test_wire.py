"""Frames: whole, bounded, strict JSON, with a deadline."""

from __future__ import annotations

import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from elue.worker import wire


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    one, other = socket.socketpair()
    with one, other:
        yield one, other


def test_a_frame_arrives_as_it_was_sent(ends: tuple[socket.socket, socket.socket]) -> None:
    message = {"text": "é\n\u202e", "big": "x" * 300_000, "number": 1.5, "none": None}
    sender = threading.Thread(target=wire.send, args=(ends[0], message))
    sender.start()
    assert wire.receive(ends[1], 5) == message
    sender.join()


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_nan_is_not_sent(ends: tuple[socket.socket, socket.socket], value: float) -> None:
    with pytest.raises(ValueError, match="JSON"):
        wire.send(ends[0], {"value": value})


@pytest.mark.parametrize("body", [b'{"a": NaN}', b'{"a": Infinity}', b"[1]", b"\xff\xfe", b"{", b"[" * 100_000])
def test_what_is_not_a_strict_json_object_is_refused(ends: tuple[socket.socket, socket.socket], body: bytes) -> None:
    threading.Thread(target=ends[0].sendall, args=(struct.pack(">I", len(body)) + body,)).start()
    with pytest.raises(wire.WireError):
        wire.receive(ends[1], 5)


def test_an_oversized_frame_is_refused_unread(ends: tuple[socket.socket, socket.socket]) -> None:
    ends[0].sendall(struct.pack(">I", wire.LIMIT + 1))
    with pytest.raises(wire.WireError, match="more than"):
        wire.receive(ends[1], 5)


def test_the_deadline_covers_the_whole_frame(ends: tuple[socket.socket, socket.socket]) -> None:
    ends[0].sendall(struct.pack(">I", 100) + b"{")
    start = time.monotonic()
    with pytest.raises(wire.Timeout):
        wire.receive(ends[1], 0.2)
    assert time.monotonic() - start < 5


def test_a_closed_end_is_told_apart(ends: tuple[socket.socket, socket.socket]) -> None:
    ends[0].close()
    with pytest.raises(wire.Closed):
        wire.receive(ends[1], 5)


GREEDY = {
    "empty lists": ("[],", "lists and objects"),
    "empty objects": ("{},", "lists and objects"),
    "objects in objects": ('{"a":{"b":1}},', "lists and objects"),
    "small floats": ("1.5,", None),
    "short texts": ('"\u00e9\u00e9",', None),
}


@pytest.mark.parametrize("name", GREEDY)
def test_a_frame_takes_little_more_than_its_bytes(name: str) -> None:
    """16 MiB of small things that a plugin sends, read in a process of its own: what it takes beyond what it had."""
    part, refused = GREEDY[name]
    code = f"""
import socket, struct, threading
from elue.worker import wire
from elue.worker.decoding import Fault, decode
from elue.worker.frames import Reply, Swept
from tests.memory import peak
part = {part!r}
body = ('{{"answer": {{"points": [' + part * (16 * 2**20 // len(part.encode())) + '0]}}}}').encode()
here, there = socket.socketpair()
threading.Thread(target=there.sendall, args=(struct.pack(">I", len(body)) + body,), daemon=True).start()
before = peak()
said = ""
try:
    decode(Swept, decode(Reply, wire.receive(here)).answer)
except (wire.WireError, Fault) as error:
    said = str(error)
print((peak() - before) // 2**20, said, sep="|")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    mebibytes, _, said = done.stdout.strip().partition("|")
    assert (refused or "ids: not there") in said
    assert int(mebibytes) < 400
