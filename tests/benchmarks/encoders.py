"""What timings of packs stand on: MiniLM-L6's shape with random weights, and texts in the lengths of real test sets."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import nn

from elue.modeling.encoder import Encoder, EncoderConfig
from elue.modeling.heads import EncoderWithHead
from elue.modeling.text import Encoded
from elue.plugins.static import StaticModel
from elue.protocol import Sample, TaskInfo

CONFIG = EncoderConfig(30522, 384, 6, 12, 1536, positions=512, types=2, embedding=384)
TASK = TaskInfo("made", "classification", ("no", "yes"))
HERE = Path(__file__).parent
LENGTHS = {
    "sst2_elue": (HERE.parent / "meter" / "data" / "sst2_elue_test_lengths.json", 1000),
    "imdb": (HERE / "imdb_test_lengths.json", 100),
}
"""A file of how many texts have so many tokens, and how many of them one pass takes."""


class Ids:
    """Stands in for a tokenizer: the text of a sample is its length."""

    pad = 0

    def encode_all(self, samples: Sequence[Sample]) -> list[Encoded]:
        return [self.encode(sample) for sample in samples]

    @staticmethod
    @cache
    def encode(sample: Sample) -> Encoded:
        draw = random.Random(sample.id)
        n = int(sample.text)
        return Encoded([draw.randrange(1000, 30000) for _ in range(n)], [0] * n)


TEXT: Any = Ids()


def texts(name: str, share: float = 1.0) -> list[Sample]:
    """As many texts as one pass takes, or a share of them."""
    file, count = LENGTHS[name]
    lengths = [int(n) for n, times in json.loads(file.read_text()).items() for _ in range(times)]
    return [Sample(str(i), str(n)) for i, n in enumerate(random.Random(0).sample(lengths, round(share * count)))]


@cache
def encoder() -> Encoder:
    torch.manual_seed(0)
    made = Encoder(CONFIG)
    for name, parameter in made.named_parameters():
        if parameter.dim() > 1:
            nn.init.normal_(parameter, std=0.15 if "query" in name or "key" in name else 0.04)
    return made.eval().requires_grad_(False)


def parted(network: Any) -> Any:
    """Heads and routers whose answers spread."""
    torch.manual_seed(1)
    for name, parameter in network.named_parameters():
        if parameter.dim() > 1 and (("output.weight" in name and "attention" not in name) or "dense" in name):
            nn.init.normal_(parameter, std=0.3)
        if "router" in name:
            nn.init.normal_(parameter, std=0.1)
    return network.eval().requires_grad_(False)


def static() -> StaticModel:
    return StaticModel({"6": parted(EncoderWithHead(encoder(), TASK))}, TEXT, TASK)
