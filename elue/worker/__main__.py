"""The child process: loads one plugin and answers the parent's calls, metering every prediction.

Started as `python -I -m elue.worker FD`; FD is a socket that carries frames. What the plugin prints goes to the log.
"""

from __future__ import annotations

import dataclasses
import faulthandler
import os
import platform
import socket
import sys
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from elue.errors import ElueError
from elue.protocol import Method, Prediction, Sample, TaskInfo
from elue.worker import sandbox, wire

if TYPE_CHECKING:
    from elue.profile import Profile


class Invalid(Exception):
    """The plugin answered, but not with what the protocol asks for."""


class Service:
    """The calls a parent can make. Each takes the frame's fields and returns the answer's fields."""

    def __init__(self, confinement: dict[str, Any]) -> None:
        self.confinement = confinement
        self.method: Method
        self.model: Any
        self.modules: list[Any]
        self.task: TaskInfo
        self.profile: Profile

    def describe(self, target: str) -> dict[str, Any]:
        """Import the plugin and name its training options, each with default and help."""
        from elue.worker.plugin import load_method

        options = load_method(target).options
        fields = dataclasses.fields(options) if options else ()
        return {"options": [_option(field) for field in fields]}

    def open(self, target: str, task: dict[str, Any], profile: dict[str, Any]) -> dict[str, Any]:
        """Import the plugin and set the measurement's conditions."""
        import torch

        import elue
        from elue.profile import Conditions, Costs, Profile
        from elue.worker.plugin import load_method

        conditions = Conditions(**profile["conditions"])
        self.profile = Profile(**{**profile, "conditions": conditions, "costs": Costs(**profile["costs"])})
        torch.set_num_threads(conditions.threads)
        self.task = TaskInfo(**{**task, "labels": tuple(task["labels"])})
        self.method = load_method(target)
        return {
            "environment": {
                "python": platform.python_version(),
                "torch": torch.__version__,
                "transformers": metadata.version("transformers"),
                "elue": elue.__version__,
                "platform": f"{sys.platform}-{platform.machine()}",
                "processor": _processor(),
                "sandbox": self.confinement,
            }
        }

    def points(self, weights: str | None) -> dict[str, Any]:
        """Whether the method serves this task, and its default sweep."""
        reason = self.method.supports(self.task)
        points = [] if reason else [dict(p) for p in self.method.points(self.task, _path(weights))]
        return {"unsupported": reason, "points": points}

    def load(self, weights: str | None, seed: int) -> dict[str, Any]:
        """Load the model; from here on it may start no process and touch no network."""
        import torch

        torch.manual_seed(seed)
        self.model = self.method.load(self.task, _path(weights), seed)
        sandbox.forbid_processes_and_network()
        return {}

    def configure(self, point: dict[str, Any], seed: int) -> dict[str, Any]:
        """Set the operating point; returns the parameters in force there."""
        import torch

        from elue.worker.parameters import modules_of, total_parameters

        torch.manual_seed(seed)
        self.model.configure(point)
        self.modules = modules_of(self.model)
        return {"params_total": total_parameters(self.modules)}

    def predict(self, samples: list[dict[str, Any]]) -> dict[str, Any]:
        """Answer samples under the Meter; the count covers all of them together."""
        from elue.meter import Meter

        inputs = [Sample(**sample) for sample in samples]
        with Meter(profile=self.profile, modules=self.modules) as meter:
            predictions = self.model.predict(inputs)
        return {
            "predictions": checked(predictions, inputs, self.task),
            "flops": meter.flops,
            "matmul_flops": meter.matmul_flops,
            "params_touched": meter.params_touched,
            "unknown": dict(meter.unknown),
        }

    def check(self, check: str, samples: list[dict[str, Any]], weights: str | None, seed: int) -> dict[str, Any]:
        """Run one conformance check on the loaded model, over these samples."""
        from elue.conformance import Subject, run

        inputs = tuple(Sample(**sample) for sample in samples)
        subject = Subject(self.method, self.task, inputs, _path(weights), seed, self.profile, self.model)
        return asdict(run(check, subject))


def checked(predictions: Any, samples: Sequence[Sample], task: TaskInfo) -> list[dict[str, Any]]:
    """The predictions as frame data. Raises Invalid, naming what is wrong, for anything but one answer a sample."""
    if isinstance(predictions, str | Mapping) or not isinstance(predictions, Sequence):
        raise Invalid(f"predict returned {type(predictions).__name__}, not a sequence of Prediction")
    if len(predictions) != len(samples):
        raise Invalid(f"predict returned {len(predictions)} predictions for {len(samples)} samples")
    rows = []
    for sample, prediction in zip(samples, predictions, strict=True):
        if not isinstance(prediction, Prediction):
            raise Invalid(f"predict returned {type(prediction).__name__} where a Prediction belongs")
        rows.append({"id": sample.id, **asdict(prediction), "value": number(prediction.value, task)})
    return rows


def number(value: Any, task: TaskInfo) -> float:
    """A predicted value as a plain number. Raises Invalid for NaN, a wrong type, or a label that does not exist."""
    if isinstance(value, bool | str) or not hasattr(value, "__float__"):
        raise Invalid(f"a prediction's value is {value!r}, not a number")
    plain = float(value)
    if plain != plain or plain in (float("inf"), float("-inf")):
        raise Invalid(f"a prediction's value is {plain}")
    if task.kind == "classification" and plain not in range(len(task.labels)):
        raise Invalid(f"a prediction's value is {plain}, not a label index in 0..{len(task.labels) - 1}")
    return plain


def serve(channel: socket.socket, service: Service) -> None:
    """Answer frames until the parent closes the channel."""
    while True:
        try:
            request = wire.receive(channel)
        except wire.Closed:
            return
        call = request.pop("call")
        sandbox.violations.clear()
        try:
            answer = getattr(service, call)(**request)
        except BaseException as error:  # a plugin may raise anything, SystemExit included
            answer = {"error": _describe(error)}
        if sandbox.violations:
            answer = {"error": {"status": "forbidden", "message": f"tried to {sandbox.violations[0]}"}}
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


def _option(field: dataclasses.Field[Any]) -> dict[str, Any]:
    default = field.default if field.default is not dataclasses.MISSING else None
    plain = isinstance(default, bool | int | float | str)
    return {"name": field.name, "default": default if plain else repr(default), "help": field.metadata.get("help", "")}


def _path(folder: str | None) -> Path | None:
    return None if folder is None else Path(folder)


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor()


def main() -> None:
    """Confine this process, then serve."""
    channel = socket.socket(fileno=int(sys.argv[1]))
    os.set_inheritable(channel.fileno(), False)
    faulthandler.enable()
    hello = wire.receive(channel)
    confinement = sandbox.confine(sandbox.Limits(**hello["limits"]))
    wire.send(channel, {"confinement": confinement})
    serve(channel, Service(confinement))


if __name__ == "__main__":
    main()
