"""What reading side by side brings, on one thread: against one by one, and of saved FLOPs how much is saved in time."""

from __future__ import annotations

import json
import random
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from elue.meter import Meter
from elue.modeling.reading.loop import BATCH_SIZE, read
from elue.modeling.reading.network import ReaderNetwork, ReaderOptions
from elue.plugins.rnn import SizedNetwork
from elue.plugins.skimming.focused import FocusedNetwork, FocusedOptions
from elue.plugins.skimming.hmrnn import HmRnnNetwork, HmRnnOptions
from elue.plugins.skimming.jumper import JumperNetwork, JumperOptions
from elue.plugins.skimming.leap_lstm import LeapLstmNetwork, LeapLstmOptions
from elue.plugins.skimming.lstm_jump import LstmJumpNetwork, LstmJumpOptions
from elue.plugins.skimming.lstm_shuttle import LstmShuttleNetwork, LstmShuttleOptions
from elue.plugins.skimming.reasonet import ReasoNetNetwork, ReasoNetOptions
from elue.plugins.skimming.rim_like import RimLikeNetwork, RimLikeOptions
from elue.plugins.skimming.skim_reread import SkimRereadNetwork, SkimRereadOptions
from elue.plugins.skimming.skimrnn import SkimRnnNetwork, SkimRnnOptions
from elue.plugins.skimming.skiprnn import SkipRnnNetwork, SkipRnnOptions
from elue.plugins.skimming.structural_jump_lstm import StructuralJumpNetwork, StructuralJumpOptions
from elue.plugins.skimming.vcrnn import VcRnnNetwork, VcRnnOptions
from elue.protocol import Step, TaskInfo

pytestmark = [pytest.mark.benchmark, pytest.mark.usefixtures("one_thread")]
ROUNDS, WORDS, WIDTH, SIZE = 3, 2000, 384, 256
TEXTS = 1000
"""Reviews, several times as many as are read side by side, as with fewer most steps are those of an emptying batch."""
TASK = TaskInfo("bench", "classification", ("no", "yes"))
HERE = Path(__file__).parent
SENTENCES = HERE.parent / "meter" / "data" / "sst2_elue_test_lengths.json"
REVIEWS = HERE / "imdb_test_lengths.json"

READERS: dict[str, tuple[Any, Any, dict[str, float]]] = {
    "skiprnn": (SkipRnnNetwork, SkipRnnOptions(bias=-1.0), {}),
    "skimrnn": (SkimRnnNetwork, SkimRnnOptions(), {}),
    "lstm_jump": (LstmJumpNetwork, LstmJumpOptions(), {"jumps": 10_000, "lean": 0.1}),
    "leap_lstm": (LeapLstmNetwork, LeapLstmOptions(), {}),
    "lstm_shuttle": (LstmShuttleNetwork, LstmShuttleOptions(), {"chunks": 40, "lean": 0.1}),
    "structural_jump_lstm": (StructuralJumpNetwork, StructuralJumpOptions(), {"next_lean": 1000.0}),
    "jumper": (JumperNetwork, JumperOptions(), {"lean": 1000.0}),
    "skim_reread": (SkimRereadNetwork, SkimRereadOptions(), {"on_lean": 1000.0}),
    "rim_like": (RimLikeNetwork, RimLikeOptions(), {"on_lean": 1000.0}),
    "vcrnn": (VcRnnNetwork, VcRnnOptions(), {}),
    "hmrnn": (HmRnnNetwork, HmRnnOptions(), {}),
    "focused": (FocusedNetwork, FocusedOptions(), {}),
    "reasonet": (ReasoNetNetwork, ReasoNetOptions(), {}),
}
"""Networks with their default options, and points at which random weights leave much unread."""


def texts(file: Path, count: int) -> list[list[int]]:
    """Random ids in the lengths of a task's test texts."""
    draw = random.Random(0)
    lengths = [int(tokens) for tokens, times in json.loads(file.read_text()).items() for _ in range(times)]
    return [[draw.randrange(WORDS) for _ in range(draw.choice(lengths))] for _ in range(count)]


def made(kind: Any, options: Any, **point: float) -> ReaderNetwork:
    torch.manual_seed(0)
    network = kind(nn.Embedding(WORDS, WIDTH), TASK, options).eval()
    for name, parameter in network.named_parameters():
        if parameter.dim() > 1 and parameter.shape[0] <= 20:  # what decides: so that it does, now one way, now another
            nn.init.normal_(parameter, std=0.0 if "critic" in name else 0.3)
    for name, value in point.items():
        setattr(network, name, value)
    return network


def plain() -> ReaderNetwork:
    return made(SizedNetwork, ReaderOptions(size=SIZE))


def seconds(network: ReaderNetwork, given: list[list[int]], batch_size: int) -> float:
    """CPU seconds that reading them takes."""
    start = time.process_time()
    assert sum(1 for _ in read(network, given, batch_size)) == len(given)
    return time.process_time() - start


def flops(network: ReaderNetwork, given: list[list[int]]) -> float:
    """What all steps of all traces cost: each is rehearsed once."""
    steps: dict[Step, int] = {}
    for ending in read(network, given, 64):
        for unit, shape, times in ending.trace:
            steps[Step(unit, shape)] = steps.get(Step(unit, shape), 0) + times
    units, total = network.units(), 0
    for step, times in steps.items():
        if step.unit != "embed":
            with Meter() as meter, torch.inference_mode():
                units[step.unit].rehearse(step.shape[0], step.shape[1:])
            total += times * meter.flops
    return total


@pytest.mark.parametrize("name", ["rnn", "skiprnn", "skimrnn"])
def test_batches_are_faster_than_one_by_one(name: str) -> None:
    kind, options, point = READERS.get(name, (SizedNetwork, ReaderOptions(size=SIZE), {}))
    network, given, ratios = made(kind, options, **point), texts(SENTENCES, 300), []
    for batch_size in (1, 64):
        seconds(network, given[:100], batch_size)
    for number in range(ROUNDS):
        taken = {size: seconds(network, given, size) for size in ((1, 64) if number % 2 else (64, 1))}
        ratios.append(taken[1] / taken[64])
    ratio = statistics.median(ratios)
    print(f"{name}: 64 side by side are {ratio:.1f}x as fast as one by one ({min(ratios):.1f}-{max(ratios):.1f})")
    assert ratio >= 3


@pytest.mark.parametrize("name", READERS)
def test_what_is_saved_in_flops_is_saved_in_time(name: str) -> None:
    """How much faster reviews are read than by the plain network, over how much cheaper they are, read as models do."""
    kind, options, point = READERS[name]
    reader, full, given = made(kind, options, **point), plain(), texts(REVIEWS, TEXTS)
    cheaper = flops(full, given) / flops(reader, given)
    runs: dict[str, Callable[[], float]] = {
        "full": partial(seconds, full, given, BATCH_SIZE),
        "reader": partial(seconds, reader, given, BATCH_SIZE),
    }
    ratios = []
    for number in range(ROUNDS):
        taken = {which: runs[which]() for which in (("full", "reader") if number % 2 else ("reader", "full"))}
        ratios.append(taken["full"] / taken["reader"] / cheaper)
    realised = statistics.median(ratios)
    print(f"{name}: {cheaper:.2f}x cheaper, of which {realised:.2f} is realised ({min(ratios):.2f}-{max(ratios):.2f})")
    assert realised >= 0.9
