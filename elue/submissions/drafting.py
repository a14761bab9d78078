"""Drafting a manifest: what is known is written, what only the author knows is asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import metadata
from typing import Any

from elue.errors import ElueError, unknown
from elue.methods.registry import MethodSource
from elue.record.schema import Record
from elue.record.training import trainings
from elue.submissions.checks.source import PLUGIN
from elue.submissions.git import told
from elue.submissions.manifest import PLACEHOLDER, SCHEMA, Manifest

FIELDS = (
    "title",
    "authors",
    "licence",
    "paper",
    "code.url",
    "code.revision",
    "training_data",
    "tuned_on",
    "division",
    "hardware",
    "seeds",
    "methods.version",
    "weights.url",
)
"""What `--set` can set; in `authors` a semicolon parts one from the next, and {method} and {task} in `weights.url`
stand for those."""


def draft(
    slug: str, methods: Sequence[MethodSource], chosen: Sequence[Record], sizes: Mapping[str, int]
) -> dict[str, Any]:
    """A manifest for these methods and records. `sizes` gives the bytes of weights folders by their digest."""
    first, trained = methods[0], any(record.weights for record in chosen)
    weights = _weights(chosen, sizes)
    paper = first.paper if len(methods) == 1 and first.paper else f"{PLACEHOLDER}: authors, year, URL; or none"
    nothing = "none: the method has no weights"
    return {
        "schema": SCHEMA,
        "slug": slug,
        "version": 1,
        "title": (first.title if len(methods) == 1 else "") or f"{PLACEHOLDER}: what this is, in a line",
        "authors": [f"{PLACEHOLDER}: names"],
        "licence": _licence(first) or f"{PLACEHOLDER}: of the code and records, such as Apache-2.0",
        "paper": paper,
        "training_data": f"{PLACEHOLDER}: every data set the weights have seen" if trained else nothing,
        "tuned_on": f"{PLACEHOLDER}: the split that chose the operating points: validation, train or nothing",
        "seeds": max(trainings(chosen).values(), default=1),
        "division": "open" if any(record.registered for record in chosen) else "closed",
        "hardware": _hardware(chosen),
        "code": {
            "url": f"{PLACEHOLDER}: where the code is developed, https://…, or 'this repository'",
            "revision": _revision(first) or f"{PLACEHOLDER}: the commit or tag that was measured",
        },
        "methods": [{"name": m.name, "version": _version(m), "source": _source(m)} for m in methods],
        "weights": weights,
    }


def keep(document: dict[str, Any], before: Manifest, changed: bool) -> dict[str, Any]:
    """The draft with what the author had written before; the version rises if a record changed."""
    old = before.model_dump(mode="json", by_alias=True)
    kept = dict(document)
    for name in ("title", "authors", "licence", "paper", "training_data", "tuned_on", "seeds"):
        kept[name] = old[name]
    kept["code"] = {**old["code"], "revision": _known(document["code"]["revision"], old["code"]["revision"])}
    earlier = {(entry["method"], entry["task"], entry["sha256"]): entry for entry in old["weights"]}
    for entry in kept["weights"]:
        same = earlier.get((entry["method"], entry["task"], entry["sha256"]))
        if same:
            entry |= {"url": same["url"], "size": entry["size"] or same["size"]}
    kept["version"] = before.version + int(changed)
    kept["retracted"] = old["retracted"]
    return kept


def fill(document: dict[str, Any], fields: Mapping[str, str]) -> None:
    """Set fields as the user says. Raises ElueError for one that can't be set."""
    for name, text in fields.items():
        if name not in FIELDS:
            raise unknown("manifest field", name, FIELDS, code="unknown_field")
        if not text.strip():
            raise ElueError("bad_field", f"--set {name}= has no text.", "Write --set NAME=TEXT.")
        part, _, rest = name.partition(".")
        if name == "authors":
            document["authors"] = [author.strip() for author in text.split(";") if author.strip()]
        elif name == "seeds":
            if not text.isdecimal():
                raise ElueError("bad_field", f"--set seeds={text} is no whole number.", "Write --set seeds=3.")
            document["seeds"] = int(text)
        elif part == "code":
            document["code"][rest] = text
        elif part in ("methods", "weights"):
            for entry in document[part]:
                words = {"method": entry.get("method", entry.get("name", "")), "task": entry.get("task", "")}
                entry[rest] = text.replace("{method}", words["method"]).replace("{task}", words["task"])
        else:
            document[name] = text


def _known(new: str, old: str) -> str:
    return old if new.startswith(PLACEHOLDER) else new


def _weights(chosen: Sequence[Record], sizes: Mapping[str, int]) -> list[dict[str, Any]]:
    used = {(r.method.name, r.task.name, r.weights.digest) for r in chosen if r.weights is not None}
    return [
        {
            "method": method,
            "task": task,
            "url": f"{PLACEHOLDER}: where the weights can be had, https://…, or 'not published'",
            "sha256": digest,
            "size": sizes.get(digest, 0),
        }
        for method, task, digest in sorted(used)
    ]


def _hardware(chosen: Sequence[Record]) -> str:
    named = {f"{r.environment.get('processor', '')} {r.environment.get('platform', '')}".strip() for r in chosen}
    return "; ".join(sorted(name for name in named if name))[:500] or f"{PLACEHOLDER}: the processor"


def _version(method: MethodSource) -> str:
    return method.distribution[1] if method.distribution else "1"


def _source(method: MethodSource) -> str:
    if method.module is not None:
        return method.target
    assert method.file is not None
    return f"{PLUGIN}/{method.file.name}:{method.target.rpartition(':')[2]}"


def _licence(method: MethodSource) -> str:
    if method.distribution is None:
        return ""
    about = metadata.metadata(method.distribution[0])
    return str(about["License-Expression"]) if "License-Expression" in about else ""


def _revision(method: MethodSource) -> str:
    """The commit the method's file is at, where it lies in a git checkout and is committed as it is."""
    assert method.file is not None
    folder, name = method.file.parent, method.file.name
    if told(folder, "ls-files", "--error-unmatch", "--", name) is None:
        return ""
    if told(folder, "status", "--porcelain", "--", name):
        return ""
    return told(folder, "rev-parse", "HEAD") or ""
