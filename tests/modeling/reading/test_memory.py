"""Sums against attention over all that was kept."""

from __future__ import annotations

import torch

from elue.modeling.reading.memory import empty, kept, recalled


def test_sums_are_attention_over_all_that_was_kept() -> None:
    torch.manual_seed(0)
    states, scores = torch.randn(5, 2, 3), 30 * torch.randn(5, 2, 1)
    sums = empty(torch.zeros(2, 3))
    for state, score in zip(states, scores, strict=True):
        sums = kept(sums, state, score)
    torch.testing.assert_close(recalled(*sums[1:], torch.zeros(2, 3)), (scores.softmax(0) * states).sum(0))


def test_where_nothing_was_kept_something_else_is_recalled() -> None:
    other = torch.ones(2, 3)
    assert torch.equal(recalled(*empty(torch.zeros(2, 3))[1:], other), other)
