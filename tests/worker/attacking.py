"""A worker whose method attacks it, and what of the code that measures is still as it was."""

from __future__ import annotations

import contextlib
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path

from elue.meter import profile
from elue.protocol import Sample, TaskInfo
from elue.worker import frames
from elue.worker.confinement.sandbox import Limits
from elue.worker.failure import WorkerFailure
from elue.worker.session import Worker

HELPERS = """\
import ctypes, json, os, socket, stat, struct
from pathlib import Path

import torch

from elue.meter import Meter
from elue.meter.ledger import Ledger
from elue.protocol import Method, Prediction
from elue.worker import wire
from elue.worker.frames import Predicted
from elue.worker.inside.service import Service

KEPT = [(Meter, "flops", Meter.flops), (wire, "send", wire.send)]
KEPT += [(Service, "predict", Service.predict), (Predicted, "__init__", Predicted.__init__)]
CODE = Ledger.count.__code__
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
    answer["kinds"] = dict.fromkeys(("full", "small", "free"), 0)
    body = json.dumps({{"answer": answer}}).replace('"1e999"', "1e999").encode()
    tell(len(body), body)
    os._exit(0)


class Model:
    def configure(self, point):
        self.point = dict(point)
        if self.point["does"] == -1:
            for holder, name, value in KEPT:
                setattr(holder, name, value)
            Ledger.count.__code__ = CODE
            torch._C._dispatch_tls_set_dispatch_key_excluded(torch._C._dispatch_key_parse("DeferredInit"), False)

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
    """A worker with a plugin loaded that can make attacks, code by name; a new one where the last did not survive.

    `means` are the ways it may confine itself by, all there are where None.
    """

    def __init__(
        self,
        folder: Path,
        attacks: Mapping[str, str],
        limits: Limits | None = None,
        means: Sequence[str] | None = None,
    ) -> None:
        self.folder, self.limits, self.means = folder, limits or Limits(memory=2**30), means
        self.names = list(attacks)
        self.plugin = folder / "attacker.py"
        functions = [
            f"\ndef attack_{number}(samples):\n{textwrap.indent(body, '    ')}\n"
            for number, body in enumerate(attacks.values(), start=1)
        ]
        self.plugin.write_text(HELPERS.format(place=str(folder)) + "\n".join(functions))
        self._worker: Worker | None = None

    def worker(self) -> Worker:
        if self._worker is None:
            hides = [self.folder / "tasks", self.folder / "runs"]
            log, sees = self.folder / "logs" / "log", [self.plugin]
            self._worker = Worker(log, limits=self.limits, sees=sees, hides=hides, means=self.means)
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
