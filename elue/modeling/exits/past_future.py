"""Past-Future's heads: an exit answers by all layers so far and by what it imagines of those to come."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from elue.modeling.encoder import EncoderConfig
from elue.modeling.exits.heads import ExitHeads, by_layer, linear
from elue.modeling.exits.network import ExitNetwork
from elue.protocol import TaskInfo


class PastFutureHeads(ExitHeads):
    """A pooler for each layer, maps that imitate a later layer's vector, and one bank of classifiers for all exits.

    With u the pooled vector, A and B a layer's two slices, exit i answers 2 λ ⊙ Σ_{j ≤ i} A_j u_j + 2 (1 - λ) ⊙
    Σ_{j > i} A_j tanh(W_j u_i), where λ = sigmoid(G tanh(mean_{j ≤ i} B_j u_j)) (Liao et al., NAACL 2021). What an exit
    sees of earlier layers sends no gradient back to them.
    """

    remembers = True

    def __init__(self, config: EncoderConfig, task: TaskInfo, pooling: str, layers: Sequence[int] = ()) -> None:
        super().__init__(config, task, pooling, layers)
        self.dense = by_layer(self.layers, config.hidden, config.hidden)
        self.imitate = by_layer(self.layers[1:], config.hidden, config.hidden)
        self.answer, self.weigh = (by_layer(self.layers, config.hidden, task.outputs) for _ in range(2))
        self.gate = linear(task.outputs, task.outputs)

    def feature(self, layer: int, gathered: Tensor) -> Tensor:
        return torch.tanh(self.dense[str(layer)](self.dropout(gathered)))

    def remember(self, layer: int, feature: Tensor, memory: Tensor | None) -> Tensor:
        """Sums of both slices so far, (batch, 2, 2 · outputs): as this exit sees them, and as later ones do."""
        earlier = 0.0 if memory is None else memory[:, 1]
        seen = earlier + self._slices(layer, feature)
        later = earlier + self._slices(layer, feature.detach()) if self.training else seen
        return torch.stack([seen, later], 1)

    def remembered(self, layer: int) -> tuple[int, ...]:
        return (2, 2 * self.outputs)

    def classify(self, layer: int, feature: Tensor, memory: Tensor | None) -> Tensor:
        assert memory is not None
        past, weighed = memory[:, 0].chunk(2, 1)
        share = torch.sigmoid(self.gate(torch.tanh(weighed / (self.layers.index(layer) + 1))))
        future = [self.answer[str(other)](self.imagined(feature, other)) for other in self.layers if other > layer]
        answered = 2 * share * past
        return answered + 2 * (1 - share) * torch.stack(future).sum(0) if future else answered

    def imagined(self, feature: Tensor, layer: int) -> Tensor:
        """What the vector of a later layer is taken to be, (batch, hidden)."""
        return torch.tanh(self.imitate[str(layer)](feature))

    def taught(self, features: Mapping[int, Tensor]) -> dict[str, Tensor]:
        """ "imitation": 1 - cosine of real and imagined vectors, mean over later layers, then over exits."""
        apart = []
        for layer in self.layers[:-1]:
            later = [other for other in self.layers if other > layer]
            cosines = [F.cosine_similarity(features[j].detach(), self.imagined(features[layer], j)) for j in later]
            apart.append((1 - torch.stack(cosines)).mean())
        return {"imitation": torch.stack(apart).mean()} if apart else {}

    def _slices(self, layer: int, feature: Tensor) -> Tensor:
        return torch.cat([self.answer[str(layer)](feature), self.weigh[str(layer)](feature)], 1)


class ThawingNetwork(ExitNetwork):
    """A network whose lowest `frozen` layers learn more and more often.

    The output of each of them is cut from the gradient with probability 1 - step / total, drawn once a layer and batch.
    """

    frozen = 0

    def trunk(self, layer: int, hidden: Tensor, batch: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        if self.training and layer <= self.frozen:
            learned = int(batch.get("step", 0)) / max(1, int(batch.get("total", 1)))
            if torch.rand(()).item() < 1 - learned:
                hidden = hidden.detach()
        return super().trunk(layer, hidden, batch)
