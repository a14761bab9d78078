"""Default sweeps of methods that keep by rank or by predictors."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from elue.modeling.encoder import EncoderConfig
from elue.modeling.keeping.lengths import Lengths, text_of
from elue.modeling.keeping.search import Search, chosen
from elue.modeling.method import Sweep, Training, along
from elue.modeling.sweep import SWEEP_POINTS, Tried, choose, middle, refine


def between_lists(network: Any, training: Training, longest: int) -> Sweep:
    """Lists around the learned one, in `network.lengths`: from all tokens by way of it to one a layer.

    Between two lists each layer's length falls geometrically, from that of the `longest` text.
    """
    learned: Lengths = network.lengths

    def at(place: float) -> Lengths:
        if place == 0:
            return network.all_of_them
        if place <= 1:
            return _rounded(longest ** (1 - place) * min(length, longest) ** place for length in learned)
        return _rounded(min(length, longest) ** (2 - place) for length in learned)

    def measure(place: float) -> Tried:
        network.lengths = learned if place == 1 else at(place)
        return kept_between(network, training, place)

    settings = [0.0, 1.0, 2.0]
    tried = choose(refine(measure, settings, middle), always=settings)
    network.lengths = learned
    return along("lengths", {text_of(learned if t.setting == 1 else at(t.setting)): t.notes for t in tried})


def _rounded(lengths: Any) -> Lengths:
    return tuple(max(1, round(length)) for length in lengths)


def searched(network: Any, training: Training, smallest: Lengths) -> Sweep:
    """Lists that a search on validation data finds, in `network.lengths`, from the smallest to all tokens.

    The compute of a list is that of attention and feed-forward at natural length, relative to all tokens; it is noted
    beside score and tokens kept, in percent. A killed search goes on from its last finished round.
    """
    from elue.modeling.training import recall

    options, job, config = training.options, training.job, training.encoder.config
    notes: dict[str, dict[str, float]] = {}

    def measure(lengths: Lengths) -> dict[str, float]:
        network.lengths = lengths
        tried = training.tried(network, lengths, "kept")
        return {**tried.notes, "compute": 100 * relative_compute(tried.costs, training.judged_tokens, config)}

    def told(name: str, compute: Any) -> Any:
        measured = recall(job, options, name, lambda: {text_of(lengths): measure(lengths) for lengths in compute()})
        notes.update(measured)
        return {text: (note["compute"], note["score"]) for text, note in measured.items()}

    search = Search(smallest, options.rounds, options.mutations, options.crossovers, job.seed, told)
    tried = search.run()
    network.lengths = network.all_of_them
    points = chosen(tried, (smallest, network.all_of_them), SWEEP_POINTS)
    return along("lengths", {text: notes[text] for text in map(text_of, points)})


def relative_compute(kept: Tensor, tokens: Tensor, config: EncoderConfig) -> float:
    """Multiply-adds of all layers relative to keeping all, for shares kept after each (samples, layers)."""
    return (spent(kept, tokens, config).sum() / spent(torch.ones_like(kept), tokens, config).sum()).item()


def spent(kept: Tensor, tokens: Tensor, config: EncoderConfig) -> Tensor:
    """Multiply-adds of all layers for each sample, (samples,), for shares kept after each (samples, layers).

    A layer's attention runs on what came, its feed-forward on what stays.
    """
    lengths = tokens[:, None]
    stays = (kept.double() * lengths).round()
    came = torch.cat([lengths, stays[:, :-1]], 1)
    return (config.attention_products(came) + config.feed_forward_products(stays)).sum(1)


def kept_between(network: Any, training: Training, setting: Any) -> Tried:
    """A setting, in force in a network that keeps rows between attention and feed-forward, by its multiply-adds."""
    tried = training.tried(network, setting, "kept")
    costs = spent(tried.costs, training.judged_tokens, training.encoder.config)
    return replace(tried, costs=costs, weights=None)
