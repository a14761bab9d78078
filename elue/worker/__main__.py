"""The child process: loads one plugin and answers the parent's calls, metering every prediction.

Started as `python -I -m elue.worker FD`; FD is a socket that carries frames. What the plugin prints goes to the log.
"""

from __future__ import annotations

import dataclasses
import faulthandler
import json
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
    from elue.worker.seal import Seal
    from elue.worker.timing import ReferenceEncoder


class Invalid(Exception):
    """The plugin answered, but not with what the protocol asks for."""


class Service:
    """The calls a parent can make. Each takes the frame's fields and returns the answer's fields."""

    def __init__(self, confinement: dict[str, Any]) -> None:
        self.confinement = confinement
        self.seal: Seal | None = None
        self.method: Method
        self.model: Any
        self.modules: list[Any]
        self.task: TaskInfo
        self.profile: Profile
        self.encoder: ReferenceEncoder | None = None
        self.static: Any = None

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
        import elue.meter.meter
        import elue.worker.parameters
        from elue.profile import from_parts
        from elue.worker.plugin import load_method
        from elue.worker.seal import Seal, guard_the_meter

        self.profile = from_parts(profile)
        torch.set_num_threads(self.profile.conditions.threads)
        guard_the_meter(sandbox.violations.append)
        self.seal = Seal()
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
        sandbox.forbid_processes_and_network(filtered=self.confinement["processes"] == "seccomp")
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
        with Meter(profile=self.profile, modules=self.modules, traffic=True) as meter:
            predictions = self.model.predict(inputs)
        return {
            "predictions": checked(predictions, inputs, self.task),
            "flops": meter.flops,
            "matmul_flops": meter.matmul_flops,
            "params_touched": meter.params_touched,
            "unknown": dict(meter.unknown),
            "registered": dict(meter.registered),
            "bytes_read": meter.bytes_read,
            "bytes_written": meter.bytes_written,
            "calls": meter.calls,
        }

    def against(self, target: str, weights: str, seed: int) -> dict[str, Any]:
        """Load the static model to compare with, at the last of its points: full depth. Comes before `load`."""
        from elue.worker.plugin import load_method

        method = load_method(target)
        if reason := method.supports(self.task):
            raise ElueError("unsupported", f"'{method.name}' does not serve '{self.task.name}': {reason}")
        point = dict(method.points(self.task, Path(weights))[-1])
        self.static = method.load(self.task, Path(weights), seed)
        self.static.configure(point)
        return {"method": method.name, "point": point}

    def pack(self, samples: list[dict[str, Any]], metered: bool, model_first: bool) -> dict[str, Any]:
        """Answer samples together, in packs of the profile, by the model and by the static one: counted or timed."""
        from elue.meter import Meter
        from elue.worker.timing import in_packs, in_turn

        inputs, conditions = [Sample(**sample) for sample in samples], self.profile.conditions
        sides = [in_packs(model, conditions) for model in (self.model, self.static)]
        if metered:
            answers, flops = [], []
            unknown: dict[str, int] = {}
            for side in sides:
                with Meter(profile=self.profile, modules=self.modules, track=False) as meter:
                    answers.append(side(inputs))
                flops.append(meter.flops)
                unknown |= meter.unknown
            rows = checked(answers[0], inputs, self.task)
            checked(answers[1], inputs, self.task)
            return {"predictions": rows, "flops": flops[0], "static_flops": flops[1], "unknown": unknown}
        one, other, predictions = in_turn(lambda: sides[0](inputs), lambda: sides[1](inputs), 1, model_first)
        return {"predictions": checked(predictions, inputs, self.task), "seconds": one, "static_seconds": other}

    def calibrate(self, size: str, rounds: int, profile: dict[str, Any]) -> dict[str, Any]:
        """Run a static model of known cost, before any plugin is here."""
        import torch

        from elue.profile import from_parts
        from elue.worker.calibration import exercise

        conditions = from_parts(profile)
        torch.set_num_threads(conditions.conditions.threads)
        return dict(exercise(size, rounds, conditions))

    def latency(self, sample: dict[str, Any], rounds: int, tokens: int, model_first: bool) -> dict[str, Any]:
        """Seconds of a sample and of the reference encoder, in turn, without a Meter."""
        import torch

        from elue.worker.timing import ReferenceEncoder, in_turn

        if self.encoder is None:
            self.encoder = ReferenceEncoder(self.profile.reference)
        encoder, inputs = self.encoder, [Sample(**sample)]
        torch.set_num_threads(self.profile.conditions.threads)
        predict, run = lambda: self.model.predict(inputs), lambda: encoder.run(tokens)
        seconds, reference, predictions = in_turn(predict, run, rounds, model_first)
        return {"predictions": checked(predictions, inputs, self.task), "seconds": seconds, "reference": reference}


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
        sandbox.sought.clear()
        try:
            answer = getattr(service, call)(**request)
        except BaseException as error:  # a plugin may raise anything, SystemExit included
            answer = {"error": _describe(error)}
        broken = service.seal.broken() if service.seal else ""
        if broken:
            sandbox.violations.append(f"change the code that measures it ({broken})")
        if sandbox.violations:
            answer = {"error": {"status": "forbidden", "message": f"tried to {sandbox.violations[0]}"}}
        if sandbox.sought:
            answer["sought"] = list(dict.fromkeys(sandbox.sought))
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
    hello = json.loads(sys.argv[2]) if len(sys.argv) > 2 else wire.receive(channel)
    confinement = sandbox.confine(
        sandbox.Limits(**hello["limits"]), hello["sees"], hello["hides"], hello["means"], channel.fileno()
    )
    wire.send(channel, {"confinement": confinement})
    serve(channel, Service(confinement))


if __name__ == "__main__":
    main()
