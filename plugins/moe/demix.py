"""DEMix: an expert for every domain, chosen by where a text comes from, or mixed by how likely each domain is.

Gururangan et al., "DEMix Layers: Disentangling Domains for Modular Language Modeling", NAACL 2022. Every feed-forward
is one expert a domain, all else is shared. In training a batch's domain says which runs; at test the domain's own, or
several experts' answers averaged by the posterior of their domains.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from elue.modeling.domains import posteriors
from elue.modeling.encoder import Encoder, FeedForward
from elue.modeling.experts.choices import fixed
from elue.modeling.experts.layers import ExpertLayer, copies
from elue.modeling.experts.look import Choice, Look
from elue.modeling.experts.network import ExpertsNetwork
from elue.modeling.experts.several import SeveralMethod, SeveralNetwork
from elue.modeling.method import Training
from elue.modeling.several import SeveralOptions, jobs_of
from elue.protocol import TaskInfo

DOMAINS = {
    "sst2_elue": "reviews",
    "sst2": "reviews",
    "imdb": "reviews",
    "mrpc": "news",
    "snli": "captions",
    "scitail": "science",
}
"""Where the texts of tasks come from; another task is a domain of its own."""


class DemixNetwork(SeveralNetwork):
    """Experts in every layer, one a domain, all copies of the feed-forward at the start."""

    KNOBS = ("mixed",)
    mixed: int = 0
    weighted = False
    posterior: Tensor

    def __init__(self, encoder: Encoder, tasks: Sequence[TaskInfo], options: SeveralOptions) -> None:
        domains = [DOMAINS.get(task.name, task.name) for task in tasks]
        self.domains = sorted(set(domains))
        self.domain_of = [self.domains.index(domain) for domain in domains]
        super().__init__(encoder, tasks, options)
        self.register_buffer("posterior", torch.full((len(domains), len(self.domains)), 1 / len(self.domains)))

    def places(self) -> Iterable[int]:
        return range(self.encoder.config.layers)

    def layer(self, source: FeedForward) -> ExpertLayer:
        return ExpertLayer(source, None, copies(source, len(self.domains)))

    def order(self) -> list[int]:
        """The domains that are asked: the task's own, or the likeliest `mixed`."""
        if self.training or not self.mixed:
            return [self.domain_of[self.number]]
        return np.argsort(-self.posterior[self.number].cpu().numpy(), kind="stable").tolist()[: self.mixed]

    def turns(self) -> tuple[float, ...]:
        likely = self.posterior[self.number].double().cpu().numpy()[self.order()]
        return tuple((likely / likely.sum()).tolist()) if len(likely) > 1 else (1.0,)

    def choose(self, look: Look, scores: Tensor | None) -> Choice:
        return fixed(np.full(len(look.rows), self.order()[look.turn]))

    def in_force(self, layer: ExpertLayer, number: int) -> Iterable[nn.Module]:
        return [layer.experts[domain] for domain in self.order()]


class Demix(SeveralMethod):
    """One expert a domain in every layer, one domain a batch; a task's own expert, or answers mixed by the posterior.

    Differences: the paper's models are of language, and the posterior follows from their own probabilities of the text
    so far; an encoder has none, so here a domain is as likely as the ids of up to 100 unlabelled validation texts of
    the task are by its training texts, counts plus one, prior even: their plain mean, fixed for all texts of a task,
    where the paper's cached prior is a moving average, token by token. Answers are mixed, not layers, each expert in a
    pass of its own, as there. Domains are drawn by size of their tasks, n^(1/T), not equally often. No expert is added
    later. The knob, how many experts are mixed, is the paper's; 0 is its oracle.
    """

    name = "demix"
    family = "moe"
    title = "DEMix: experts by domain"
    paper = "Gururangan et al. 2022, DEMix Layers, https://arxiv.org/abs/2108.05036"
    summary = (
        "A model learns several tasks at once, with an expert for every domain that their texts come from. A task's "
        "own expert answers at the dense model's cost. Or several answer, averaged by how likely their domains are."
    )
    options = SeveralOptions
    network_type = DemixNetwork
    knobs = {"mixed": {"type": "int", "low": 0, "help": "experts whose answers are mixed, 0 for the task's own alone"}}

    def learn(self, network: Any, training: Training) -> None:
        words = len(network.encoder.embed.word.weight)
        told = posteriors(jobs_of(training.job), network.domain_of, training.text, words)
        network.posterior.copy_(torch.from_numpy(told))
        training.fit(network)

    def ends(self, network: ExpertsNetwork) -> tuple[int, ...]:
        assert isinstance(network, DemixNetwork)
        return tuple(range(len(network.domains) + 1))
