"""E-LANG: the small model answers where its energy says that it knows the input, else the full one does.

Akbari et al., "E-LANG: Energy-Based Joint Inferencing of Super and Swift Language Models", ACL 2022, arXiv 2203.00748.
Two complete models, trained apart. The score is the negative free energy of the small one, logsumexp of its logits:
above the threshold its answer stands, else the full model answers alone. It is no probability: a constant added to all
logits moves it, and scores of different models don't compare, so that thresholds are chosen for each training.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from elue.modeling.cascade import CascadeOptions, TrainedCascade
from elue.modeling.encoder import Encoder
from elue.modeling.heads import EncoderWithHead
from elue.modeling.method import Training
from elue.plugins.static import Static, networks_of
from elue.protocol import TaskInfo


class ELang(TrainedCascade):
    """A small and a full model, routed by energy.

    Differences: the paper's models have different pre-trainings, T5-11B and T5-large or BERT and TinyBERT; here the
    small one is the backbone's first layers, fine-tuned as `static` does. The small model's answer stands above the
    threshold, in the paper at it as well.
    """

    name = "elang"
    family = "cascade"
    title = "E-LANG: two models, routed by energy"
    paper = "Akbari et al. 2022, E-LANG, https://arxiv.org/abs/2203.00748"
    summary = (
        "A small and a full model are fine-tuned apart. The small one's logits give an energy that tells how well it "
        "knows an input. Below a threshold the full model is run instead, and answers alone."
    )
    options = CascadeOptions
    asks = "energy"
    knobs = {
        "energy": {"type": "float", "infinite": True, "help": "logsumexp of logits above which the small model answers"}
    }

    def network(self, encoder: Encoder, task: TaskInfo, options: Any) -> nn.ModuleDict:
        return networks_of(encoder, task, options.pooling, (options.shallow_layers, encoder.config.layers))

    def stages(self, network: Any) -> Mapping[str, EncoderWithHead]:
        shallow, full = network.values()
        return {"shallow": shallow, "full": full}

    def learn(self, network: Any, training: Training) -> None:
        Static().learn(network, training)
