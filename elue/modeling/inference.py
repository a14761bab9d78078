"""Outputs on padded batches, as training validates with them, and what they are worth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from elue.modeling.kinds import kind_of
from elue.modeling.text import TextEncoder, pad_batch
from elue.protocol import Example, Measure, TaskInfo, TrainingJob


def batched_outputs(
    module: nn.Module, examples: Sequence[Example], text: TextEncoder, batch_size: int = 64
) -> dict[str, Tensor]:
    """All tensors `module(batch)` returns, for all examples, in eval mode, in their order, on the CPU.

    Each must be of shape (examples, ...) in a batch of so many examples, and is so here.
    """
    encoded = text.encode_all([example.sample for example in examples])
    order = sorted(range(len(encoded)), key=lambda i: len(encoded[i].ids))
    device = next(module.parameters()).device
    module.eval()
    parts: dict[str, list[Tensor]] = {}
    with torch.inference_mode():
        for start in range(0, len(order), batch_size):
            batch = pad_batch([encoded[i] for i in order[start : start + batch_size]], text.pad)
            outputs = module({name: tensor.to(device) for name, tensor in batch.items()})
            for name, tensor in outputs.items():
                parts.setdefault(name, []).append(tensor.float().cpu())
    back = torch.tensor(order).argsort()
    return {name: torch.cat(tensors)[back].clone() for name, tensors in parts.items()}


def batched_logits(module: nn.Module, examples: Sequence[Example], text: TextEncoder, batch_size: int = 64) -> Tensor:
    """`module(batch)["logits"]` of all examples, as `batched_outputs` gives it: (examples, ...)."""
    return batched_outputs(module, examples, text, batch_size)["logits"]


def quality(logits: Tensor, examples: Sequence[Example], task: TaskInfo, measure: Measure | None = None) -> float:
    """The score of logits (examples, outputs) in percent by the task's metric, `TrainingJob.measure`.

    Without one, as where a job was made by hand, it is accuracy, or for a regression Pearson's correlation, 0 of
    answers that are all the same.
    """
    if measure is not None:
        return measure([example.label for example in examples], answers(logits, task))
    labels = torch.tensor([example.label for example in examples])
    kind = kind_of(task)
    return kind.quality(kind.answers(logits), labels)


def answers(logits: Tensor, task: TaskInfo) -> list[float]:
    """What logits (examples, outputs) answer: the likeliest class, or the number, mapped back to the task's range."""
    kind = kind_of(task)
    values: list[float] = kind.ranged(kind.answers(logits.double()), task).tolist()
    return values


@dataclass(frozen=True, slots=True)
class Appraisal:
    """A score in percent, the mean of so many ways out, and what of it a method pays for compute, in percent, too."""

    score: float
    price: float
    ways: int = 1

    @property
    def worth(self) -> float:
        """What is left of the score."""
        return self.score - self.price


def appraisal(module: nn.Module, job: TrainingJob, text: TextEncoder, judged: Sequence[int] | None = None) -> Appraisal:
    """What a module's answers to validation data are worth: the task's metric in percent, of several ways out the mean.

    Of these all count, or those in `judged`, by their place.

    Less what it pays for compute in its loss, so that a network that learns to spare is not judged by answers alone:
    0.01 of it is one percent. That is the mean of its "price", (samples,), if it returns one, and what its
    `common_price` makes of all samples' outputs, if it has one. Where "judged" stands beside its logits, ways out
    (samples, ways, outputs), these are what is judged. So the epoch that is kept is the one that the method's own
    objective prefers, score and compute; a method whose objective has no compute in it is judged by score alone.
    """
    outputs = batched_outputs(module, job.validation, text)
    logits = outputs.get("judged", outputs["logits"])
    ways = logits.unbind(1) if logits.dim() == 3 else [logits]
    ways = [ways[place] for place in (range(len(ways)) if judged is None else judged)]
    score = sum(quality(way, job.validation, job.task, job.measure) for way in ways) / len(ways)
    return Appraisal(score, 100 * price_of(module, outputs), len(ways))


def price_of(module: Any, outputs: Mapping[str, Tensor]) -> float:
    """What a module's outputs cost in its loss: the mean of their price, and what they pay in common."""
    price = outputs["price"].mean().item() if "price" in outputs else 0.0
    return price + (float(module.common_price(outputs)) if hasattr(module, "common_price") else 0.0)
