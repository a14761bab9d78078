"""Calls that are counted in packs, or that the parent times by its own clock."""

from __future__ import annotations

from dataclasses import dataclass

from elue.meter.counts import Count, Counts
from elue.meter.profile import Profile
from elue.protocol import Sample
from elue.worker.frames.words import Call, CallKinds, Short, others, sized


@dataclass(frozen=True, slots=True)
class Counted:
    """Answers in packs, and what all packs together took under the Meter.

    `again` is how many samples the model says it ran once more by themselves, None where it says nothing.
    """

    ids: tuple[Short, ...]
    values: tuple[float, ...]
    took: Counts
    kinds: CallKinds
    again: int | None = None


@dataclass(frozen=True, slots=True)
class CountPacks(Call[Counted]):
    """Answer samples in packs under the Meter."""

    samples: tuple[Sample, ...]

    def fault(self, answer: Counted) -> str:
        """There is an answer to each sample, and none was run again more than once."""
        if answer.again is not None and not 0 <= answer.again <= len(self.samples):
            return f"{answer.again} of {len(self.samples)} samples run again"
        return others(answer.ids, self.samples) or sized("values", answer.values, len(self.samples), "samples")


@dataclass(frozen=True, slots=True)
class Answered:
    """Answers, and the Python instructions that were run around operators for them, where these were asked for."""

    ids: tuple[Short, ...]
    values: tuple[float, ...]
    instructions: Count = 0


@dataclass(frozen=True, slots=True)
class AnswerBare(Call[Answered]):
    """Answer samples without a Meter, in packs of the profile where they are to be `packed`."""

    samples: tuple[Sample, ...]
    packed: bool = False

    def fault(self, answer: Answered) -> str:
        """There is an answer to each sample."""
        return others(answer.ids, self.samples) or sized("values", answer.values, len(self.samples), "samples")


@dataclass(frozen=True, slots=True)
class AnswerEach(Call[Answered]):
    """Answer samples one by one, without a Meter; or, `inspected`, for what Python they run around operators."""

    samples: tuple[Sample, ...]
    inspected: bool = False

    def fault(self, answer: Answered) -> str:
        """There is an answer to each sample."""
        return others(answer.ids, self.samples) or sized("values", answer.values, len(self.samples), "samples")


@dataclass(frozen=True, slots=True)
class Ran:
    """The reference encoder ran: its FLOPs, 0 where they were not counted."""

    flops: Count


@dataclass(frozen=True, slots=True)
class RunReference(Call[Ran]):
    """Run a profile's reference encoder on so many tokens (none: only answer), in a worker that has no plugin."""

    profile: Profile
    tokens: Count
    counted: bool = False
