"""What a fine-tuned model says of its tokens: how much its loss, or its answer, depends on each."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from elue.modeling.encoder import layers_of
from elue.modeling.heads import task_loss, unit_label
from elue.modeling.text import TextEncoder, pad_batch
from elue.protocol import Example

Columns = dict[str, Any]
"""Numbers of each training example, by name: one, or one for each of its tokens."""


def guide_scores(network: Any, examples: Sequence[Example], text: TextEncoder, places: Sequence[int]) -> Columns:
    """|⟨∂loss/∂h^t, h^t - h^k⟩| of each token, by "guide.k" for the states after each number k of layers (TR-BERT).

    h^t is the state after three quarters of the layers.
    """
    target = math.ceil(0.75 * len(network.encoder.layers))
    columns: Columns = {f"guide.{place}": [[] for _ in examples] for place in places}
    for chosen, batch in _batches(network, examples, text):
        states = _states(network, batch)
        loss = task_loss(network.head(states[-1], batch["mask"]), batch["labels"], network.task) * len(chosen)
        (gradient,) = torch.autograd.grad(loss, states[target])
        for place in places:
            scores = (gradient * (states[target] - states[place])).sum(-1).abs()
            _put(columns[f"guide.{place}"], chosen, scores, batch["mask"])
    return columns


def saliency(network: Any, examples: Sequence[Example], text: TextEncoder) -> list[list[float]]:
    """Each token's share in the right answer's logit, or in the number: by the norm of gradient · embedding."""
    column: list[list[float]] = [[] for _ in examples]
    for chosen, batch in _batches(network, examples, text):
        states = _states(network, batch)
        logits = network.head(states[-1], batch["mask"])
        asked = torch.zeros_like(batch["labels"]).long() if logits.shape[1] == 1 else batch["labels"].long()
        (gradient,) = torch.autograd.grad(logits.gather(1, asked[:, None]).sum(), states[0])
        norms = (gradient * states[0]).norm(dim=-1) * batch["mask"]
        _put(column, chosen, norms / norms.sum(1, keepdim=True).clamp(min=1e-30), batch["mask"])
    return column


def _states(network: Any, batch: dict[str, Tensor]) -> list[Tensor]:
    """The embedded tokens, from which gradients start, and the states after each layer."""
    states = [network.encoder.embed(batch["ids"], batch["segments"]).detach().requires_grad_()]
    for layer in layers_of(network.encoder):
        states.append(layer(states[-1], batch["mask"]))
    return states


def _batches(
    network: Any, examples: Sequence[Example], text: TextEncoder, size: int = 32
) -> Iterator[tuple[list[int], dict[str, Tensor]]]:
    """Padded batches of similar length with labels, and which examples they are; the network in eval mode."""
    network.eval()
    device = next(network.parameters()).device
    encoded = text.encode_all([example.sample for example in examples])
    order = sorted(range(len(encoded)), key=lambda index: len(encoded[index].ids))
    for start in range(0, len(order), size):
        chosen = order[start : start + size]
        batch = pad_batch([encoded[index] for index in chosen], text.pad)
        batch["labels"] = torch.tensor([unit_label(examples[index].label, network.task) for index in chosen])
        yield chosen, {name: tensor.to(device) for name, tensor in batch.items()}


def _put(column: list[list[float]], chosen: Sequence[int], values: Tensor, mask: Tensor) -> None:
    for index, row, count in zip(chosen, values.detach().cpu().tolist(), mask.sum(1).tolist(), strict=True):
        column[index] = row[:count]
