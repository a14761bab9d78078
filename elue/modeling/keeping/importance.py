"""What tokens are worth by the attention they receive, and the best of them."""

from __future__ import annotations

import torch
from torch import Tensor


def importance(weights: Tensor, queries: Tensor | None = None, diagonal: bool = True) -> Tensor:
    """Attention each token receives, mean over heads and queries (LTP eq. 3): (batch, keys).

    `weights` is (batch, heads, queries, keys); `queries` (batch, queries) says how much each query counts:
    a mask, or numbers between 0 and 1. Without the `diagonal`, what a token gives itself is left out (PoWER-BERT).
    """
    shares = weights.mean(1)
    if not diagonal:
        shares = shares - torch.diag_embed(shares.diagonal(dim1=1, dim2=2))
    if queries is None:
        return shares.mean(1)
    share = queries / queries.sum(-1, keepdim=True)
    return (share[:, None, :] @ shares).squeeze(1)


def ranks(values: Tensor, real: Tensor) -> Tensor:
    """Each token's place, from 0, by falling value, (batch, tokens): of equals the first comes first, padding last."""
    order = values.masked_fill(~real, -torch.inf).argsort(dim=1, descending=True, stable=True)
    return order.argsort(1)


def first_and_best(values: Tensor, real: Tensor, budgets: Tensor) -> Tensor:
    """The first token and the best of the others, so many in all as `budgets` (batch,) says: bool, (batch, tokens)."""
    lifted = torch.cat([torch.full_like(values[:, :1], torch.inf), values[:, 1:]], 1)
    return (ranks(lifted, real) < budgets[:, None]) & real


def spare_first(keep: Tensor, value: bool | float) -> Tensor:
    """`keep` (batch, tokens) with this value for every first token."""
    first = torch.zeros_like(keep, dtype=torch.bool)
    first[:, 0] = True
    return keep.masked_fill(first, value)
