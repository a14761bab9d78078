"""Serves a built site on this machine, for a look at it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from elue.errors import ElueError


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing of single requests."""


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a browser that goes away in the midst of an answer."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


def serve(folder: Path, port: int, ready: Callable[[str], None]) -> None:
    """Serve the folder on the loopback address until interrupted; `ready` gets the address.

    Raises ElueError `port_in_use` when the port cannot be had.
    """
    try:
        server = _Server(("127.0.0.1", port), partial(_Quiet, directory=str(folder)))
    except (OSError, OverflowError) as error:
        hint = "Give another --port; 0 takes any free one."
        raise ElueError("port_in_use", f"Port {port} cannot be had: {str(error).rstrip('.')}.", hint) from None
    with server:
        ready(f"http://127.0.0.1:{server.server_port}/")
        with suppress(KeyboardInterrupt):
            server.serve_forever()
