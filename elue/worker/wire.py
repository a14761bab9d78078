"""Frames between parent and worker: a length, then JSON. Nothing else crosses, above all no pickle."""

from __future__ import annotations

import json
import select
import socket
import struct
import time
from collections.abc import Callable
from typing import Any

from elue.worker.decoding import plain

LIMIT = 64 * 2**20
"""Largest frame in bytes that either side accepts."""
MOST = {"lists and objects": (b"[{", 2**20), "names": (b":", 2**20), "values": (b",", 2**23)}
"""What a frame may hold at most, by the signs it is counted by: read, each takes many times its bytes."""

_HEADER = struct.Struct(">I")
_LOOK = 0.5


class WireError(Exception):
    """The other side closed, sent something that is not a frame, or let the deadline pass."""


class Timeout(WireError):
    """No whole frame came before the deadline."""


class Closed(WireError):
    """The other side is gone."""


def send(channel: socket.socket, message: Any) -> None:
    """Send one frame: a dataclass, or what JSON knows; it may hold dataclasses.

    Raises ValueError for NaN or infinity, Closed if the other side is gone.
    """
    body = json.dumps(message, allow_nan=False, default=plain).encode()
    if len(body) > LIMIT:
        raise ValueError(f"frame of {len(body)} bytes exceeds {LIMIT}")
    try:
        channel.sendall(_HEADER.pack(len(body)) + body)
    except OSError as error:
        raise Closed(str(error)) from None


def receive(
    channel: socket.socket, seconds: float | None = None, meanwhile: Callable[[], None] | None = None
) -> dict[str, Any]:
    """Receive one frame, waiting at most `seconds` for all of it; `meanwhile` is called twice a second of waiting.

    Raises Timeout, Closed, or WireError for a frame that holds too much, or that is not a strict JSON object.
    """
    deadline = None if seconds is None else time.monotonic() + seconds
    (length,) = _HEADER.unpack(_exactly(channel, _HEADER.size, deadline, meanwhile))
    if length > LIMIT:
        raise WireError(f"a frame of {length} bytes, more than the {LIMIT} allowed")
    body = _exactly(channel, length, deadline, meanwhile)
    for what, (signs, most) in MOST.items():
        if sum(body.count(sign) for sign in signs) > most:
            raise WireError(f"a frame of more than {most} {what}")
    try:
        message = json.loads(body, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise WireError(f"a frame that is not JSON ({error})") from None
    if not isinstance(message, dict):
        raise WireError("a frame that is not a JSON object")
    return message


def waiting(channel: socket.socket) -> bool:
    """Whether bytes are there to be read now: between calls that means an answer nobody asked for."""
    return bool(select.select([channel], [], [], 0)[0])


def drain(channel: socket.socket, seconds: float) -> None:
    """Read and forget until nobody holds the other end, at most this long."""
    deadline = time.monotonic() + seconds
    try:
        while select.select([channel], [], [], max(0.0, deadline - time.monotonic()))[0] and channel.recv(2**20):
            pass
    except OSError:
        return


def _exactly(
    channel: socket.socket, size: int, deadline: float | None, meanwhile: Callable[[], None] | None
) -> bytearray:
    chunks = bytearray()
    looked = time.monotonic()
    while len(chunks) < size:
        left = None if deadline is None else max(0.0, deadline - time.monotonic())
        wait = left if meanwhile is None else min(_LOOK if left is None else left, _LOOK)
        ready = select.select([channel], [], [], wait)[0]
        if meanwhile is not None and time.monotonic() - looked >= _LOOK:
            looked = time.monotonic()
            meanwhile()
        if not ready:
            if wait == left:
                raise Timeout("no answer in time")
            continue
        try:
            chunk = channel.recv(min(size - len(chunks), 2**20))
        except OSError as error:
            raise Closed(str(error)) from None
        if not chunk:
            raise Closed("the channel was closed")
        chunks += chunk
    return chunks


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not a number")
