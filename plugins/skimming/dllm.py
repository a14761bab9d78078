"""D-LLM on an encoder: routers let tokens skip single layers and come back.

Jiang et al., "D-LLM: A Token Adaptive Computing Resource Allocation Strategy for Large Language Models", NeurIPS 2024;
kin of mixture of depths (Raposo et al. 2024). A router before each layer but the first two says whether a token goes
through it. A token that skips a layer keeps its state, is no key there, and is asked again before the next one.
Training draws decisions (Gumbel-softmax, straight through) and is paid for how far each token's share of layers is from
a target; at inference the likelier decision counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from elue.errors import ElueError
from elue.modeling.encoder import Encoder, EncoderConfig
from elue.modeling.heads import task_loss
from elue.modeling.keeping.predicted import PredictedMethod, PredictedNetwork, TwoLogits, tuned
from elue.modeling.method import Training
from elue.modeling.options import TrainingOptions, option
from elue.modeling.shares import checked_shares
from elue.protocol import TaskInfo

FIRST = 2
"""Layers before the first router, if there are as many and more."""


@dataclass(frozen=True, kw_only=True)
class DllmOptions(TrainingOptions):
    TINY: ClassVar[dict[str, Any]] = {**TrainingOptions.TINY, "epochs": 2.0, "router_rate": 3e-3}

    epochs: float = option(1.0, "passes of plain fine-tuning, before routers come in", 0.0)
    routed_epochs: float = option(3.0, "passes in which everything learns, and tokens skip", 0.0)
    active: float = option(0.5, "share of the layers with routers that a token is to run", 0.0)
    active_loss: float = option(1.0, "weight of how far from that share a token is", 0.0)
    router_rate: float = option(1e-3, "learning rate of the routers", 0.0)


def skip_router(hidden: int) -> TwoLogits:
    """Linear map, root-mean-square norm, SiLU and a linear map, which at the start leans to running."""
    inner = max(8, hidden // 8)
    outer = nn.Linear(inner, 2)
    with torch.no_grad():
        outer.bias.copy_(torch.tensor([0.1, 2.0]))
    return TwoLogits(nn.Linear(hidden, inner), nn.RMSNorm(inner, 1e-6), nn.SiLU(), outer)


class DllmNetwork(PredictedNetwork):
    """Encoder, head and a router before each layer but the first ones."""

    def __init__(self, encoder: Encoder, task: TaskInfo, options: DllmOptions) -> None:
        config = encoder.config
        routed = range(min(FIRST, config.layers - 1), config.layers)
        routers = {index: skip_router(config.hidden) for index in routed}
        super().__init__(encoder, task, options.pooling, routers, returning=True)
        self.active, self.active_loss, self.routed = options.active, options.active_loss, True

    def off_target(self, masks: list[Tensor], mask: Tensor) -> Tensor:
        """|share of routed layers that run - target|, mean over a text's tokens but the first, (batch,)."""
        shares = torch.stack([masks[index] for index in self.asked]).mean(0)
        apart = mask.clone()
        apart[:, 0] = False
        return ((shares - self.active).abs() * apart).sum(1) / apart.sum(1).clamp(min=1)

    def forward(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Logits and the share of tokens that each layer runs on; given labels, the loss of a draw."""
        if not self.routed:
            return tuned(self, batch)
        if "labels" not in batch:
            logits, masks = self.kept_by(batch, self.stays)
            price = self.active_loss * self.off_target(masks, batch["mask"])
            return {"logits": logits, "kept": self.shares(batch, masks), "price": price}
        logits, masks = self.kept_by(batch, self.drawn)
        apart = self.active_loss * self.off_target(masks, batch["mask"]).mean()
        return {"logits": logits, "loss": task_loss(logits, batch["labels"], self.task) + apart}


class Dllm(PredictedMethod):
    """Fine-tune, then encoder, head and routers together.

    Differences: the paper adapts frozen language models that write, here an encoder that is tuned whole; a token
    attends to all that run a layer, later ones too. What skips a layer is no key there, as in the paper, in training by
    counting nothing before attention is normalised. The first token runs everything; the paper reserves the first two.
    Routers are an eighth as wide as the model, as there. A threshold on the probability of running other than one half
    is ours; at 0 no router runs. The head pools all tokens, by mean unless told.
    """

    name = "dllm"
    family = "skimming"
    title = "D-LLM: tokens skip single layers and come back"
    paper = "Jiang et al. 2024, D-LLM, https://openreview.net/forum?id=UIOjGTKHQG"
    summary = (
        "Before each layer but the first ones a small router decides for every token whether it runs that layer or "
        "skips it. A token that skips stands still and is asked again before the next layer. How many layers a token "
        "runs is trained towards a target, so that all texts save alike."
    )
    options = DllmOptions
    predictor_rate = "router_rate"

    def settled(self, options: DllmOptions, config: EncoderConfig) -> DllmOptions:
        if config.layers < 2:
            message = f"The backbone has {config.layers} layer, and routers come after the first."
            raise ElueError("bad_option", message, "Take a backbone of two layers or more.")
        return checked_shares(options, "active")

    def network(self, encoder: Encoder, task: TaskInfo, options: Any) -> DllmNetwork:
        return DllmNetwork(encoder, task, options)

    def learn(self, network: Any, training: Training) -> None:
        network.routed = False
        training.fit(network, phase="tune")
        network.routed, options = True, training.options
        training.fit(network, phase="routed", epochs=options.routed_epochs, rates=self.rates(options))
