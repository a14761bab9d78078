"""The base of methods with exits above tri-grams that are looked up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from elue.modeling.exits.method import TrainedExits
from elue.modeling.exits.model import ExitModel, ladder_of
from elue.modeling.exits.network import ExitNetwork
from elue.modeling.exits.plan import follow
from elue.modeling.exits.skipping import SOURCE, SkipModel, bare, source_of
from elue.modeling.ladder import Rule
from elue.modeling.method import Sweep, Training
from elue.modeling.rules.knobs import KNOBS
from elue.modeling.rules.registry import Ladder
from elue.modeling.signals import Signals
from elue.modeling.text import TextEncoder
from elue.modeling.trigrams import TrigramEmbeddings
from elue.protocol import KnobSpec, Point, TaskInfo


def below(network: ExitNetwork) -> TrigramEmbeddings | None:
    """What stands in for the lower layers of a network, if anything does."""
    embed = network.encoder.embed
    return embed if isinstance(embed, TrigramEmbeddings) else None


class TrigramExits(TrainedExits):
    """Exits on layers above tri-grams. The first phase of its plan computes them; those after it look them up.

    Its own points read the table; the last three compute the lower layers, at the cheapest of these, in the middle, and
    at the costliest.
    """

    knobs: ClassVar[Mapping[str, KnobSpec]] = {
        **KNOBS,
        "trigrams": {
            "type": "str",
            "choices": ["table", "computed"],
            "help": "where rows come from; the table if unset",
        },
    }

    def model(self, network: Any, text: TextEncoder, task: TaskInfo) -> ExitModel:
        if below(network) is None:
            return super().model(network, text, task)
        return SkipModel(network, text, task)

    def rule(self, point: Point, ladder: Ladder) -> Rule:
        return super().rule(bare(point), ladder)

    def crossed(self, network: Any, training: Training, points: Sequence[Point]) -> Mapping[str, Sequence[Point] | str]:
        return super().crossed(network, training, [point for point in points if source_of(point) == "table"])

    def learn(self, network: Any, training: Training) -> None:
        student, *upper = self.plan(network, training)
        follow([student], network, training)
        trigrams = below(network)
        if trigrams is not None:
            texts = training.text.encode_all([example.sample for example in training.job.train])
            trigrams.fill([text.ids for text in texts], training.options.entries)
        follow(upper, network, training)

    def sweep(self, network: Any, training: Training) -> Sweep:
        points, note = super().sweep(network, training)
        trigrams = below(network)
        if trigrams is None:
            return points, note
        trigrams.source = "computed"
        signals = Signals.whole(training.logits(network))
        trigrams.source = "table"
        some = [points[place] for place in sorted({0, len(points) // 2, len(points) - 1})]
        cold: list[Point] = [{SOURCE: "computed", **point} for point in some]
        notes = list(note["points"])
        for point in cold:
            exit, score = training.under(self.rule(point, ladder_of(network)), signals)
            notes.append({"point": point, "exit": exit, "score": score})
        texts = training.text.encode_all([example.sample for example in training.job.validation])
        return [*points, *cold], {**note, "points": notes, "table": trigrams.worth([text.ids for text in texts])}
