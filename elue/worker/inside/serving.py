"""The child process: confined, it loads one plugin and answers the parent's calls.

Started as `python -I -m MODULE FD`, the module being one that calls `main`; FD is a socket that carries frames. What
the plugin prints goes to the log.
"""

from __future__ import annotations

import faulthandler
import json
import os
import socket
import sys
import traceback
from functools import cache
from typing import Any, Literal, get_type_hints

from elue.errors import ElueError
from elue.worker import wire
from elue.worker.confinement import sandbox
from elue.worker.decoding import decode
from elue.worker.frames import Call, CallFrame, Hello, Ready, Reply, Trouble
from elue.worker.inside.answers import Invalid
from elue.worker.inside.service import Service

_MESSAGE = 500
"""Letters of what goes wrong that are told."""


def serve(channel: socket.socket, service: Service) -> None:
    """Answer calls until the parent closes the channel."""
    while True:
        try:
            request = decode(CallFrame, wire.receive(channel))
        except wire.Closed:
            return
        sandbox.violations.clear()
        sandbox.sought.clear()
        reply = _answered(service, request)
        try:
            wire.send(channel, reply)
        except (TypeError, ValueError) as error:
            wire.send(channel, Reply(error=Trouble("invalid", f"unsendable answer: {error}"[:_MESSAGE])))


def _answered(service: Service, request: CallFrame) -> Reply:
    """What the service's function named by a call gives for it."""
    answer = trouble = None
    try:
        function = getattr(service, request.call)
        answer = function(decode(_asked(function.__func__), request.asked))
    except BaseException as error:  # a plugin may raise anything, SystemExit included
        trouble = _trouble(error)
    broken = service.seal.broken() if service.seal else ""
    if broken:
        sandbox.violations.append(f"change the code that measures it ({broken})")
    if sandbox.violations:
        trouble = Trouble("forbidden", f"tried to {sandbox.violations[0]}"[:_MESSAGE])
    return Reply(None if trouble else answer, trouble, tuple(dict.fromkeys(sandbox.sought)))


@cache
def _asked(function: Any) -> type[Call[Any]]:
    """The class of the calls that a service's function answers."""
    kind: type[Call[Any]] = get_type_hints(function)["asked"]
    return kind


def _trouble(error: BaseException) -> Trouble:
    if isinstance(error, ElueError):
        return Trouble("user", error.message[:_MESSAGE], error.code[:_MESSAGE], error.hint[:_MESSAGE])
    traceback.print_exception(error)
    status: Literal["invalid", "failed"] = "invalid" if isinstance(error, Invalid) else "failed"
    text = _text(error).strip().splitlines()
    message = text[0] if status == "invalid" else f"{type(error).__name__}: {text[0] if text else ''}"
    return Trouble(status, message[:_MESSAGE])


def _text(error: BaseException) -> str:
    """What an exception says of itself, where it says anything: its class may be a plugin's, and raise in turn."""
    try:
        return str(error)[: 10 * _MESSAGE]
    except BaseException:
        return ""


def main(service: type[Service] = Service) -> None:
    """Confine this process, then answer what a service of this class can."""
    channel = socket.socket(fileno=int(sys.argv[1]))
    os.set_inheritable(channel.fileno(), False)
    faulthandler.enable()
    hello = decode(Hello, json.loads(sys.argv[2]) if len(sys.argv) > 2 else wire.receive(channel))
    confinement = sandbox.confine(hello.limits, hello.sees, hello.hides, hello.means, channel.fileno())
    wire.send(channel, Ready(confinement))
    serve(channel, service(confinement))
