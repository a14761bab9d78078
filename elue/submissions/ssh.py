"""Signatures by SSH keys, made and checked by `ssh-keygen -Y`."""

from __future__ import annotations

import os
import subprocess
import tempfile
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path

from elue.errors import ElueError

NAMESPACE = "sign-off@elue"
"""What the signatures are for: none of another namespace counts here, and none of these anywhere else."""
SIGNERS = "allowed_signers"
"""The file beside the submissions that says whose signatures count, as in ssh-keygen(1), ALLOWED SIGNERS."""
LONGEST = 10_000
"""Characters that a signature may have."""
LONGEST_NAME = 200
SECONDS = 30


def sign(content: bytes, key: Path) -> str:
    """A signature of some bytes by a private key, or by the agent that holds the one of a public key.

    ssh-keygen asks for a passphrase where there is one. Raises ElueError `not_signed` where it can't sign.
    """
    with tempfile.TemporaryDirectory(prefix="elue-sign-") as place:
        file = Path(place) / "content"
        file.write_bytes(content)
        done = _run("-Y", "sign", "-q", "-f", str(key.absolute()), "-n", NAMESPACE, str(file), seconds=None)
        signature = file.with_suffix(".sig")
        if done.returncode or not signature.is_file():
            raise ElueError("not_signed", f"{key} can't sign: {_reason(done)}.", "Name an SSH key by --key FILE.")
        return signature.read_text("ascii")


@lru_cache(maxsize=1024)
def fault(content: bytes, signature: str, signer: str, when: str, signers: bytes | None) -> str:
    """Why a signature of some bytes counts for nothing, in words; empty where it is by an allowed signer.

    `signers` is the content of the file of allowed signers; a key must have been valid `when` it signed, an ISO date.
    Raises ElueError `no_ssh_keygen` where signatures can't be checked.
    """
    if not signature:
        return "it is not signed"
    if signers is None:
        return f"there is no file {SIGNERS} beside the submissions, so that nobody may sign"
    if len(signature) > LONGEST or not signature.isascii():
        return "its signature is none"
    if len(signer) > LONGEST_NAME or not signer.isprintable():
        return "its signer's name is none"
    try:
        then = datetime.fromisoformat(when).astimezone(UTC)
    except (ValueError, OverflowError):
        return f"its date {when[:40]!r} is none"
    with tempfile.TemporaryDirectory(prefix="elue-sign-") as place:
        allowed, signed = Path(place) / SIGNERS, Path(place) / "signature"
        allowed.write_bytes(signers)
        signed.write_text(signature, "ascii")
        words = ("-Y", "verify", "-q", "-f", str(allowed), "-I", signer, "-n", NAMESPACE, "-s", str(signed))
        done = _run(*words, f"-Overify-time={then:%Y%m%d%H%M%S}", content=content)
    return "" if done.returncode == 0 else f"its signature is not that of a signer '{signer}' ({_reason(done)})"


def _run(*words: str, content: bytes = b"", seconds: float | None = SECONDS) -> subprocess.CompletedProcess[bytes]:
    """Run ssh-keygen, to which dates are in UTC."""
    try:
        return subprocess.run(
            ["ssh-keygen", *words],
            input=content,
            capture_output=True,
            check=False,
            timeout=seconds,
            env=os.environ | {"TZ": "UTC", "LC_ALL": "C"},
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        reason = error.strerror if isinstance(error, OSError) else "it does not end"
        message = f"ssh-keygen can't be run ({reason}), so sign-offs are neither made nor checked."
        raise ElueError("no_ssh_keygen", message, "Install OpenSSH.") from None


def _reason(done: subprocess.CompletedProcess[bytes]) -> str:
    """What ssh-keygen said last."""
    lines = (done.stderr + b"\n" + done.stdout).decode("utf-8", "replace").strip().splitlines()
    return lines[-1].rstrip(".")[:200] if lines else f"ssh-keygen ended with {done.returncode}"
