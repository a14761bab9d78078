"""The parts of an encoder on packs: the modules that training knows, run on rows without padding.

Linear maps, norms and activations see all rows at once; attention and pooling go through the blocks of samples of
equal length. Dropout is left out: this is inference.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from elue.modeling import kernels
from elue.modeling.encoder import Embeddings, FeedForward, SelfAttention
from elue.modeling.heads import Head
from elue.modeling.ragged import Pack

ROWS_PER_CHUNK = 1024
"""Rows that a feed-forward takes at a time, so that its wide inner rows stay in the processor's cache."""
SHORT, SPELLED = 192, 1 << 20
"""Tokens of samples whose attention is spelled out in company, and how many scores of them at a time: 4 MiB."""
UNNORMED, STEEP = 48, 1e30
"""Tokens of samples whose weights are normed last, and what the sums of a row's exponentials may be for it, from one
over this: so far from what single precision holds they are as exact as after a shift."""
FEW = 32
"""Rows of so few that the calls take longer than the work: there the fused kernel is called, which is one."""
SCORES_PER_BLOCK = 1 << 18
"""Attention scores that are spelled out at a time: 1 MiB."""
_NOTHING = torch.zeros(1)
_IN_PLACE: dict[str, Callable[[Tensor], Tensor]] = {
    "gelu": torch.ops.aten.gelu_,
    "relu": torch.relu_,
    "tanh": torch.tanh_,
}


def embed(embeddings: Embeddings, pack: Pack) -> Tensor:
    """Hidden rows (tokens, hidden) for the ids and segments of a fresh pack."""
    positions = torch.from_numpy(np.concatenate([np.arange(n) for n in pack.lengths]) + embeddings.offset)
    hidden = embeddings.word(pack.rows[:, 0])
    hidden += embeddings.position(positions)
    if embeddings.segment is not None:
        hidden += embeddings.segment(pack.rows[:, 1])
    hidden = embeddings.norm(hidden)
    return hidden if embeddings.project is None else kernels.linear(embeddings.project, hidden)


def attend(attention: SelfAttention, pack: Pack) -> Tensor:
    """The attention half of a layer, (tokens, hidden): every sample attends to its own rows."""
    maps = attention.query, attention.key, attention.value
    laid = kernels.laid_out(attention, maps, pack.rows)
    if laid is not None:
        return merge(attention, pack.rows, _contexts(pack, kernels.product(pack.rows, laid), attention.heads))
    projected, parts = [own(pack.rows) for own in maps], []
    for group in pack.groups():
        q, k, v = (_heads(group.of(own), attention.heads) for own in projected)
        context = F.scaled_dot_product_attention(q, k, v)
        parts.append(context.transpose(1, 2).reshape(-1, pack.rows.shape[1]))
    return merge(attention, pack.rows, _joined(parts))


def _contexts(pack: Pack, projected: Tensor, heads: int) -> Tensor:
    """What attention makes of queries, keys and values side by side, (tokens, 3 · hidden): (tokens, hidden).

    For shorter samples it is spelled out, which is faster there than the fused kernel.
    """
    made = kernels.room(pack.rows)
    for group in pack.groups():
        shape = group.samples, group.tokens, heads, made.shape[1] // heads
        parts = projected[group.rows].view(shape[0], shape[1], 3, *shape[2:])
        into = made[group.rows].view(shape).transpose(1, 2)
        if group.tokens > SHORT or group.samples * group.tokens <= FEW:
            q, k, v = parts.permute(2, 0, 3, 1, 4).unbind()
            into.copy_(F.scaled_dot_product_attention(q, k, v))
            continue
        most = max(1, SPELLED // (heads * group.tokens**2))
        for start in range(0, group.samples, most):
            here = into[start : start + most]
            context, _ = _spelled_out(parts[start : start + most])
            here.copy_(context.view(here.shape))
    return made


def _spelled_out(parts: Tensor, weigh: bool = False, diagonal: bool = True) -> tuple[Tensor, Tensor | None]:
    """Attention of queries, keys and values side by side, (samples, tokens, 3, heads, size).

    The contexts, (samples · heads, tokens, size), and with `weigh` what every token receives, (samples, tokens), as
    `attend_and_weigh` has it. Weights of few tokens are left unnormed, and what is made of them is normed: torch's
    softmax takes several times as long there as exponentials do.
    """
    samples, tokens, _, heads, size = parts.shape
    q, k, v = parts.permute(2, 0, 3, 1, 4).reshape(3, -1, tokens, size).unbind()
    weights, share = _scores(q, k), None
    if tokens <= UNNORMED:
        sums = torch.mv(weights.exp_().view(-1, tokens), weights.new_ones(tokens))
        least, most = sums.aminmax()
        if least > 1 / STEEP and most < STEEP:
            share = sums.reciprocal_().view(-1, tokens, 1)
        else:
            weights = _scores(q, k)
    if share is None:
        torch.softmax(weights, -1, out=weights)
    context = torch.bmm(weights, v)
    if share is not None:
        context *= share
    if not weigh:
        return context, None
    asked = weights.new_ones(samples, 1, heads * tokens) if share is None else share.view(samples, 1, -1)
    received = torch.bmm(asked, weights.view(samples, -1, tokens)).view(samples, tokens)
    if not diagonal:
        own = weights.diagonal(dim1=1, dim2=2)
        received -= (own if share is None else own * share.view(own.shape)).reshape(samples, heads, tokens).sum(1)
    return context, received.div_(heads * tokens)


def _scores(q: Tensor, k: Tensor) -> Tensor:
    """Scaled products of queries and keys, (samples · heads, tokens, size) each: (samples · heads, tokens, tokens)."""
    return torch.baddbmm(_NOTHING, q, k.transpose(1, 2), beta=0, alpha=q.shape[2] ** -0.5)


def attend_and_weigh(attention: SelfAttention, pack: Pack, diagonal: bool = True) -> tuple[Tensor, Tensor]:
    """As `attend`, and the attention every token receives, mean over heads and queries: (tokens,).

    Without the `diagonal`, what a token gives itself counts as 0. Scores are spelled out for it, a block of heads at a
    time that stays in the processor's cache.
    """
    maps = attention.query, attention.key, attention.value
    laid = kernels.laid_out(attention, maps, pack.rows)
    if laid is not None:
        return _weighed(attention, pack, kernels.product(pack.rows, laid), diagonal)
    query, key, value = (own(pack.rows) for own in maps)
    size = query.shape[1] // attention.heads
    query *= size**-0.5
    parts, received = [], []
    for group in pack.groups():
        q, k, v = (
            _heads(group.of(projected), attention.heads).reshape(-1, group.tokens, size)
            for projected in (query, key, value)
        )
        block = max(1, SCORES_PER_BLOCK // group.tokens**2)
        contexts, sums = [], []
        for q_block, k_block, v_block in zip(q.split(block), k.split(block), v.split(block), strict=True):
            weights = (q_block @ k_block.transpose(1, 2)).softmax(-1)
            contexts.append(weights @ v_block)
            sums.append(weights.mean(1))
            if not diagonal:
                sums[-1] -= weights.diagonal(dim1=1, dim2=2) / group.tokens
        shape = (group.samples, attention.heads, group.tokens)
        context = _joined(contexts).view(*shape, size).transpose(1, 2)
        parts.append(context.reshape(-1, attention.heads * size))
        received.append(_joined(sums).view(shape).mean(1).flatten())
    return merge(attention, pack.rows, _joined(parts)), _joined(received)


def _weighed(attention: SelfAttention, pack: Pack, projected: Tensor, diagonal: bool) -> tuple[Tensor, Tensor]:
    """`attend_and_weigh` from queries, keys and values side by side, (tokens, 3 · hidden), for samples in company."""
    heads, made, received = attention.heads, kernels.room(pack.rows), pack.rows.new_empty(pack.tokens)
    for group in pack.groups():
        shape = group.samples, group.tokens, heads, made.shape[1] // heads
        parts = projected[group.rows].view(shape[0], shape[1], 3, *shape[2:])
        into, gets = made[group.rows].view(shape), received[group.rows].view(shape[:2])
        most = max(1, SPELLED // (heads * group.tokens**2))
        block = max(1, min(heads, SPELLED // group.tokens**2)) if most == 1 else heads
        for start in range(0, group.samples, most):
            here = slice(start, start + most)
            gets[here] = 0
            for head in range(0, heads, block):
                some = slice(head, head + block)
                context, share = _spelled_out(parts[here, :, :, some], weigh=True, diagonal=diagonal)
                assert share is not None
                place = into[here, :, some].transpose(1, 2)
                place.copy_(context.view(place.shape))
                gets[here].add_(share, alpha=place.shape[1] / heads)
    return merge(attention, pack.rows, made), received


def _joined(parts: list[Tensor]) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(parts)


def _heads(projected: Tensor, heads: int) -> Tensor:
    samples, tokens, width = projected.shape
    return projected.view(samples, tokens, heads, width // heads).transpose(1, 2)


def merge(attention: SelfAttention, rows: Tensor, context: Tensor) -> Tensor:
    """What follows attention itself in its half of a layer: output map, residual and norm."""
    return kernels.norm(attention.norm, kernels.linear(attention.output, context, plus=rows))


def feed_forward(module: FeedForward, rows: Tensor, activation: str) -> Tensor:
    """The feed-forward half of a layer, (tokens, hidden)."""
    if kernels.serve(rows):
        most = max(1, kernels.INNER_NUMBERS // module.inner.out_features)
        parts = [kernels.linear(module.outer, _inner(module, part, activation), plus=part) for part in rows.split(most)]
        return kernels.norm(module.norm, _joined(parts))
    out = torch.empty_like(rows)
    for into, chunk in zip(out.split(ROWS_PER_CHUNK), rows.split(ROWS_PER_CHUNK), strict=True):
        transform(module, chunk, activation, into)
    out += rows
    return module.norm(out)


def transform(module: Any, rows: Tensor, activation: str, out: Tensor) -> None:
    """The two linear maps of a feed-forward or an expert alone, from rows into `out`."""
    inner = _inner(module, rows, activation)
    if kernels.serve(inner):
        out.copy_(kernels.linear(module.outer, inner))
    else:
        torch.addmm(module.outer.bias, inner, module.outer.weight.t(), out=out)


def _inner(module: Any, rows: Tensor, activation: str) -> Tensor:
    """The inner rows of a feed-forward or an expert, activation included."""
    laid = kernels.laid_out(module.inner, (module.inner,), rows)
    if laid is not None and activation in kernels.FUSED:
        return kernels.product(rows, laid, activation)
    inner: Tensor = module.inner(rows) if laid is None else kernels.product(rows, laid)
    return _IN_PLACE[activation](inner) if activation in _IN_PLACE else module.activation(inner)


def add(pack: Pack) -> Tensor:
    """The rows plus what is in the pack's state, (tokens, hidden): zeros where there is none."""
    return pack.rows + (torch.zeros_like(pack.rows) if pack.state is None else pack.state)


def add_and_norm(norm: nn.LayerNorm, pack: Pack) -> Tensor:
    """The residual and the norm after a part of a layer that is in the pack's state, which is changed in place."""
    update = torch.zeros_like(pack.rows) if pack.state is None else pack.state
    update += pack.rows
    return norm(update)


def head(module: Head, pack: Pack) -> Tensor:
    """Logits (samples, outputs) of a task head, in the pack's order."""
    if module.pooling == "first":
        pooled = pack.rows.index_select(0, torch.from_numpy(pack.starts()))
    else:
        parts = [group.of(pack.rows).mean(1) for group in pack.groups()]
        pooled = _joined(parts)
    return module.output(torch.tanh(module.dense(pooled)))
