"""Attacks by a loaded model: each must fail and be reported. What a module can reach is in confinement/test_sandbox."""

from __future__ import annotations

import contextlib
import sqlite3
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from elue.meter import profile
from elue.protocol import Sample, TaskInfo
from elue.worker import frames
from elue.worker.confinement import seccomp
from elue.worker.failure import WorkerFailure
from elue.worker.session import Worker

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
        "from elue.meter import meter\n"
        "meter.Meter.count.__code__ = (lambda self, plan, args, kwargs, result: None).__code__",
        "forbidden",
        "change the code that measures it (elue.meter.meter.Meter.count)",
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
    "switches the Meter's key off": (
        "torch._C._dispatch_tls_set_dispatch_key_excluded(torch._C._dispatch_key_parse('AutocastIPU'), True)",
        "forbidden",
        "hide operators from the Meter",
    ),
    "switches the Meter's key off for a while": (
        "keys = torch._C.DispatchKeySet(torch._C._dispatch_key_parse('AutocastIPU'))\n"
        "with torch._C._ExcludeDispatchKeyGuard(keys): W @ W",
        "forbidden",
        "hide operators from the Meter",
    ),
    "works where autocast is disabled": (
        "with torch._C._DisableAutocast(): W @ W",
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
    "sends a number beyond all": (
        "reply(samples, flops=2**80)",
        "invalid",
        "took.flops: a number of more than 64 bits",
    ),
    "allocates without end": (
        "kept = []\nwhile True: kept.append(bytearray(256 << 20))",
        "failed|crashed",
        "Memory|kill",
    ),
}
"""The same, but the worker does not outlive it."""

HELPERS = """\
import ctypes, json, os, socket, stat, struct
from pathlib import Path

import torch

from elue.meter import Meter
from elue.protocol import Method, Prediction
from elue.worker import wire
from elue.worker.inside.service import Service

KEPT = [(Meter, "flops", Meter.flops), (wire, "send", wire.send)]
KEPT += [(Service, "predict", Service.predict)]
CODE = Meter.count.__code__
C = ctypes.CDLL(None, use_errno=True)
PLACE = Path({place!r})
W = torch.nn.Parameter(torch.ones(8, 8))


def channel():
    for handle in range(3, 100):
        try:
            if stat.S_ISSOCK(os.fstat(handle).st_mode):
                return handle
        except OSError:
            continue


def tell(length, body):
    os.write(channel(), struct.pack(">I", length) + body)


def reply(samples, value=0, flops=0):
    answers = {{"values": [value], "traces": [0], "claimed": [None], "ties": []}}
    took = dict.fromkeys(("flops", "matmul_flops", "params_touched", "bytes_read", "bytes_written"), 0)
    took |= {{"flops": flops, "unknown": {{}}, "registered": {{}}}}
    news = {{"steps": [], "traces": [[]]}}
    answer = {{"ids": [samples[0].id], "answers": answers, "took": took, "calls": 0, "news": news}}
    body = json.dumps({{"answer": answer}}).replace('"1e999"', "1e999").encode()
    tell(len(body), body)
    os._exit(0)


class Model:
    def configure(self, point):
        self.point = dict(point)
        if self.point["does"] == -1:
            for holder, name, value in KEPT:
                setattr(holder, name, value)
            Meter.count.__code__ = CODE
            torch._C._dispatch_tls_set_dispatch_key_excluded(torch._C._dispatch_key_parse("AutocastIPU"), False)

    def predict(self, samples):
        globals()[f"attack_{{self.point['does']}}"](samples)
        W @ W
        return [Prediction(0) for s in samples]


class Attacker(Method):
    name = "attacker"
    family = "static"

    def load(self, task, weights, seed):
        return Model()


def attack_0(samples):
    pass

"""


class Attacked:
    """A worker with the attacking plugin loaded; a new one where the last did not survive."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.names = [*ATTACKS, *DEADLY]
        self.plugin = folder / "attacker.py"
        bodies = [body for body, _, _ in (*ATTACKS.values(), *DEADLY.values())]
        functions = [
            f"\ndef attack_{number}(samples):\n{textwrap.indent(body, '    ')}\n"
            for number, body in enumerate(bodies, start=1)
        ]
        self.plugin.write_text(HELPERS.format(place=str(folder)) + "\n".join(functions))
        self._worker: Worker | None = None

    def worker(self) -> Worker:
        if self._worker is None:
            hides = [self.folder / "tasks", self.folder / "runs"]
            limits = sandbox_limits()
            self._worker = Worker(self.folder / "logs" / "log", limits=limits, sees=[self.plugin], hides=hides)
            task = TaskInfo("mine", "classification", ("a", "b"))
            target = f"{self.plugin}:Attacker"
            self._worker.call(frames.Open(target, task, profile.load("elue-1")), 300.0)
            self._worker.call(frames.Load(None, 0), 300.0)
        return self._worker

    def predict(self, name: str, seconds: float = 20.0) -> frames.Predicted:
        worker, number = self.worker(), self.names.index(name) + 1 if name else 0
        worker.call(frames.Configure(({"does": number},), 0), 20.0)
        return worker.call(frames.Predict((Sample("ab12", "a text"),)), seconds)

    def mend(self) -> None:
        """Put back what an attack replaced, so that the next one can be told apart."""
        worker = self.worker()
        with contextlib.suppress(WorkerFailure):
            worker.call(frames.Configure(({"does": -1},), 0), 20.0)

    def close(self) -> None:
        if self._worker is not None:
            self._worker.close()
        self._worker = None


def sandbox_limits() -> Any:
    from elue.worker.confinement.sandbox import Limits

    return Limits(memory=2**30)


@pytest.fixture(scope="module")
def attacked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Attacked]:
    folder = tmp_path_factory.mktemp("attacked")
    for name in ("tasks", "runs"):
        (folder / name).mkdir()
    (folder / "tasks" / LABELS).write_text("the labels\n")
    (folder / "runs" / RECORD).write_text('{"a": "record"}')
    with sqlite3.connect(folder / DATABASE) as connection:
        connection.execute("CREATE TABLE runs (key TEXT)")
        connection.execute("INSERT INTO runs VALUES ('kept')")
    attacked = Attacked(folder)
    yield attacked
    attacked.close()


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_fails_and_is_reported(attacked: Attacked, name: str) -> None:
    _, status, reason = ATTACKS[name]
    with pytest.raises(WorkerFailure) as caught:
        attacked.predict(name)
    assert caught.value.status in status.split("|")
    assert any(part in caught.value.reason for part in reason.split("|")), caught.value.reason
    attacked.mend()


def test_after_attacks_nothing_is_harmed(attacked: Attacked) -> None:
    for name in ("opens the database", "rewrites a record", "deletes a record", "writes a new file outside"):
        with pytest.raises(WorkerFailure):
            attacked.predict(name)
    assert sorted(path.name for path in attacked.folder.iterdir() if path.is_dir()) == ["logs", "runs", "tasks"]
    assert not (attacked.folder / "mine").exists()
    assert (attacked.folder / "tasks" / LABELS).read_text() == "the labels\n"
    assert (attacked.folder / "runs" / RECORD).read_text() == '{"a": "record"}'
    with sqlite3.connect(attacked.folder / DATABASE) as connection:
        assert connection.execute("SELECT key FROM runs").fetchall() == [("kept",)]
    assert attacked.predict("").took.flops == 2 * 8 * 8 * 8


@pytest.mark.parametrize("name", DEADLY)
def test_an_attack_that_ends_its_worker_is_reported(attacked: Attacked, name: str) -> None:
    if name.endswith(" in C") and not seccomp.available():
        pytest.skip("this system filters no calls")
    _, status, reason = DEADLY[name]
    with pytest.raises(WorkerFailure) as caught:
        attacked.predict(name)
    attacked.close()
    assert caught.value.status in status.split("|")
    assert any(part in caught.value.reason for part in reason.split("|")), caught.value.reason
