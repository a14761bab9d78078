"""`elue list --check`: methods that share a worker are told apart where one is broken."""

from __future__ import annotations

from dataclasses import replace

import pytest

from elue.cli import browse
from elue.evaluation import describing
from elue.methods import registry
from elue.worker.session import Worker


def test_one_broken_method_breaks_none_that_shares_its_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """ELUE's own share workers, and what one of them cannot import is named of that one alone."""
    started: list[object] = []
    begin = Worker.__init__

    def counted(worker: Worker, *words: object, **named: object) -> None:
        started.append(named.get("sees"))
        begin(worker, *words, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(Worker, "__init__", counted)
    monkeypatch.setattr("os.cpu_count", lambda: 1)
    static, pabee, voting = (registry.find(name) for name in ("static", "pabee", "voting"))
    broken = replace(pabee, name="broken", target="elue.plugins.early_exit.pabee:Nothing")
    assert broken.comes_with_elue
    assert describing.imported_together([static, broken, voting]) == {"static"}
    started.clear()
    told = browse._all_checked([static, broken, voting])
    assert [(method.name, bool(method.broken)) for method in told] == [
        ("static", False),
        ("broken", True),
        ("voting", False),
    ]
    assert "Nothing" in told[1].broken
    assert len(started) == 3, "one for all, one for each that it did not tell of"
    started.clear()
    assert not any(method.broken for method in browse._all_checked([static, pabee, voting]))
    assert len(started) == 1
