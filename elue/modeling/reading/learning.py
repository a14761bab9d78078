"""Networks that learn by reading: training goes through the same steps as inference does."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from elue.modeling.heads import task_loss
from elue.modeling.reading.network import ReaderNetwork
from elue.modeling.reading.trial import Trial


class TrialNetwork(ReaderNetwork):
    """A network whose `step` runs in training, too. A method adds what gates and decisions learn from.

    In training every text is read `copies` times.
    """

    copies: ClassVar[int] = 1
    full: bool = False
    """Whether it reads everything, which nothing is to be learned from but the answer."""
    progress: float = 0.0
    """How far a phase of training is, of 0 to 1."""
    fee: float = 0.0
    """What a unit of what readings pay for takes of a reward, where a right answer is worth 1."""
    work: str = "cell"
    """The unit that reads a token: how often it runs, of the tokens of a text, is the share that is read."""

    def forward(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Logits, of each text the share read, its price and tokens, (batch,), and, given labels, the loss.

        That is the task's, the mean price and what decisions learn from. What these alone pay for, validation counts
        in the price.
        """
        self.progress = float(batch.get("step", 0)) / max(1.0, float(batch.get("total", 1)))
        copies = self.copies if self.training and not self.full and "labels" in batch else 1
        lengths = batch["mask"].sum(1).repeat(copies)
        trial = Trial(self, batch["ids"], batch["mask"], copies, batch.get("second"))
        logits = self.logits(self.final(trial.run()))
        outputs = {
            "logits": logits,
            "read": self.share(trial, lengths),
            "price": self.price(trial, lengths),
            "tokens": lengths,
        }
        if "labels" in batch:
            labels = batch["labels"].repeat(copies)
            loss = task_loss(logits, labels, self.task) + outputs["price"].mean()
            outputs["loss"] = loss + self.lesson(trial, logits, labels, lengths)
        elif not self.full:
            outputs["price"] = outputs["price"] + self.spent(trial, lengths)
        return outputs

    def share(self, trial: Trial, lengths: Tensor) -> Tensor:
        """How much is read of each text, (readings,), where 1 is all: the share of its tokens, (readings,)."""
        return trial.counts(self.work) / lengths

    def price(self, trial: Trial, lengths: Tensor) -> Tensor:
        """What readings cost in the loss, (readings,), by the tokens of their texts, (readings,)."""
        return torch.zeros_like(lengths, dtype=self.words.weight.dtype)

    def spent(self, trial: Trial, lengths: Tensor) -> Tensor:
        """What rewards lose by what readings pay for, (readings,), which decisions alone learn from."""
        return self.fee * torch.tensor(trial.paid, device=lengths.device)

    def lesson(self, trial: Trial, logits: Tensor, labels: Tensor, lengths: Tensor) -> Tensor:
        """What the loss is beside the task's and the price, a scalar, of logits (readings, outputs) and labels."""
        return logits.new_zeros(())
