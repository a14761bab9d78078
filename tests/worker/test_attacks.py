"""Attacks by a loaded model: each must fail and be reported. What a module can reach is in confinement/test_sandbox."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from elue.worker.confinement import seccomp
from elue.worker.failure import WorkerFailure
from tests.worker.attacking import Attacked

LABELS, DATABASE, RECORD = "test.tsv", "elue.sqlite", "0123.json"

ATTACKS: dict[str, tuple[str, str, str]] = {
    "reads the label file": (
        "return [Prediction(len(open(PLACE / 'tasks' / 'test.tsv').read()) > 0)]",
        "forbidden",
        "tried to read 'test.tsv'",
    ),
    "reads the label file and hides the error": (
        "try: open(PLACE / 'tasks' / 'test.tsv')\nexcept OSError: pass",
        "forbidden",
        "tried to read 'test.tsv'",
    ),
    "lists the task folder": ("list((PLACE / 'tasks').iterdir())", "forbidden", "tried to read 'tasks'"),
    "opens the database": (
        "import sqlite3\nsqlite3.connect(PLACE / 'elue.sqlite').execute('DELETE FROM runs')",
        "forbidden",
        "tried to read 'elue.sqlite'",
    ),
    "rewrites a record": (
        "try: (PLACE / 'runs' / '0123.json').write_text('{}')\nexcept OSError: pass",
        "forbidden",
        "tried to write '0123.json' outside its home",
    ),
    "deletes a record": (
        "try: (PLACE / 'runs' / '0123.json').unlink()\nexcept OSError: pass",
        "forbidden",
        "tried to write '0123.json' outside its home",
    ),
    "writes a new file outside": (
        "try: open(PLACE / 'mine', 'w')\nexcept OSError: pass",
        "forbidden",
        "tried to write 'mine' outside its home",
    ),
    "makes a folder outside": (
        "try: (PLACE / 'folder').mkdir()\nexcept OSError: pass",
        "forbidden",
        "tried to write 'folder' outside its home",
    ),
    "moves a file out": (
        "open('mine', 'w').close()\ntry: os.rename('mine', PLACE / 'moved')\nexcept OSError: pass",
        "forbidden",
        "tried to write 'moved' outside its home",
    ),
    "connects": (
        "import socket\ntry: socket.socket().connect(('127.0.0.1', 9))\nexcept OSError: pass",
        "forbidden",
        "open a socket",
    ),
    "asks the network": (
        "import urllib.request\ntry: urllib.request.urlopen('http://localhost:9')\nexcept OSError: pass",
        "forbidden",
        "look up a network name",
    ),
    "unpickles": (
        "import pickle\ntry: pickle.loads(b'cposix\\nsystem\\n(S\"true\"\\ntR.')\nexcept OSError: pass",
        "forbidden",
        "unpickle posix.system",
    ),
    "replaces a property of the Meter": (
        "from elue.meter import Meter\nMeter.flops = property(lambda self: 1)",
        "forbidden",
        "change the code that measures it (elue.meter.meter.Meter.flops)",
    ),
    "replaces the code of a function": (
        "from elue.meter import ledger\n"
        "ledger.Ledger.count.__code__ = (lambda self, plan, args, kwargs, result: None).__code__",
        "forbidden",
        "change the code that measures it (elue.meter.ledger.Ledger.count)",
    ),
    "replaces what sends frames": (
        "from elue.worker import wire\nsend = wire.send\nwire.send = lambda channel, message: send(channel, message)",
        "forbidden",
        "change the code that measures it (elue.worker.wire.send)",
    ),
    "replaces the service": (
        "from elue.worker.inside.service import Service\nService.predict = lambda self, samples: {}",
        "forbidden",
        "change the code that measures it (elue.worker.inside.service.Service.predict)",
    ),
    "replaces the making of an answer": (
        "from elue.worker.frames import Predicted\nmake = Predicted.__init__\n"
        "Predicted.__init__ = lambda self, *given: make(self, *given)",
        "forbidden",
        "change the code that measures it (elue.worker.frames.answering.Predicted.__init__)",
    ),
    "says half a character and signs that act on a screen": (
        r"raise ValueError('\ud800 \x1b[2J\x07 \u202e' + 'x' * 9000)",
        "failed",
        "ValueError: \ufffd \ufffd[2J\ufffd \ufffdxxx",
    ),
    "fails by a class that fails to say why": (
        "class Odd(Exception):\n    def __str__(self): raise SystemExit(1)\nraise Odd()",
        "failed",
        "Odd: ",
    ),
    "fails by a class whose name acts on a screen": (
        r"raise type('\x1b]0;', (Exception,), {})()",
        "failed|invalid",
        "\ufffd",
    ),
    "tells the user to act on the screen": (
        r"from elue.errors import ElueError; raise RuntimeError(ElueError('\ud800', '\x1b[2J', '\x9b2J'))",
        "failed",
        "RuntimeError: ",
    ),
    "switches the Meter's key off": (
        "torch._C._dispatch_tls_set_dispatch_key_excluded(torch._C._dispatch_key_parse('DeferredInit'), True)",
        "forbidden",
        "hide operators from the Meter",
    ),
    "switches the Meter's key off for a while": (
        "keys = torch._C.DispatchKeySet(torch._C._dispatch_key_parse('DeferredInit'))\n"
        "with torch._C._ExcludeDispatchKeyGuard(keys): W @ W",
        "forbidden",
        "hide operators from the Meter",
    ),
}
"""What a plugin does in `predict`, and the status and reason that come of it. The worker lives on."""

DEADLY: dict[str, tuple[str, str, str]] = {
    "forks in C": ("C.fork()", "forbidden", "made a system call that a worker may not make"),
    "sends a gigabyte": ("tell(1 << 30, b'')", "invalid", "a frame of 1073741824 bytes, more than"),
    "sends NaN": (
        "reply(samples, value=float('nan'))",
        "invalid",
        "NaN is not a number",
    ),
    "sends infinity": (
        "reply(samples, value='1e999')",
        "invalid",
        "finite",
    ),
    "sends a frame that is no object": ("tell(5, b'[1,2]')", "invalid", "not a JSON"),
    "sends a name that acts on a screen": (
        r"body = json.dumps({'answer': {}, '\x1b[2J\ud800': 1}).encode(); tell(len(body), body); os._exit(0)",
        "invalid",
        "\ufffd[2J\ufffd: unknown",
    ),
    "sends a number that no sum can hold": ("reply(samples, value=1e300)", "invalid", "not a finite number"),
    "sends a number beyond all": (
        "reply(samples, flops=2**80)",
        "invalid",
        "took.flops: a number of more than 64 bits",
    ),
    "allocates without end": (
        "kept = []\nwhile True: kept.append(bytearray(256 << 20))",
        "failed|crashed",
        "emory|kill",
    ),
}
"""The same, but the worker does not outlive it."""


def furnish(folder: Path) -> None:
    """Put what an evaluation leaves lying about into a folder."""
    for name in ("tasks", "runs"):
        (folder / name).mkdir()
    (folder / "tasks" / LABELS).write_text("the labels\n")
    (folder / "runs" / RECORD).write_text('{"a": "record"}')
    with sqlite3.connect(folder / DATABASE) as connection:
        connection.execute("CREATE TABLE runs (key TEXT)")
        connection.execute("INSERT INTO runs VALUES ('kept')")


def unharmed(folder: Path) -> bool:
    """Whether it is still as it was, and nothing more lies there."""
    with sqlite3.connect(folder / DATABASE) as connection:
        kept = connection.execute("SELECT key FROM runs").fetchall() == [("kept",)]
    texts = [(folder / "tasks" / LABELS).read_text(), (folder / "runs" / RECORD).read_text()]
    names = {path.name for path in folder.iterdir()} - {"attacker.py", "__pycache__"}
    return kept and texts == ["the labels\n", '{"a": "record"}'] and names == {"logs", "runs", "tasks", DATABASE}


@pytest.fixture(scope="module")
def attacked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Attacked]:
    folder = tmp_path_factory.mktemp("attacked")
    furnish(folder)
    attacked = Attacked(folder, {name: body for name, (body, _, _) in (ATTACKS | DEADLY).items()})
    yield attacked
    attacked.close()


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_fails_and_is_reported(attacked: Attacked, name: str) -> None:
    _, status, reason = ATTACKS[name]
    with pytest.raises(WorkerFailure) as caught:
        attacked.predict(name)
    assert caught.value.status in status.split("|")
    assert any(part in caught.value.reason for part in reason.split("|")), caught.value.reason
    assert caught.value.reason.isprintable()
    attacked.mend()


def test_after_attacks_nothing_is_harmed(attacked: Attacked) -> None:
    for name in ("opens the database", "rewrites a record", "deletes a record", "writes a new file outside"):
        with pytest.raises(WorkerFailure):
            attacked.predict(name)
    assert unharmed(attacked.folder)
    assert attacked.predict("").took.flops == 2 * 8 * 8 * 8


@pytest.mark.parametrize("name", DEADLY)
def test_an_attack_that_ends_its_worker_is_reported(attacked: Attacked, name: str) -> None:
    if name.endswith(" in C") and not seccomp.available():
        pytest.skip("this system filters no calls")
    _, status, reason = DEADLY[name]
    with pytest.raises(WorkerFailure) as caught:
        attacked.predict(name)
    attacked.close()
    assert caught.value.reason.isprintable()
    assert caught.value.status in status.split("|")
    assert any(part in caught.value.reason for part in reason.split("|")), caught.value.reason
