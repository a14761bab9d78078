"""THOR: experts are chosen at random, and trained to agree with one another.

Zuo et al., "Taming Sparsely Activated Transformer with Stochastic Experts", ICLR 2022. In training one expert a layer,
drawn anew in every pass, serves a whole batch; each batch passes twice, and the loss is that of both and how far their
answers lie apart, ½ (KL(p‖q) + KL(q‖p)). There is no gate.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from elue.modeling.encoder import FeedForward
from elue.modeling.experts.choices import fixed
from elue.modeling.experts.layers import ExpertLayer, copies
from elue.modeling.experts.look import Choice, Look
from elue.modeling.experts.method import ExpertsMethod
from elue.modeling.experts.network import ExpertsNetwork, ExpertsOptions
from elue.modeling.heads import task_loss
from elue.modeling.kinds import kind_of
from elue.modeling.options import option
from elue.protocol import TaskInfo


@dataclass(frozen=True, kw_only=True)
class ThorOptions(ExpertsOptions):
    experts: int = option(2, "experts in each layer that has some", 1)
    consistency: float = option(1.0, "weight of the divergence of both passes' answers, which is 0 if they agree", 0.0)
    noise: float = option(0.02, "what copies differ by at the start, in standard deviations of a weight", 0.0)
    draw: str = option("token", "at inference every token or every text has a draw", choices=("token", "text"))


def drawn(ids: np.ndarray, layer: int, turn: int, experts: int, draws: int) -> np.ndarray:
    """Experts of a text, (draws,), by a hash of its ids, the layer and the pass."""
    key = hashlib.blake2b(ids.astype("<i8").tobytes() + bytes([layer, turn]), digest_size=16).digest()
    return np.random.Generator(np.random.Philox(key=int.from_bytes(key, "little"))).integers(experts, size=draws)


def divergence(logits: Tensor, others: Tensor, task: TaskInfo) -> Tensor:
    """½ (KL(p‖q) + KL(q‖p)) of the answers to each sample, or of numbers the squared difference: the mean."""
    divergences = kind_of(task).divergences
    return 0.5 * (divergences(logits, others, 1.0) + divergences(others, logits, 1.0)).mean()


class ThorNetwork(ExpertsNetwork):
    """Copies of the feed-forward that differ by noise, since nothing else would part them."""

    KNOBS = ("passes",)
    passes: int = 1
    weighted = False

    def layer(self, source: FeedForward) -> ExpertLayer:
        return ExpertLayer(source, None, copies(source, self.options.experts, noise=self.options.noise))

    def choose(self, look: Look, scores: Tensor | None) -> Choice:
        """One for all in training; else by each text's ids, so that an answer is a function of the text."""
        experts = self.options.experts
        if look.training:
            return fixed(np.full(len(look.rows), int(torch.randint(experts, ()).item())))
        chosen = []
        for start, length in zip(look.starts, look.lengths, strict=True):
            draws = length if self.options.draw == "token" else 1
            text = drawn(look.ids[start : start + length], look.layer, look.turn, experts, draws)
            chosen.append(np.broadcast_to(text, length))
        return fixed(np.concatenate(chosen))

    def turns(self) -> tuple[float, ...]:
        return (1 / self.passes,) * self.passes

    def lesson(self, batch: Mapping[str, Any]) -> dict[str, Tensor]:
        """Both passes' losses, and α times their divergence."""
        logits, others = (self.encode(batch, turn)[0] for turn in (0, 1))
        loss = sum(task_loss(answer, batch["labels"], self.task) for answer in (logits, others))
        apart = divergence(logits, others, self.task)
        return {"logits": logits, "loss": loss + self.options.consistency * apart}


class Thor(ExpertsMethod):
    """Random experts in every second layer, two passes in training, one or more at inference.

    Differences: draws at inference come from a hash of the text's token ids, the layer and the pass, where the release
    draws from a global generator, so that there two evaluations differ; only chosen experts run, where it runs all and
    masks. Experts are noisy copies of a trained encoder's feed-forwards, not drawn apart. The divergence weighs 1, the
    release's default (5 in its script), and is taken of a text's answers, of numbers the squared difference. The knob,
    random passes whose answers are averaged, is the paper's ensemble; it costs as many times the dense encoder.
    """

    name = "thor"
    family = "moe"
    title = "THOR: random experts that agree"
    paper = "Zuo et al. 2022, Taming Sparsely Activated Transformer, https://arxiv.org/abs/2110.04260"
    summary = (
        "Every token goes to an expert drawn at random, without any router. Experts are trained in pairs of passes to "
        "give the same answer. More passes may be averaged, which costs as many times more."
    )
    options = ThorOptions
    network_type = ThorNetwork
    knobs = {"passes": {"type": "int", "low": 1, "high": 8, "help": "random passes whose answers are averaged"}}

    def ends(self, network: ExpertsNetwork) -> tuple[int, ...]:
        return tuple(range(1, 9))
