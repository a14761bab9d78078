"""triage: a router of one layer reads the text first and says whether the small model will get it wrong."""

import torch
from torch import nn

from elue.modeling.cascade import TrainedCascade
from elue.modeling.encoder import truncated
from elue.modeling.heads import EncoderWithHead
from elue.modeling.held_out import held_out
from elue.modeling.router import RoutedModel, Router, wins
from elue.modeling.signals import LOGITS, SCORES, Signals


class Triage(TrainedCascade):
    name = "triage"
    family = "cascade"
    title = "Triage: a router before two models"
    summary = "One layer reads the text and says which of two models runs. Only that one runs. The router is paid."
    asks = "score"
    tells = (LOGITS, SCORES)
    knobs = {"threshold": {"type": "float", "low": 0, "help": "score from which on the full model answers"}}

    def network(self, encoder, task, options):
        """Three networks on parts of one backbone, by name."""
        depths = {"shallow": options.shallow_layers, "full": encoder.config.layers}
        models = {}
        for name, depth in depths.items():
            models[name] = EncoderWithHead(truncated(encoder, depth), task, options.pooling)
        return nn.ModuleDict({"router": Router(truncated(encoder, 1), options.pooling), **models})

    def stages(self, network):
        """The two that answer, the small one first."""
        return {name: network[name] for name in ("shallow", "full")}

    def model(self, network, text, task):
        return RoutedModel(network, network["router"], self.stages(network), text, task, self.rule)

    def learn(self, network, training):
        """The models learn on four fifths of the data, the router on the rest: where the full one wins."""
        seen, held = held_out(training, 0.2)
        for name, stage in self.stages(network).items():
            training.fit(stage, phase=name, subset=seen)
        columns = {"wins": wins(training, network["shallow"], network["full"], held)}
        training.fit(network["router"], phase="router", subset=held, columns=columns, keep_best=False)

    def seen(self, network, training):
        """What router and models say of the validation samples: from that the default sweep is chosen."""
        score = training.outputs(network["router"])[SCORES]
        logits = super().seen(network, training).of_logits()
        return Signals.whole(logits, torch.stack([score, torch.zeros_like(score)], 1))

    def layers(self, network):
        """Layers that run for a text that takes either way, the router's among them."""
        return torch.tensor([1 + len(network[name].encoder.layers) for name in ("shallow", "full")])
