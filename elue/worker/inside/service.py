"""What a worker does for its parent: loads the plugin, and meters, collects and prices what it answers."""

from __future__ import annotations

import dataclasses
import platform
import sys
from collections.abc import Callable, Sequence
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from elue.protocol import Method, Point, Sample, TaskInfo
from elue.worker import frames
from elue.worker.confinement import sandbox
from elue.worker.inside import answers
from elue.worker.inside.answers import TraceNumbers
from elue.worker.inside.points import numeric, spelled

if TYPE_CHECKING:
    from elue.meter import Meter
    from elue.meter.counts import Counts
    from elue.meter.profile import Profile
    from elue.worker.inside.pricing import Pricer
    from elue.worker.inside.seal import Seal
    from elue.worker.inside.timing import ReferenceEncoder


class Service:
    """The calls a parent can make (see `elue.worker.frames`), each a function of the call's name."""

    def __init__(self, confinement: dict[str, Any]) -> None:
        self.confinement = confinement
        self.seal: Seal | None = None
        self.method: Method
        self.model: Any
        self.modules: list[Any]
        self.points_set: tuple[Point, ...]
        self.traces: TraceNumbers
        self.pricer: Pricer
        self.task: TaskInfo
        self.profile: Profile
        self.encoder: ReferenceEncoder | None = None

    def describe(self, asked: frames.Describe) -> frames.Described:
        """Import the plugin and name the training options that do something, each with default and help."""
        from elue.worker.inside.plugin import load_method

        method = load_method(asked.target)
        fields = dataclasses.fields(method.options) if method.options else ()
        help = {field.name: field.metadata.get("help", "") for field in fields}
        defaults = method.defaults(asked.backbone)
        return frames.Described(tuple(frames.Option.of(name, defaults[name], help.get(name, "")) for name in defaults))

    def open(self, asked: frames.Open) -> frames.Opened:
        """Import the plugin and set the measurement's conditions."""
        import torch

        import elue
        import elue.meter.meter
        import elue.worker.inside.parameters
        import elue.worker.inside.pricing
        import elue.worker.inside.timing
        from elue.worker.inside.plugin import load_method
        from elue.worker.inside.seal import Seal, guard_the_meter

        self.profile, self.task = asked.profile, asked.task
        torch.set_num_threads(self.profile.conditions.threads)
        guard_the_meter(sandbox.violations.append)
        self.seal = Seal()
        self.method = load_method(asked.target)
        return frames.Opened(
            {
                "python": platform.python_version(),
                "torch": torch.__version__,
                "transformers": metadata.version("transformers"),
                "elue": elue.__version__,
                "platform": f"{sys.platform}-{platform.machine()}",
                "processor": _processor(),
                "sandbox": self.confinement,
            }
        )

    def points(self, asked: frames.Points) -> frames.Offered:
        """Whether the method serves this task, and its default sweep."""
        reason = self.method.supports(self.task)
        points = [] if reason else [spelled(point) for point in self.method.points(self.task, _path(asked.weights))]
        return frames.Offered(reason, tuple(points))

    def crossings(self, asked: frames.Crossings) -> frames.Crossed:
        """A sweep of every rule that the weights can be asked by, or why not."""
        told = self.method.crossings(self.task, _path(asked.weights))
        sweeps = {rule: tuple(map(spelled, sweep)) for rule, sweep in told.items() if not isinstance(sweep, str)}
        return frames.Crossed(sweeps, {rule: why for rule, why in told.items() if isinstance(why, str)})

    def load(self, asked: frames.Load) -> frames.Loaded:
        """Load the model; from here on it may start no process and touch no network. Says what more it offers."""
        import torch

        from elue.worker.inside.pricing import Pricer

        torch.manual_seed(asked.seed)
        self.model = self.method.load(self.task, _path(asked.weights), asked.seed)
        self.pricer = Pricer(self.profile)
        sandbox.forbid_processes_and_network(filtered=self.confinement["processes"] == "seccomp")
        return frames.Loaded(
            tuple(name for name in get_args(frames.Offer) if callable(getattr(self.model, name, None)))
        )

    def configure(self, asked: frames.Configure) -> frames.Configured:
        """Set the operating points, in turn; says the parameters in force at each. Traces are numbered anew."""
        import torch

        from elue.worker.inside.parameters import modules_of, total_parameters

        torch.manual_seed(asked.seed)
        totals, modules = [], {}
        for point in asked.points:
            self.model.configure(numeric(self.method.knobs, point))
            here = modules_of(self.model)
            totals.append(total_parameters(here))
            modules.update({id(module): module for module in here})
        self.points_set, self.modules, self.traces = asked.points, list(modules.values()), TraceNumbers()
        return frames.Configured(tuple(totals))

    def predict(self, asked: frames.Predict) -> frames.Predicted:
        """Answer samples under the Meter; the count covers all of them together."""
        from elue.meter import Meter
        from elue.worker.inside.pricing import calls_of

        inputs = list(asked.samples)
        with Meter(profile=self.profile, modules=self.modules, traffic=True) as meter:
            answered = self.model.predict(inputs)
        columns = answers.columns(answered, len(inputs), self.task, self.traces)
        news, counts = self.traces.news(), meter.counts
        return frames.Predicted(_ids(inputs), columns, counts, meter.calls, news, calls_of(meter))

    def answer_each(self, asked: frames.AnswerEach) -> frames.Answered:
        """Answer samples one by one, without a Meter, or looked at instruction by instruction."""
        from elue.worker.inside.inspecting import instructions_of

        run = (self.model.predict([sample]) for sample in asked.samples)
        answered, instructions = instructions_of(lambda: list(run)) if asked.inspected else (run, 0)
        values = tuple(self._values(answer, 1)[0] for answer in answered)
        return frames.Answered(_ids(asked.samples), values, instructions)

    def predict_many(self, asked: frames.PredictMany) -> frames.Swept:
        """Answer samples together, unmetered: values, and traces to be priced."""
        columns = self._traced(self.model.predict(list(asked.samples)), len(asked.samples), "predict")
        return frames.Swept(_ids(asked.samples), (columns,), (), self.traces.news())

    def predict_sweep(self, asked: frames.PredictSweep) -> frames.Swept:
        """The same at all points that were set, from one pass."""
        answered = self.model.predict_sweep(list(asked.samples), self._points())
        columns = self._swept(answered, len(asked.samples), "predict_sweep")
        return frames.Swept(_ids(asked.samples), columns, (), self.traces.news())

    def survey(self, asked: frames.Survey) -> frames.Swept:
        """The same, and what every way out would answer at the first of the points."""
        answered, size = self.model.survey(list(asked.samples), self._points()), len(asked.samples)
        swept, ladder = answers.sequence(answered, 2, "survey", "parts, not {}")
        columns, ways = self._swept(swept, size, "survey"), self._climbed(ladder, size, "survey")
        return frames.Swept(_ids(asked.samples), columns, ways, self.traces.news())

    def climb_ladder(self, asked: frames.ClimbLadder) -> frames.Swept:
        """For each sample what every way out would answer, the values and traces in columns by way out."""
        answered, meter = self._metered(self.model.ladder, asked.samples)
        ways = self._climbed(answered, len(asked.samples), "ladder")
        return frames.Swept(_ids(asked.samples), (), ways, self.traces.news(), *_taken(meter))

    def price_traces(self, asked: frames.PriceTraces) -> frames.Priced:
        """Price traces by their numbers."""
        traces = map(self.traces.steps_of, asked.traces)
        priced = [self.pricer.price(self.model, self.modules, trace) for trace in traces]
        prices, calls = (tuple(column) for column in zip(*priced, strict=True)) if priced else ((), ())
        return frames.Priced(prices, self.pricer.news(), calls)

    def explain(self, asked: frames.Explain) -> frames.Told:
        """What the model does with samples at the current point."""
        explained, meter = self._metered(self.model.explain, asked.samples)
        rows = answers.sequence(explained, len(asked.samples), "explain", "explanations for {} samples")
        return frames.Told(_ids(asked.samples), tuple(map(answers.explanation, rows)), *_taken(meter))

    def count_packs(self, asked: frames.CountPacks) -> frames.Counted:
        """Answer samples together, in packs of the profile, under the Meter."""
        from elue.worker.inside.timing import in_packs, run_again

        before = run_again(self.model)
        answered, meter = self._metered(in_packs(self.model, self.profile.conditions), asked.samples)
        values = self._values(answered, len(asked.samples))
        return frames.Counted(_ids(asked.samples), values, *_taken(meter), run_again(self.model, before))

    def answer_bare(self, asked: frames.AnswerBare) -> frames.Answered:
        """Answer samples without a Meter, for the parent to time."""
        import torch

        from elue.worker.inside.timing import in_packs

        inputs, conditions = list(asked.samples), self.profile.conditions
        torch.set_num_threads(conditions.threads)
        predict = in_packs(self.model, conditions) if asked.packed else self.model.predict
        return frames.Answered(_ids(inputs), self._values(predict(inputs), len(inputs)))

    def run_reference(self, asked: frames.RunReference) -> frames.Ran:
        """Run the reference encoder of a profile; no plugin is here, nor comes."""
        import torch

        from elue.meter import Meter
        from elue.worker.inside.timing import ReferenceEncoder

        if self.encoder is None or self.encoder.shape != asked.profile.reference:
            self.encoder = ReferenceEncoder(asked.profile.reference)
            torch.set_num_threads(asked.profile.conditions.threads)
        if not asked.tokens:
            return frames.Ran(0)
        if not asked.counted:
            self.encoder.run(asked.tokens)
            return frames.Ran(0)
        with Meter(profile=asked.profile, track=False) as meter:
            self.encoder.run(asked.tokens)
        return frames.Ran(meter.flops)

    def calibrate(self, asked: frames.Calibrate) -> frames.Exercised:
        """Run a static model of known cost, before any plugin is here."""
        import torch

        from elue.worker.inside.calibration import exercise

        torch.set_num_threads(asked.profile.conditions.threads)
        return exercise(asked.size, asked.rounds, asked.profile, asked.metered)

    def _metered(self, call: Callable[[list[Sample]], Any], samples: Sequence[Sample]) -> tuple[Any, Meter]:
        """What a member of the model answers samples, and the Meter that watched it."""
        from elue.meter import Meter

        inputs = list(samples)
        with Meter(profile=self.profile, modules=self.modules) as meter:
            answered = call(inputs)
        return answered, meter

    def _points(self) -> list[dict[str, Any]]:
        """The points that were set, for the plugin to have."""
        return [numeric(self.method.knobs, point) for point in self.points_set]

    def _values(self, answered: Any, count: int) -> tuple[float, ...]:
        """The values of predictions, one for each of so many samples."""
        return tuple(answers.number(row.value, self.task) for row in answers.predictions(answered, count))

    def _swept(self, answered: Any, count: int, call: str) -> tuple[frames.AnswerColumns, ...]:
        """What each point answers so many samples."""
        points = answers.sequence(answered, len(self.points_set), call, "sequences for {} points")
        return tuple(self._traced(answered, count, call) for answered in points)

    def _climbed(self, answered: Any, count: int, call: str) -> tuple[frames.AnswerColumns, ...]:
        """What each way out answers so many samples."""
        rows = answers.sequence(answered, count, call, "sequences for {} samples")
        ways = [answers.sequence(row, len(rows[0]), call, "ways out where there were {}") for row in rows]
        return tuple(self._traced(column, count, call) for column in zip(*ways, strict=True))

    def _traced(self, answered: Any, count: int, call: str) -> frames.AnswerColumns:
        """Many predictions. Raises Invalid for one without a trace."""
        columns = answers.columns(answered, count, self.task, self.traces, call)
        if not all(self.traces.traces[trace] for trace in columns.traces):
            raise answers.Invalid(f"{call} returned a Prediction without a trace")
        return columns


def _ids(samples: Sequence[Sample]) -> tuple[str, ...]:
    return tuple(sample.id for sample in samples)


def _taken(meter: Meter) -> tuple[Counts, frames.CallKinds]:
    """What a Meter counted, as it is sent."""
    from elue.worker.inside.pricing import calls_of

    return meter.counts, calls_of(meter)


def _path(folder: str | None) -> Path | None:
    return None if folder is None else Path(folder)


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor()
