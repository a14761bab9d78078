"""quiet: tokens that receive little attention leave, below a threshold that rises with depth."""

import torch

from elue.modeling.keeping.thresholds import MaskedNetwork, ScaledPruning, pruning_sweep
from elue.modeling.method import TrainedMethod, swept


class QuietNetwork(MaskedNetwork):
    """Encoder, head and fixed thresholds. `keep` is what training masks by, and what the model removes by."""

    def __init__(self, encoder, task, options):
        super().__init__(encoder, task, options.pooling, sparsity=0.0)
        layers = encoder.config.layers
        self.register_buffer("thresholds", 0.01 * torch.arange(1, layers + 1) / layers)
        self.threshold_scale = 1.0

    def keep(self, layer, received, left):
        """From the attention that tokens receive, (batch, tokens), which of them stay."""
        return received >= self.threshold_scale * self.thresholds[layer]

    def pruning_layers(self):
        """All layers, unless the scale is 0: then importance need not be reckoned."""
        return range(len(self.thresholds)) if self.threshold_scale else []


class Quiet(TrainedMethod):
    name = "quiet"
    family = "skimming"
    title = "Quiet: tokens nobody looks at leave"
    summary = (
        "A token that gets little attention is removed for good. Thresholds rise with depth. Long texts gain most."
    )
    knobs = {"threshold_scale": {"type": "float", "low": 0, "help": "what multiplies the thresholds; 0 keeps all"}}

    def network(self, encoder, task, options):
        return QuietNetwork(encoder, task, options)

    def model(self, network, text, task):
        """The kit's model that removes, at inference, what `keep` masks in training."""
        return ScaledPruning(network, text, task)

    def learn(self, network, training):
        """Fine-tune without masks, then with them."""
        for stage in ("dense", "hard"):
            network.stage = stage
            training.fit(network, phase=stage)

    def sweep(self, network, training):
        """Scales from 0 to 64, even in the tokens that stay on validation samples."""
        return swept("threshold_scale", pruning_sweep(network, training, 64.0))
