"""Manifests as text and back."""

from __future__ import annotations

from elue.submissions import manifest as manifests


def test_manifest_round_trip() -> None:
    text = 'a "quoted" \\ text\twith \x7f and \U0001f600'
    document = {"schema": 1, "title": text, "authors": [text], "code": {"url": text}, "methods": [{"name": text}]}
    import tomllib

    assert tomllib.loads(manifests.dumps(document)) == document
