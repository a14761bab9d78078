"""From logits to predictions: one sample at a time for the standard, padded batches for validation."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from elue.modeling.text import TextEncoder, pad_batch
from elue.protocol import DynamicModel, Example, Prediction, Sample, TaskInfo


def prediction(logits: Tensor, task: TaskInfo) -> Prediction:
    """The answer that logits (1, outputs) stand for: the best class and all probabilities, or a number.

    A regression's output is mapped back from 0..1 to the task's range.
    """
    if task.kind == "regression":
        return Prediction(task.low + (task.high - task.low) * logits.item())
    scores = logits[0].softmax(-1).tolist()
    return Prediction(scores.index(max(scores)), tuple(scores))


def predict_each(
    forward: Callable[[Tensor, Tensor | None], Tensor],
    samples: Sequence[Sample],
    text: TextEncoder,
    task: TaskInfo,
) -> list[Prediction]:
    """Predict sample by sample, batch 1, natural length, no padding.

    `forward` maps ids (1, tokens) and segments (1, tokens) or None to logits (1, outputs).
    """
    with torch.inference_mode():
        return [prediction(forward(*text.tensors(sample)), task) for sample in samples]


class EncoderModel(DynamicModel):
    """A dynamic model made of one network, asked sample by sample. A method adds `configure`, its knobs.

    What a sample costs is decided in `logits`: the network's own, unless a method overrides it.
    """

    def __init__(self, network: Any, text: TextEncoder, task: TaskInfo) -> None:
        self.network, self.text, self.task = network, text, task

    def logits(self, ids: Tensor, segments: Tensor | None) -> Tensor:
        """Logits (1, outputs) of one sample (1, tokens)."""
        result: Tensor = self.network.logits(ids, segments)
        return result

    def predict(self, samples: Sequence[Sample]) -> Sequence[Prediction]:
        """Answer each sample, in order."""
        return predict_each(self.logits, samples, self.text, self.task)

    def modules(self) -> Iterable[nn.Module]:
        """The network, whose parameters are the model's."""
        return [self.network]


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


def quality(logits: Tensor, examples: Sequence[Example], task: TaskInfo) -> float:
    """Accuracy, or for a regression Pearson's correlation, of logits (examples, outputs), in percent."""
    labels = torch.tensor([example.label for example in examples])
    if task.kind == "classification":
        return 100 * (logits.argmax(-1) == labels).double().mean().item()
    pair = torch.stack([logits.squeeze(-1).double(), labels.double()])
    return 100 * torch.corrcoef(pair)[0, 1].item()
