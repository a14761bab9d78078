"""A scored chain: after each model but the last, a learned scorer says whether its answer will do."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from elue.modeling.cascade import StagedModel
from elue.modeling.encoder import Encoder
from elue.modeling.exits.heads import by_layer
from elue.modeling.heads import EncoderWithHead, pool
from elue.modeling.inference import batched_logits
from elue.modeling.ladder import Rule, Way
from elue.modeling.method import Training
from elue.modeling.ragged import Pack
from elue.modeling.running import run_encoder
from elue.modeling.signals import LOGITS, SCORES
from elue.modeling.text import TextEncoder
from elue.modeling.tracing import Shape, Unit, blank, encoder_units, row_unit
from elue.protocol import Point, TaskInfo

TEXT = "text"
"""What a pack remembers of the text as the scorer has read it, (samples, hidden)."""


class AnswerScorer(nn.Module):
    """How likely an answer is wrong, by the text and the answer's probabilities.

    An encoder reads the text once. For each model but the last, counted from 1, a dense map with tanh, a linear map and
    a sigmoid look at the pooled text beside what that model says.
    """

    def __init__(self, encoder: Encoder, pooling: str, outputs: int, models: int) -> None:
        super().__init__()
        hidden, self.outputs, self.pooling = encoder.config.hidden, outputs, pooling
        self.asked = range(1, models)
        self.encoder = encoder
        self.dropout = nn.Dropout(encoder.config.dropout)
        self.dense = by_layer(self.asked, hidden + outputs, hidden)
        self.output = by_layer(self.asked, hidden, 1)

    def logit(self, number: int, text: Tensor, logits: Tensor) -> Tensor:
        """Before the sigmoid, (batch,), of pooled texts (batch, hidden) and a model's logits (batch, outputs)."""
        seen = torch.cat([self.dropout(text), logits.softmax(-1)], 1)
        inner = self.dropout(torch.tanh(self.dense[str(number)](seen)))
        return cast(Tensor, self.output[str(number)](inner)).squeeze(-1)

    def score(self, number: int, text: Tensor, logits: Tensor) -> Tensor:
        """How likely the answer of a model is wrong, (batch,), from 0 to 1."""
        return torch.sigmoid(self.logit(number, text, logits))

    def forward(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """The pooled texts as `text` and, where the batch has `wrong_k` and `says_k_c`, the mean cross-entropy.

        For each model k `wrong_k` (batch,) is 1 where its answer is wrong, and `says_k_c` its logit of class c.
        """
        hidden = self.encoder.embed(batch["ids"], batch["segments"])
        for layer in self.encoder.layers:
            hidden = layer(hidden, batch["mask"])
        out = {TEXT: pool(hidden, batch["mask"], self.pooling)}
        losses = []
        for number in self.asked if "wrong_1" in batch else ():
            said = torch.stack([batch[f"says_{number}_{place}"] for place in range(self.outputs)], 1)
            wrong = self.logit(number, out[TEXT], said.to(hidden.dtype))
            losses.append(F.binary_cross_entropy_with_logits(wrong.float(), batch[f"wrong_{number}"].float()))
        return {**out, "loss": torch.stack(losses).mean()} if losses else out


class ScoredChain(StagedModel):
    """Whole networks in a row, each but the last followed by a scorer.

    The scorer's encoder, in the units `scorer.…`, of which `scorer.text (tokens)` pools, runs once for every sample;
    `score.k (1)` is asked after model k.
    """

    def __init__(
        self,
        network: Any,
        scorer: AnswerScorer,
        stages: Mapping[str, EncoderWithHead],
        text: TextEncoder,
        task: TaskInfo,
        rule_of: Callable[[Point, TaskInfo], Rule],
    ) -> None:
        super().__init__(network, stages, text, task, rule_of)
        self.scorer, width = scorer, scorer.encoder.config.hidden
        self.units.units |= encoder_units(scorer.encoder, "scorer.") | {"scorer.text": row_unit(self._pooled, width)}
        for number in scorer.asked:
            self.units.units[f"score.{number}"] = Unit(partial(self._score, number), _one_each, self._example)
        *early, last = self.ways
        self.ways = [self._scored(number, way) for number, way in enumerate(early, start=1)] + [last]

    def _scored(self, number: int, way: Way) -> Way:
        """A way out that tells a score beside its logits; at the first one, the scorer reads the text."""
        score: Callable[[Pack], Tensor] = partial(self.units.run, f"score.{number}")
        channels = {**way.channels, SCORES: score}
        return Way(way.advance, channels, self._read if number == 1 else way.look, scores_of_logits=True)

    def _read(self, pack: Pack) -> Pack:
        layers = len(self.scorer.encoder.layers)
        text = run_encoder(self.units, Pack.fresh(pack.requests), layers, "scorer.")
        return pack.remembering(**{TEXT: self.units.run("scorer.text", text)})

    def _pooled(self, pack: Pack) -> Tensor:
        return torch.cat([pool(group.of(pack.rows), None, self.scorer.pooling) for group in pack.groups()])

    def _score(self, number: int, pack: Pack) -> Tensor:
        return self.scorer.score(number, pack.memory[TEXT], pack.memory[LOGITS][:, -1])

    def _example(self, shape: Shape) -> Pack:
        text = torch.zeros(1, self.scorer.encoder.config.hidden)
        return blank((1,), 1).remembering(**{TEXT: text, LOGITS: torch.zeros(1, 1, self.scorer.outputs)})


def told(training: Training, models: Sequence[nn.Module], places: Sequence[int]) -> dict[str, list[float]]:
    """What a scorer learns from, columns of all training samples, told at these places and 0 elsewhere.

    Of each model, from 1, `wrong_k` and the logits `says_k_c`, as `AnswerScorer` takes them.
    """
    asked, count = [training.job.train[place] for place in places], len(training.job.train)
    labels, where = torch.tensor([example.label for example in asked]), torch.tensor(places)
    columns: dict[str, list[float]] = {}
    for number, model in enumerate(models, start=1):
        logits = batched_logits(model, asked, training.text)
        by_name = {f"wrong_{number}": (logits.argmax(-1) != labels).float()}
        by_name |= {f"says_{number}_{place}": column for place, column in enumerate(logits.unbind(1))}
        for name, values in by_name.items():
            columns[name] = torch.zeros(count).index_copy(0, where, values).tolist()
    return columns


def _one_each(pack: Pack) -> list[Shape]:
    return [(1,)] * len(pack.requests)
