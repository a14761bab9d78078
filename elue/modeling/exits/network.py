"""The network with exits as training sees it: padded batches, all exits told, and a loss by the objective in force."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from elue.modeling.encoder import Encoder
from elue.modeling.exits.gradients import equilibrium
from elue.modeling.exits.heads import ExitHeads
from elue.modeling.exits.scores import Scorer
from elue.protocol import TaskInfo


@dataclass(frozen=True, eq=False)
class Lesson:
    """What an objective sees of one step: what the exits told of a batch, the labels, and how far training is.

    `logits` (batch, exits, outputs), `scores` (batch, exits - 1) where the network learns some, `labels` (batch,),
    `step` of `total`, from 0; `columns` are further numbers of each sample, `extras` what the heads add.
    """

    task: TaskInfo
    logits: Tensor
    labels: Tensor
    scores: Tensor | None = None
    step: int = 0
    total: int = 1
    columns: Mapping[str, Tensor] = field(default_factory=dict)
    extras: Mapping[str, Tensor] = field(default_factory=dict)


Objective = Callable[[Lesson], Mapping[str, Tensor]]
"""Losses by name, scalars. Their sum is what a step goes down, unless the phase joins their gradients itself."""
INPUTS = ("ids", "segments", "mask", "second", "labels", "step", "total")


TEMPERATURES = "temperatures"


class Tables(nn.Module):
    """Numbers found on calibration data, by name, of whatever size: saved and loaded with the weights."""

    def keep(self, name: str, values: Tensor) -> None:
        """Set a table."""
        self.register_buffer(name, values.detach().float())

    def named(self) -> dict[str, Tensor]:
        """All tables."""
        return {name: values for name, values in self._buffers.items() if values is not None}

    def _load_from_state_dict(self, state_dict: dict[str, Tensor], prefix: str, *rest: Any) -> None:
        for key, values in state_dict.items():
            if key.startswith(prefix):
                self.keep(key.removeprefix(prefix), torch.zeros_like(values))
        super()._load_from_state_dict(state_dict, prefix, *rest)


class ExitNetwork(nn.Module):
    """An encoder with heads after some of its layers, the last among them, and perhaps a learned score.

    `balanced` puts training under gradient equilibrium. The objective is the phase's. Of the `tables` of calibration
    one is known here: temperatures (exits,), which divide logits.
    """

    objective: Objective

    def __init__(
        self,
        encoder: Encoder,
        task: TaskInfo,
        heads: ExitHeads,
        scorer: Scorer | None = None,
        balanced: bool = False,
    ) -> None:
        super().__init__()
        self.task, self.balanced = task, balanced
        self.encoder, self.heads, self.scorer = encoder, heads, scorer
        self.layers = heads.layers
        self.tables = Tables()

    def trunk(self, layer: int, hidden: Tensor, batch: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """What a layer's output is for its head, and for the layer above."""
        if not (self.balanced and self.training):
            return hidden, hidden
        return equilibrium(hidden, sum(exit >= layer for exit in self.layers))

    def forward(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """`logits` (batch, exits, outputs) and `scores` of a padded batch and, given labels, the `loss` and its parts.

        `scores` are (batch, exits - 1); a part is named as in `loss.distilled`.
        """
        hidden, mask = self.encoder.embed(batch["ids"], batch["segments"]), batch["mask"]
        features: dict[int, Tensor] = {}
        logits: list[Tensor] = []
        scores: list[Tensor] = []
        memory = before = None
        for number, layer in enumerate(self.encoder.layers, start=1):
            branch, hidden = self.trunk(number, layer(hidden, mask), batch)
            if number in self.heads.looks:
                feature = self.heads.feature(number, self.heads.gather(number, branch, mask))
                memory = self.heads.remember(number, feature, memory)
                features[number] = feature
            if number in self.layers:
                logits.append(self.tempered(len(logits), self.heads.classify(number, features[number], memory)))
                if self.scorer is not None and number < self.layers[-1]:
                    scores.append(self.scorer(number, features[number], before, torch.stack(logits, 1)))
                before = features[number]
        told = {"logits": torch.stack(logits, 1)} | ({"scores": torch.stack(scores, 1)} if scores else {})
        return told | self._lesson(told, features, batch) if "labels" in batch else told

    def tempered(self, exit: int, logits: Tensor) -> Tensor:
        """The logits of an exit, from 0, over its temperature."""
        temperatures = self.tables.named().get(TEMPERATURES)
        return logits if temperatures is None else logits / temperatures[exit]

    def _lesson(
        self, told: Mapping[str, Tensor], features: Mapping[int, Tensor], batch: Mapping[str, Tensor]
    ) -> dict[str, Tensor]:
        lesson = Lesson(
            task=self.task,
            logits=told["logits"],
            labels=batch["labels"],
            scores=told.get("scores"),
            step=int(batch.get("step", 0)),
            total=int(batch.get("total", 1)),
            columns={name: column for name, column in batch.items() if name not in INPUTS},
            extras=self.heads.taught(features),
        )
        losses = self.objective(lesson)
        return {
            "loss": torch.stack(list(losses.values())).sum(),
            **{f"loss.{name}": loss for name, loss in losses.items()},
        }
