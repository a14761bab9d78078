"""Attention on samples of different length, each way there is: why packs go through blocks of equal length.

Queries, keys and values are rows of one pack of 4,096 tokens, at lengths of a real test set, in MiniLM-L6's shape.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.nn.utils.rnn import pad_sequence, unpad_sequence

from elue.modeling.packed import _heads
from elue.modeling.ragged import Pack
from tests.benchmarks.timing import ratios

pytestmark = [pytest.mark.benchmark, pytest.mark.usefixtures("two_threads")]
LENGTHS = Path(__file__).parent.parent / "meter" / "data" / "sst2_elue_test_lengths.json"
HEADS, SIZE, TOKENS, REPEATS = 12, 32, 4096, 20
Attention = Callable[[list[int], Tensor, Tensor, Tensor], Tensor]


def by_length(lengths: list[int], query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """As packs do it: one call for all samples of a length."""
    parts = []
    for group in Pack([], lengths, query).groups():
        q, k, v = (_heads(group.of(rows), HEADS) for rows in (query, key, value))
        parts.append(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(-1, HEADS * SIZE))
    return torch.cat(parts)


def one_by_one(lengths: list[int], query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """A call for each sample."""
    parts = []
    for q, k, v in zip(*(rows.split(lengths) for rows in (query, key, value)), strict=True):
        q, k, v = (_heads(rows[None], HEADS) for rows in (q, k, v))
        parts.append(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(-1, HEADS * SIZE))
    return torch.cat(parts)


def nested(lengths: list[int], query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Nested tensors with jagged layout."""
    offsets = torch.tensor([0, *np.cumsum(lengths)])
    q, k, v = (
        torch.nested.nested_tensor_from_jagged(rows.view(-1, HEADS, SIZE), offsets).transpose(1, 2)
        for rows in (query, key, value)
    )
    mixed: Tensor = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).values()
    return mixed.reshape(-1, HEADS * SIZE)


def padded(lengths: list[int], query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Padded to the longest, and masked."""
    q, k, v = (_heads(pad_sequence(rows.split(lengths), batch_first=True), HEADS) for rows in (query, key, value))
    counts = torch.tensor(lengths)
    mask = (torch.arange(max(lengths)) < counts[:, None])[:, None, None]
    mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=mask).transpose(1, 2).flatten(2)
    return torch.cat(unpad_sequence(mixed, counts, batch_first=True))


@pytest.fixture(scope="module")
def pack() -> tuple[list[int], Tensor, Tensor, Tensor]:
    """Lengths, rising as in a pack, and random rows."""
    counted = json.loads(LENGTHS.read_text())
    lengths, draw = [], random.Random(0)
    while sum(lengths) < TOKENS:
        lengths.append(int(draw.choices(list(counted), list(counted.values()))[0]))
    generator = torch.Generator().manual_seed(0)
    rows = [torch.randn(sum(lengths), HEADS * SIZE, generator=generator) for _ in range(3)]
    return sorted(lengths), rows[0], rows[1], rows[2]


@pytest.mark.parametrize("other", [one_by_one, nested, padded])
def test_blocks_of_equal_length_are_fastest(pack: tuple[list[int], Tensor, Tensor, Tensor], other: Attention) -> None:
    def repeat(attention: Attention) -> Callable[[], None]:
        def run() -> None:
            with torch.no_grad():
                for _ in range(REPEATS):
                    attention(*pack)

        return run

    with torch.no_grad():
        torch.testing.assert_close(by_length(*pack), other(*pack), rtol=1e-4, atol=1e-5)
    assert ratios(f"{other.__name__}/by_length", repeat(by_length), repeat(other)) > 1.0
