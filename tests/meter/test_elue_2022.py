"""Profile elue-2022 reproduces the accounting of the 2022 leaderboard: BERT-base on the sst2_elue test set.

`sst2_elue_test_lengths.json` says how many of its 2,210 sentences have how many tokens, the two special ones included.
The published averages are 354.3, 1060.3, 2119.4 and 4237.6 MFLOPs for 1, 3, 6 and 12 layers.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from transformers import BertConfig, BertForSequenceClassification

from elue.meter import Meter

LENGTHS = {
    int(tokens): sentences
    for tokens, sentences in json.loads(
        (Path(__file__).parent / "data" / "sst2_elue_test_lengths.json").read_text("utf-8")
    ).items()
}
HIDDEN, INNER, HEADS, LABELS = 768, 3072, 12, 2


def closed_form(layers: int, tokens: int) -> int:
    """Twice the multiply-accumulates of the counter of 2022."""
    linear = tokens * (4 * HIDDEN * HIDDEN + 2 * HIDDEN * INNER)
    attention = HEADS * (2 * tokens**2 + 2 * HIDDEN // HEADS * tokens**2)
    norms = 4 * tokens * HIDDEN
    return 2 * (layers * (linear + attention + norms) + 2 * tokens * HIDDEN + HIDDEN**2 + HIDDEN * LABELS)


def measured(model: torch.nn.Module, tokens: int) -> int:
    with torch.no_grad(), Meter("elue-2022", track=False) as meter:
        model(torch.zeros(1, tokens, dtype=torch.long, device="meta"))
    assert meter.complete, meter.unknown
    return meter.flops


def test_lengths_are_those_of_the_test_set() -> None:
    assert sum(LENGTHS.values()) == 2210
    assert (min(LENGTHS), max(LENGTHS)) == (4, 64)


@pytest.mark.parametrize(("layers", "published"), [(1, 354.3), (3, 1060.3), (6, 2119.4), (12, 4237.6)])
def test_published_averages(layers: int, published: float) -> None:
    config = BertConfig(num_hidden_layers=layers, num_labels=LABELS)
    with torch.device("meta"):
        model = BertForSequenceClassification(config).eval()
    for tokens in (min(LENGTHS), max(LENGTHS)):
        assert measured(model, tokens) == closed_form(layers, tokens)
    average = sum(sentences * closed_form(layers, tokens) for tokens, sentences in LENGTHS.items()) / 2210
    assert round(average / 1e6, 1) == published
