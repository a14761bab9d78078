"""Exit rules on cases worked out by hand, from the papers' cards, and the registry that points name them in."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from elue.errors import ElueError
from elue.modeling import signals
from elue.modeling.exits.method import TrainedExits
from elue.modeling.ladder import Rule, answered, margins, simulate
from elue.modeling.rules import agreement, learned, sureness
from elue.modeling.rules.knobs import KNOBS
from elue.modeling.rules.registry import CONFORMAL, RULES, Ladder, rule_at, serving
from elue.modeling.rules.sweeps import settings_of
from elue.modeling.signals import LOGITS, SCORES, Signals
from elue.protocol import Point, TaskInfo
from tests import small

THREE = TaskInfo("three", "classification", ("a", "b", "c"))


def of(*probabilities: list[float]) -> Signals:
    """One sample whose exits have these probabilities."""
    return Signals.whole(torch.tensor([list(probabilities)]).log())


def labels(*classes: int, outputs: int = 2) -> Signals:
    """One sample whose exits answer these classes."""
    return Signals.whole(torch.nn.functional.one_hot(torch.tensor([classes]), outputs).float() * 3)


def shares(*normalised: float) -> Signals:
    """One sample whose two-class exits have these normalised entropies; all answer the first class."""
    logits = []
    for share in normalised:
        low, high = 0.0, 60.0
        for _ in range(200):
            middle = (low + high) / 2
            now = signals.entropy(torch.tensor([middle, 0.0], dtype=torch.float64), normalized=True).item()
            low, high = (middle, high) if now > share else (low, middle)
        logits.append([low, 0.0])
    return Signals.whole(torch.tensor([logits]))


def scored(*scores: float) -> Signals:
    """One sample whose exits have these scores."""
    return Signals.whole(torch.zeros(1, len(scores), 2), torch.tensor([scores]))


LAST = [0.5, 0.5]
CASES: list[tuple[str, Signals, Rule, int]] = [
    ("entropy leaves under .3653", of([0.8808, 0.1192], LAST), sureness.entropy(0.4), 1),
    ("entropy stays at .36", of([0.8808, 0.1192], LAST), sureness.entropy(0.36), 2),
    ("a certain sample leaves", Signals.whole(torch.tensor([[[1000.0, 0.0], [0, 0]]])), sureness.entropy(1e-6), 1),
    ("and never at 0", Signals.whole(torch.tensor([[[1000.0, 0.0], [0, 0]]])), sureness.entropy(0), 2),
    ("speed .15", of([0.97, 0.01, 0.01, 0.01], [0.25] * 4), sureness.normalised_entropy(0.15), 1),
    ("speed .1", of([0.97, 0.01, 0.01, 0.01], [0.25] * 4), sureness.normalised_entropy(0.1), 2),
    ("speed .5 at .5271", of([0.8808, 0.1192], LAST), sureness.normalised_entropy(0.5), 2),
    ("confidence .8808", of([0.8808, 0.1192], LAST), sureness.confidence(0.88), 1),
    ("confidence .89", of([0.8808, 0.1192], LAST), sureness.confidence(0.89), 2),
    ("gap .7616", of([0.8808, 0.1192], LAST), sureness.gap(0.76), 1),
    ("gap above", of([0.8808, 0.1192], LAST), sureness.gap(0.77), 2),
    ("energy kept at 1.31", Signals.whole(torch.tensor([[[2.0, 0], [0, 0]]])), sureness.energy(1.31), 1),
    ("energy sent on", Signals.whole(torch.tensor([[[0.5, 0], [0, 0]]])), sureness.energy(1.31), 2),
    ("energy is not shift-invariant", Signals.whole(torch.tensor([[[5.0, 5], [0, 0]]])), sureness.energy(1.31), 1),
    ("normalised .1065", Signals.whole(torch.tensor([[[2.0, 0], [0, 0]]])), sureness.normalised_energy(0.107), 1),
    ("normalised above", Signals.whole(torch.tensor([[[2.0, 0], [0, 0]]])), sureness.normalised_energy(0.106), 2),
    ("patience 1", labels(0, 1, 1, 1, 0), agreement.patience(1), 3),
    ("patience 2", labels(0, 1, 1, 1, 0), agreement.patience(2), 4),
    (
        "patience on numbers",
        Signals.whole(torch.tensor([[[0.10], [0.32], [0.30], [0.31], [0.9]]])),
        agreement.patience(2, 0.05),
        4,
    ),
    ("sure twice at 3", shares(0.6, 0.3, 0.2, 0.1, 0.1), agreement.confident_patience(2, 0.35), 3),
    ("sure twice at 4", shares(0.3, 0.5, 0.3, 0.2, 0.1), agreement.confident_patience(2, 0.35), 4),
    ("sure of different answers", of([0.99, 0.01], [0.01, 0.99], LAST), agreement.confident_patience(2, 0.35), 2),
    ("divergence .0633", of([0.9, 0.1], [0.6, 0.4], LAST), agreement.divergence_patience(1, 0.064), 2),
    ("divergence above", of([0.9, 0.1], [0.6, 0.4], [0, 1]), agreement.divergence_patience(1, 0.063), 3),
    ("three votes of four", labels(0, 1, 1, 1, 0), agreement.votes(3, 0), 4),
    ("3 / 2", labels(0, 1, 1, 1, 0), agreement.votes(1.5, 0.5), 4),
    ("3 / 2 and not more", labels(0, 1, 1, 1, 0), agreement.votes(1.51, 0.5), 5),
    ("a share of .75", labels(0, 1, 1, 1, 0), agreement.votes(0.75, 1), 4),
    ("no share at the first exit", labels(0, 0, 1), agreement.votes(1, 1), 2),
    ("committee at 2", of([0.6, 0.4], [0.9, 0.1], LAST), agreement.mean_probability(0.7), 2),
    ("committee at the last", of([0.55, 0.45], [0.2, 0.8]), agreement.mean_probability(0.7), 2),
    ("committee at once", of([0.55, 0.45], [0.2, 0.8]), agreement.mean_probability(0), 1),
    ("u .08", scored(0.2, 0.6, 0.08, 0.5), learned.score(0.1), 3),
    ("q-exit at 2", scored(0.7, 0.6, 0.1, 0.5), learned.halting(0.5), 2),
    ("q-exit at 3", scored(0.7, 0.6, 0.1, 0.5), learned.halting(0.6), 3),
    ("conformal at 2", scored(0.5, 0.08, 0.7, 0.5), learned.conformal(0.9), 2),
    ("fixed", labels(0, 1, 1), agreement.fixed(2), 2),
]


@pytest.mark.parametrize(("seen", "rule", "exit"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_by_hand(seen: Signals, rule: Rule, exit: int) -> None:
    assert simulate(seen, rule).tolist() == [exit]


def test_entropies_and_energies_of_the_cards() -> None:
    assert signals.entropy(torch.tensor([2.0, 0.0])).item() == pytest.approx(0.3653, abs=1e-4)
    assert signals.entropy(torch.tensor([2.0, 0.0]), normalized=True).item() == pytest.approx(0.5271, abs=1e-4)
    assert torch.tensor([2.0, 0.0]).logsumexp(-1).item() == pytest.approx(2.1269, abs=1e-4)
    apart = signals.divergence(torch.tensor([0.9, 0.1]).log(), torch.tensor([0.6, 0.4]).log())
    assert apart.item() == pytest.approx(0.0633, abs=1e-4)


def answer(seen: Signals, rule: Rule) -> list[float]:
    """The probabilities that the one sample answers with."""
    return answered(seen, rule, simulate(seen, rule))[0].softmax(-1).tolist()


def test_committees_answer_with_the_mean_and_votes_with_the_majority() -> None:
    rule = agreement.mean_probability(0.7)
    assert answer(of([0.6, 0.4], [0.9, 0.1], LAST), rule) == pytest.approx([0.75, 0.25])
    assert answer(of([0.55, 0.45], [0.2, 0.8]), rule) == pytest.approx([0.375, 0.625])
    shown = answer(labels(1, 1, 0), agreement.votes(3, 0))
    assert shown[1] > 0.5
    assert sum(shown) == pytest.approx(1)
    tied = of([0.6, 0.4], [0.1, 0.9])
    assert answer(tied, agreement.votes(3, 0))[1] > 0.5, "of equals the likelier"


def test_any_of_leaves_where_the_first_of_its_rules_does() -> None:
    torch.manual_seed(0)
    seen, ladder = Signals.whole(torch.randn(300, 6, 3) * 2), Ladder(THREE, 6)
    both: Point = {"rule": "any_of", "of": "entropy+patience", "threshold": 0.3, "patience": 2}
    alone: list[Point] = [{"rule": "entropy", "threshold": 0.3}, {"rule": "patience", "patience": 2}]
    first = torch.stack([simulate(seen, rule_at(point, ladder)) for point in alone]).amin(0)
    assert torch.equal(simulate(seen, rule_at(both, ladder)), first)
    assert len(set(first.tolist())) > 3


@pytest.mark.parametrize(("risk", "quantile"), [(0.25, 0.9), (0.2, math.inf), (0.5, 0.7)])
def test_the_conformal_quantile_by_hand(risk: float, quantile: float) -> None:
    ladder = Ladder(THREE, 4, (LOGITS, SCORES), {CONFORMAL: torch.tensor([0.2, 0.5, 0.7, 0.9])})
    rule = rule_at({"rule": "conformal", "risk": risk}, ladder)
    sure = torch.tensor([0.1, 0.695, 0.705, 0.895, 0.905, 0.99])
    leaves = margins(Signals.whole(torch.zeros(6, 2, 3), (1 - sure)[:, None].expand(6, 2)), rule)[:, 0] > 0
    assert leaves.tolist() == [bool(one > quantile) for one in sure]


EVERY = Ladder(THREE, 4, (LOGITS, SCORES), {CONFORMAL: torch.tensor([0.2, 0.5, 0.7, 0.9])})
NUMBERS = Ladder(small.SCORE, 4, (LOGITS, SCORES), {CONFORMAL: torch.tensor([0.2, 0.5])})
SETTINGS: dict[str, Any] = {"threshold": 0.4, "energy": 1.0, "patience": 2, "tolerance": 0.1, "exponent": 0.5}
SETTINGS |= {"risk": 0.2, "exit": 2, "of": "entropy+patience"}


def point_of(name: str, ladder: Ladder) -> dict[str, Any]:
    kind = RULES[name]
    knobs = [*kind.knobs, *(kind.numeric_knobs if ladder.numbers else ())]
    if name == "any_of":
        knobs += ["threshold", "patience"]
    return {"rule": name, **{knob: SETTINGS[knob] for knob in knobs}}


@pytest.mark.parametrize("name", RULES)
def test_a_rule_needs_each_of_its_knobs_and_takes_no_other(name: str) -> None:
    point = point_of(name, EVERY)
    rule_at(point, EVERY)
    for knob in point:
        with pytest.raises(ElueError, match="lacks"):
            rule_at({other: value for other, value in point.items() if other != knob}, EVERY)
    for knob in set(SETTINGS) - set(point):
        with pytest.raises(ElueError, match=f"has no knob '{knob}'"):
            rule_at({**point, knob: SETTINGS[knob]}, EVERY)


@pytest.mark.parametrize("name", RULES)
def test_a_regression_is_served_by_rules_that_ask_for_no_classes(name: str) -> None:
    numeric = {"patience", "score", "halting", "conformal", "fixed"}
    if name in numeric:
        rule_at(point_of(name, NUMBERS), NUMBERS)
    else:
        with pytest.raises(ElueError, match="rule needs class probabilities, and a regression has none"):
            rule_at(point_of(name, NUMBERS), NUMBERS)
    assert (name in serving(NUMBERS)) == (name in numeric)


def test_rules_without_their_signals_are_refused_by_name() -> None:
    plain = Ladder(THREE, 4)
    with pytest.raises(ElueError, match="score rule needs learned scores"):
        rule_at({"rule": "score", "threshold": 0.3}, plain)
    with pytest.raises(ElueError, match="conformal rule needs a calibration"):
        rule_at({"rule": "conformal", "risk": 0.3}, Ladder(THREE, 4, (LOGITS, SCORES)))
    with pytest.raises(ElueError, match="Did you mean 'entropy'"):
        rule_at({"rule": "entropi", "threshold": 0.3}, plain)
    with pytest.raises(ElueError, match="any_of can't be of 'entropy'"):
        rule_at({"rule": "any_of", "of": "entropy", "threshold": 1}, plain)


def test_the_knobs_of_methods_are_those_of_the_registry() -> None:
    assert TrainedExits.knobs == KNOBS
    assert KNOBS["rule"]["choices"] == list(RULES)
    assert {knob for kind in RULES.values() for knob in (*kind.knobs, *kind.numeric_knobs)} == KNOBS.keys() - {"rule"}


def made(samples: int = 400) -> tuple[Tensor, Tensor]:
    """Logits and scores that grow surer with depth."""
    generator = torch.Generator().manual_seed(1)
    logits = torch.randn(samples, 6, 3, generator=generator) * torch.linspace(0.5, 4, 6)[:, None]
    return logits, torch.rand(samples, 6, generator=generator) * torch.linspace(1, 0.2, 6)


@pytest.mark.parametrize("name", RULES)
def test_sweeps_reach_their_ends_without_repeats_or_wide_gaps(name: str) -> None:
    logits, scores = made()
    ladder = Ladder(THREE, 6, (LOGITS, SCORES), {CONFORMAL: scores[:, :5].amin(1).neg().add(1).sort().values})
    seen = Signals.whole(logits, scores)
    chosen = settings_of(name, seen, ladder)
    costs = [candidate.compute for candidate in chosen]
    assert costs == sorted(costs)
    assert len(chosen) <= 16
    assert not any(one.alike(other) for place, one in enumerate(chosen) for other in chosen[:place])
    assert all(
        candidate.compute == simulate(seen, rule_at(candidate.setting, ladder)).double().mean() for candidate in chosen
    )
    if name not in ("patience", "conformal", "confident_patience", "divergence_patience", "votes"):
        assert costs[0] == 1
    if name not in ("patience", "conformal", "votes", "any_of"):
        assert costs[-1] == 6


@pytest.mark.parametrize("name", ["entropy", "any_of"])
def test_sweeps_reach_the_first_exit_and_full_depth(name: str) -> None:
    torch.manual_seed(0)
    seen = Signals.whole(torch.randn(60, 6, 2).cumsum(1), torch.rand(60, 6))
    ladder = Ladder(small.CLASSES, 6, (LOGITS, SCORES))
    settings = settings_of(name, seen, ladder)
    assert set(settings[0].costs.tolist()) == {1}
    if name != "any_of":
        assert set(settings[-1].costs.tolist()) == {6}
    assert settings[-1].compute == max(setting.compute for setting in settings) > 4
