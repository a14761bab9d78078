"""The base of scored chains: a method says its models and its scorer; training, rule and sweep are here."""

from __future__ import annotations

from itertools import product
from typing import Any

import torch
from torch import Tensor

from elue.errors import ElueError
from elue.modeling.cascade import TrainedCascade
from elue.modeling.chain import TEXT, ScoredChain, told
from elue.modeling.heads import EncoderWithHead
from elue.modeling.held_out import held_out
from elue.modeling.ladder import Rule, simulate
from elue.modeling.method import Training
from elue.modeling.rules.learned import staged_score
from elue.modeling.rules.registry import value_of
from elue.modeling.signals import Signals
from elue.modeling.sweep import thresholds
from elue.modeling.text import TextEncoder
from elue.protocol import Point, TaskInfo

SCORER = "scorer"
TRIES = 1600
"""Combinations of thresholds that are tried, as many as a grid of 40 on each of two."""
BINS = 32
"""Shares of the range of compute of which each offers the combination that scores best in it."""


class TrainedChain(TrainedCascade):
    """A cascade whose network is an `AnswerScorer` under "scorer" and models by depth, in order of cost.

    A point sets `threshold_1` and so on, one for each model but the last. The options have `held_out`, the share of
    the training data that the scorer learns from and the models don't see.
    """

    def stages(self, network: Any) -> dict[str, EncoderWithHead]:
        return {f"depth-{name}": model for name, model in network.items() if name != SCORER}

    def rule(self, point: Point, task: TaskInfo) -> Rule:
        """When an answer stands, at a point with a threshold for each model but the last."""
        return staged_score([float(point[knob]) for knob in sorted(point)])

    def model(self, network: Any, text: TextEncoder, task: TaskInfo) -> ScoredChain:
        stages = self.stages(network)

        def rule_of(point: Point, task: TaskInfo) -> Rule:
            if len(point) > len(stages) - 1:
                message = f"The point {dict(point)} has more thresholds than there are models before the last."
                raise ElueError("bad_point", message, f"Set threshold_1 to threshold_{len(stages) - 1}.")
            return self.rule({f"threshold_{k}": value_of(point, f"threshold_{k}") for k in range(1, len(stages))}, task)

        return ScoredChain(network, network[SCORER], stages, text, task, rule_of)

    def learn(self, network: Any, training: Training) -> None:
        stages = self.stages(network)
        seen, held = held_out(training, training.options.held_out)
        for name, stage in stages.items():
            training.fit(stage, phase=name, subset=seen)
        columns = told(training, list(stages.values())[:-1], held)
        training.fit(network[SCORER], phase=SCORER, subset=held, columns=columns, keep_best=False)

    def seen(self, network: Any, training: Training) -> Signals:
        scorer, logits = network[SCORER], super().seen(network, training).of_logits()
        text = training.outputs(scorer)[TEXT]
        with torch.inference_mode():
            scorer.to(text.device)
            scores = [scorer.score(k, text, logits[:, k - 1]) for k in scorer.asked]
        return Signals.whole(logits, torch.stack([*scores, torch.zeros(len(logits))], 1))

    def layers(self, network: Any) -> Tensor:
        return super().layers(network) + len(network[SCORER].encoder.layers)

    def grid(self, network: Any, seen: Signals, training: Training) -> tuple[list[Point], list[Point]]:
        """Of all combinations, the best-scoring in each bin of compute; the ends are kept in any case."""
        early, layers = seen.of_scores()[:, :-1].unbind(1), self.layers(network)
        values = max(2, round(TRIES ** (1 / len(early))) - 2)
        cuts = [[1.1, 0.0, *thresholds(scores, over=False, at_most=values)] for scores in early]
        ends: list[Point] = [{f"threshold_{k}": end for k in range(1, len(early) + 1)} for end in (1.1, 0.0)]
        best: dict[int, tuple[float, float, Point]] = {}
        least, most = layers[0].item(), layers[-1].item()
        weights = training.whole_weights
        for combination in product(*cuts):
            point: Point = {f"threshold_{k}": cut for k, cut in enumerate(combination, start=1)}
            rule = self.rule(point, training.job.task)
            cost = (weights * layers[simulate(seen, rule) - 1]).mean().item()
            _, score = training.under(rule, seen)
            place = round(BINS * (cost - least) / (most - least))
            if place not in best or (score, -cost) > best[place][:2]:
                best[place] = (score, -cost, point)
        return [*ends, *(point for *_, point in best.values())], ends
