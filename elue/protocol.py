"""What a method and the standard say to each other. Standard library only, so that anyone can import it.

A method author writes a `Method` that returns a `DynamicModel`; everything else here is the data
that passes between the two sides.
"""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple, Protocol, Required, TypedDict, get_args, runtime_checkable

API = 1
"""Version of this protocol. A method states the one it was written for in `Method.api`."""

Family = Literal["static", "early_exit", "skimming", "moe", "cascade"]
FAMILIES: tuple[Family, ...] = get_args(Family)
TaskKind = Literal["classification", "regression"]

Knob = bool | int | float | str
Point = Mapping[str, Knob]
"""An operating point: one setting of a method's inference-time knobs, by name."""


class KnobSpec(TypedDict, total=False):
    """What a knob may be set to. `low` and `high` belong to its range, `above` and `below` don't.

    `choices` are the words a "str" may be; `infinite` is true where infinity is meant, too. Points outside are refused
    before anything runs, and a whole number is one setting of a "float" as of an "int".
    """

    type: Required[Literal["int", "float", "str", "bool"]]
    low: float
    high: float
    above: float
    below: float
    choices: Sequence[str]
    infinite: bool
    help: str


@dataclass(frozen=True, slots=True)
class Sample:
    """One input. `id` is opaque and differs from the one in the data; `pair` is the second text, if any."""

    id: str
    text: str
    pair: str | None = None


class Step(NamedTuple):
    """A unit of the model that ran on an input of this shape, `times` times over."""

    unit: str
    shape: tuple[int, ...]
    times: int = 1


Trace = tuple[Step, ...]
"""What was executed for one sample, in order."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """The answer for one sample.

    `value` is a label index (classification) or a number (regression), `scores` the class probabilities
    if there are any, `trace` what was executed for this sample, if the model says so, `claimed` the FLOPs
    its author believes it took, if they say (the standard shows the gap to what it measured).
    """

    value: float
    scores: tuple[float, ...] = ()
    trace: Trace = ()
    claimed: int | None = None


@dataclass(frozen=True, slots=True)
class Explanation:
    """What a model did with one sample, for people to look at. Every part may be empty.

    `tokens` are the pieces of the input; `kept` the positions of the tokens still computed after each layer that
    ran; `exits` the class probabilities (or the number) of each exit or stage that was asked, in order; `experts`
    for each layer with experts, by its number, the expert every token went to, -1 for none: "3" the one of greatest
    weight, "3.2" the second of tokens that went to several, and so on; `stage` which model of a cascade answered,
    from 0.
    """

    tokens: tuple[str, ...] = ()
    kept: tuple[tuple[int, ...], ...] = ()
    exits: tuple[tuple[float, ...], ...] = ()
    experts: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    stage: int | None = None


@dataclass(frozen=True, slots=True)
class TaskInfo:
    """What a method may know of a task: never the labels of a sample it is to predict."""

    name: str
    kind: TaskKind
    labels: tuple[str, ...] = ()
    pair: bool = False
    low: float = 0.0
    high: float = 1.0

    @property
    def outputs(self) -> int:
        """Number of model outputs: one a class, or one for a regression."""
        return len(self.labels) if self.kind == "classification" else 1


@dataclass(frozen=True, slots=True)
class Example:
    """A sample with its label, as training sees it."""

    sample: Sample
    label: float


Measure = Callable[[Sequence[float], Sequence[float]], float]
"""A task's metric: the score in percent, higher for better, of labels and of answers to the same samples."""


@dataclass(frozen=True, slots=True)
class TaskExamples:
    """A further task of a training: what its own job would hold.

    `left_out` counts the rows of its training and validation splits that are not here, since another task of the same
    training has them in its test split.
    """

    task: TaskInfo
    train: Sequence[Example]
    validation: Sequence[Example]
    measure: Measure | None = None
    left_out: int = 0


@dataclass(frozen=True, slots=True)
class TrainingReport:
    """How a training goes, `step` steps into one of its phases.

    `moment` is "validation" where validation data were asked, "end" where a phase ends that asks none, else "step".
    `loss` is the mean since the last report, `seconds` what the phase took so far in this process, and `rate` the
    training texts a second since the last report of its kind. `score` is the task's metric in percent, the mean of
    `ways` ways out, and of tasks where there are several; `price` what of it the method's objective pays for compute.
    """

    phase: str
    moment: Literal["step", "validation", "end"]
    step: int
    epoch: float
    loss: float
    seconds: float
    rate: float
    score: float | None = None
    price: float = 0.0
    ways: int = 1


@dataclass(frozen=True, slots=True)
class TrainingJob:
    """Everything a method needs to train: labelled data, a backbone, and where the weights go.

    `backbone` is "tiny", a folder, or a hub id; `options` are the method's own, as the user set them.
    Training that finds checkpoints of the same job under `out` goes on from them. `measure` is the task's metric, for
    what is chosen on validation data. `keep` asks to leave finished phases there, for a method that differs in nothing
    but what comes after them. `left_out` is as in `TaskExamples`. `report`, where there is one, is told how it goes:
    what it is told is shown, and kept with the weights. A `quiet` training draws no bars on the terminal.
    """

    task: TaskInfo
    train: Sequence[Example]
    validation: Sequence[Example]
    backbone: str
    out: Path
    seed: int = 0
    device: str = "cpu"
    options: Mapping[str, Knob] = field(default_factory=dict)
    measure: Measure | None = None
    also: Sequence[TaskExamples] = ()
    keep: bool = False
    left_out: int = 0
    report: Callable[[TrainingReport], None] | None = None
    quiet: bool = False


@runtime_checkable
class DynamicModel(Protocol):
    """A loaded method, ready to predict.

    More members are looked for and may be absent:
    - `modules() -> Iterable[torch.nn.Module]`: the modules in force at the current point; their parameters are the
      run's total.
    - `rehearse(unit, shape) -> None`: runs one traced unit once, so that it can be priced. A model that has it
      returns a trace with every prediction and may answer many samples at once.
    - `predict_sweep(samples, points) -> Sequence[Sequence[Prediction]]`: answers many points from one pass; one
      sequence of predictions a point.
    - `ladder(samples) -> Sequence[Sequence[Prediction]]`: for each sample what every way out (exit, stage) would
      answer, the cheapest first, each with the trace of leaving there. Controls are made of it.
    - `survey(samples, points) -> tuple`: what `predict_sweep` gives and, under the first of the points, `ladder`, both
      from one pass.
    - `explain(samples) -> Sequence[Explanation]`: what the model does with each sample at the current point.
    - `again: int`: how many samples it has run once more by themselves so far, as float noise among others could have
      turned a decision. It is told in the records of a profile with packs.
    """

    def configure(self, point: Point) -> None:
        """Set the operating point. Cheap: no weights are loaded here."""

    def predict(self, samples: Sequence[Sample]) -> Sequence[Prediction]:
        """Answer each sample, in order."""


class Method(ABC):
    """A plugin: knows how to load (and perhaps train) a dynamic model.

    `name`, `family`, `title`, `paper`, `summary` and `knobs` are plain literals in the class body: the standard reads
    them without running the plugin.
    """

    api: ClassVar[int] = API
    name: ClassVar[str]
    family: ClassVar[Family]
    title: ClassVar[str] = ""
    paper: ClassVar[str] = ""
    summary: ClassVar[str] = ""
    """Three sentences for the site: what it does, what decides, where it saves."""
    knobs: ClassVar[Mapping[str, KnobSpec]] = {}
    """The inference-time settings by name; points may set these and no others."""
    own_rules: ClassVar[Sequence[str]] = ()
    """Of a method with a knob `rule` those that make its curve, a literal, too. Runs under others are crossings."""
    numeric_rules: ClassVar[Sequence[str]] = ()
    """The same on a regression, where they differ."""
    multitask: ClassVar[bool] = False
    """Whether one training may be on several tasks, which the job has under `also`."""
    options: ClassVar[type[Any] | None] = None
    """A dataclass whose fields are the options `train` takes; each field's metadata has a "help" text."""

    @abstractmethod
    def load(self, task: TaskInfo, weights: Path | None, seed: int) -> DynamicModel:
        """Load the model for a task, from the folder `train` wrote (None for a method without weights)."""

    def points(self, task: TaskInfo, weights: Path | None) -> Sequence[Point]:
        """The default sweep of operating points, chosen on validation data only."""
        return [{}]

    def crossings(self, task: TaskInfo, weights: Path | None) -> Mapping[str, Sequence[Point] | str]:
        """For each rule a sweep of it, chosen on validation data only, or why these weights can't be asked by it."""
        return {}

    def supports(self, task: TaskInfo) -> str | None:
        """None if the method can serve this task, else the reason why not, in one sentence."""
        return None

    def defaults(self, backbone: str) -> Mapping[str, Any]:
        """The options that do something for a backbone, by name, as `train` has them where the user sets none."""
        fields = dataclasses.fields(self.options) if self.options else ()
        return {field.name: None if field.default is dataclasses.MISSING else field.default for field in fields}

    def train(self, job: TrainingJob) -> None:
        """Train and write weights and config into `job.out`. Methods that cannot train leave this alone."""
        raise NotImplementedError(f"{self.name} has no training")
