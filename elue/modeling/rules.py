"""When to leave: the rules of exits and cascades, each a margin over the logits of the ways out so far.

Beside each rule stands which of its settings are worth measuring, by the logits (samples, ways, outputs) of validation
samples.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Tensor

from elue.errors import ElueError, unknown
from elue.modeling.exits import entropy
from elue.modeling.ladder import Rule, simulate
from elue.modeling.sweep import Tried, choose, thresholds
from elue.protocol import Point, TaskInfo


def entropy_rule(threshold: float) -> Rule:
    """Leave when the entropy in nats is under the threshold: 0 never leaves, infinity always.

    The margin is relative to the entropy, which moves by no more than twice its share of what the logits move.
    """

    def margin(logits: Tensor) -> Tensor:
        nats = entropy(logits[:, -1])
        return (threshold - nats) / (nats + 1e-30)

    return Rule("entropy", 1, margin)


def entropy_points(logits: Tensor, count: int) -> list[Tried]:
    """Thresholds from never leaving to leaving at exit 1, `count` or more, spread evenly over compute."""
    nats = entropy(logits)
    ends = [0.0, math.floor(10 * math.log(logits.shape[-1]) + 1) / 10]  # entropy is at most the logarithm
    values = [*ends, *thresholds(nats[:, :-1].flatten(), over=False, at_most=500)]
    tried = [Tried({"rule": "entropy", "threshold": value}, simulate(logits, entropy_rule(value))) for value in values]
    return choose(tried, count, [end.setting for end in tried[: len(ends)]])


def patience_rule(patience: int, tolerance: float | None = None) -> Rule:
    """Leave after `patience` consecutive exits that repeat the answer before them.

    Answers are classes, or with a `tolerance` numbers, which repeat when they differ by less. The margin is how far
    the closest of them is from another class, or the farthest from another number.
    """

    def same_class(logits: Tensor) -> Tensor:
        best, answers = logits.topk(2)
        same = (answers[..., 0] == answers[:, :1, 0]).all(1)
        closest = (best[..., 0] - best[..., 1]).amin(1)
        return torch.where(same, closest, -closest)

    def same_number(logits: Tensor) -> Tensor:
        assert tolerance is not None
        return tolerance - (logits[:, 1:, 0] - logits[:, :-1, 0]).abs().amax(1)

    return Rule("patience", patience + 1, same_class if tolerance is None else same_number)


def patience_points(logits: Tensor) -> list[Tried]:
    """Every patience there is, over classes."""
    return [
        Tried({"rule": "patience", "patience": patience}, simulate(logits, patience_rule(patience)))
        for patience in range(1, logits.shape[1])
    ]


def numeric_patience_points(logits: Tensor) -> list[Tried]:
    """Every patience over numbers and, as none leaves there, exit 1.

    The tolerance is the median difference between one exit and the next, or another where that closes a gap.
    """
    apart = logits.squeeze(-1).diff(dim=1).abs()
    tolerances = [float(f"{apart.quantile(share).item():.3g}") for share in (0.5, 0.1, 0.3, 0.7, 0.9)]
    patiences = range(1, logits.shape[1])
    tried = [Tried({"rule": "fixed", "exit": 1}, simulate(logits, fixed_rule(1)))]
    for tolerance in tolerances:
        for patience in patiences:
            setting = {"rule": "patience", "patience": patience, "tolerance": tolerance}
            tried.append(Tried(setting, simulate(logits, patience_rule(patience, tolerance))))
    always = tried[: 1 + len(patiences)]
    return choose(tried, 2, [candidate.setting for candidate in always])


def without_repeats(tried: Iterable[Tried]) -> list[Tried]:
    """In their order all but those that do to every sample what one before them does."""
    kept: list[Tried] = []
    for candidate in tried:
        if not any(candidate.alike(other) for other in kept):
            kept.append(candidate)
    return kept


def confidence_rule(threshold: float) -> Rule:
    """Leave when the highest probability is above the threshold.

    The margin is relative to what is missing to certainty, which moves by no more than its share of what logits move.
    """

    def margin(logits: Tensor) -> Tensor:
        confidence = logits[:, -1].softmax(-1).amax(-1)
        return (confidence - threshold) / (1 - confidence + 1e-30)

    return Rule("confidence", 1, margin)


def confidence_points(logits: Tensor, count: int) -> list[Tried]:
    """Thresholds that send an evenly spread share of samples on to a second model, from none to all.

    `logits` (samples, classes) are the first one's, as they alone decide.
    """
    confidence = logits.softmax(-1).amax(-1)
    both = torch.stack([logits, logits], 1)
    ends = [0.0, 1.0]
    settings = [*ends, *thresholds(confidence, over=True, at_most=500)]
    tried = (Tried(setting, simulate(both, confidence_rule(setting))) for setting in settings)
    return choose(tried, count, ends)


def fixed_rule(exit: int) -> Rule:
    """Leave at this exit, from 1, whatever it says."""
    return Rule("fixed", exit, lambda logits: logits.new_ones(len(logits)))


def entropy_or_patience(point: Point, task: TaskInfo) -> Rule:
    """The rule that a point names by `rule`. Raises ElueError for an unknown one, or entropy on a regression."""
    name = str(point.get("rule", ""))
    if name == "entropy" and task.kind == "regression":
        message = "The entropy rule needs class probabilities, and a regression has none."
        raise ElueError("bad_point", message, "Use rule=patience on this task.")
    if name == "entropy":
        return entropy_rule(float(value_of(point, "threshold")))
    if name == "patience":
        tolerance = float(value_of(point, "tolerance")) if task.kind == "regression" else None
        return patience_rule(int(value_of(point, "patience")), tolerance)
    if name == "fixed":
        return fixed_rule(int(value_of(point, "exit")))
    raise unknown("rule", name, ("entropy", "patience", "fixed"), code="bad_point")


def by_confidence(point: Point, task: TaskInfo) -> Rule:
    """Leave when the highest probability is above the point's `threshold`."""
    return confidence_rule(float(value_of(point, "threshold")))


def value_of(point: Point, knob: str) -> float | str:
    """What a point sets a knob to. Raises ElueError where it does not."""
    if knob not in point:
        raise ElueError("bad_point", f"The point {dict(point)} lacks '{knob}'.", f"Add {knob}=VALUE.")
    return point[knob]
