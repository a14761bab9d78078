"""What reading side by side brings: the Reader in batches against the same texts one by one, in turn, on one thread."""

from __future__ import annotations

import json
import random
import statistics
import time
from pathlib import Path

import pytest
import torch
from torch import nn

from elue.modeling.reading.loop import read
from elue.modeling.reading.network import ReaderNetwork
from elue.plugins.skimming.skimrnn import SkimRnnNetwork, SkimRnnOptions
from elue.plugins.skimming.skiprnn import SkipRnnNetwork, SkipRnnOptions
from elue.protocol import TaskInfo

pytestmark = [pytest.mark.benchmark, pytest.mark.usefixtures("one_thread")]
ROUNDS, TEXTS, WORDS, WIDTH, SIZE = 5, 300, 2000, 384, 256
TASK = TaskInfo("bench", "classification", ("no", "yes"))
LENGTHS = Path(__file__).parent.parent / "meter" / "data" / "sst2_elue_test_lengths.json"


def texts(count: int = TEXTS) -> list[list[int]]:
    """Random ids in the lengths of `sst2_elue` test sentences."""
    draw = random.Random(0)
    lengths = [int(tokens) for tokens, times in json.loads(LENGTHS.read_text()).items() for _ in range(times)]
    return [[draw.randrange(WORDS) for _ in range(draw.choice(lengths))] for _ in range(count)]


def network(kind: str) -> ReaderNetwork:
    torch.manual_seed(0)
    words = nn.Embedding(WORDS, WIDTH)
    if kind == "skim":
        return SkimRnnNetwork(words, TASK, SkimRnnOptions(size=SIZE)).eval()
    made = SkipRnnNetwork(words, TASK, SkipRnnOptions(size=SIZE, bias=-1.0)).eval()
    nn.init.normal_(made.policy.weight, std=0.3)
    made.threshold = 0.0 if kind == "every token" else 0.5
    return made


def seconds(made: ReaderNetwork, given: list[list[int]], batch_size: int) -> float:
    """CPU seconds that reading them takes."""
    start = time.process_time()
    assert sum(1 for _ in read(made, given, batch_size)) == len(given)
    return time.process_time() - start


@pytest.mark.parametrize("kind", ["every token", "skip", "skim"])
def test_batches_are_faster_than_one_by_one(kind: str) -> None:
    made, given, ratios = network(kind), texts(), []
    for batch_size in (1, 64):
        seconds(made, given[:100], batch_size)
    for number in range(ROUNDS):
        taken = {size: seconds(made, given, size) for size in ((1, 64) if number % 2 else (64, 1))}
        ratios.append(taken[1] / taken[64])
    ratio = statistics.median(ratios)
    print(f"{kind}: 64 side by side are {ratio:.1f}x as fast as one by one ({min(ratios):.1f}-{max(ratios):.1f})")
    assert ratio >= 3


def test_skipping_saves_in_batches_what_it_saves_in_flops() -> None:
    """Time over FLOPs, each as a ratio to reading every token, both 64 side by side."""
    skipping, full, given = network("skip"), network("every token"), texts(5 * TEXTS)
    reads = [sum(len(ending.read) for ending in read(made, given, 64)) for made in (full, skipping)]
    flops = reads[0] / reads[1]
    ratios = []
    for number in range(ROUNDS):
        pair = (full, skipping) if number % 2 else (skipping, full)
        taken = {id(made): seconds(made, given, 64) for made in pair}
        ratios.append(taken[id(full)] / taken[id(skipping)] / flops)
    realised = statistics.median(ratios)
    print(f"skip: {flops:.2f}x fewer FLOPs, of which {realised:.2f} is realised ({min(ratios):.2f}-{max(ratios):.2f})")
    assert flops > 1.3
    assert realised >= 0.8
