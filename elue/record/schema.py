"""The shape of a run's record: what is kept of a run, part by part."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
)

from elue.protocol import Family, Knob, TaskKind, Trace
from elue.record.index import SignedOff, SubmissionRef
from elue.record.trace import traces_of
from elue.record.values import Amount, Count, Digest, Finite, Measurement, Name, Size, Whole, Word

SCHEMA = 1
"""Version of the record's shape. A reader upgrades older records and refuses newer ones."""

Status = Literal["ok", "failed", "crashed", "timeout", "invalid", "forbidden"]

_Measure = Annotated[
    Literal["observed", "traced", "published"],
    BeforeValidator(lambda value: "published" if value == "declared" else value),
    PlainSerializer(lambda value: "declared" if value == "published" else value),
]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Distribution(_Part):
    """The installed package a method came from."""

    name: str
    version: str


class MethodRef(_Part):
    """Which code ran: `source_digest` covers its modules without docstrings and comments."""

    name: Word
    family: Family
    title: str
    paper: str
    summary: str = ""
    source_digest: Word
    distribution: Distribution | None


class WeightsRef(_Part):
    """Which weights ran, and how they were trained as their folder tells it."""

    digest: Word
    training: dict[str, Any] | None


class TaskRef(_Part):
    """Which samples were answered. `revision` covers the whole split, `size` is how many were measured."""

    name: Word
    title: str
    kind: TaskKind
    split: Annotated[str, Field(max_length=50)]
    revision: Word
    metric: str
    size: Size
    limit: Size | None


class Crossing(_Part):
    """A run under a rule that is not among those of its method: this rule, and the method's own on the task."""

    rule: Word
    own: Annotated[tuple[Word, ...], Field(max_length=50)]


class ProfileRef(_Part):
    """The conditions and prices of the measurement."""

    name: Word
    digest: Digest


class ScoreRef(_Part):
    """Quality in percent with its 95 % bootstrap interval."""

    name: str
    value: Finite
    low: Finite
    high: Finite


class Flops(_Part):
    """FLOPs a sample: `mean`, median, 95th percentile, maximum; `matmul_mean` is the multiply-add part."""

    mean: Amount
    p50: Amount
    p95: Amount
    max: Amount
    matmul_mean: Amount


class Params(_Part):
    """Parameters of the model at this point, and the mean number a sample really read."""

    total: Count
    touched_mean: Amount


class Traffic(_Part):
    """Mean bytes a sample of the operands and of the results of executed operators."""

    read_mean: Amount
    written_mean: Amount


class Latency(_Part):
    """Seconds of a sample over those of the profile's reference encoder on as many tokens, in turn.

    Median and 95th percentile over `samples` samples, each with its 95 % interval. A time, not a count: it may differ
    between two runs of the same thing.
    """

    reference: str
    samples: Whole
    median: Finite
    median_low: Finite
    median_high: Finite
    p95: Finite
    p95_low: Finite
    p95_high: Finite
    machine: str


class Packs(_Part):
    """What a profile with packs measured: packs of at most `token_budget` tokens on `threads` threads.

    `throughput` is samples a second over those of the static full model on the same samples, in turn;
    `flops_speedup` that model's FLOPs over these; `realised` is the one divided by the other. Times, as in Latency.
    """

    token_budget: Whole
    threads: Whole
    reference: str
    flops_mean: Amount
    flops_speedup: Finite
    throughput: Finite
    throughput_low: Finite
    throughput_high: Finite
    realised: Finite
    machine: str


class Control(_Part):
    """What a control reaches: score in percent at mean FLOPs a sample."""

    score: Finite
    flops_mean: Amount


class Controls(_Part):
    """Controls from one pass over every way out (exit, stage) of the model.

    `shares` is the share of samples that took each way out at this point. `random` deals these ways out at random,
    `oracle` takes the cheapest that is right (the cheapest of all where none is); `gain` is the run's score minus
    that of `random`, with its 95 % interval: what the decision itself is worth.
    """

    shares: tuple[Finite, ...]
    random: Control
    oracle: Control
    gain: Finite
    gain_low: Finite
    gain_high: Finite


RETRACTED = "retracted"
"""Code of the flag that a retracted run carries in the index."""


class Flag(_Part):
    """A finding of an audit: it does not end the run, and it never goes unsaid. `code` is a stable word."""

    code: str
    detail: str


class Explained(_Part):
    """What the model did with one sample: see `elue.protocol.Explanation`."""

    id: str
    tokens: tuple[str, ...]
    kept: tuple[tuple[Whole, ...], ...]
    exits: tuple[tuple[Finite, ...], ...]
    experts: dict[str, tuple[Whole, ...]]
    stage: Whole | None


PARTS = ("controls", "latency", "batch", "explained")
"""The fields of a record that further passes over a run fill, each where it is made."""


class Times(_Part):
    """When and how long; may differ between two runs of the same thing."""

    started: str
    wall_seconds: Finite
    cpu_seconds: Finite | None
    peak_memory_bytes: Whole | None


class Samples(_Part):
    """What came out for each sample, in the task's order; one entry a sample in every column.

    `error` is 0 for a right and 1 for a wrong class or, where the metric needs to know more and in a regression, the
    value minus the label, so that scores can be recomputed and compared without the data. `trace_of` is the place of
    the sample's trace in `traces`, the distinct ones there are; both are empty where the model tells no traces. Stored
    they are called `path` and `paths`.
    """

    model_config = ConfigDict(populate_by_name=True)

    id: tuple[str, ...]
    value: tuple[Finite, ...]
    error: tuple[Finite, ...]
    flops: tuple[Count, ...]
    matmul_flops: tuple[Count, ...]
    params_touched: tuple[Count, ...]
    trace_of: tuple[Whole, ...] = Field((), validation_alias="path", serialization_alias="path")
    traces: Annotated[tuple[Trace, ...], PlainValidator(traces_of), PlainSerializer(tuple)] = Field(
        (), validation_alias="paths", serialization_alias="paths"
    )


class Record(_Part):
    """One run. `samples` is None where it did not finish, or where only the summary was read.

    `measure` says how compute was found: "observed" ran every sample at batch 1 under the Meter, "traced" priced the
    steps of traces and ran only `audited` samples so. All else is the same either way. "published" measured nothing:
    the numbers are those of a paper, and there are no samples. `registered` counts calls that a formula of the plugin's
    own priced, which puts a run into the division "open". `claimed` is the mean FLOPs a sample that the method's author
    believes. (As text, `claimed` and "published" are both called declared: so records keep their bytes.) `units` says
    where a traced run spends: mean FLOPs a sample of every unit in its traces, which add up to the mean; it is empty
    for any other run. `explained` holds some samples, of tasks whose texts may be shown.
    `crossing` says that the point's rule is not the method's own: such a run is shown, and never ranked.
    `measurements` are further ones, each by the name that its pass gives it. `submission` and `signed` are filled in in
    the index alone.
    """

    model_config = ConfigDict(populate_by_name=True)

    schema_: int = Field(SCHEMA, alias="schema")
    key: Digest
    method: MethodRef
    weights: WeightsRef | None
    task: TaskRef
    point: dict[str, Knob]
    crossing: Crossing | None = None
    seed: Whole
    measure: _Measure
    audited: Whole = 0
    profile: ProfileRef
    status: Status
    reason: str
    complete: bool
    unknown: dict[str, Whole]
    registered: dict[str, Whole] = Field(default_factory=dict)
    flags: tuple[Flag, ...] = ()
    trust: Literal["self_reported", "reproduced", "verified"]
    score: ScoreRef | None
    flops: Flops | None
    params: Params | None
    claimed: Amount | None = Field(None, validation_alias="declared", serialization_alias="declared")
    units: dict[str, Amount] = Field(default_factory=dict)
    traffic: Traffic | None = None
    controls: Controls | None = None
    latency: Latency | None = None
    batch: Packs | None = None
    measurements: Annotated[dict[Name, Measurement], Field(max_length=50)] = Field(default_factory=dict)
    environment: dict[str, Any]
    times: Times
    command: str
    explained: tuple[Explained, ...] = ()
    submission: SubmissionRef | None = None
    signed: SignedOff | None = None
    samples: Samples | None = None

    @property
    def division(self) -> Literal["closed", "open"]:
        """Open where a formula of the plugin's own priced an operator, else closed."""
        return "open" if self.registered else "closed"
