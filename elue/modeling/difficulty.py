"""How hard a training sample is, by how many models that did not see it get it right, and networks told of it."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from elue.modeling.encoder import Encoder, truncated
from elue.modeling.heads import EncoderWithHead
from elue.modeling.inference import batched_logits
from elue.modeling.method import Training
from elue.protocol import TaskInfo


class DifficultyAware(EncoderWithHead):
    """A complete model that in training is also told, by `ease` in the batch, which samples are hard.

    Given it, the loss gains `weight` times `ranked(confidence, ease)`; both are (batch,), confidence being the highest
    probability.
    """

    def __init__(
        self,
        encoder: Encoder,
        task: TaskInfo,
        pooling: str,
        weight: float,
        ranked: Callable[[Tensor, Tensor], Tensor],
    ) -> None:
        super().__init__(encoder, task, pooling)
        self.weight, self.ranked = weight, ranked

    def forward(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        out = super().forward(batch)
        if "ease" in batch and self.weight:
            confidence = out["logits"].float().softmax(-1).amax(-1)
            out["loss"] = out["loss"] + self.weight * self.ranked(confidence, batch["ease"])
        return out


JUDGES = 1_000_003
"""How far the seeds of two trainings' judges lie apart, so that no two trainings share one."""


def ease_of(training: Training, models: int, layers: int, epochs: float) -> list[float]:
    """How many of so many models get each training sample right, computed once and found again after a kill.

    Each is the backbone's first `layers` layers, trained for `epochs` on one random half of the data to judge the
    other, and then the reverse, so that memorising can't make everything easy.
    """
    from elue.modeling.training import recall

    return recall(training.job, training.options, "difficulty", lambda: _judged(training, models, layers, epochs))


def _judged(training: Training, models: int, layers: int, epochs: float) -> list[float]:
    job, pooling = training.job, training.options.pooling
    ease = torch.zeros(len(job.train))
    labels = torch.tensor([example.label for example in job.train])
    for k in range(models):
        seed = (JUDGES * (job.seed + 1) + k) % 2**31
        order = torch.randperm(len(ease), generator=torch.Generator().manual_seed(seed))
        halves = order.chunk(2)
        for half, (seen, unseen) in enumerate((halves, halves[::-1])):
            torch.manual_seed(seed)
            judge = EncoderWithHead(truncated(training.encoder, layers), job.task, pooling)
            phase = f"difficulty-{k}-{half}"
            training.fit(judge, phase=phase, epochs=epochs, subset=seen.tolist(), seed=seed)
            logits = batched_logits(judge, [job.train[i] for i in unseen.tolist()], training.text)
            ease[unseen] += (logits.argmax(-1) == labels[unseen]).float()
    return ease.tolist()
