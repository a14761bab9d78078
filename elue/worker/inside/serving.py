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
from typing import Any

from elue.errors import ElueError
from elue.worker import wire
from elue.worker.confinement import sandbox
from elue.worker.inside.answers import Invalid
from elue.worker.inside.service import Service


def serve(channel: socket.socket, service: Service) -> None:
    """Answer frames until the parent closes the channel."""
    while True:
        try:
            request = wire.receive(channel)
        except wire.Closed:
            return
        call = request.pop("call")
        sandbox.violations.clear()
        sandbox.sought.clear()
        try:
            answer = getattr(service, call)(**request)
        except BaseException as error:  # a plugin may raise anything, SystemExit included
            answer = {"error": _describe(error)}
        broken = service.seal.broken() if service.seal else ""
        if broken:
            sandbox.violations.append(f"change the code that measures it ({broken})")
        if sandbox.violations:
            answer = {"error": {"status": "forbidden", "message": f"tried to {sandbox.violations[0]}"}}
        if sandbox.sought:
            answer["sought"] = list(dict.fromkeys(sandbox.sought))
        try:
            wire.send(channel, answer)
        except (TypeError, ValueError) as error:
            wire.send(channel, {"error": {"status": "invalid", "message": f"unsendable answer: {error}"}})


def _describe(error: BaseException) -> dict[str, Any]:
    if isinstance(error, ElueError):
        return {"status": "user", "code": error.code, "message": error.message, "hint": error.hint}
    traceback.print_exception(error)
    status = "invalid" if isinstance(error, Invalid) else "failed"
    text = str(error).strip().splitlines()
    message = text[0] if status == "invalid" else f"{type(error).__name__}: {text[0] if text else ''}"
    return {"status": status, "message": message[:500]}


def main(service: type[Service] = Service) -> None:
    """Confine this process, then answer what a service of this class can."""
    channel = socket.socket(fileno=int(sys.argv[1]))
    os.set_inheritable(channel.fileno(), False)
    faulthandler.enable()
    hello = json.loads(sys.argv[2]) if len(sys.argv) > 2 else wire.receive(channel)
    confinement = sandbox.confine(
        sandbox.Limits(**hello["limits"]), hello["sees"], hello["hides"], hello["means"], channel.fileno()
    )
    wire.send(channel, {"confinement": confinement})
    serve(channel, service(confinement))
