"""All exit rules by name: what a point sets them to, whom they can serve, and which settings are worth measuring.

Any weights can be asked by any rule whose signals they have; the rules that are a method's own make its curve.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from torch import Tensor

from elue.errors import ElueError, unknown
from elue.modeling.kinds import kind_of
from elue.modeling.ladder import Rule
from elue.modeling.rules import agreement, learned, sureness
from elue.modeling.rules.knobs import KNOBS
from elue.modeling.signals import LOGITS, SCORES
from elue.protocol import Knob, Point, TaskInfo

CONFORMAL = "conformal"
"""The table of calibration that the conformal rule reads: scores of leaving wrongly, (samples,), rising."""


@dataclass(frozen=True)
class Ladder:
    """What a rule may know of the ways out it is for: task, number of ways, channels, and tables of calibration.

    `layers` says after which layer each way leads out, where they are not one a layer.
    """

    task: TaskInfo
    ways: int
    channels: tuple[str, ...] = (LOGITS,)
    tables: Mapping[str, Tensor] = field(default_factory=dict)
    layers: tuple[int, ...] = ()

    @property
    def numbers(self) -> bool:
        """Whether answers are numbers."""
        return kind_of(self.task).numbers


@dataclass(frozen=True)
class RuleKind:
    """A rule of the registry: `make` takes the values of its `knobs`, in that order, and the ladder.

    `numeric` says that it serves a regression, with `numeric_knobs` beside the others.
    """

    make: Callable[..., Rule]
    knobs: tuple[str, ...]
    needs: tuple[str, ...] = (LOGITS,)
    numeric: bool = False
    numeric_knobs: tuple[str, ...] = ()
    table: str = ""


def _conformal(risk: float, ladder: Ladder) -> Rule:
    """Leave so that the answer is the last exit's with probability 1 - risk: the quantile of rank ceil(m (1 - risk)).

    Of the m largest scores with which calibration samples would have left wrongly, infinity after them.
    """
    scores = ladder.tables[CONFORMAL].tolist()
    rank = math.ceil(len(scores) * (1 - risk) - 1e-9)
    return learned.conformal(scores[rank] if rank < len(scores) else math.inf)


def _any_of(of: str, ladder: Ladder, point: Point) -> Rule:
    names = str(of).split("+")
    if len(names) < 2 or len(set(names)) < len(names) or "any_of" in names:
        message = f"any_of can't be of '{of}'."
        raise ElueError("bad_point", message, "Name two rules or more, once each, as in of=entropy+patience.")
    parts = [_made(name, point, ladder) for name in names]
    if any(part.answers for part in parts):
        raise ElueError("bad_point", f"Not each of '{of}' answers what its exit says.", "Name rules that do.")
    return replace(parts[0], others=tuple(parts[1:]))


RULES: dict[str, RuleKind] = {
    "entropy": RuleKind(lambda threshold, _: sureness.entropy(threshold), ("threshold",)),
    "normalised_entropy": RuleKind(lambda threshold, _: sureness.normalised_entropy(threshold), ("threshold",)),
    "confidence": RuleKind(lambda threshold, _: sureness.confidence(threshold), ("threshold",)),
    "gap": RuleKind(lambda threshold, _: sureness.gap(threshold), ("threshold",)),
    "energy": RuleKind(lambda energy, _: sureness.energy(energy), ("energy",)),
    "normalised_energy": RuleKind(lambda threshold, _: sureness.normalised_energy(threshold), ("threshold",)),
    "patience": RuleKind(
        lambda patience, *numeric: agreement.patience(patience, *numeric[:-1]),
        ("patience",),
        numeric=True,
        numeric_knobs=("tolerance",),
    ),
    "confident_patience": RuleKind(
        lambda patience, threshold, _: agreement.confident_patience(patience, threshold), ("patience", "threshold")
    ),
    "divergence_patience": RuleKind(
        lambda patience, threshold, _: agreement.divergence_patience(patience, threshold), ("patience", "threshold")
    ),
    "votes": RuleKind(lambda threshold, exponent, _: agreement.votes(threshold, exponent), ("threshold", "exponent")),
    "mean_probability": RuleKind(lambda threshold, _: agreement.mean_probability(threshold), ("threshold",)),
    "score": RuleKind(lambda threshold, _: learned.score(threshold), ("threshold",), (SCORES,), numeric=True),
    "halting": RuleKind(lambda threshold, _: learned.halting(threshold), ("threshold",), (SCORES,), numeric=True),
    "conformal": RuleKind(_conformal, ("risk",), (SCORES,), numeric=True, table=CONFORMAL),
    "fixed": RuleKind(lambda exit, _: agreement.fixed(exit), ("exit",), (), numeric=True),
    "any_of": RuleKind(lambda of, ladder: _any_of(of, ladder, {}), ("of",)),
}


def rule_at(point: Point, ladder: Ladder) -> Rule:
    """The rule that a point names by `rule`, at the values it sets.

    Raises ElueError for an unknown rule, one that lacks a signal or can't serve the task, and for a knob that is
    missing or not the rule's.
    """
    name = str(value_of(point, "rule"))
    if name == "any_of":
        rule = _any_of(str(value_of(point, "of")), ladder, point)
        used = {knob for part in str(point["of"]).split("+") for knob in knobs_of(part, ladder)} | {"of"}
    else:
        rule, used = _made(name, point, ladder), set(knobs_of(name, ladder))
    idle = sorted(point.keys() - used - {"rule"})
    if idle:
        message = f"The rule '{name}' has no knob '{idle[0]}'."
        raise ElueError("bad_point", message, f"Leave it out; its knobs are {', '.join(sorted(used))}.")
    return rule


def knobs_of(name: str, ladder: Ladder) -> tuple[str, ...]:
    """The knobs that a rule has on a ladder."""
    kind = RULES[name]
    return kind.knobs + (kind.numeric_knobs if ladder.numbers else ())


def why_not(name: str, ladder: Ladder) -> str | None:
    """Why a rule can't serve a ladder, in a sentence; None if it can."""
    kind = RULES[name]
    if ladder.numbers and not kind.numeric:
        return f"The {name} rule needs class probabilities, and a regression has none."
    missing = [channel for channel in kind.needs if channel not in ladder.channels]
    if missing:
        return f"The {name} rule needs learned {missing[0]}, and these weights tell none."
    if kind.table and kind.table not in ladder.tables:
        return f"The {name} rule needs a calibration that these weights don't have."
    return None


def serving(ladder: Ladder) -> tuple[str, ...]:
    """The rules that find their signals, in the registry's order."""
    return tuple(name for name in RULES if why_not(name, ladder) is None)


def value_of(point: Point, knob: str) -> Knob:
    """What a point sets a knob to. Raises ElueError where it does not."""
    if knob not in point:
        raise ElueError("bad_point", f"The point {dict(point)} lacks '{knob}'.", f"Add {knob}=VALUE.")
    return point[knob]


def _made(name: str, point: Point, ladder: Ladder) -> Rule:
    if name not in RULES:
        raise unknown("rule", name, RULES, code="bad_point")
    reason = why_not(name, ladder)
    if reason is not None:
        others = [other for other in serving(ladder) if other != "any_of"]
        raise ElueError("bad_point", reason, f"Use one of {', '.join(others)}.")
    values = [_typed(knob, value_of(point, knob)) for knob in knobs_of(name, ladder)]
    return RULES[name].make(*values, ladder)


def _typed(knob: str, value: Knob) -> Knob:
    return {"int": int, "float": float, "str": str, "bool": bool}[KNOBS[knob]["type"]](value)
