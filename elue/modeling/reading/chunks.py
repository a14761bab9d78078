"""Chunks of several texts at once, for units that run on them: nothing is computed for padding."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_sequence

from elue.modeling.reading.book import Numbers

Chunks = Sequence[Tensor]
"""What of some texts is looked at, (tokens, width) each."""
IN_CACHE = 2048
"""Tokens that a convolution takes at a time, so that they stay in the processor's cache."""


def by_length(run: Callable[..., Any]) -> Callable[..., Any]:
    """`run`, on stacks (chunks, tokens, width) and states (chunks, width), for chunks of any lengths.

    It says one row a chunk, in a tensor or in several.
    """

    def together(chunks: Chunks, *state: Tensor) -> Any:
        lengths: dict[int, list[int]] = {}
        for place, chunk in enumerate(chunks):
            lengths.setdefault(len(chunk), []).append(place)
        made = []
        for places in lengths.values():
            rows = torch.tensor(places, device=chunks[0].device)
            own = state if len(lengths) == 1 else (part.index_select(0, rows) for part in state)
            made.append(run(torch.stack([chunks[place] for place in places]), *own))
        if len(made) == 1:
            return made[0]
        back = torch.tensor([place for places in lengths.values() for place in places], device=chunks[0].device)
        if isinstance(made[0], Tensor):
            return torch.cat(made)[back.argsort()]
        return tuple(torch.cat(parts)[back.argsort()] for parts in zip(*made, strict=True))

    return together


def in_turn(step: Callable[..., tuple[Tensor, ...]], chunks: Chunks, state: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """The states (chunks, width) after a step for each token of chunks of any lengths, those that are left together."""
    if len(chunks) == 1:
        made = tuple(state)
        for word in chunks[0].unbind(0):
            made = step(word[None], *made)
        return made
    packed = pack_sequence(list(chunks), enforce_sorted=False)
    order, back = packed.sorted_indices, packed.unsorted_indices
    assert order is not None
    assert back is not None
    made, over = tuple(part.index_select(0, order) for part in state), list[tuple[Tensor, ...]]()
    for words in packed.data.split(packed.batch_sizes.tolist()):
        if len(words) < len(made[0]):
            over.append(tuple(part[len(words) :] for part in made))
            made = tuple(part[: len(words)] for part in made)
        made = step(words, *made)
    ended = zip(made, *reversed(over), strict=True)
    return tuple(torch.cat(parts).index_select(0, back) for parts in ended)


def packed(network: nn.RNNBase, chunks: Chunks) -> list[Tensor]:
    """The outputs of a recurrent network, batch first or not, on each chunk from its start: (tokens, size) each."""
    if len(chunks) == 1:
        return [network(chunks[0])[0]]
    lengths = np.array([len(chunk) for chunk in chunks])
    _, places, sizes = in_time(lengths)
    return list(
        _side_by_side(network, torch.cat(list(chunks)), places.argsort(), sizes, places).split(lengths.tolist())
    )


def backwards(network: nn.RNNBase, chunks: Chunks) -> list[Tensor]:
    """The output of a network that reads from the end, at the token after each: (tokens, size); 0 after the last."""
    if len(chunks) == 1:
        output, _ = network(chunks[0].flip(0))
        return [nn.functional.pad(output.flip(0)[1:], (0, 0, 0, 1))]
    lengths = np.array([len(chunk) for chunk in chunks])
    turns, places, sizes = in_time(lengths)
    ends = lengths.cumsum() - 1
    mirrored = np.repeat(2 * ends - lengths + 1, lengths) - np.arange(len(turns))
    after = places[np.maximum(mirrored - 1, 0)]
    words = torch.cat(list(chunks))
    told = _side_by_side(network, words, mirrored[places.argsort()], sizes, after)
    return list(told.index_fill(0, torch.from_numpy(ends).to(words.device), 0.0).split(lengths.tolist()))


def in_time(lengths: Numbers) -> tuple[Numbers, Numbers, Numbers]:
    """Of each token of texts of these lengths when it is read and its place among all, where all read side by side.

    And how many texts there are at each time.
    """
    rank = np.empty(len(lengths), np.int64)
    rank[np.argsort(-lengths, kind="stable")] = np.arange(len(lengths))
    times = np.arange(lengths.sum()) - np.repeat(lengths.cumsum() - lengths, lengths)
    sizes = np.bincount(times)
    return times, (sizes.cumsum() - sizes)[times] + np.repeat(rank, lengths), sizes


def _side_by_side(network: nn.RNNBase, words: Tensor, order: Numbers, sizes: Numbers, asked: Numbers) -> Tensor:
    """Some rows of what a network says to words that are taken in an order, so many at a time."""
    taken = words.index_select(0, torch.from_numpy(order).to(words.device))
    outputs, _ = network(PackedSequence(taken, torch.from_numpy(sizes)))
    return outputs.data.index_select(0, torch.from_numpy(asked).to(words.device))


def convolved(convolution: nn.Module, chunks: Chunks) -> list[Tensor]:
    """A convolution with as many outputs as tokens on each chunk, (tokens, filters), as if it stood alone."""
    assert isinstance(convolution, nn.Conv1d)
    lengths = [len(chunk) for chunk in chunks]
    if len(chunks) > 1 and sum(lengths) > IN_CACHE:
        half = len(chunks) // 2
        return convolved(convolution, chunks[:half]) + convolved(convolution, chunks[half:])
    if len(chunks) == 1:
        joined = chunks[0]
    else:  # zeros between two keep them apart, as those that pad the ends do
        gap = chunks[0].new_zeros(convolution.kernel_size[0] - 1, chunks[0].shape[1])
        joined = torch.cat([part for chunk in chunks for part in (chunk, gap)][:-1])
    outputs = convolution(joined.T[None])[0].T
    starts, start = [], 0
    for length in lengths:
        starts.append(start)
        start += length + convolution.kernel_size[0] - 1
    return [outputs[start : start + length] for start, length in zip(starts, lengths, strict=True)]


def around(convolutions: Iterable[nn.Module], chunks: Chunks) -> list[Tensor]:
    """What convolutions of several widths see around each token, (tokens, filters of all)."""
    spans = (convolved(convolution, chunks) for convolution in convolutions)
    return [nn.functional.relu(torch.cat(own, 1)) for own in zip(*spans, strict=True)]
