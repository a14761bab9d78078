"""The base of methods that read token by token: of a backbone they keep the tokenizer and the word table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

from elue.modeling.encoder import Encoder, EncoderConfig
from elue.modeling.method import Sweep, TrainedMethod, Training, swept
from elue.modeling.options import option
from elue.modeling.reading.bounds import marks_of
from elue.modeling.reading.model import ReaderModel, SettingModel
from elue.modeling.reading.network import (
    TRAINED_THRESHOLD,
    ReaderNetwork,
    ReaderOptions,
    headless,
    one_thread,
    with_words,
    word_table,
)
from elue.modeling.reading.words import table_of
from elue.modeling.shares import checked_shares
from elue.modeling.sweep import Tried, choose, has_gap, middle, refine
from elue.modeling.text import TextEncoder
from elue.protocol import Point, TaskInfo

ALWAYS = 1000.0
"""What is added to a logit that is to win in any case."""
LEANS = (-8.0, -4.0, -2.0, -1.0, 0.0, 1.0, 2.0, 4.0)
"""Biases towards reading that are tried, beside as much as wins or loses in any case, and what closes gaps."""
BUDGETS = (1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 19, 24, 30, 38, 48, 60, 75, 94, 118, 148)
"""Numbers of chunks that are tried, a quarter more each."""
LEAN_TRIES = 16
"""Biases that are tried to close gaps."""


class TrainedReader(TrainedMethod):
    """A method that reads. Its default sweep is chosen from `thresholds`, which rise, and what lies `halfway`."""

    options: ClassVar[type[Any] | None] = ReaderOptions
    reader: ClassVar[type[ReaderNetwork]]
    """The network's class; it is made of a word table, the task and the options."""
    thresholds: ClassVar[Sequence[float]]
    """From one end, reading all, to the other."""
    shares: ClassVar[Sequence[str]] = ()
    """Options of its own that are shares, 1 at most."""

    def halfway(self, low: float, high: float) -> float | None:
        """A threshold between two, or None where there is none that differs."""
        return middle(low, high)

    def network(self, encoder: Encoder, task: TaskInfo, options: Any) -> ReaderNetwork:
        return self.reader(word_table(encoder), task, checked_shares(options, *self.shares))

    def started(self, encoder: Encoder, text: TextEncoder, options: Any) -> Encoder:
        return with_words(encoder, table_of(Path(options.words).expanduser(), text)) if options.words else encoder

    def model(self, network: Any, text: TextEncoder, task: TaskInfo) -> ReaderModel:
        return ReaderModel(network, text, task)

    def kept(self, config: EncoderConfig, options: Any) -> EncoderConfig:
        return headless(config)

    def learn(self, network: Any, training: Training) -> None:
        with one_thread():
            training.fit(network)

    def sweep(self, network: Any, training: Training) -> Sweep:
        def measure(threshold: float) -> Tried:
            network.threshold = threshold
            return training.tried(network, threshold, "read", attends=False)

        with one_thread():
            tried = refine(measure, self.thresholds, self.halfway)
        network.threshold = TRAINED_THRESHOLD
        return swept("threshold", choose(tried, always=(self.thresholds[0], TRAINED_THRESHOLD, self.thresholds[-1])))


class JumpingReader(TrainedReader):
    """A method whose points set attributes of its network by name. Its sweep is chosen from points along a bias.

    There the bias goes from end to end, with more of it wherever the share that is read jumps, and from `candidates`.
    """

    def leaning(self, network: Any, lean: float) -> Point:
        """The point at a bias: all knobs, unless a method says otherwise."""
        return dict.fromkeys(self.knobs, lean)

    def candidates(self, network: Any) -> tuple[Sequence[Point], Sequence[Point]]:
        """Further points to choose a sweep from, and points that are in it in any case: the ends, and as trained."""
        return [], [dict.fromkeys(self.knobs, lean) for lean in (-ALWAYS, 0.0, ALWAYS)]

    def alone(self) -> Sequence[str]:
        """The knobs whose bias is gone along by itself, the others reading all, where a sweep has a gap without it."""
        return ()

    def model(self, network: Any, text: TextEncoder, task: TaskInfo) -> ReaderModel:
        return SettingModel(network, text, task, tuple(self.knobs))

    def sweep(self, network: Any, training: Training) -> Sweep:
        def measure(point: Point) -> Tried:
            for knob, value in point.items():
                setattr(network, knob, value)
            return training.tried(network, point, "read", attends=False)

        def leaning(lean: float) -> Tried:
            return replace(measure(self.leaning(network, lean)), setting=lean)

        trained = {knob: getattr(network, knob) for knob in self.knobs}
        points, always = self.candidates(network)
        with one_thread():
            leans = refine(leaning, (-ALWAYS, *LEANS, ALWAYS), between_leans, LEAN_TRIES)
            tried = [replace(own, setting=self.leaning(network, own.setting)) for own in leans]
            tried += [measure(point) for point in (*always, *points) if point not in [own.setting for own in tried]]
            for knob in self.alone() if has_gap(choose(tried, always=always)) else ():
                others = dict.fromkeys(self.knobs, ALWAYS)

                def by_itself(lean: float, knob: str = knob, others: Point = others) -> Tried:
                    return replace(measure({**others, knob: lean}), setting=lean)

                along = refine(by_itself, (-ALWAYS, *LEANS, ALWAYS), between_leans, LEAN_TRIES)
                tried += [replace(own, setting={**others, knob: own.setting}) for own in along]
        chosen = choose(tried, always=always)
        for knob, value in trained.items():
            setattr(network, knob, value)
        return [own.setting for own in chosen], {"points": [{"point": own.setting, **own.notes} for own in chosen]}


def between_leans(low: float, high: float) -> float | None:
    """The middle of two biases; twice the other where one of them wins or loses in any case."""
    if low <= -ALWAYS:
        return min(2 * high, -1.0) if high > -ALWAYS / 2 else None
    if high >= ALWAYS:
        return max(2 * low, 1.0) if low < ALWAYS / 2 else None
    return middle(low, high)


@dataclass(frozen=True, kw_only=True)
class SpeedOptions(ReaderOptions):
    speed_epochs: float = option(3.0, "epochs of the second phase, which learns to leave things unread", 0.0)


class FullReadingFirst(JumpingReader):
    """A method whose network learns to answer while it reads all, as it does where it is `full`, and then to read less.

    Its knobs are biases towards reading: all of them high read all. Where it has `marks`, these are
    told the ids of punctuation.
    """

    deciding: ClassVar[tuple[str, ...]] = ()
    """What the names of parameters begin with that no answer rests on where all is read: weight decay alone would
    change them there."""

    def learn(self, network: Any, training: Training) -> None:
        if hasattr(network, "marks"):
            network.marks.copy_(network.marks.new_tensor(marks_of(training.text)))
        with one_thread():
            network.full = True
            waiting = [parameter for name, parameter in network.named_parameters() if name.startswith(self.deciding)]
            for parameter in waiting:
                parameter.requires_grad_(False)
            training.fit(network, phase="full")
            for parameter in waiting:
                parameter.requires_grad_(True)
            network.full = False
            training.fit(network, phase="speed", epochs=training.options.speed_epochs, frozen=["words"])

    def alone(self) -> Sequence[str]:
        return list(self.knobs) if len(self.knobs) > 1 else []

    def candidates(self, network: Any) -> tuple[Sequence[Point], Sequence[Point]]:
        """Each of several biases by itself; all of the text and the trained setting in any case."""
        knobs = list(self.knobs) if len(self.knobs) > 1 else []
        alone = [{**dict.fromkeys(knobs, ALWAYS), knob: lean} for lean in LEANS if lean for knob in knobs]
        return alone, [dict.fromkeys(self.knobs, lean) for lean in (ALWAYS, 0.0)]
