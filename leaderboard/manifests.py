"""What submissions say of their methods, for the method cards, and which runs they took back."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from elue.errors import ElueError

FILE = "submission.toml"
RETRACTED = "retracted"
"""Code of the flag that a retracted run carries in the index."""
_SHARED = ("slug", "title", "authors", "licence", "paper", "code", "training_data", "tuned_on", "division", "hardware")


def read(folder: Path) -> dict[str, dict[str, Any]]:
    """The manifests below a folder of submissions, by method name; of two for one method the first by path.

    Raises ElueError `unreadable_manifest`.
    """
    found: dict[str, dict[str, Any]] = {}
    for path in sorted(folder.glob(f"*/{FILE}")):
        try:
            content = tomllib.loads(path.read_text("utf-8"))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            reason = " ".join(str(error).split())
            raise ElueError("unreadable_manifest", f"{path} cannot be read: {reason}.", "Mend it.") from None
        for name, manifest in of_methods(content).items():
            found.setdefault(name, manifest)
    return found


def of_methods(content: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """A submission's manifest as one for each of its methods: its own entry, and what all share."""
    shared = {name: content[name] for name in _SHARED if name in content}
    found = {}
    for entry in _tables(content.get("methods")):
        name = str(entry.get("name", ""))
        found[name] = {
            **shared,
            "version": entry.get("version", content.get("version")),
            "weights": [
                {key: each[key] for key in ("task", "url", "sha256", "size") if key in each}
                for each in _tables(content.get("weights"))
                if each.get("method") == name
            ],
            "retracted": [each for each in _tables(content.get("retracted")) if each.get("method") == name],
        }
    return found


def retraction_of(manifests: Mapping[str, Mapping[str, Any]], summary: Mapping[str, Any]) -> str:
    """Why a run was taken back, or nothing: the method as a whole, or this one point, by manifest or index."""
    for flag in summary.get("flags", ()):
        if flag["code"] == RETRACTED:
            return str(flag["detail"])
    manifest = manifests.get(summary["method"]["name"], {})
    for each in _tables(manifest.get("retracted")):
        if each.get("point") in (None, summary["point"]):
            return reason_of(each)
    return ""


def retraction_of_all(manifest: Mapping[str, Any]) -> str:
    """Why a method as a whole was taken back, or nothing."""
    return next((reason_of(each) for each in _tables(manifest.get("retracted")) if each.get("point") is None), "")


def reason_of(retraction: Mapping[str, Any]) -> str:
    """The reason of a retraction in words, with its date if there is one."""
    reason = str(retraction.get("reason") or "no reason was given")
    return f"{reason} ({retraction['when']})" if retraction.get("when") else reason


def _tables(value: Any) -> list[Mapping[str, Any]]:
    return [each for each in value if isinstance(each, Mapping)] if isinstance(value, list | tuple) else []
