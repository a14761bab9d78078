"""Lower layers that see three tokens at a time, and the table that can stand in for them (SkipBERT, ACL 2022).

A token's tri-gram is itself with its neighbours. Lower layers run on each by itself, at positions 0 to 2, and its three
rows are gated. A token becomes the sum of the middle row of its own tri-gram, the first of the next and the last of the
one before; position and segment are added, and all is normed. What a tri-gram becomes depends on its ids alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from elue.modeling.encoder import Embeddings, Encoder, EncoderConfig, unshared

Source = Literal["table", "computed"]
Gram = tuple[int, int, int]
COMPUTED_AT_ONCE = 4096


def triples_of(ids: Sequence[int], pad: int) -> np.ndarray:
    """The tri-gram of every token, (tokens, 3): `pad` stands for what is outside."""
    padded = np.array([pad, *ids, pad])
    return np.stack([padded[:-2], padded[1:-1], padded[2:]], 1)


def grams_of(texts: Iterable[Sequence[int]], pad: int, at_most: int) -> list[Gram]:
    """The most frequent tri-grams of texts, and what stands in for them where they are not known, so many at most.

    For (x, y, z) that is (pad, y, z), and for that (pad, y, pad); those occur as often as their tri-grams together.
    Equals are ranked shorter first, then by their ids: no order of texts matters.
    """
    counts: Counter[Gram] = Counter()
    for ids in texts:
        for before, middle, after in triples_of(ids, pad).tolist():
            counts.update({(before, middle, after), (pad, middle, after), (pad, middle, pad)})
    outside = {gram: sum(id == pad for id in gram) for gram in counts}
    return sorted(counts, key=lambda gram: (-counts[gram], -outside[gram], gram))[:at_most]


class TrigramTable(nn.Module):
    """Three rows for each gram it knows, `rows` (grams + 1, 3 · hidden), parameters that don't train; those of 0 are 0.

    `grams` (grams + 1, 3) are their ids.
    """

    grams: Tensor

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.hold(torch.full((1, 3), -1), torch.zeros(1, 3 * hidden))

    def hold(self, grams: Tensor, rows: Tensor) -> None:
        """Take these grams and rows, the first standing for what is not known."""
        self.rows = nn.Parameter(rows, requires_grad=False)
        self.register_buffer("grams", grams)
        self._places: dict[Gram, int] | None = None

    def places(self, triples: np.ndarray, pad: int) -> np.ndarray:
        """Where the rows of tri-grams (tokens, 3) lie, (tokens,): their own, or of what stands in, or 0."""
        if self._places is None:
            known = enumerate(map(tuple, self.grams.tolist()))
            self._places = {gram: place for place, gram in known if place}
        places = self._places
        return np.array(
            [
                places.get((before, middle, after))
                or places.get((pad, middle, after))
                or places.get((pad, middle, pad), 0)
                for before, middle, after in triples.tolist()
            ]
        )

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
        if prefix + "rows" in state_dict:
            grams, rows = state_dict[prefix + "grams"], state_dict[prefix + "rows"]
            self.hold(torch.zeros_like(grams), torch.zeros_like(rows, device=self.rows.device))
        super()._load_from_state_dict(state_dict, prefix, *rest)


class TrigramEmbeddings(nn.Module):
    """What stands before an encoder's upper layers, in the place of its embeddings.

    The `source` of a tri-gram's rows is the lower layers, or the `table`.
    """

    def __init__(self, config: EncoderConfig, embed: Embeddings, layers: Iterable[nn.Module]) -> None:
        super().__init__()
        self.pad, self.offset = config.pad, config.position_offset
        self.embed, self.layers = embed, nn.ModuleList(layers)
        self.gate = nn.Linear(config.hidden, 1)
        self.position = nn.Embedding(config.positions, config.hidden)
        self.segment = nn.Embedding(config.types, config.hidden) if config.types else None
        self.norm = nn.LayerNorm(config.hidden, eps=config.epsilon)
        self.dropout = nn.Dropout(config.dropout)
        self.table = TrigramTable(config.hidden)
        self.source: Source = "computed"
        for own, theirs in ((self.position, embed.position), (self.segment, embed.segment)):
            if own is not None:
                nn.init.normal_(own.weight, std=0.02)
                if theirs is not None and theirs.weight.shape == own.weight.shape:
                    own.load_state_dict(theirs.state_dict())

    def forward(self, ids: Tensor, segments: Tensor | None = None) -> Tensor:
        """Embed padded ids (batch, tokens) as (batch, tokens, hidden)."""
        beside = F.pad(ids, (1, 1), value=self.pad)
        triples = torch.stack([beside[:, :-2], ids, beside[:, 2:]], -1)
        if self.source == "table":
            places = self.table.places(triples.flatten(0, 1).cpu().numpy(), self.pad)
            rows = self.table.rows[torch.from_numpy(places).to(ids.device)]
        else:
            rows = self.computed(triples.flatten(0, 1))
        first, middle, last = rows.view(*triples.shape, -1).unbind(2)
        hidden = middle + F.pad(first[:, 1:], (0, 0, 0, 1)) + F.pad(last[:, :-1], (0, 0, 1, 0))
        places_in_text = torch.arange(self.offset, self.offset + ids.shape[1], device=ids.device)
        return self.placed(hidden, places_in_text, segments)

    def computed(self, triples: Tensor) -> Tensor:
        """The gated rows (grams, 3, hidden) of tri-grams (grams, 3): what is outside is not attended to, and 0."""
        real = (triples != self.pad) & (triples[:, 1:2] != self.pad)
        seen = real | torch.tensor([False, True, False], device=triples.device)
        hidden = self.embed(triples)
        for layer in self.layers:
            hidden = layer(hidden, seen)
        gated: Tensor = hidden * torch.sigmoid(self.gate(hidden)) * real[..., None]
        return gated

    def placed(self, hidden: Tensor, positions: Tensor, segments: Tensor | None) -> Tensor:
        """Rows with position and segment, normed."""
        hidden = hidden + self.position(positions)
        if self.segment is not None:
            hidden = hidden + self.segment(torch.zeros_like(positions) if segments is None else segments)
        normed: Tensor = self.dropout(self.norm(hidden))
        return normed

    def fill(self, texts: Sequence[Sequence[int]], at_most: int) -> None:
        """Put into the table what the lower layers make of the grams of these texts, and answer by it from now on."""
        grams, device = torch.tensor(grams_of(texts, self.pad, at_most)), self.norm.weight.device
        training = self.training
        self.eval()
        with torch.no_grad():
            parts = [self.computed(some.to(device)).flatten(1) for some in grams.split(COMPUTED_AT_ONCE)]
        self.train(training)
        nothing = torch.zeros(1, parts[0].shape[1], device=device)
        self.table.hold(torch.cat([torch.full((1, 3), -1), grams]), torch.cat([nothing, *parts]))
        self.source = "table"

    def worth(self, texts: Sequence[Sequence[int]]) -> dict[str, float]:
        """Grams and bytes of the table, and the percentage of tokens of texts it knows whole, in part, and at all."""
        triples = np.concatenate([triples_of(ids, self.pad) for ids in texts])
        places = self.table.places(triples, self.pad)
        whole = (self.table.grams.cpu().numpy()[places] == triples).all(1)
        rows = self.table.rows
        shares = {"whole": whole, "in_part": (places > 0) & ~whole, "unknown": places == 0}
        return {"grams": len(rows) - 1, "bytes": rows.nbytes, **{n: 100 * float(s.mean()) for n, s in shares.items()}}


def skipping(encoder: Encoder, shallow: int) -> Encoder:
    """The upper layers of an encoder on tri-grams, for which its first `shallow` layers are; of none, the encoder."""
    if not shallow:
        return encoder
    apart = unshared(encoder)
    layers = list(apart.layers)
    upper = Encoder(replace(apart.config, layers=len(layers) - shallow))
    upper.pooler = encoder.pooler
    upper.embed = TrigramEmbeddings(apart.config, apart.embed, layers[:shallow])  # type: ignore[assignment]
    upper.layers = nn.ModuleList(layers[shallow:])
    return upper
