"""What a worker does for its parent: loads the plugin, and meters, collects and prices what it answers."""

from __future__ import annotations

import dataclasses
import platform
import sys
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from elue.errors import ElueError
from elue.protocol import Method, Prediction, Sample, TaskInfo
from elue.worker.confinement import sandbox
from elue.worker.inside import answers
from elue.worker.inside.points import numeric, spelled

if TYPE_CHECKING:
    from elue.meter.profile import Profile
    from elue.worker.inside.pricing import Pricer
    from elue.worker.inside.seal import Seal
    from elue.worker.inside.timing import ReferenceEncoder

OFFERS = ("rehearse", "predict_sweep", "ladder", "survey", "explain")
"""Members of a model that it may lack: see `elue.protocol.DynamicModel`."""


class Service:
    """The calls a parent can make. Each takes the frame's fields and returns the answer's fields."""

    def __init__(self, confinement: dict[str, Any]) -> None:
        self.confinement = confinement
        self.seal: Seal | None = None
        self.method: Method
        self.model: Any
        self.modules: list[Any]
        self.points_swept: list[dict[str, Any]]
        self.traces: answers.TraceNumbers
        self.pricer: Pricer
        self.task: TaskInfo
        self.profile: Profile
        self.encoder: ReferenceEncoder | None = None
        self.static: Any = None

    def describe(self, target: str) -> dict[str, Any]:
        """Import the plugin and name its training options, each with default and help."""
        from elue.worker.inside.plugin import load_method

        options = load_method(target).options
        fields = dataclasses.fields(options) if options else ()
        return {"options": [_option(field) for field in fields]}

    def open(self, target: str, task: dict[str, Any], profile: dict[str, Any]) -> dict[str, Any]:
        """Import the plugin and set the measurement's conditions."""
        import torch

        import elue
        import elue.meter.meter
        import elue.worker.inside.parameters
        import elue.worker.inside.pricing
        from elue.meter.profile import from_parts
        from elue.worker.inside.plugin import load_method
        from elue.worker.inside.seal import Seal, guard_the_meter

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
        points = [] if reason else [spelled(p) for p in self.method.points(self.task, _path(weights))]
        return {"unsupported": reason, "points": points}

    def load(self, weights: str | None, seed: int) -> dict[str, Any]:
        """Load the model; from here on it may start no process and touch no network. Says what more it offers."""
        import torch

        from elue.worker.inside.pricing import Pricer

        torch.manual_seed(seed)
        self.model = self.method.load(self.task, _path(weights), seed)
        self.pricer = Pricer(self.profile)
        sandbox.forbid_processes_and_network(filtered=self.confinement["processes"] == "seccomp")
        return {"offers": [name for name in OFFERS if callable(getattr(self.model, name, None))]}

    def configure(self, point: dict[str, Any], seed: int) -> dict[str, Any]:
        """Set the operating point; returns the parameters in force there. Traces are numbered anew."""
        return {"params_total": self._configure([point], seed)[0]}

    def configure_sweep(self, points: list[dict[str, Any]], seed: int) -> dict[str, Any]:
        """Set the points that `predict_sweep` is to answer; returns the parameters in force at each."""
        self.points_swept = [numeric(self.method.knobs, point) for point in points]
        return {"params_total": self._configure(points, seed)}

    def _configure(self, points: Sequence[dict[str, Any]], seed: int) -> list[int]:
        import torch

        from elue.worker.inside.parameters import modules_of, total_parameters

        torch.manual_seed(seed)
        totals, modules = [], {}
        for point in points:
            self.model.configure(numeric(self.method.knobs, point))
            here = modules_of(self.model)
            totals.append(total_parameters(here))
            modules.update({id(module): module for module in here})
        self.modules = list(modules.values())
        self.traces = answers.TraceNumbers()
        return totals

    def predict(self, samples: list[dict[str, Any]]) -> dict[str, Any]:
        """Answer samples under the Meter; the count covers all of them together."""
        from elue.meter import Meter

        inputs = [Sample(**sample) for sample in samples]
        with Meter(profile=self.profile, modules=self.modules, traffic=True) as meter:
            answered = self.model.predict(inputs)
        rows = [
            {
                "id": sample.id,
                "value": answers.number(prediction.value, self.task),
                "scores": prediction.scores,
                "ties": answers.ties(prediction.scores),
                "declared": answers.declared(prediction),
                "path": self.traces.number(prediction.trace),
            }
            for sample, prediction in zip(inputs, answers.predictions(answered, len(inputs)), strict=True)
        ]
        return {
            "predictions": rows,
            **dataclasses.asdict(meter.counts),
            "calls": meter.calls,
            **self.traces.news(),
        }

    def predict_many(self, samples: list[dict[str, Any]]) -> dict[str, Any]:
        """Answer samples together, unmetered: values, and traces to be priced."""
        inputs = [Sample(**sample) for sample in samples]
        columns = self._columns(self.model.predict(inputs), len(inputs), "predict")
        return {"ids": [sample.id for sample in inputs], "points": [columns], **self.traces.news()}

    def predict_sweep(self, samples: list[dict[str, Any]]) -> dict[str, Any]:
        """The same at all points of `configure_sweep`, from one pass."""
        inputs = [Sample(**sample) for sample in samples]
        columns = self._swept(self.model.predict_sweep(inputs, self.points_swept), len(inputs), "predict_sweep")
        return {"ids": [sample.id for sample in inputs], "points": columns, **self.traces.news()}

    def survey(self, samples: list[dict[str, Any]]) -> dict[str, Any]:
        """The same, and what every way out would answer at the first of the points."""
        inputs = [Sample(**sample) for sample in samples]
        swept, ladder = answers.sequence(self.model.survey(inputs, self.points_swept), 2, "survey", "parts, not {}")
        columns, ways = self._swept(swept, len(inputs), "survey"), self._climbed(ladder, len(inputs), "survey")
        return {"ids": [sample.id for sample in inputs], "points": columns, "ways": ways, **self.traces.news()}

    def ladder(self, samples: list[dict[str, Any]]) -> dict[str, Any]:
        """For each sample what every way out would answer, the values and traces in columns by way out."""
        inputs = [Sample(**sample) for sample in samples]
        ways = self._climbed(self.model.ladder(inputs), len(inputs), "ladder")
        return {"ids": [sample.id for sample in inputs], "ways": ways, **self.traces.news()}

    def price(self, paths: list[int]) -> dict[str, Any]:
        """Price traces by their numbers."""
        chosen = map(self.traces.steps_of, paths)
        prices = [dataclasses.asdict(self.pricer.price(self.model, self.modules, trace)) for trace in chosen]
        return {"prices": prices, "rehearsed": self.pricer.news()}

    def explain(self, samples: list[dict[str, Any]]) -> dict[str, Any]:
        """What the model does with samples at the current point."""
        inputs = [Sample(**sample) for sample in samples]
        explained = answers.sequence(self.model.explain(inputs), len(inputs), "explain", "explanations for {} samples")
        return {"ids": [sample.id for sample in inputs], "explained": [answers.explanation(one) for one in explained]}

    def against(self, target: str, weights: str, seed: int) -> dict[str, Any]:
        """Load the static model to compare with, at the last of its points: full depth. Comes before `load`."""
        from elue.worker.inside.plugin import load_method

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
        from elue.worker.inside.timing import in_packs, in_turn

        inputs, conditions = [Sample(**sample) for sample in samples], self.profile.conditions
        sides = [in_packs(model, conditions) for model in (self.model, self.static)]
        if metered:
            found, flops = [], []
            unknown: dict[str, int] = {}
            for side in sides:
                with Meter(profile=self.profile, modules=self.modules, track=False) as meter:
                    found.append(self._rows(side(inputs), inputs))
                flops.append(meter.flops)
                unknown |= meter.unknown
            return {"predictions": found[0], "flops": flops[0], "static_flops": flops[1], "unknown": unknown}
        one, other, predictions = in_turn(lambda: sides[0](inputs), lambda: sides[1](inputs), 1, model_first)
        return {"predictions": self._rows(predictions, inputs), "seconds": one, "static_seconds": other}

    def calibrate(self, size: str, rounds: int, profile: dict[str, Any]) -> dict[str, Any]:
        """Run a static model of known cost, before any plugin is here."""
        import torch

        from elue.meter.profile import from_parts
        from elue.worker.inside.calibration import exercise

        conditions = from_parts(profile)
        torch.set_num_threads(conditions.conditions.threads)
        return dict(exercise(size, rounds, conditions))

    def latency(self, sample: dict[str, Any], rounds: int, tokens: int, model_first: bool) -> dict[str, Any]:
        """Seconds of a sample and of the reference encoder, in turn, without a Meter."""
        import torch

        from elue.worker.inside.timing import ReferenceEncoder, in_turn

        if self.encoder is None:
            self.encoder = ReferenceEncoder(self.profile.reference)
        encoder, inputs = self.encoder, [Sample(**sample)]
        torch.set_num_threads(self.profile.conditions.threads)
        predict, run = lambda: self.model.predict(inputs), lambda: encoder.run(tokens)
        seconds, reference, predictions = in_turn(predict, run, rounds, model_first)
        return {"predictions": self._rows(predictions, inputs), "seconds": seconds, "reference": reference}

    def _rows(self, answered: Any, samples: Sequence[Sample]) -> list[dict[str, Any]]:
        """Ids and values of predictions, one for each sample."""
        rows = zip(samples, answers.predictions(answered, len(samples)), strict=True)
        return [{"id": sample.id, "value": answers.number(row.value, self.task)} for sample, row in rows]

    def _swept(self, answered: Any, count: int, call: str) -> list[dict[str, Any]]:
        """What each point answers so many samples, as frame data."""
        points = answers.sequence(answered, len(self.points_swept), call, "sequences for {} points")
        return [self._columns(one, count, call) for one in points]

    def _climbed(self, answered: Any, count: int, call: str) -> list[dict[str, Any]]:
        """What each way out answers so many samples, as frame data."""
        rows = answers.sequence(answered, count, call, "sequences for {} samples")
        ways = [answers.sequence(row, len(rows[0]), call, "ways out where there were {}") for row in rows]
        return [self._columns(column, count, call) for column in zip(*ways, strict=True)]

    def _columns(self, answered: Any, count: int, call: str) -> dict[str, Any]:
        """Many predictions as frame data. Raises Invalid for one without a trace."""
        rows: Sequence[Prediction] = answers.predictions(answered, count, call)
        numbers = [self.traces.number(prediction.trace) for prediction in rows]
        if not all(self.traces.traces[number] for number in numbers):
            raise answers.Invalid(f"{call} returned a Prediction without a trace")
        ties = ((place, answers.ties(prediction.scores)) for place, prediction in enumerate(rows))
        return {
            "values": [answers.number(prediction.value, self.task) for prediction in rows],
            "paths": numbers,
            "ties": [[place, tied] for place, tied in ties if tied],
            "declared": [answers.declared(prediction) for prediction in rows],
        }


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
