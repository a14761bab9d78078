"""Layers with experts: routers, experts made from a trained feed-forward, and what stands around them."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from elue.modeling import packed
from elue.modeling.encoder import FeedForward
from elue.modeling.experts.look import Look, index
from elue.modeling.experts.seats import Pairs


class Router(nn.Module):
    """A linear map from rows to a score for each expert, in float32 under any autocast or model dtype.

    In training the input is multiplied by uniform noise in [1 - jitter, 1 + jitter] (Switch, section 2.4).
    """

    def __init__(self, hidden: int, experts: int, jitter: float = 0.0) -> None:
        super().__init__()
        self.jitter = jitter
        self.weight = nn.Parameter(torch.empty(experts, hidden))
        nn.init.trunc_normal_(self.weight, std=math.sqrt(0.1 / hidden))

    def forward(self, look: Look) -> Tensor:
        """Scores of the experts before any softmax, (tokens, E), float32."""
        with torch.autocast(look.rows.device.type, enabled=False):
            rows = look.rows.float()
            if self.training and self.jitter:
                rows = rows * torch.empty_like(rows).uniform_(1 - self.jitter, 1 + self.jitter)
            return F.linear(rows, self.weight.float())

    @torch.no_grad()
    def steepness(self) -> float:
        """How far apart its weights of two experts lie at most: what a score gains on another as rows move by one."""
        return torch.cdist(self.weight.float(), self.weight.float()).max().item()


class Expert(nn.Module):
    """The two linear maps of a feed-forward, without its residual and norm, or only some of its hidden units."""

    def __init__(self, source: FeedForward, units: Sequence[int] | None = None, bias: bool = True) -> None:
        super().__init__()
        self.inner, self.outer = copy.deepcopy(source.inner), copy.deepcopy(source.outer)
        self.activation = source.activation
        if units is not None:
            chosen = torch.as_tensor(units, device=source.inner.weight.device)
            hidden = source.inner.in_features
            self.inner, self.outer = nn.Linear(hidden, len(chosen)), nn.Linear(len(chosen), hidden)
            self.inner.weight = nn.Parameter(source.inner.weight.detach()[chosen].clone())
            self.inner.bias = nn.Parameter(source.inner.bias.detach()[chosen].clone())
            self.outer.weight = nn.Parameter(source.outer.weight.detach()[:, chosen].clone())
            self.outer.bias = nn.Parameter(source.outer.bias.detach().clone())
        if not bias:
            nn.init.zeros_(self.outer.bias)

    @property
    def width(self) -> int:
        """Its hidden units."""
        return int(self.inner.weight.shape[0])

    @torch.no_grad()
    def scaled(self, scale: float) -> Expert:
        """The expert itself, its outputs made `scale` times as large."""
        self.outer.weight.mul_(scale)
        self.outer.bias.mul_(scale)
        return self

    def forward(self, rows: Tensor) -> Tensor:
        """Transform (rows, hidden)."""
        result: Tensor = self.outer(self.activation(self.inner(rows)))
        return result

    def into(self, rows: Tensor, activation: str, out: Tensor) -> None:
        """The same into `out`, for inference."""
        packed.transform(self, rows, activation, out)


class Blocks(nn.Module):
    """An expert of residual blocks, x + W2 act(W1 norm(x)), the identity at the start; it gives what it adds to x."""

    def __init__(self, source: FeedForward, blocks: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(source.norm.normalized_shape, source.norm.eps) for _ in range(blocks))
        self.blocks = nn.ModuleList(Expert(source).scaled(0.0) for _ in range(blocks))

    @property
    def width(self) -> int:
        """The hidden units of all blocks."""
        return sum(block.width for block in self.blocks if isinstance(block, Expert))

    def forward(self, rows: Tensor) -> Tensor:
        """What the blocks add to (rows, hidden)."""
        update = torch.zeros_like(rows)
        for norm, block in zip(self.norms, self.blocks, strict=True):
            update = update + block(norm(rows + update))
        return update

    def into(self, rows: Tensor, activation: str, out: Tensor) -> None:
        """The same into `out`, for inference."""
        for number, (norm, block) in enumerate(zip(self.norms, self.blocks, strict=True)):
            assert isinstance(block, Expert)
            if number == 0:
                block.into(norm(rows), activation, out)
            else:
                more = torch.empty_like(rows)
                block.into(norm(rows + out), activation, more)
                out += more


class ExpertLayer(nn.Module):
    """What takes a feed-forward's place: a router, if any, before experts, and the residual and the norm after them.

    `shared` is an expert that every row goes through. Experts that are inserted come after the layer's own
    feed-forward, `before`, and have no norm after them.
    """

    def __init__(
        self,
        source: FeedForward,
        router: nn.Module | None,
        experts: Sequence[nn.Module],
        shared: Expert | None = None,
        inserted: bool = False,
    ) -> None:
        super().__init__()
        self.router, self.shared = router, shared
        self.experts = nn.ModuleList(experts)
        self.before = source if inserted else None
        self.norm = nn.Identity() if inserted else source.norm
        self.dropout = source.dropout
        self.full = source.inner.out_features

    def forward(self, rows: Tensor, pairs: Pairs, weight: Tensor | None) -> Tensor:
        """Transform (rows, hidden) for training."""
        update = run_experts(rows, pairs, weight, self.experts)
        if self.shared is not None:
            update = update + self.shared(rows)
        result: Tensor = self.norm(rows + self.dropout(update))
        return result

    def share(self, pairs: Pairs, rows: int) -> np.ndarray:
        """What each row runs, as a share of the feed-forward that was here: (rows,)."""
        widths = np.array([expert.width for expert in self.experts]) / self.full
        always = (self.before is not None) + (self.shared.width / self.full if self.shared is not None else 0.0)
        return always + np.bincount(pairs.row, weights=widths[pairs.expert], minlength=rows)


def copies(source: FeedForward, experts: int, scale: float = 1.0, noise: float = 0.0) -> list[Expert]:
    """Experts that start as copies of a trained feed-forward (sparse upcycling, Komatsuzaki et al., ICLR 2023).

    Outputs times `scale`, 1 / (the weight a row starts with), keep the network's function at the start (He et al.,
    arXiv 2410.07524). A router's random weights send copies different rows; where none does, `noise` parts them, in
    standard deviations of each weight matrix.
    """
    made = [Expert(source).scaled(scale) for _ in range(experts)]
    if noise:
        with torch.no_grad():
            for expert in made:
                for linear in (expert.inner, expert.outer):
                    linear.weight.add_(torch.randn_like(linear.weight) * noise * linear.weight.std())
    return made


def run_experts(
    rows: Tensor, pairs: Pairs, weight: Tensor | None, experts: Sequence[nn.Module] | nn.ModuleList
) -> Tensor:
    """Σ over a row's experts of weight · expert(row): (rows, hidden); rows without an expert are 0.

    `weight` (rows, k) is the choice's. Each expert runs at most once, on its own rows only.
    """
    output = torch.zeros_like(rows)
    if not len(pairs.row):
        return output
    taken = index(pairs.row, rows)
    parts = rows.index_select(0, taken).tensor_split(pairs.bounds(len(experts))[1:-1].tolist())
    results = torch.cat([expert(part) for expert, part in zip(experts, parts, strict=True) if len(part)])
    if weight is not None:
        results = results * weight.flatten().index_select(0, index(pairs.place, rows))[:, None].to(results.dtype)
    return output.index_add(0, taken, results.to(rows.dtype))
